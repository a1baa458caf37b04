//! Files of many planes, as `prepare joints` and `prepare words` write them.

use crate::messages::shown;
use pixtape::io::{AnyPicture, Picture};
use pixtape::{Error, Result};
use std::path::{Component, Path, PathBuf};

/// The most bytes of a file of planes.
const MOST: u64 = 1 << 30;

/// Why planes of this size cannot be written; `None` if they can.
pub(crate) fn refusal([width, height]: [u32; 2], planes: u32) -> Option<String> {
    let bytes = (u64::from(width) * u64::from(height)).saturating_mul(u64::from(planes));
    if width == 0 || height == 0 {
        return Some(format!("an image of {width}x{height} has no pixels"));
    }
    if bytes > MOST {
        return Some(format!(
            "{planes} planes of {width}x{height} pixels are {} MiB, more than {} a file; make \
             them smaller",
            bytes >> 20,
            MOST >> 20
        ));
    }
    // An array of such a shape is read as one with its channels first.
    (height <= 8 && width > 16 && planes > 16).then(|| {
        format!("{planes} planes of {width}x{height} pixels are too low; they need 9 rows or more")
    })
}

/// Writes planes as an array of bytes, (height, width, planes).
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub(crate) fn save(planes: Picture, to: &Path) -> Result<()> {
    AnyPicture::U8(planes).save(to)
}

/// The name of an image in a text, as a path below a folder.
///
/// # Errors
/// What is wrong with it, if it leads elsewhere.
pub(crate) fn named(name: &str) -> std::result::Result<PathBuf, String> {
    let path = PathBuf::from(name.trim().replace('\\', "/"));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match path.file_name() {
        Some(_) if plain && !name.contains(char::is_control) => Ok(path),
        _ => Err(format!("{name:?} is no name of an image below a folder")),
    }
}

/// Notes something about a file in a line.
pub(crate) fn note(file: &Path, what: &str) {
    eprintln!("note: {}: {what}", shown(file));
}

/// An error in a line of a text.
pub(crate) fn at_line(file: &Path, line: usize, why: impl std::fmt::Display) -> Error {
    Error::file(file, format!("line {line}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_folder() {
        assert_eq!(named(" town\\a.jpg").unwrap(), Path::new("town/a.jpg"));
        for bad in ["", "../a.jpg", "/a.jpg", "a/../b.jpg", "./a.jpg", "a\u{7}.jpg"] {
            assert!(named(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn planes_that_would_be_read_as_others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (size, planes, said) in [
            ([17, 8], 17, Some("too low")),
            ([17, 9], 17, None),
            ([16, 8], 17, None),
            ([17, 8], 16, None),
            ([0, 8], 3, Some("no pixels")),
            ([u32::MAX, u32::MAX], u32::MAX, Some("MiB")),
        ] {
            let refused = refusal(size, planes);
            match said {
                Some(part) => assert!(refused.as_ref().is_some_and(|why| why.contains(part))),
                None => {
                    assert_eq!(refused, None, "{size:?}");
                    let [w, h] = size;
                    let data = (0..w * h * planes).map(|v| v as u8).collect();
                    let picture = Picture::new(w, h, planes, data).unwrap();
                    let file = dir.path().join("planes.npy");
                    save(picture.clone(), &file).unwrap();
                    assert_eq!(AnyPicture::load(&file).unwrap(), AnyPicture::U8(picture));
                }
            }
        }
    }
}
