//! State dicts as `torch.save` writes them: the ZIP form of PyTorch 1.6 and later, and the legacy
//! form before it.

use super::pickle::{self, Kind, Pickle, Refusal, Storage, Value, View};
use super::{COUNTER, WeightsFile, bf16, f16, f32s, f64s, short, zip};
use std::collections::HashMap;

/// The pickled magic number at the start of the legacy form.
pub(super) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
pub(super) const PROTOCOL: i64 = 1001;

/// Whether a file is one of the two forms.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&MAGIC)
}

/// Parses either form.
pub(super) fn read(bytes: &[u8]) -> Refusal<WeightsFile> {
    if bytes.starts_with(&MAGIC) { legacy(bytes) } else { zipped(bytes) }
}

fn zipped(bytes: &[u8]) -> Refusal<WeightsFile> {
    let files = zip::files(bytes)?;
    let is_data = |name: &&str| {
        name.strip_suffix("data.pkl")
            .is_some_and(|folder| folder.ends_with('/') && folder.matches('/').count() == 1)
    };
    let name = files
        .keys()
        .find(|n| is_data(n))
        .ok_or("an archive without data.pkl, so not one of torch.save")?;
    let folder = name.trim_end_matches("data.pkl");
    if files
        .get(format!("{folder}byteorder").as_str())
        .is_some_and(|r| bytes[r.clone()] != *b"little")
    {
        return Err("written on a big-endian machine, which is not read".into());
    }
    let (pickle, top, _) = pickle::read(&bytes[files[name].clone()])?;
    state_dict(&pickle, top, bytes.len(), |storage| {
        files.get(format!("{folder}data/{}", storage.key).as_str()).map(|r| &bytes[r.clone()])
    })
}

fn legacy(bytes: &[u8]) -> Refusal<WeightsFile> {
    let mut at = MAGIC.len();
    let (_, protocol, length) = pickle::read(&bytes[at..])?;
    at += length;
    if protocol != Value::Int(PROTOCOL) {
        return Err(format!("not protocol {PROTOCOL} of PyTorch's old format"));
    }
    let (_, _, length) = pickle::read(&bytes[at..])?;
    at += length;
    let (pickle, top, length) = pickle::read(&bytes[at..])?;
    at += length;
    let (list, keys, length) = pickle::read(&bytes[at..])?;
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
    state_dict(&pickle, top, bytes.len(), |storage| data.get(storage.key).copied())
}

/// The tensors of a state dict, or of one that a training script wrapped together with other
/// things.
fn state_dict<'a>(
    pickle: &Pickle<'a>,
    top: Value<'a>,
    file: usize,
    data: impl Fn(&Storage<'a>) -> Option<&'a [u8]>,
) -> Refusal<WeightsFile> {
    let mut entries = pickle.entries(top).ok_or(
        "holds no state dict (a dictionary of tensors); \
                                                 save net.state_dict() in Python and import that",
    )?;
    if let Some((_, inner)) = entries.iter().find(|(key, _)| *key == Value::Text("state_dict")) {
        entries = pickle.entries(*inner).ok_or("its state_dict is not a dictionary")?;
    }
    let mut found = WeightsFile::default();
    // Tensors may share a storage; a file made to share one a thousand times is refused.
    let mut allowed = 4 * file;
    for (key, value) in entries {
        let (Value::Text(name), Value::Tensor(at)) = (*key, *value) else {
            return Err(
                "has an entry that is not a named tensor; save net.state_dict() in Python and \
                        import that"
                    .into(),
            );
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
        let values = match storage.kind {
            Kind::F32 => f32s(&bytes),
            Kind::F16 => f16(&bytes),
            Kind::BF16 => bf16(&bytes),
            Kind::F64 => f64s(&bytes),
            Kind::I64 if name.ends_with(COUNTER) && bytes.len() == 8 => {
                found.counters.insert(
                    name.into(),
                    i64::from_le_bytes(bytes[..8].try_into().unwrap_or_default()),
                );
                continue;
            }
            Kind::I64 | Kind::Other(_) => {
                return Err(named("has integers; weights are floating-point numbers".into()));
            }
        };
        if found.tensors.insert(name.into(), (shape, values)).is_some() {
            return Err(named("comes twice".into()));
        }
    }
    Ok(found)
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
