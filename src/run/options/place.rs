//! Where the files are now that a run was started with: it may be resumed from another folder, or
//! after it was moved.

use super::file::written;
use crate::Result;
use crate::run::names::OPTIONS;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Where a run's folder is, and where it was when its options were written down.
#[derive(Debug)]
pub(super) struct Place<'a> {
    folder: &'a Path,
    /// The folder that the program ran in; older runs do not say.
    worked_in: Option<PathBuf>,
    /// The run's folder, as the program was told it.
    before: Option<PathBuf>,
}

impl<'a> Place<'a> {
    /// Of a run's folder.
    ///
    /// # Errors
    /// As [`written`].
    pub fn of(folder: &'a Path) -> Result<Place<'a>> {
        let options = written(folder)?;
        let word = |name: &str| options.get(name).and_then(Value::as_str);
        let before = word("checkpoints_dir").zip(word("name"));
        let whole = std::fs::read(folder.join(OPTIONS)).unwrap_or_default();
        let whole: Value = serde_json::from_slice(&whole).unwrap_or_default();
        Ok(Place {
            folder,
            worked_in: whole["worked_in"].as_str().map(PathBuf::from),
            before: before.map(|(parent, name)| Path::new(parent).join(name)),
        })
    }

    /// Where a file or folder of the options is: where it was, or as it lay to the run's folder,
    /// if both were moved together. As written if it is nowhere, for the message.
    pub fn now(&self, path: &Path) -> PathBuf {
        let base = self.worked_in.as_deref().unwrap_or(Path::new(""));
        let there = base.join(path);
        let same = std::env::current_dir().is_ok_and(|now| now == base);
        if path.is_absolute() || same || self.worked_in.is_none() {
            // What is written down stays as it is where it need not change.
            if path.exists() && (path.is_absolute() || same) {
                return path.into();
            }
        } else if there.exists() {
            return there;
        }
        let beside = self.before.as_ref().map(|before| base.join(before));
        let beside = beside.filter(|before| before.is_absolute() == there.is_absolute());
        let beside = beside.map(|before| self.folder.join(relative(&before, &there)));
        match beside {
            Some(beside) if beside.exists() => beside.canonicalize().unwrap_or(beside),
            _ => path.into(),
        }
    }
}

/// The way from one folder to another path, by their names.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let steps = |path: &Path| -> Vec<OsString> {
        let parts = path.components().filter(|part| *part != Component::CurDir);
        parts.map(|part| part.as_os_str().into()).collect()
    };
    let (from, to) = (steps(from), steps(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(OsString::from(".."), from.len() - common);
    up.chain(to[common..].iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_found_where_they_were_or_as_they_lay_to_the_run() {
        assert_eq!(relative(Path::new("./runs/a"), Path::new("data")), Path::new("../../data"));
        assert_eq!(relative(Path::new("/x/runs/a"), Path::new("/x/d/e")), Path::new("../../d/e"));
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for folder in ["old/data", "new/runs/a", "new/data"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let folder = root.join("new/runs/a");
        let place = |worked_in: Option<&str>, before: &str| Place {
            folder: &folder,
            worked_in: worked_in.map(|path| root.join(path)),
            before: Some(before.into()),
        };
        let now = |place: &Place<'_>, path: &str| place.now(Path::new(path));
        // The data stayed where they were; the run was moved.
        assert_eq!(now(&place(Some("old"), "./runs/a"), "data"), root.join("old/data"));
        // Both were moved together, from a folder that is gone or of a run that does not say.
        assert_eq!(now(&place(Some("gone"), "./runs/a"), "data"), root.join("new/data"));
        assert_eq!(now(&place(None, "./runs/a"), "data"), root.join("new/data"));
        let absolute = root.join("gone/data");
        let before = root.join("gone/runs/a");
        let found = now(&place(Some("x"), before.to_str().unwrap()), absolute.to_str().unwrap());
        assert_eq!(found, root.join("new/data"));
        // Nowhere: as written.
        assert_eq!(now(&place(None, "./runs/a"), "other"), Path::new("other"));
        assert_eq!(now(&place(Some("old"), "./runs/a"), "C:\\data"), Path::new("C:\\data"));
    }
}
