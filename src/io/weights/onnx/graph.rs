//! An ONNX graph being built: operations by the names of their results, and constants.

use crate::io::weights::protobuf::Message;
use std::collections::HashSet;

/// Types of elements (`TensorProto.DataType`).
pub(super) const FLOAT: i64 = 1;
pub(super) const UINT8: i64 = 2;
const INT64: i64 = 7;

/// Operations in the order they run, and their constants. A value is known by its name.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    tensors: Vec<Message>,
    /// Names of the constants.
    constants: HashSet<String>,
    count: usize,
}

/// Shape and values of a constant.
pub(super) type Constant = (Vec<usize>, Vec<f32>);

/// A setting of an operation.
pub(super) enum Attribute<'a> {
    Ints(&'a str, &'a [i64]),
    Int(&'a str, i64),
    Float(&'a str, f32),
    Text(&'a str, &'a str),
}

impl Attribute<'_> {
    /// `AttributeProto`.
    fn message(&self) -> Message {
        let named = |name: &str| Message::default().bytes(1, name);
        match *self {
            Attribute::Float(name, value) => named(name).float(2, value).int(20, 1),
            Attribute::Int(name, value) => named(name).int(3, value).int(20, 2),
            Attribute::Text(name, value) => named(name).bytes(4, value).int(20, 3),
            Attribute::Ints(name, values) => {
                named(name).each(values, |m, v| m.int(8, *v)).int(20, 7)
            }
        }
    }
}

impl Graph {
    /// Adds a constant (`TensorProto`), unless there is one of this name.
    pub fn constant(&mut self, name: &str, (shape, values): &Constant) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, FLOAT, shape, raw)
    }

    /// A vector of whole numbers.
    pub fn whole(&mut self, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let name = format!("constant_{}", self.tensors.len());
        self.tensor(&name, INT64, &[values.len()], raw)
    }

    /// A single number.
    pub fn scalar(&mut self, value: f32) -> String {
        let name = format!("constant_{}", self.tensors.len());
        self.constant(&name, &(vec![], vec![value]))
    }

    fn tensor(&mut self, name: &str, kind: i64, shape: &[usize], raw: Vec<u8>) -> String {
        if self.constants.insert(name.into()) {
            let tensor = Message::default().each(shape, |m, d| m.int(1, *d as i64)).int(2, kind);
            self.tensors.push(tensor.bytes(8, name).bytes(9, raw));
        }
        name.into()
    }

    /// Adds an operation with one result. An empty input is one that is left out.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        self.count += 1;
        let output = format!("{}_{}", op.to_lowercase(), self.count);
        self.node_to(op, inputs, &output, attributes);
        output
    }

    /// The same with a given name for the result (`NodeProto`).
    pub fn node_to(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Attribute<'_>],
    ) {
        let node = Message::default()
            .each(inputs, |m, i| m.bytes(1, i))
            .bytes(2, output)
            .bytes(3, output)
            .bytes(4, op);
        self.nodes.push(node.each(attributes, |m, a| m.bytes(5, a.message())));
    }

    /// A chain of `x op value`.
    pub fn chain(&mut self, x: &str, steps: &[(&str, f32)]) -> String {
        steps.iter().fold(x.to_string(), |x, (op, value)| {
            let value = self.scalar(*value);
            self.node(op, &[&x, &value], &[])
        })
    }

    /// The graph (`GraphProto`) from one input to one output.
    pub fn message(&self, name: &str, [input, output]: [Message; 2]) -> Message {
        Message::default()
            .each(&self.nodes, |m, n| m.bytes(1, n))
            .bytes(2, name)
            .each(&self.tensors, |m, t| m.bytes(5, t))
            .bytes(11, input)
            .bytes(12, output)
    }
}
