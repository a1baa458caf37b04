//! Logs of a run: files of JSON lines, each with the step it is about.

use crate::io::file::{open, read};
use crate::io::{Append, write_aside};
use crate::{Error, Result};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A log that is open for more lines.
#[derive(Debug)]
pub struct Log {
    file: Append,
}

impl Log {
    /// Opens a log, cut back to the lines up to `step`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Log> {
        if path.exists() {
            cut_back(path, step)?;
        } else if path.is_symlink() {
            // It leads to a place where nothing is, and which is not for this run to fill.
            let cannot = |e| Error::file(path, format!("cannot be written: {e}"));
            std::fs::remove_file(path).map_err(cannot)?;
        }
        Ok(Log { file: Append::open(path)? })
    }

    /// Cuts the log back to the lines up to `step`.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn cut(&mut self, step: u64) -> Result<()> {
        self.flush()?;
        cut_back(self.file.path(), step)?;
        // It may be another file now.
        self.file = Append::open(self.file.path())?;
        Ok(())
    }

    /// Appends a line.
    ///
    /// # Errors
    /// As [`Append::push`]: the line waits, or is left out where too many wait.
    pub fn line(&mut self, value: &Value) -> Result<()> {
        self.file.push(format!("{value}\n").as_bytes())
    }

    /// Hands everything to the system, so that others can read it.
    ///
    /// # Errors
    /// As [`Append::flush`].
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// As [`Append::sync`].
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync()
    }

    /// All rows of the log.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written or read.
    pub fn read(&mut self) -> Result<Vec<Value>> {
        self.flush()?;
        Ok(rows(self.file.path())?.into_iter().map(|(_, row)| row).collect())
    }
}

/// Leaves the whole lines up to `step`. Where these are how the file begins it is cut, which a full
/// disk allows too.
fn cut_back(path: &Path, step: u64) -> Result<()> {
    let cannot = |e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
    let mut kept = Vec::new();
    for (text, row) in rows(path)? {
        if row["step"].as_u64().is_some_and(|s| s <= step) {
            kept.extend_from_slice(text.as_bytes());
            kept.push(b'\n');
        }
    }
    let before = read(path).map_err(cannot)?;
    // What a link leads to is not for this run to cut.
    if path.is_symlink() || !before.starts_with(&kept) {
        return write_aside(path, &kept);
    }
    if before.len() > kept.len() {
        let file = OpenOptions::new().write(true).open(path).map_err(cannot)?;
        file.set_len(kept.len() as u64).and_then(|()| file.sync_all()).map_err(cannot)?;
    }
    Ok(())
}

/// The whole lines of a log; one cut off in the middle is no line.
fn rows(path: &Path) -> Result<Vec<(String, Value)>> {
    let cannot = |e: std::io::Error| Error::file(path, format!("cannot be read: {e}"));
    let mut rows = Vec::new();
    let mut lines = BufReader::new(open(path).map_err(cannot)?).split(b'\n');
    while let Some(bytes) = lines.next().transpose().map_err(cannot)? {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(row) = serde_json::from_str(&text) {
            rows.push((text, row));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_back_to_a_step_and_half_a_line_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut log = Log::open(&path, 0).unwrap();
        (1..=4).for_each(|step| log.line(&serde_json::json!({ "step": step })).unwrap());
        assert_eq!(log.read().unwrap().len(), 4);
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"step\":1,\"x\":\xff"].concat()).unwrap();
        let mut log = Log::open(&path, 2).unwrap();
        log.line(&serde_json::json!({ "step": 3 })).unwrap();
        drop(log);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n"
        );
        // Half a line in the middle, as a power cut may leave it.
        std::fs::write(&path, b"{\"step\":1}\n{\"st\n\0\0\n{\"step\":2}\n").unwrap();
        drop(Log::open(&path, 2).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"step\":1}\n{\"step\":2}\n");
    }
}
