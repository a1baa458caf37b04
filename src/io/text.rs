//! Text files as editors and spreadsheets of all systems write them.

use super::file;
use crate::{Error, Result};
use std::path::Path;

/// Reads a text file: UTF-8 with or without its mark, or UTF-16 with one (Excel's "Unicode text").
/// Lines end in `\n` afterwards, whichever of `\r\n`, `\r` and `\n` the file has.
///
/// `expected` says in messages what the file should be.
///
/// # Errors
/// [`Error::File`] if it cannot be read, and for bytes that are not text, with line and byte.
pub fn read_text(path: &Path, expected: &str) -> Result<String> {
    let bytes = file::read(path)
        .map_err(|e| Error::file(path, format!("cannot be read: {e}; expected {expected}")))?;
    decode(&bytes).map_err(|why| Error::file(path, format!("{why}; expected {expected}")))
}

fn decode(bytes: &[u8]) -> Result<String, String> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?.to_string(),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => utf8(bytes)?.to_string(),
    };
    match text.find('\0') {
        None => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Some(at) => Err(format!(
            "line {} has a NUL character: UTF-16 without its mark, or no text at all; save it as \
             UTF-8",
            line(&text.as_bytes()[..at])
        )),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let start = before.iter().rposition(|b| matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
        format!(
            "line {}, byte {}: 0x{:02X} is not UTF-8 (Latin-1 or another old encoding?); save it \
             as UTF-8",
            line(before),
            before.len() - start + 1,
            bytes[before.len()]
        )
    })
}

fn utf16(bytes: &[u8], of: fn([u8; 2]) -> u16) -> Result<String, String> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let units = bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]]));
    let cut = || "the UTF-16 text is cut off in a character; save it as UTF-8".to_string();
    for unit in char::decode_utf16(units) {
        text.push(unit.map_err(|_| format!("line {}: {}", line(text.as_bytes()), cut()))?);
    }
    if bytes.len().is_multiple_of(2) { Ok(text) } else { Err(cut()) }
}

/// Number of the line that the text ends in, from 1, for all ways of ending lines.
fn line(before: &[u8]) -> usize {
    let ends = before.iter().enumerate().filter(|(at, byte)| match byte {
        b'\r' => true,
        b'\n' => *at == 0 || before[at - 1] != b'\r',
        _ => false,
    });
    1 + ends.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_all_systems_is_the_same_text() {
        let want = "a\té\n\nb\n";
        let utf16 = |mark: u16, of: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let text = want.replace('\n', "\r\n");
            [mark].into_iter().chain(text.encode_utf16()).flat_map(of).collect()
        };
        let all = [
            want.as_bytes().to_vec(),
            want.replace('\n', "\r\n").into_bytes(),
            want.replace('\n', "\r").into_bytes(),
            [b"\xEF\xBB\xBF", want.as_bytes()].concat(),
            utf16(0xFEFF, u16::to_le_bytes),
            utf16(0xFEFF, u16::to_be_bytes),
        ];
        for bytes in all {
            assert_eq!(decode(&bytes).as_deref(), Ok(want), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_named_by_line_and_byte() {
        for newline in ["\n", "\r\n", "\r"] {
            let mut bytes = format!("one{newline}two{newline}na").into_bytes();
            bytes.extend(b"\xEFve.png");
            let why = decode(&bytes).unwrap_err();
            assert!(why.starts_with("line 3, byte 3: 0xEF is not UTF-8"), "{why}");
        }
        assert!(decode(b"a\0b\0\n\0").unwrap_err().starts_with("line 1 has a NUL"));
        assert!(decode(b"\xFF\xFEa\0\x00\xD8").unwrap_err().contains("cut off"));
        assert!(decode(b"\xFF\xFEa").unwrap_err().contains("cut off"));
    }
}
