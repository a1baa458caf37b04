//! Why a file is not read: it is damaged, or sound and of a kind that is not read.

use std::path::Path;

use image::ImageError;
use tiff::TiffError;

use crate::Error;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::io) enum Fault {
    /// It is damaged.
    Broken(String),
    /// It is sound, and of a kind that is not read; with what to do.
    Unread(String),
}

impl Fault {
    /// As the error of a file.
    pub(in crate::io) fn at(self, path: &Path) -> Error {
        match self {
            Fault::Broken(reason) => broken(path, reason),
            Fault::Unread(reason) => Error::file(path, format!("is not read: {}", plain(&reason))),
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault::Broken(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Fault::Broken(reason.into())
    }
}

impl From<TiffError> for Fault {
    fn from(e: TiffError) -> Self {
        match e {
            TiffError::UnsupportedError(e) => {
                Fault::Unread(format!("{e}; save it anew, uncompressed or with deflate"))
            }
            e => Fault::Broken(e.to_string()),
        }
    }
}

impl From<ImageError> for Fault {
    fn from(e: ImageError) -> Self {
        match e {
            ImageError::Unsupported(e) => Fault::Unread(format!("{e}; convert it to PNG or TIFF")),
            e => Fault::Broken(e.to_string()),
        }
    }
}

pub(in crate::io) fn unopened(path: &Path, e: &std::io::Error) -> Error {
    match path.is_dir() {
        true => Error::file(path, "is a folder, where an image is expected"),
        false => {
            Error::file(path, format!("cannot be opened: {e}; check the path and its permissions"))
        }
    }
}

pub(in crate::io) fn broken(path: &Path, reason: impl std::fmt::Display) -> Error {
    let reason = plain(&reason.to_string());
    Error::file(path, format!("cannot be decoded: {reason}; remove it or repair it"))
}

/// A reason in one short line: libraries quote what files hold, and list all that they claim.
fn plain(reason: &str) -> String {
    let mut reason = reason.replace(|c: char| c.is_control() || c == '\u{fffd}', " ");
    if let Some((end, _)) = reason.char_indices().nth(300) {
        reason.truncate(end);
        reason.push('…');
    }
    reason
}
