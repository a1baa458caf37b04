//! State dicts as `torch.save` writes them: the ZIP form of PyTorch 1.6 and later, and the legacy
//! form before it.

use super::machine;
use super::pickle::{Kind, Pickle, Refusal, Storage, Value, View};
use super::places::places;
use super::values::{Numbers, Values};
use super::wrapped::{self, Pick, Shapes, bare};
use super::{COUNTER, WeightsFile, f32s, f64s, short, u16s, zip};
use std::collections::HashMap;

/// The pickled magic number at the start of the legacy form.
pub(super) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
pub(super) const PROTOCOL: i64 = 1001;

/// Whether a file begins with the magic number, pickled by whatever protocol.
fn is_legacy(bytes: &[u8]) -> bool {
    let number = &MAGIC[2..14];
    bytes.first() == Some(&0x80)
        && bytes[..bytes.len().min(26)].windows(number.len()).any(|part| part == number)
}

/// Whether a file is one of the two forms.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || is_legacy(bytes)
}

/// Parses either form.
pub(super) fn read(bytes: &[u8], pick: &Pick<'_>) -> Refusal<WeightsFile> {
    if is_legacy(bytes) { legacy(bytes, pick) } else { zipped(bytes, pick) }
}

fn zipped(bytes: &[u8], pick: &Pick<'_>) -> Refusal<WeightsFile> {
    let files = zip::files(bytes)?;
    let is_data = |name: &&str| {
        name.strip_suffix("data.pkl")
            .is_some_and(|folder| folder.ends_with('/') && folder.matches('/').count() == 1)
    };
    let name = files.keys().find(|n| is_data(n)).ok_or_else(|| not_ours(files.keys().copied()))?;
    let folder = name.trim_end_matches("data.pkl");
    let inside = |name: &str| {
        files.get(format!("{folder}{name}").as_str()).cloned().flatten().map(|r| &bytes[r])
    };
    if inside("byteorder").is_some_and(|order| order != b"little") {
        return Err("written on a big-endian machine, which is not read".into());
    }
    if files.contains_key(format!("{folder}constants.pkl").as_str()) {
        return Err(
            "a TorchScript program (torch.jit.save), and nothing but weights is read; in Python: \
             torch.save(torch.jit.load(file).state_dict(), new)"
                .into(),
        );
    }
    let data = inside("data.pkl").ok_or(
        "the archive is compressed, which torch.save does not do; save it again in Python",
    )?;
    let (pickle, top, _) = machine::read(data)?;
    network(&pickle, top, bytes.len(), pick, |storage| inside(&format!("data/{}", storage.key)))
}

/// What an archive is that `torch.save` did not write.
fn not_ours<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let npz = names.any(|name| name.ends_with(".npy"));
    let what = if npz { "NumPy's archive of arrays (.npz)" } else { "a ZIP archive" };
    format!(
        "{what} without data.pkl, so not one of torch.save; save a state dict with it, or \
         safetensors"
    )
}

fn legacy(bytes: &[u8], pick: &Pick<'_>) -> Refusal<WeightsFile> {
    let (_, _, mut at) = machine::read(bytes)?;
    let (_, protocol, length) = machine::read(&bytes[at..])?;
    at += length;
    if protocol != Value::Int(PROTOCOL) {
        return Err(format!("not protocol {PROTOCOL} of PyTorch's old format"));
    }
    let (_, _, length) = machine::read(&bytes[at..])?;
    at += length;
    let (pickle, top, length) = machine::read(&bytes[at..])?;
    at += length;
    let (list, keys, length) = machine::read(&bytes[at..])?;
    at += length;
    let known: HashMap<&str, Storage<'_>> = pickle.storages.iter().map(|s| (s.key, *s)).collect();
    let mut data = HashMap::new();
    for key in list.items(keys).ok_or("no list of storages behind the weights")? {
        let Value::Text(key) = *key else { return Err("a storage's key is not text".into()) };
        let storage = known.get(key).ok_or("a storage that no weight uses")?;
        let cut = || "the weights are cut off".to_string();
        let count = bytes.get(at..at + 8).ok_or_else(cut)?;
        let count = u64::from_le_bytes(count.try_into().map_err(|_| cut())?);
        at += 8;
        let end = usize::try_from(count)
            .ok()
            .and_then(|n| n.checked_mul(storage.kind.bytes()))
            .and_then(|n| n.checked_add(at))
            .ok_or_else(cut)?;
        data.insert(key, bytes.get(at..end).ok_or_else(cut)?);
        at = end;
    }
    network(&pickle, top, bytes.len(), pick, |storage| data.get(storage.key).copied())
}

/// The tensors of one network of those that a file holds, in whatever wrapping.
fn network<'a>(
    pickle: &Pickle<'a>,
    top: Value<'a>,
    file: usize,
    pick: &Pick<'_>,
    data: impl Fn(&Storage<'a>) -> Option<&'a [u8]>,
) -> Refusal<WeightsFile> {
    let found = places(pickle, top)?;
    let paths: Vec<String> = found.iter().map(|(path, _)| path.clone()).collect();
    let choice = wrapped::choose(&paths, &|set| shapes(pickle, found[set].1), pick)?;
    let mut network = WeightsFile::default();
    // Tensors may share a storage; a file made to share one a thousand times is refused.
    let mut allowed = 4 * file;
    for (key, value) in pickle.entries(found[choice.set].1).unwrap_or_default() {
        let Value::Text(full) = *key else { continue };
        let name = bare(full);
        let Some(name) = choice.name(&name) else { continue };
        let at = match *value {
            Value::Tensor(at) => at,
            Value::Object(_) => {
                let class = pickle.class(*value).unwrap_or_default();
                return Err(format!(
                    "{}: made by {class}, and nothing but plain tensors is read; save \
                     net.state_dict() in Python and import that",
                    short(full)
                ));
            }
            // Numbers, texts, dictionaries beside the tensors.
            _ => continue,
        };
        let view = &pickle.tensors[at];
        let storage = &pickle.storages[view.storage];
        let named = |what: String| format!("{}: {what}", short(name));
        let data = data(storage).ok_or_else(|| named("its values are not in the file".into()))?;
        let bytes = elements(view, storage, data).map_err(named)?;
        let shape: Vec<usize> = view.size.iter().map(|&n| n as usize).collect();
        allowed = allowed
            .checked_sub(bytes.len())
            .ok_or_else(|| named("the tensors are larger than the file can account for".into()))?;
        let numbers = match storage.kind {
            Kind::F32 => Numbers::F32(f32s(&bytes)),
            Kind::F16 => Numbers::F16(u16s(&bytes)),
            Kind::BF16 => Numbers::Bf16(u16s(&bytes)),
            Kind::F64 => Numbers::F32(f64s(&bytes)),
            Kind::I64 if name.ends_with(COUNTER) && bytes.len() == 8 => {
                network.counters.insert(
                    name.into(),
                    i64::from_le_bytes(bytes[..8].try_into().unwrap_or_default()),
                );
                continue;
            }
            Kind::I64 | Kind::Other(_) => {
                return Err(named("has integers; weights are floating-point numbers".into()));
            }
        };
        if network.tensors.insert(name.into(), Values::new(shape, numbers)).is_some() {
            return Err(named("comes twice".into()));
        }
    }
    Ok(network)
}

/// Names and shapes of the tensors in a dictionary, as far as networks have such.
fn shapes<'a>(pickle: &Pickle<'a>, dict: Value<'a>) -> Shapes {
    let shape = |(key, value): &(Value<'a>, Value<'a>)| {
        let (Value::Text(name), Value::Tensor(at)) = (*key, *value) else { return None };
        let size = &pickle.tensors.get(at)?.size;
        let shape = size.iter().map(|n| usize::try_from(*n).ok()).collect::<Option<Vec<_>>>()?;
        (shape.len() <= 4).then(|| (bare(name).into_owned(), shape))
    };
    pickle.entries(dict).unwrap_or_default().iter().filter_map(shape).collect()
}

/// The bytes of a view's elements, in order.
fn elements(view: &View, storage: &Storage<'_>, data: &[u8]) -> Refusal<Vec<u8>> {
    let width = storage.kind.bytes();
    let all = data.len() / width;
    if storage.elements > all as u64 {
        return Err(format!(
            "its storage has {all} values in the file instead of {}: the file was probably cut off",
            storage.elements
        ));
    }
    let count = view
        .size
        .iter()
        .try_fold(1u64, |n, s| n.checked_mul(*s))
        .filter(|&n| n <= all as u64)
        .ok_or("has more values than its storage")?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let last = view.size.iter().zip(&view.stride).try_fold(view.offset, |at, (size, stride)| {
        stride.checked_mul(size - 1).and_then(|by| at.checked_add(by))
    });
    if last.is_none_or(|last| last >= all as u64) {
        return Err("reaches beyond its storage".into());
    }
    let mut bytes = Vec::with_capacity(count as usize * width);
    let mut index = vec![0u64; view.size.len()];
    for _ in 0..count {
        let at = view.offset + index.iter().zip(&view.stride).map(|(i, s)| i * s).sum::<u64>();
        bytes.extend_from_slice(&data[at as usize * width..][..width]);
        // The next index, the last dimension first.
        for (place, size) in index.iter_mut().zip(&view.size).rev() {
            *place += 1;
            if *place < *size {
                break;
            }
            *place = 0;
        }
    }
    Ok(bytes)
}
