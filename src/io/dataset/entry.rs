//! The files of a sample, and those that do not fit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::shown;

/// A file or folder that does not fit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The file that does not fit.
    pub path: PathBuf,
    /// What is wrong and what to try.
    pub message: String,
}

impl Misfit {
    pub(super) fn new(path: &Path, message: impl Into<String>) -> Self {
        Misfit { path: path.into(), message: message.into() }
    }
}

/// The files of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A on the left, B on the right.
    Halves(PathBuf),
    /// Of each plane (of pairs A, then B) its files; several are bands.
    Files(Vec<Vec<PathBuf>>),
    /// Input and target are computed from it.
    Photo(PathBuf),
    /// Of one side alone: 0 the input, 1 the target.
    Alone(usize, PathBuf),
}

impl Entry {
    /// The file that the sample is named after: the first, of pairs A's.
    pub(super) fn path(&self) -> &Path {
        match self {
            Entry::Halves(path) | Entry::Photo(path) | Entry::Alone(_, path) => path,
            Entry::Files(files) => &files[0][0],
        }
    }

    /// Whether it has an image of a side: 0 the input, 1 the target.
    pub(super) fn has(&self, side: usize) -> bool {
        !matches!(self, Entry::Alone(of, _) if *of != side)
    }
}

/// The folders that there are, as the end of a message.
pub(super) fn subfolder_hint(root: &Path) -> String {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let folders = entries.filter(|e| e.path().is_dir() && !hidden(&e.file_name()));
    let seen: BTreeSet<String> =
        folders.map(|e| shown(Path::new(&e.file_name())).to_string()).collect();
    match seen.is_empty() {
        true => String::new(),
        false => format!("; ROOT has {}", Vec::from_iter(seen.into_iter().take(6)).join(", ")),
    }
}
