//! Weights files, recognised by their content: safetensors (f32, f16, bf16, and our 8-bit form),
//! PyTorch's `.pth` in both its forms, and `.pict`.

mod convert;
mod kinds;
mod machine;
mod onnx;
mod pickle;
mod pict;
mod places;
mod protobuf;
mod pth;
mod pth_write;
mod recognise;
mod safetensors;
mod values;
mod wrapped;
mod zip;

pub use convert::{ChannelOrder, ConcatOrder, Conversion};
pub use onnx::{Range, onnx};
pub use recognise::Net;
pub use safetensors::Precision;
pub use values::Values;
pub use wrapped::{Pick, Wanted};

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The key of our metadata in a file's header, a JSON text. A single key, since a header's map has
/// no order and files must be equal byte by byte.
pub const ABOUT: &str = "pixtape";

/// Suffix of batch norm's counter, which upstream's files have and nothing here needs.
pub(crate) const COUNTER: &str = "num_batches_tracked";

/// The contents of a weights file, in public names and layouts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightsFile {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Values>,
    /// Counters of batch norms, which nothing here needs but PyTorch's `strict=True` does.
    pub counters: BTreeMap<String, i64>,
    /// Our metadata: JSON in the header of safetensors, under [`ABOUT`].
    pub about: Option<Value>,
}

impl WeightsFile {
    /// Reads a file; its name does not matter. Nothing in it is executed, and memory is bounded by
    /// its size.
    ///
    /// A `.pth` may wrap a network: in dictionaries, with prefixes, beside other things that are
    /// skipped. Of other formats everything is read.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, has none of the formats, or is broken, and for a
    /// `.pth` of several networks.
    pub fn read(path: &Path) -> Result<WeightsFile> {
        let bytes = bytes(path)?;
        WeightsFile::parse(&bytes).map_err(|e| Error::file(path, e))
    }

    /// Reads one network of a file, which may hold it under a prefix or among others, in whatever
    /// format.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if there is nothing at the key, or no key and the choice is not
    /// plain: then with the keys of the networks in it.
    pub fn read_net(path: &Path, pick: &Pick<'_>) -> Result<WeightsFile> {
        let bytes = bytes(path)?;
        WeightsFile::parse_net(&bytes, pick).map_err(|e| Error::file(path, e))
    }

    /// The bytes of a `.pth` that PyTorch's `torch.load` reads, in any of its versions: a state
    /// dict. Metadata has no place in it.
    pub fn to_pth(&self) -> Vec<u8> {
        pth_write::write(self)
    }

    /// Like [`read`](Self::read) for bytes in memory; error messages name no file.
    ///
    /// # Errors
    /// A message if the bytes have none of the formats, or are broken.
    pub fn parse(bytes: &[u8]) -> Result<WeightsFile, String> {
        WeightsFile::parse_with(bytes, &Pick::default(), false)
    }

    /// Like [`read_net`](Self::read_net) for bytes in memory; error messages name no file.
    ///
    /// # Errors
    /// A message, as of [`read_net`](Self::read_net).
    pub fn parse_net(bytes: &[u8], pick: &Pick<'_>) -> Result<WeightsFile, String> {
        WeightsFile::parse_with(bytes, pick, true)
    }

    fn parse_with(bytes: &[u8], pick: &Pick<'_>, one: bool) -> Result<WeightsFile, String> {
        if pth::is_one(bytes) {
            let mut file = pth::read(bytes, pick)?;
            file.tidy();
            return Ok(file);
        }
        // Safetensors' length may begin like anything.
        let ours = bytes.get(8) == Some(&b'{') || pict::is_one(bytes);
        if let Some(kind) = kinds::unread(bytes).filter(|_| !ours) {
            return Err(kind.into());
        }
        let mut file =
            if pict::is_one(bytes) { pict::read(bytes)? } else { safetensors::read(bytes)? };
        file.tidy();
        if one {
            wrapped::keep(&mut file, pick)?;
        }
        Ok(file)
    }

    /// Adds an entry to the metadata.
    pub fn note(&mut self, name: &str, value: &str) {
        let about = self.about.get_or_insert_with(|| Value::Object(Map::new()));
        if let Some(about) = about.as_object_mut() {
            about.insert(name.into(), value.into());
        }
    }

    /// Drops what old files have and no network needs: the words of `DataParallel` and
    /// `torch.compile` in names, and running statistics of instance norms (no weight beside them).
    fn tidy(&mut self) {
        unwrap(&mut self.tensors);
        unwrap(&mut self.counters);
        let norm = |name: &str| name.rsplit_once('.').map(|(norm, _)| format!("{norm}.weight"));
        let statistics = self
            .tensors
            .keys()
            .filter(|n| n.ends_with(".running_mean") || n.ends_with(".running_var"));
        let orphans: Vec<String> = statistics
            .filter(|n| norm(n).is_some_and(|w| !self.tensors.contains_key(&w)))
            .cloned()
            .collect();
        for name in &orphans {
            self.tensors.remove(name);
        }
        if !orphans.is_empty() {
            let tensors = &self.tensors;
            self.counters.retain(|n, _| norm(n).is_some_and(|w| tensors.contains_key(&w)));
        }
    }
}

/// The bytes of a file.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    crate::io::file::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))
}

/// Makes names bare, unless two would become one.
fn unwrap<V>(map: &mut BTreeMap<String, V>) {
    let names: BTreeSet<Cow<'_, str>> = map.keys().map(|name| wrapped::bare(name)).collect();
    if names.len() == map.len() && names.iter().any(|name| !map.contains_key(&**name)) {
        let all = std::mem::take(map).into_iter();
        map.extend(all.map(|(name, value)| (wrapped::bare(&name).into_owned(), value)));
    }
}

/// Text from a file, shortened for messages.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// A shape, shortened for messages.
pub(super) fn sides(shape: &[usize]) -> String {
    match shape.get(..8) {
        Some(first) if shape.len() > 8 => format!("{first:?}").replace(']', ", …]"),
        _ => format!("{shape:?}"),
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

fn f64s(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(8)
        .map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default()) as f32)
        .collect()
}

fn u16s(bytes: &[u8]) -> Vec<u16> {
    bytemuck::pod_collect_to_vec(bytes)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrapped_tests;
