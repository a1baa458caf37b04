//! Logs of a run: files of JSON lines, each with the step it is about.

use crate::io::write_aside;
use crate::{Error, Result};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A log that is open for more lines.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens a log, cut back to the lines up to `step`.
    pub fn open(path: &Path, step: u64) -> Result<Log> {
        let cannot = |e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
        if path.exists() {
            let mut kept = Vec::new();
            for (text, row) in rows(path)? {
                if row["step"].as_u64().is_some_and(|s| s <= step) {
                    kept.extend_from_slice(text.as_bytes());
                    kept.push(b'\n');
                }
            }
            write_aside(path, &kept)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map(BufWriter::new)
            .map_err(cannot)?;
        Ok(Log { path: path.into(), file })
    }

    /// Appends a line.
    pub fn line(&mut self, value: &Value) -> Result<()> {
        let done = writeln!(self.file, "{value}");
        self.told(done)
    }

    /// Hands everything to the system, so that others can read it.
    pub fn flush(&mut self) -> Result<()> {
        let done = self.file.flush();
        self.told(done)
    }

    /// Brings everything to the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        let done = self.file.get_ref().sync_all();
        self.told(done)
    }

    /// All rows of the log.
    pub fn read(&mut self) -> Result<Vec<Value>> {
        self.flush()?;
        Ok(rows(&self.path)?.into_iter().map(|(_, row)| row).collect())
    }

    fn told(&self, done: std::io::Result<()>) -> Result<()> {
        done.map_err(|e| Error::file(&self.path, format!("cannot be written: {e}")))
    }
}

/// The whole lines of a log; one cut off in the middle is no line.
fn rows(path: &Path) -> Result<Vec<(String, Value)>> {
    let cannot = |e: std::io::Error| Error::file(path, format!("cannot be read: {e}"));
    let mut rows = Vec::new();
    let mut lines = BufReader::new(File::open(path).map_err(cannot)?).split(b'\n');
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
    }
}
