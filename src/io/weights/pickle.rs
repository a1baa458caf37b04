//! The part of Python's pickle format that state dicts use. Nothing is executed: a pickle is a
//! program for a stack machine, and this machine knows only the opcodes and names that `torch.save`
//! of a state dict needs. Everything else is refused.
//!
//! Values are kept in flat tables and refer to each other by index, so that nesting costs no stack,
//! neither here nor when they are dropped.

use super::short;
use std::collections::HashMap;

/// Why a file is refused.
pub(super) type Refusal<T> = Result<T, String>;

/// The most operations in a pickle. A state dict has some 30 per tensor; the limit bounds the
/// tables of a malicious file.
const MOST_OPERATIONS: usize = 1 << 21;

/// Type of a storage's elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    F32,
    F16,
    BF16,
    F64,
    I64,
    /// An integer or boolean type of this many bytes, which cannot be weights.
    Other(usize),
}

impl Kind {
    /// Bytes per element.
    pub fn bytes(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F16 | Kind::BF16 => 2,
            Kind::F64 | Kind::I64 => 8,
            Kind::Other(bytes) => bytes,
        }
    }
}

/// A name that a pickle may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

impl Global {
    fn find(module: &str, name: &str) -> Refusal<Global> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", "FloatStorage") => Global::Storage(Kind::F32),
            ("torch", "HalfStorage") => Global::Storage(Kind::F16),
            ("torch", "BFloat16Storage") => Global::Storage(Kind::BF16),
            ("torch", "DoubleStorage") => Global::Storage(Kind::F64),
            ("torch", "LongStorage") => Global::Storage(Kind::I64),
            ("torch", "IntStorage") => Global::Storage(Kind::Other(4)),
            ("torch", "ShortStorage") => Global::Storage(Kind::Other(2)),
            ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => {
                Global::Storage(Kind::Other(1))
            }
            _ => {
                let (module, name) = (short(module), short(name));
                return Err(format!(
                    "asks for {module}.{name}, and nothing but plain tensors is read; save \
                     net.state_dict() in Python and import that"
                ));
            }
        })
    }
}

/// A value; numbers are indices into the tables of [`Pickle`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Float,
    Int(i64),
    Text(&'a str),
    Tuple { start: usize, count: usize },
    List(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
    Global(usize),
}

/// Elements stored elsewhere in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    pub kind: Kind,
    pub key: &'a str,
    pub elements: u64,
}

/// A view of a storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Index into [`Pickle::storages`].
    pub storage: usize,
    pub offset: u64,
    pub size: Vec<u64>,
    pub stride: Vec<u64>,
}

/// The contents of a pickle.
#[derive(Debug, Default)]
pub(super) struct Pickle<'a> {
    tuples: Vec<Value<'a>>,
    lists: Vec<Vec<Value<'a>>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    globals: Vec<Global>,
    pub storages: Vec<Storage<'a>>,
    pub tensors: Vec<View>,
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    made: Pickle<'a>,
    /// Values that calls may still copy. Each value takes at least a byte in the file; only a file
    /// that copies stored values over and over exceeds that.
    copies: usize,
}

/// Reads one pickle from the start of `bytes`: its tables, its value, and its length in bytes.
pub(super) fn read(bytes: &[u8]) -> Refusal<(Pickle<'_>, Value<'_>, usize)> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        made: Pickle::default(),
        copies: bytes.len(),
    };
    for _ in 0..MOST_OPERATIONS {
        if machine.step()? {
            let top = machine.pop()?;
            return Ok((machine.made, top, machine.at));
        }
    }
    Err(format!("its pickle has more than {MOST_OPERATIONS} operations, which no state dict needs"))
}

impl<'a> Pickle<'a> {
    /// The values of a tuple or list.
    pub fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Tuple { start, count } => self.tuples.get(start..start + count),
            Value::List(at) => self.lists.get(at).map(Vec::as_slice),
            _ => None,
        }
    }

    /// The entries of a dictionary.
    pub fn entries(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        if let Value::Dict(at) = value { self.dicts.get(at).map(Vec::as_slice) } else { None }
    }

    fn counts(&self, value: Value<'a>) -> Refusal<Vec<u64>> {
        let items = self.items(value).ok_or("a tensor's size is not a tuple")?;
        // PyTorch's own tensors have at most 64 dimensions.
        if items.len() > 64 {
            return Err(format!("a tensor of {} dimensions", items.len()));
        }
        items.iter().map(|v| count(*v)).collect()
    }

    fn view(&mut self, arguments: &[Value<'a>]) -> Refusal<Value<'a>> {
        let [Value::Storage(storage), offset, size, stride, ..] = *arguments else {
            return Err("a tensor without storage, size and stride".into());
        };
        let view = View {
            storage,
            offset: count(offset)?,
            size: self.counts(size)?,
            stride: self.counts(stride)?,
        };
        if view.size.len() != view.stride.len() {
            return Err("a tensor with more sizes than strides, or fewer".into());
        }
        self.tensors.push(view);
        Ok(Value::Tensor(self.tensors.len() - 1))
    }

    fn storage(&mut self, id: Value<'a>) -> Refusal<Value<'a>> {
        let items = self.items(id).ok_or("a storage's id is not a tuple")?;
        // ("storage", type, key, device, elements), and in the legacy form None or the part of
        // another storage that it is.
        let [
            Value::Text("storage"),
            Value::Global(kind),
            Value::Text(key),
            Value::Text(_),
            elements,
            ref view @ ..,
        ] = *items
        else {
            return Err("a storage that is not a plain one".into());
        };
        if view.iter().any(|v| *v != Value::None) {
            return Err(
                "a storage that is part of another one; save it again with a newer PyTorch".into(),
            );
        }
        let Some(Global::Storage(kind)) = self.globals.get(kind).copied() else {
            return Err("a storage of an unknown type".into());
        };
        let elements = count(elements)?;
        self.storages.push(Storage { kind, key, elements });
        Ok(Value::Storage(self.storages.len() - 1))
    }

    /// How many values a call with these arguments copies at most: they themselves, and what those
    /// hold that are tuples or lists.
    fn copied(&self, arguments: Value<'a>) -> usize {
        let items = |value: &Value<'a>| self.items(*value).unwrap_or_default();
        let arguments = items(&arguments);
        arguments.len() + arguments.iter().map(|a| items(a).len()).sum::<usize>()
    }

    fn call(&mut self, function: Value<'a>, arguments: Value<'a>) -> Refusal<Value<'a>> {
        let Value::Global(at) = function else {
            return Err("a call of an unknown name".into());
        };
        let arguments =
            self.items(arguments).ok_or("a call whose arguments are not a tuple")?.to_vec();
        match (self.globals[at], arguments.as_slice()) {
            (Global::OrderedDict, []) => Ok(self.dict(Vec::new())),
            // Python 2 wrote the entries as a list of pairs.
            (Global::OrderedDict, [list]) => {
                let pairs =
                    self.items(*list).ok_or("a dictionary that is not made from a list")?.to_vec();
                let pair = |p: &Value<'a>| match self.items(*p) {
                    Some([key, value]) => Ok((*key, *value)),
                    _ => Err("a dictionary that is not made from pairs".to_string()),
                };
                let entries = pairs.iter().map(pair).collect::<Refusal<_>>()?;
                Ok(self.dict(entries))
            }
            (Global::RebuildTensor, arguments) => self.view(arguments),
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Ok(*tensor),
            _ => Err("a call with arguments that do not fit".into()),
        }
    }

    fn dict(&mut self, entries: Vec<(Value<'a>, Value<'a>)>) -> Value<'a> {
        self.dicts.push(entries);
        Value::Dict(self.dicts.len() - 1)
    }
}

fn count(value: Value<'_>) -> Refusal<u64> {
    match value {
        Value::Int(n) if n >= 0 => Ok(n as u64),
        _ => Err("a size that is not a number from 0 up".into()),
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Refusal<&'a [u8]> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&e| e <= self.bytes.len())
            .ok_or("its pickle is cut off")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of up to 8 bytes, without sign.
    fn number(&mut self, bytes: usize) -> Refusal<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn text(&mut self, width: usize) -> Refusal<Value<'a>> {
        let length = usize::try_from(self.number(width)?).map_err(|e| e.to_string())?;
        std::str::from_utf8(self.take(length)?)
            .map(Value::Text)
            .map_err(|_| "a text in its pickle is not UTF-8".into())
    }

    fn line(&mut self) -> Refusal<&'a str> {
        let rest = &self.bytes[self.at..];
        // Names are short: do not search the whole file for the end of one.
        let length = rest
            .iter()
            .take(256)
            .position(|b| *b == b'\n')
            .ok_or("a name in its pickle has no end")?;
        let line = self.take(length + 1)?;
        std::str::from_utf8(&line[..length]).map_err(|_| "a name in its pickle is not UTF-8".into())
    }

    fn pop(&mut self) -> Refusal<Value<'a>> {
        // An operation on a single value must not pop below the last mark.
        if self.marks.last().is_some_and(|&m| m >= self.stack.len()) {
            return Err("its pickle takes a value that is not there".into());
        }
        self.stack.pop().ok_or_else(|| "its pickle takes a value that is not there".into())
    }

    fn top(&self) -> Refusal<Value<'a>> {
        self.stack.last().copied().ok_or_else(|| "its pickle uses a value that is not there".into())
    }

    /// The values above the last mark.
    fn marked(&mut self) -> Refusal<Vec<Value<'a>>> {
        let mark = self
            .marks
            .pop()
            .filter(|&m| m <= self.stack.len())
            .ok_or("its pickle closes what it has not opened")?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, items: &[Value<'a>]) {
        let start = self.made.tuples.len();
        self.made.tuples.extend_from_slice(items);
        self.stack.push(Value::Tuple { start, count: items.len() });
    }

    fn last(&mut self, count: usize) -> Refusal<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Refusal<Vec<_>>>()?;
        items.reverse();
        self.tuple(&items);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Refusal<()> {
        self.made.globals.push(Global::find(module, name)?);
        self.stack.push(Value::Global(self.made.globals.len() - 1));
        Ok(())
    }

    fn append(&mut self, items: &[Value<'a>]) -> Refusal<()> {
        let Value::List(at) = self.top()? else {
            return Err("its pickle appends to something that is not a list".into());
        };
        self.made.lists[at].extend_from_slice(items);
        Ok(())
    }

    fn set(&mut self, items: &[Value<'a>]) -> Refusal<()> {
        let (Value::Dict(at), true) = (self.top()?, items.len().is_multiple_of(2)) else {
            return Err("its pickle sets entries of something that is not a dictionary".into());
        };
        self.made.dicts[at].extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn keep(&mut self, at: u64) -> Refusal<()> {
        let value = self.top()?;
        self.memo.insert(at as u32, value);
        Ok(())
    }

    fn recall(&mut self, at: u64) -> Refusal<()> {
        let value = *self
            .memo
            .get(&(at as u32))
            .ok_or("its pickle recalls a value that it has not stored")?;
        self.stack.push(value);
        Ok(())
    }

    /// One operation; true at the end.
    fn step(&mut self) -> Refusal<bool> {
        let code = self.take(1)?[0];
        match code {
            b'.' => return Ok(true),
            0x80 => drop(self.take(1)?),                 // PROTO
            0x95 => drop(self.take(8)?),                 // FRAME
            b'(' => self.marks.push(self.stack.len()),   // MARK
            b'N' => self.stack.push(Value::None),        // NONE
            0x88 | 0x89 => self.stack.push(Value::Bool), // NEWTRUE, NEWFALSE
            b'J' => {
                let n = self.number(4)? as u32 as i32; // BININT
                self.stack.push(Value::Int(n.into()));
            }
            b'K' | b'M' => {
                let n = self.number(if code == b'K' { 1 } else { 2 })?; // BININT1, BININT2
                self.stack.push(Value::Int(n as i64));
            }
            0x8a => {
                let bytes = self.number(1)? as usize; // LONG1
                if bytes > 8 {
                    return Err("a number in its pickle has more than 64 bits".into());
                }
                let n = self.number(bytes)?;
                let unused = 64 - 8 * bytes as u32;
                self.stack.push(Value::Int(if bytes == 0 {
                    0
                } else {
                    (n << unused) as i64 >> unused
                }));
            }
            b'G' => {
                self.take(8)?; // BINFLOAT
                self.stack.push(Value::Float);
            }
            b'X' | b'T' | 0x8c | b'U' | 0x8d => {
                let width = match code {
                    b'X' | b'T' => 4, // BINUNICODE, BINSTRING
                    0x8d => 8,        // BINUNICODE8
                    _ => 1,           // SHORT_BINUNICODE, SHORT_BINSTRING
                };
                let text = self.text(width)?;
                self.stack.push(text);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?); // GLOBAL
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?); // STACK_GLOBAL
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err("a name in its pickle is not text".into());
                };
                self.global(module, name)?;
            }
            b')' => self.tuple(&[]), // EMPTY_TUPLE
            0x85..=0x87 => self.last(usize::from(code) - 0x84)?, // TUPLE1 to TUPLE3
            b't' => {
                let items = self.marked()?; // TUPLE
                self.tuple(&items);
            }
            b']' => {
                self.made.lists.push(Vec::new()); // EMPTY_LIST
                self.stack.push(Value::List(self.made.lists.len() - 1));
            }
            b'a' => {
                let item = self.pop()?; // APPEND
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.marked()?; // APPENDS
                self.append(&items)?;
            }
            b'}' => {
                let dict = self.made.dict(Vec::new()); // EMPTY_DICT
                self.stack.push(dict);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?); // SETITEM
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.marked()?; // SETITEMS
                self.set(&items)?;
            }
            b'q' | b'r' => {
                let at = self.number(if code == b'q' { 1 } else { 4 })?; // BINPUT, LONG_BINPUT
                self.keep(at)?;
            }
            0x94 => self.keep(self.memo.len() as u64)?, // MEMOIZE
            b'h' | b'j' => {
                let at = self.number(if code == b'h' { 1 } else { 4 })?; // BINGET, LONG_BINGET
                self.recall(at)?;
            }
            b'Q' => {
                let id = self.pop()?; // BINPERSID
                let storage = self.made.storage(id)?;
                self.stack.push(storage);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?); // REDUCE
                let copied = self.made.copied(arguments);
                self.copies = self
                    .copies
                    .checked_sub(copied)
                    .ok_or("its pickle copies more values than it has")?;
                let made = self.made.call(function, arguments)?;
                self.stack.push(made);
            }
            b'b' => {
                // BUILD: a state dict's `_metadata`, which does not matter for the weights.
                self.pop()?;
                let Value::Dict(_) = self.top()? else {
                    return Err(
                        "its pickle sets attributes of something that is not a dictionary".into()
                    );
                };
            }
            _ => {
                return Err(format!(
                    "its pickle has the operation 0x{code:02x}, which no state dict needs; save \
                     net.state_dict() in Python and import that"
                ));
            }
        }
        Ok(false)
    }
}
