//! Opening and reading files that others may have put there: a pipe that nobody writes to, a device
//! without an end and a file that grows do not hold a program up.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The least that may be read of what has no size.
const LEAST: u64 = 1 << 20;
/// The most that is read of a pipe that a shell hands over, such as `<(command)`.
const MOST_OF_PIPE: u64 = 256 << 20;

/// Opens a regular file, or a pipe from a shell.
///
/// # Errors
/// Those of the system, and [`ErrorKind::InvalidInput`] for folders, other pipes, sockets and
/// devices.
pub fn open(path: &Path) -> Result<File> {
    // Before opening: opening a pipe waits for who writes to it.
    let meta = std::fs::metadata(path)?;
    if meta.is_dir() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a folder, not a file"));
    }
    if !meta.is_file() && !from_shell(path, &meta) {
        let why = "it is a pipe, a socket or a device, not a file";
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    File::open(path)
}

/// Whether it is what a shell hands over in place of a file, or `/dev/null`.
fn from_shell(path: &Path, meta: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let handed = path.starts_with("/dev") || path.starts_with("/proc");
        path == Path::new("/dev/null") || (handed && meta.file_type().is_fifo())
    }
    #[cfg(not(unix))]
    {
        let _ = (path, meta);
        false
    }
}

/// Reads a file as large as it was when it was opened.
///
/// # Errors
/// As [`open`], and of the system.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let file = open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() {
        return sized(file, meta.len());
    }
    let mut bytes = Vec::new();
    let read = file.take(MOST_OF_PIPE + 1).read_to_end(&mut bytes)?;
    if read as u64 > MOST_OF_PIPE {
        let why = format!("more than {} MiB came out of a pipe", MOST_OF_PIPE >> 20);
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(bytes)
}

/// The bytes of a file that had this size.
fn sized(file: impl Read, size: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX))?;
    file.take(size.max(LEAST)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text as [`read`] does.
///
/// # Errors
/// As [`read`], and [`ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_folders_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), b"text");
        assert_eq!(read_text(&path).unwrap(), "text");
        assert!(read(dir.path()).unwrap_err().to_string().contains("a folder"));
        assert_eq!(read(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::write(&path, [255]).unwrap();
        assert_eq!(read_text(&path).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[cfg(unix)]
    #[test]
    fn what_never_ends_or_never_begins_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [pipe.as_path(), &link, Path::new("/dev/zero"), Path::new("/dev/urandom")] {
            let message = read(path).unwrap_err().to_string();
            assert!(message.contains("not a file"), "{}: {message}", path.display());
        }
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
    }

    #[test]
    fn a_file_that_grows_faster_than_it_is_read_ends() {
        assert_eq!(sized(std::io::repeat(b'x'), 3 << 20).unwrap().len(), 3 << 20);
        assert_eq!(sized(std::io::repeat(b'x'), 7).unwrap().len() as u64, LEAST);
        assert_eq!(sized(&b"short"[..], 700).unwrap(), b"short");
    }
}
