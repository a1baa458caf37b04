//! Reads ONNX models (Protocol Buffers), as far as the exporter goes. Numbers of fields are those
//! of onnx.proto.

use std::collections::BTreeMap;

/// A model: the version of the operators, and its graph.
pub struct Model {
    pub opset: u64,
    pub nodes: Vec<Node>,
    pub constants: BTreeMap<String, Array>,
    pub input: Port,
    pub output: Port,
}

/// An operation.
pub struct Node {
    pub op: String,
    pub inputs: Vec<String>,
    pub output: String,
    attributes: BTreeMap<String, Attribute>,
}

/// Name, type of the elements, and sides; `None` where any will do.
#[derive(Debug, PartialEq)]
pub struct Port {
    pub name: String,
    pub element: u64,
    pub sides: Vec<Option<u64>>,
}

/// Values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

#[derive(Default)]
struct Attribute {
    number: f32,
    text: String,
    wholes: Vec<i64>,
}

/// A value of a field.
#[derive(Clone, Copy)]
enum Value<'a> {
    Whole(u64),
    Bytes(&'a [u8]),
    Number(f32),
}

impl<'a> Value<'a> {
    fn whole(self) -> u64 {
        if let Value::Whole(value) = self { value } else { panic!("no whole number") }
    }

    fn bytes(self) -> &'a [u8] {
        if let Value::Bytes(value) = self { value } else { panic!("no bytes") }
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }
}

/// The fields of a message.
struct Message<'a>(Vec<(u64, Value<'a>)>);

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Message<'a> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Value::Whole(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    Value::Bytes(bytes.split_off(..length).unwrap())
                }
                5 => {
                    let word = bytes.split_off(..4).unwrap();
                    Value::Number(f32::from_le_bytes(word.try_into().unwrap()))
                }
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, value));
        }
        Message(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = Value<'a>> {
        self.0.iter().filter(move |(n, _)| *n == number).map(|(_, value)| *value)
    }

    fn one(&self, number: u64) -> Option<Value<'a>> {
        self.all(number).last()
    }

    fn message(&self, number: u64) -> Message<'a> {
        Message::read(self.one(number).unwrap().bytes())
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first().unwrap();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a number without an end")
}

impl Model {
    pub fn read(bytes: &[u8]) -> Model {
        let model = Message::read(bytes);
        let graph = model.message(7);
        let messages = |number| graph.all(number).map(|v| Message::read(v.bytes()));
        Model {
            opset: model.message(8).one(2).unwrap().whole(),
            nodes: messages(1).map(|m| Node::of(&m)).collect(),
            constants: messages(5).map(|m| constant(&m)).collect(),
            input: Port::of(&graph.message(11)),
            output: Port::of(&graph.message(12)),
        }
    }
}

impl Node {
    fn of(node: &Message<'_>) -> Node {
        let attribute = |value: Value<'_>| {
            let m = Message::read(value.bytes());
            let number = m.one(2).map_or(0.0, |v| if let Value::Number(v) = v { v } else { 0.0 });
            let text = m.one(4).map_or(String::new(), Value::text);
            let wholes = m.one(3).into_iter().chain(m.all(8)).map(|v| v.whole() as i64).collect();
            (m.one(1).unwrap().text(), Attribute { number, text, wholes })
        };
        Node {
            op: node.one(4).unwrap().text(),
            inputs: node.all(1).map(Value::text).collect(),
            output: node.one(2).unwrap().text(),
            attributes: node.all(5).map(attribute).collect(),
        }
    }

    pub fn wholes(&self, name: &str) -> &[i64] {
        self.attributes.get(name).map_or(&[], |a| &a.wholes)
    }

    pub fn number(&self, name: &str) -> f64 {
        f64::from(self.attributes[name].number)
    }

    pub fn text(&self, name: &str) -> &str {
        &self.attributes[name].text
    }
}

impl Port {
    fn of(value: &Message<'_>) -> Port {
        let tensor = value.message(2).message(1);
        let sides = tensor.message(2);
        let side = |v: Value<'_>| Message::read(v.bytes()).one(1).map(Value::whole);
        Port {
            name: value.one(1).unwrap().text(),
            element: tensor.one(1).unwrap().whole(),
            sides: sides.all(1).map(side).collect(),
        }
    }
}

fn constant(tensor: &Message<'_>) -> (String, Array) {
    let raw = tensor.one(9).unwrap().bytes();
    let data = match tensor.one(2).unwrap().whole() {
        1 => raw.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        7 => raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("constants of type {other}"),
    };
    let shape = tensor.all(1).map(|v| v.whole() as usize).collect();
    (tensor.one(8).unwrap().text(), Array { shape, data })
}
