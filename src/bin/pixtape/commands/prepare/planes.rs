//! Files of many planes, as `prepare joints` and `prepare words` write them.

use crate::messages::shown;
use pixtape::io::{AnyPicture, Picture};
use pixtape::{Error, Result};
use std::path::{Component, Path, PathBuf};

/// The most bytes of a file of planes.
const MOST: u64 = 1 << 30;

/// Planes of coordinates before those of words.
pub(crate) const COORDINATES: usize = 2;

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

/// Squares in a row, and rows of them, so that each word has one.
pub(crate) fn columns(words: usize) -> u32 {
    (words as f64).sqrt().ceil() as u32
}

/// Coordinates, 0 to 255 from left to right and from top to bottom, and a plane for each word: in
/// those of a caption's words a square is 255, at a place of the word's own. A plane that is the
/// same everywhere would not pass through norms. `[height, width, 2 + words]`; `said` holds the
/// numbers of a caption's words.
///
/// # Errors
/// [`Error::Internal`] only: for sizes that a file cannot have, see [`refusal`].
pub(crate) fn squares([width, height]: [u32; 2], words: usize, said: &[usize]) -> Result<Picture> {
    let share = |at: u32, side: u32| (at * 255 / (side - 1).max(1)) as u8;
    let columns = columns(words);
    let cell = |at: u32, side: u32| (u64::from(at) * u64::from(columns) / u64::from(side)) as u32;
    let mut data = Vec::with_capacity((width * height) as usize * (COORDINATES + words));
    for at in 0..width * height {
        let (x, y) = (at % width, at / width);
        data.extend([share(x, width), share(y, height)]);
        let word = (cell(x, width) + cell(y, height) * columns) as usize;
        let first = data.len();
        data.resize(first + words, 0);
        if said.contains(&word) {
            data[first + word] = 255;
        }
    }
    Picture::new(width, height, (COORDINATES + words) as u32, data)
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

    #[test]
    fn planes_are_coordinates_and_squares() {
        // Words 1 (top right) and 2 (bottom left) of three.
        let picture = squares([4, 2], 3, &[2, 1]).unwrap();
        let pixels: Vec<&[u8]> = picture.data.chunks_exact(5).collect();
        let (x, y) = ([0, 85, 170, 255], [0, 255]);
        for (at, pixel) in pixels.into_iter().enumerate() {
            let (top, left) = (at < 4, at % 4 < 2);
            let [right, bottom] = [top && !left, !top && left].map(|on| 255 * u8::from(on));
            assert_eq!(pixel, [x[at % 4], y[at / 4], 0, right, bottom], "{at}");
        }
        assert_eq!(squares([1, 1], 1, &[]).unwrap().data, [0, 0, 0]);
        assert_eq!([1, 2, 4, 5, 62].map(columns), [1, 2, 2, 3, 8]);
    }
}
