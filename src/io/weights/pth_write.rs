//! State dicts for PyTorch, in the form of `torch.save` that every version reads: five pickles (a
//! magic number, a protocol, facts of the machine, the dictionary, the storages' keys), then the
//! values.
//!
//! Protocol 2 of Python's `pickletools`; a storage is `('storage', type, key, 'cpu', count, None)`,
//! a tensor `torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`.

use super::pth::MAGIC;
use super::{Values, WeightsFile};

/// A pickle of protocol 2 being written.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub fn new() -> Writer {
        Writer(vec![0x80, 2])
    }

    pub fn put(&mut self, bytes: &[u8]) -> &mut Writer {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A global name: a function or a type.
    pub fn global(&mut self, module: &str, name: &str) -> &mut Writer {
        self.put(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn text(&mut self, text: &str) -> &mut Writer {
        self.put(b"X").put(&(text.len() as u32).to_le_bytes()).put(text.as_bytes())
    }

    /// A number in eight bytes at most.
    pub fn number(&mut self, value: usize) -> &mut Writer {
        match i32::try_from(value) {
            Ok(small) => self.put(b"J").put(&small.to_le_bytes()),
            // The ninth byte keeps the sign bit clear.
            Err(_) => self.put(&[0x8a, 9]).put(&(value as u64).to_le_bytes()).put(&[0]),
        }
    }

    fn numbers(&mut self, values: &[usize]) -> &mut Writer {
        self.put(b"(");
        for value in values {
            self.number(*value);
        }
        self.put(b"t")
    }

    pub fn ordered_dict(&mut self) -> &mut Writer {
        self.global("collections", "OrderedDict").put(b")R")
    }

    /// A tensor of `count` values in the storage of a key.
    pub fn tensor(&mut self, storage: &str, key: &str, shape: &[usize]) -> &mut Writer {
        let count = shape.iter().product();
        let strides: Vec<usize> =
            (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
        self.global("torch._utils", "_rebuild_tensor_v2").put(b"((");
        self.text("storage").global("torch", storage).text(key).text("cpu").number(count);
        self.put(b"NtQ").number(0).numbers(shape).numbers(&strides);
        self.put(b"\x89").ordered_dict().put(b"tR")
    }

    pub fn finish(&mut self) -> Vec<u8> {
        self.put(b".");
        std::mem::take(&mut self.0)
    }
}

/// The file of a state dict.
pub(super) fn write(file: &WeightsFile) -> Vec<u8> {
    let (mut dictionary, mut keys) = (Writer::new(), Writer::new());
    dictionary.ordered_dict().put(b"(");
    keys.put(b"](");
    let mut values = Vec::new();
    let tensors = file.tensors.iter().map(|(name, tensor)| (name, Storage::Floats(tensor)));
    let counters = file.counters.iter().map(|(name, count)| (name, Storage::Counter(*count)));
    for (number, (name, storage)) in tensors.chain(counters).enumerate() {
        let key = number.to_string();
        dictionary.text(name).tensor(storage.kind(), &key, storage.shape());
        keys.text(&key);
        storage.append(&mut values);
    }
    assembled(&dictionary.put(b"u").finish(), &keys.put(b"e").finish(), &values)
}

/// The file of three parts: the pickle of the contents, that of the list of storages' keys, and the
/// storages.
pub(super) fn assembled(contents: &[u8], keys: &[u8], values: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(Writer::new().number(super::pth::PROTOCOL as usize).finish());
    let mut facts = Writer::new();
    facts.put(b"}(").text("protocol_version").number(super::pth::PROTOCOL as usize);
    facts.text("little_endian").put(b"\x88").text("type_sizes").put(b"}(");
    for (name, bytes) in [("short", 2), ("int", 4), ("long", 4)] {
        facts.text(name).number(bytes);
    }
    out.extend(facts.put(b"uu").finish());
    out.extend_from_slice(contents);
    out.extend_from_slice(keys);
    out.extend_from_slice(values);
    out
}

/// What a tensor holds.
enum Storage<'a> {
    Floats(&'a Values),
    Counter(i64),
}

impl Storage<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Storage::Floats(_) => "FloatStorage",
            Storage::Counter(_) => "LongStorage",
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Storage::Floats(values) => &values.shape,
            Storage::Counter(_) => &[],
        }
    }

    /// The number of values, then the values, little endian.
    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Storage::Floats(values) => {
                out.extend((values.len() as u64).to_le_bytes());
                values.f32s().iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Storage::Counter(count) => {
                out.extend(1u64.to_le_bytes());
                out.extend(count.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_written_is_read_back() {
        let tensor = |shape: &[usize]| {
            let count: usize = shape.iter().product();
            Values::from((shape.to_vec(), (0..count).map(|i| i as f32 - 1.5).collect()))
        };
        let tensors = BTreeMap::from([
            ("model.1.weight".to_string(), tensor(&[2, 3, 1, 4])),
            ("model.1.bias".to_string(), tensor(&[2])),
        ]);
        let counters = BTreeMap::from([("model.2.num_batches_tracked".to_string(), 1i64 << 40)]);
        let file = WeightsFile { tensors, counters, about: None };
        assert_eq!(super::super::pth::read(&write(&file), &Default::default()), Ok(file));
    }
}
