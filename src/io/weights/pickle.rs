//! The part of Python's pickle format that checkpoints use. Nothing is executed: a pickle is a
//! program for a stack machine, and this machine knows the opcodes that `torch.save` writes, and of
//! functions and classes those that make dictionaries and tensors. What any other one would have
//! made is an [`Value::Object`] without contents, so that arguments of a training script or an
//! optimiser's settings beside the weights do no harm; a pickle that calls what runs programs is
//! refused.
//!
//! Values are kept in flat tables and refer to each other by index, so that nesting costs no stack,
//! neither here nor when they are dropped.

use super::short;

/// Why a file is refused.
pub(super) type Refusal<T> = Result<T, String>;

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
pub(super) enum Global<'a> {
    OrderedDict,
    DefaultDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
    /// Another function or class, which is not called.
    Other {
        module: &'a str,
        name: &'a str,
    },
}

/// Modules whose functions run programs or reach files: no checkpoint has anything of them.
const HARMFUL_MODULES: [&str; 14] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "pty",
    "sys",
    "socket",
    "shutil",
    "runpy",
    "importlib",
    "ctypes",
    "webbrowser",
    "marshal",
    "timeit",
];
/// The same of Python's own functions.
const HARMFUL_BUILTINS: [&str; 8] =
    ["eval", "exec", "execfile", "compile", "open", "__import__", "input", "breakpoint"];

fn harmful(module: &str, name: &str) -> bool {
    let outer = module.split('.').next().unwrap_or(module);
    HARMFUL_MODULES.contains(&outer)
        || (matches!(module, "builtins" | "__builtin__") && HARMFUL_BUILTINS.contains(&name))
}

impl<'a> Global<'a> {
    pub fn find(module: &'a str, name: &'a str) -> Refusal<Global<'a>> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("collections", "defaultdict") => Global::DefaultDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", "FloatStorage") => Global::Storage(Kind::F32),
            ("torch", "HalfStorage") => Global::Storage(Kind::F16),
            ("torch", "BFloat16Storage") => Global::Storage(Kind::BF16),
            ("torch", "DoubleStorage") => Global::Storage(Kind::F64),
            ("torch", "LongStorage") => Global::Storage(Kind::I64),
            ("torch", "IntStorage" | "QInt32Storage") => Global::Storage(Kind::Other(4)),
            ("torch", "ShortStorage") => Global::Storage(Kind::Other(2)),
            ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => {
                Global::Storage(Kind::Other(1))
            }
            ("torch", "QInt8Storage" | "QUInt8Storage") => Global::Storage(Kind::Other(1)),
            ("torch", "ComplexFloatStorage") => Global::Storage(Kind::Other(8)),
            ("torch", "ComplexDoubleStorage") => Global::Storage(Kind::Other(16)),
            _ if harmful(module, name) => {
                let (module, name) = (short(module), short(name));
                return Err(format!(
                    "calls {module}.{name}, as files do that run programs when Python opens them; \
                     nothing of it was run, and torch.load should not open it either: get the \
                     weights from another place"
                ));
            }
            _ => Global::Other { module, name },
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
    /// Bytes, a set, or a number of more than 64 bits.
    Opaque,
    /// What a function or class would have made: its index in the table of names.
    Object(usize),
    Text(&'a str),
    Tuple {
        start: usize,
        count: usize,
    },
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
    pub tuples: Vec<Value<'a>>,
    pub lists: Vec<Vec<Value<'a>>>,
    pub dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub globals: Vec<Global<'a>>,
    pub storages: Vec<Storage<'a>>,
    pub tensors: Vec<View>,
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

    /// The function or class that an object is of, for messages.
    pub fn class(&self, value: Value<'a>) -> Option<String> {
        let Value::Object(at) = value else { return None };
        match self.globals.get(at)? {
            Global::Other { module, name } => Some(format!("{}.{}", short(module), short(name))),
            other => Some(format!("{other:?}")),
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

    pub fn storage(&mut self, id: Value<'a>) -> Refusal<Value<'a>> {
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
    pub fn copied(&self, arguments: Value<'a>) -> usize {
        let items = |value: &Value<'a>| self.items(*value).unwrap_or_default();
        let arguments = items(&arguments);
        arguments.len() + arguments.iter().map(|a| items(a).len()).sum::<usize>()
    }

    pub fn call(&mut self, function: Value<'a>, arguments: Value<'a>) -> Refusal<Value<'a>> {
        let Value::Global(at) = function else { return Ok(Value::Opaque) };
        if let Global::Other { .. } = self.globals[at] {
            return Ok(Value::Object(at));
        }
        let arguments =
            self.items(arguments).ok_or("a call whose arguments are not a tuple")?.to_vec();
        match (self.globals[at], arguments.as_slice()) {
            (Global::OrderedDict, []) | (Global::DefaultDict, _) => Ok(self.dict(Vec::new())),
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
            (Global::RebuildParameter, [tensor @ (Value::Tensor(_) | Value::Object(_)), ..]) => {
                Ok(*tensor)
            }
            _ => Err("a call with arguments that do not fit".into()),
        }
    }

    pub fn dict(&mut self, entries: Vec<(Value<'a>, Value<'a>)>) -> Value<'a> {
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
