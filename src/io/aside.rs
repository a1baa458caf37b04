//! Atomic writing: a crash leaves the old file or the new one, never a mixture.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::{Error, Result};

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it.
///
/// # Errors
/// [`Error::File`] when the folder is missing or cannot be written, or the disk is full. An
/// existing file at `path` is then unchanged.
pub fn write_aside(path: &Path, bytes: &[u8]) -> Result<()> {
    write_aside_with(path, |file| file.write_all(bytes))
}

/// Like [`write_aside`], for a writer that produces the bytes piece by piece.
///
/// The file handed over is not buffered.
///
/// # Errors
/// As [`write_aside`], and whatever `write` returns.
pub fn write_aside_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let folder = folder_of(path);
    let inner = || -> io::Result<()> {
        let (mut temp, _unfinished) = Unfinished::begin(|| builder(path).tempfile_in(folder))?;
        write(temp.as_file_mut())?;
        temp.as_file().sync_all()?;
        // On failure the error owns the temporary file, and dropping it removes the file.
        temp.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    inner().map_err(|e| cannot("be written", path, &e))?;
    // The rename itself reaches the disk with the folder. Some file systems refuse this; the file
    // is complete either way, so this is not an error.
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|f| f.sync_all());
    Ok(())
}

/// The temporary files that are being written.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A temporary file's entry in the list, as long as it is being written.
struct Unfinished(PathBuf);

impl Unfinished {
    /// Nobody else sees the list between a file's creation and its entry.
    fn begin(
        create: impl FnOnce() -> io::Result<tempfile::NamedTempFile>,
    ) -> io::Result<(tempfile::NamedTempFile, Unfinished)> {
        let mut list = unfinished();
        let temp = create()?;
        list.insert(temp.path().into());
        let entry = Unfinished(temp.path().into());
        Ok((temp, entry))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// Removes the temporary files that are being written now, on any thread, for a program that is
/// about to end on a signal. Nothing can be written aside after it: who tries waits for the end.
pub fn abandon_unfinished() {
    let list = unfinished();
    for path in &*list {
        let _ = std::fs::remove_file(path);
    }
    std::mem::forget(list);
}

/// Creates a folder with its parents, and makes sure that files can be created in it.
///
/// # Errors
/// [`Error::File`] when something else has that name, or the folder cannot be created or written.
pub fn create_dir(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(Error::file(path, "is a file, expected a folder; choose another name"));
    }
    std::fs::create_dir_all(path).map_err(|e| cannot("be created", path, &e))?;
    // Permission bits are not conclusive (ACLs, read-only mounts, full disks): try.
    tempfile::tempfile_in(path).map(drop).map_err(|e| cannot("be written to", path, &e))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

fn builder(path: &Path) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix(path)).suffix(".part");
    #[cfg(unix)]
    {
        // The usual mode of a new file, minus the umask. The default, 0600, would hide results.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// What temporary names begin with, which identifies leftovers after a power cut: the file's name,
/// or its beginning, since a whole name may be as long as the file system allows.
fn prefix(path: &Path) -> &OsStr {
    const LONGEST: usize = 128;
    let name = path.file_name().unwrap_or_default();
    match name.to_str() {
        _ if name.len() <= LONGEST => name,
        Some(text) => OsStr::new(&text[..text.floor_char_boundary(LONGEST)]),
        None => OsStr::new("file"),
    }
}

fn cannot(verb: &str, path: &Path, e: &io::Error) -> Error {
    let hint = match e.kind() {
        ErrorKind::PermissionDenied => "no right to write there; choose another folder",
        ErrorKind::ReadOnlyFilesystem => "mounted read-only; choose another folder",
        ErrorKind::NotFound => "its folder does not exist; create it or correct the path",
        ErrorKind::StorageFull => "free some space or choose another disk",
        ErrorKind::IsADirectory => "a folder has that name; choose another",
        ErrorKind::NotADirectory => "part of the path is a file; correct the path",
        _ => "check the path and the disk",
    };
    Error::file(path, format!("cannot {verb}: {e}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn writes_and_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_aside(&path, b"one").unwrap();
        write_aside(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_name_may_be_as_long_as_a_name_can_be() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["x".repeat(255), "é".repeat(127)] {
            write_aside(&dir.path().join(&name), b"bytes").unwrap();
            assert!(names(dir.path()).contains(&name));
        }
    }

    #[test]
    fn failing_writer_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let fail = |file: &mut File| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk on fire"))
        };
        let message = write_aside_with(&path, fail).unwrap_err().to_string();
        assert!(message.contains("a.json: cannot be written: disk on fire"), "{message}");
        assert!(names(dir.path()).is_empty());
        write_aside(&path, b"old").unwrap();
        write_aside_with(&path, fail).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn failing_rename_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), b"").unwrap();
        write_aside(&path, b"bytes").unwrap_err();
        assert_eq!(names(dir.path()), ["taken"]);
        let message = write_aside(&dir.path().join("no/such"), b"").unwrap_err().to_string();
        assert!(message.contains("folder does not exist"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_a_usual_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let meta = std::fs::metadata(dir.path().join(name)).unwrap();
            meta.permissions().mode() & 0o777
        };
        std::fs::write(dir.path().join("usual"), b"").unwrap();
        write_aside(&dir.path().join("aside"), b"").unwrap();
        assert_eq!(mode("aside"), mode("usual"));
    }

    #[test]
    fn create_dir_makes_parents_and_refuses_files() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        create_dir(&deep).unwrap();
        create_dir(&deep).unwrap();
        assert!(names(&deep).is_empty());
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(create_dir(&file).unwrap_err().to_string().contains("is a file"));
        let below = create_dir(&file.join("x")).unwrap_err().to_string();
        assert!(below.contains("cannot be created"), "{below}");
    }
}
