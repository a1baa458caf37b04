//! Palettes: the colours of label maps, by label.

use crate::io::text::read_text;
use crate::{Error, Result};
use std::path::Path;

/// Labels that fit 8 bits.
pub const MOST: usize = 256;

/// Red, green and blue.
pub type Color = [u8; 3];

/// Reads a palette: one colour per line, what follows it is a name.
fn parse(text: &str) -> std::result::Result<Vec<Color>, String> {
    let color = |line: &str| -> Option<Color> {
        if let Some(hex) = line.strip_prefix('#') {
            let digits = hex.split_whitespace().next()?;
            let value = u32::from_str_radix(digits, 16)
                .ok()
                .filter(|_| digits.len() == 6 && !digits.starts_with('+'))?;
            return Some([(value >> 16) as u8, (value >> 8) as u8, value as u8]);
        }
        let mut numbers =
            line.split([' ', ',', '\t']).filter(|w| !w.is_empty()).map(|w| w.parse::<u8>().ok());
        Some([numbers.next()??, numbers.next()??, numbers.next()??])
    };
    let mut all = Vec::new();
    for (number, line) in
        text.lines().enumerate().map(|(n, l)| (n + 1, l.trim())).filter(|(_, l)| !l.is_empty())
    {
        let shown: String = line.chars().take(40).collect();
        let color = color(line).ok_or_else(|| {
            format!("line {number}: {shown:?} is not a colour; write #0000aa or 0 0 170")
        })?;
        if let Some(before) = all.iter().position(|c| *c == color) {
            return Err(format!("line {number}: the colour {shown:?} is label {before} already"));
        }
        all.push(color);
    }
    match all.len() {
        0 => Err("no colours; write one a line, #0000aa or 0 0 170".into()),
        n if n > MOST => Err(format!("{n} colours; 8-bit label maps hold {MOST}")),
        _ => Ok(all),
    }
}

/// Reads a palette file: one colour per line, `#0000aa name` or `0 0 170 name`; the first is label
/// 0.
///
/// # Errors
/// [`Error::File`] if it cannot be read, or a line is not a colour or repeats one.
pub fn read(path: &Path) -> Result<Vec<Color>> {
    let text = read_text(path, "a text file with one colour per line")?;
    parse(&text).map_err(|e| Error::file(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_are_read_or_refused_with_the_line() {
        assert_eq!(
            parse("#0000AA background\n\n1 2 3 wall\n4,5,6\n").unwrap(),
            [[0, 0, 170], [1, 2, 3], [4, 5, 6]]
        );
        for (text, part) in [
            ("", "no colours"),
            ("#12345", "line 1"),
            ("1 2 3\n1 2 256", "line 2"),
            ("1 2 3\n#010203", "label 0 already"),
            ("#+12345", "line 1"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text:?}: {message}");
        }
        let many: String = (0..257).map(|i| format!("{} {} 0\n", i / 200, i % 200)).collect();
        assert!(parse(&many).unwrap_err().contains("257 colours"));
    }
}
