//! Locating the files of a ZIP archive, as far as `torch.save` uses the format: stored, not
//! compressed, so that every file is a range of the archive's bytes and nothing is allocated.

use super::pickle::Refusal;
use std::collections::BTreeMap;
use std::ops::Range;

const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const ENTRY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;

fn number(bytes: &[u8], at: u64, width: usize) -> Refusal<u64> {
    let at = usize::try_from(at).map_err(|_| "an offset beyond the end of the archive")?;
    let field =
        at.checked_add(width).and_then(|end| bytes.get(at..end)).ok_or("the archive is cut off")?;
    Ok(field.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

fn signed(bytes: &[u8], at: u64, signature: u32) -> Refusal<bool> {
    Ok(number(bytes, at, 4)? == u64::from(signature))
}

/// A checked sum of offsets from the file.
fn plus(a: u64, b: u64) -> Refusal<u64> {
    a.checked_add(b).ok_or_else(|| "an offset beyond the end of the archive".into())
}

/// Offset of the first entry of the central directory, and the number of entries.
fn directory(bytes: &[u8]) -> Refusal<(u64, u64)> {
    // The end record has 22 bytes and a comment of up to 65,535.
    let last = bytes.len().checked_sub(22).ok_or("the archive is cut off")?;
    let first = last.saturating_sub(65_535);
    let end = (first..=last)
        .rev()
        .find(|&at| bytes[at..].starts_with(&END.to_le_bytes()))
        .ok_or("the archive has no end: it was probably cut off")? as u64;
    let (count, at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
    // PyTorch writes the 64-bit records always, and marks the others.
    if end >= 20 && signed(bytes, end - 20, LOCATOR_64)? && (count == 0xffff || at == 0xffff_ffff) {
        let record = number(bytes, end - 12, 8)?;
        if !signed(bytes, record, END_64)? {
            return Err("the archive's 64-bit end record is not where it should be".into());
        }
        return Ok((number(bytes, plus(record, 48)?, 8)?, number(bytes, plus(record, 32)?, 8)?));
    }
    Ok((at, count))
}

/// Names and byte ranges of the files in an archive; those that are compressed have none.
pub(super) fn files(bytes: &[u8]) -> Refusal<BTreeMap<&str, Option<Range<usize>>>> {
    let (mut at, count) = directory(bytes)?;
    let mut found = BTreeMap::new();
    for _ in 0..count {
        if !signed(bytes, at, ENTRY)? {
            return Err("the archive's directory is broken".into());
        }
        let field = |offset: u64, width| number(bytes, plus(at, offset)?, width);
        let (method, packed, plain) = (field(10, 2)?, field(20, 4)?, field(24, 4)?);
        let (name_length, extra_length, comment_length) =
            (field(28, 2)?, field(30, 2)?, field(32, 2)?);
        let mut local = field(42, 4)?;
        let name = range(bytes, plus(at, 46)?, name_length)?;
        let name =
            std::str::from_utf8(&bytes[name]).map_err(|_| "a name in the archive is not UTF-8")?;
        let (mut size, mut packed) = (plain, packed);
        // Values that do not fit 32 bits follow in an extra field, in this order, those only that
        // are marked.
        let (mut extra, extra_end) =
            (plus(at, 46 + name_length)?, plus(at, 46 + name_length + extra_length)?);
        while plus(extra, 4)? <= extra_end {
            let (id, length) = (number(bytes, extra, 2)?, number(bytes, extra + 2, 2)?);
            if id == 1 {
                let mut from = extra + 4;
                for value in [&mut size, &mut packed, &mut local] {
                    if *value == 0xffff_ffff {
                        *value = number(bytes, from, 8)?;
                        from += 8;
                    }
                }
            }
            extra = plus(extra, 4 + length)?;
        }
        if !signed(bytes, local, LOCAL)? {
            return Err("a file of the archive is not where its directory says".into());
        }
        let header =
            plus(number(bytes, plus(local, 26)?, 2)?, number(bytes, plus(local, 28)?, 2)?)?;
        let data = range(bytes, plus(local, plus(30, header)?)?, packed)?;
        let stored = method == 0 && size == packed;
        if found.insert(name, stored.then_some(data)).is_some() {
            return Err("two files of the archive have the same name".into());
        }
        at = plus(extra_end, comment_length)?;
    }
    Ok(found)
}

fn range(bytes: &[u8], at: u64, length: u64) -> Refusal<Range<usize>> {
    let end = plus(at, length)?;
    if end > bytes.len() as u64 {
        return Err("the archive is cut off".into());
    }
    Ok(at as usize..end as usize)
}
