//! The contents of a run's folder. Every file but `options.json` may be missing: the run has just
//! started, or is older than that file.

use pixtape::run::{describe, options};
use pixtape::train::Description;
use pixtape::{Error, Result};
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

/// The most columns of a log: what a run logs has some twenty, and a row of a file made for it could
/// ask for one more each.
const MOST_COLUMNS: usize = 64;

/// A log by columns; missing values are NaN.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Columns {
    /// Step of each line.
    pub steps: Vec<f64>,
    /// The other numbers, in the order in which they first appear.
    pub columns: Vec<(String, Vec<f64>)>,
    /// Number of lines that are not a JSON object with a step, except one that is being written.
    pub unreadable: usize,
}

impl Columns {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, values)| values.as_slice())
    }

    fn push(&mut self, row: &Map<String, Value>) {
        let Some(step) = row.get("step").and_then(Value::as_u64) else {
            self.unreadable += 1;
            return;
        };
        let before = self.steps.len();
        self.steps.push(step as f64);
        for (name, value) in row
            .iter()
            .filter(|(name, value)| *name != "step" && (value.is_number() || value.is_null()))
        {
            let at = match self.columns.iter().position(|(n, _)| n == name) {
                Some(at) => at,
                None if self.columns.len() == MOST_COLUMNS => continue,
                None => {
                    self.columns.push((name.clone(), vec![f64::NAN; before]));
                    self.columns.len() - 1
                }
            };
            self.columns[at].1.resize(before, f64::NAN);
            self.columns[at].1.push(value.as_f64().unwrap_or(f64::NAN));
        }
        self.columns.iter_mut().for_each(|(_, values)| values.resize(before + 1, f64::NAN));
    }
}

/// A run, as read from its folder.
#[derive(Debug)]
pub(crate) struct Run {
    pub folder: PathBuf,
    pub name: String,
    pub options: Map<String, Value>,
    /// Losses by step; `epoch` is a column of it.
    pub losses: Columns,
    /// Seconds, waiting, and the learning rate, by step.
    pub timing: Columns,
    /// Metrics by validated step.
    pub validation: Columns,
    /// `validation/rows.json`: the last validation, image by image.
    pub rows: Value,
    /// Names of the pictures in `validation/worst.png`.
    pub worst: Vec<String>,
    /// Warnings of the watchers.
    pub events: Vec<Value>,
    /// `info.json`: device, data, memory.
    pub info: Value,
    /// `best.json`: origin of the best checkpoint.
    pub best: Value,
    /// Milliseconds since 1970 when the losses were last written.
    pub written: Option<u64>,
}

impl Run {
    pub fn read(folder: &Path) -> Result<Run> {
        let Value::Object(options) = options::written(folder)? else {
            return Err(Error::file(folder.join("options.json"), "holds no options"));
        };
        let file_name = || {
            folder
                .canonicalize()
                .ok()
                .and_then(|f| f.file_name().map(|n| n.to_string_lossy().into_owned()))
        };
        let name = options
            .get("name")
            .and_then(Value::as_str)
            .map(String::from)
            .or_else(file_name)
            .unwrap_or_default();
        let modified =
            std::fs::metadata(folder.join("losses.jsonl")).and_then(|m| m.modified()).ok();
        let written = modified
            .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok())
            .map(|d| d.as_millis() as u64);
        let mut events = Vec::new();
        lines(&folder.join("events.jsonl"), |row| events.extend(row.map(Value::Object)))?;
        Ok(Run {
            name,
            options,
            losses: log(&folder.join("losses.jsonl"))?,
            timing: log(&folder.join("timing.jsonl"))?,
            validation: log(&folder.join("validation.jsonl"))?,
            rows: json(&folder.join("validation/rows.json"))?,
            worst: names(&json(&folder.join("validation/worst.json"))?),
            events,
            info: json(&folder.join("info.json"))?,
            best: json(&folder.join("best.json"))?,
            written,
            folder: folder.into(),
        })
    }

    /// An option as text, empty where there is none.
    pub fn option(&self, name: &str) -> &str {
        self.options.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// An option as a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.options.get(name).and_then(Value::as_f64)
    }

    /// Description of the run's losses and sample grids, for runs of any version.
    pub fn model(&self) -> Description {
        describe(&Value::Object(self.options.clone()))
    }

    /// Images of a step.
    pub fn pictures(&self) -> f64 {
        let known = self.info["data"]["batch_size"].as_f64();
        known.unwrap_or_else(|| {
            self.number("batch_size").unwrap_or(1.0) * self.number("accumulate").unwrap_or(1.0)
        })
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.losses.steps.last().map_or(0, |s| *s as u64)
    }

    /// Steps that the options ask for, if the number of batches in an epoch is known: from
    /// `info.json`, or from a complete epoch.
    pub fn total(&self) -> Option<u64> {
        let count = |name| self.number(name).map(|n| n as u64);
        let known = self.info["data"]["batches_per_epoch"].as_u64();
        let seen = || {
            let second = self.losses.column("epoch")?.iter().position(|e| *e == 2.0)?;
            Some((self.losses.steps[second] as u64).saturating_sub(1))
        };
        let epochs = count("n_epochs")?
            .saturating_add(count("n_epochs_decay").unwrap_or(0))
            .saturating_add(1)
            .saturating_sub(count("epoch_count").unwrap_or(1));
        let whole = known.or_else(seen).map(|batches| batches.saturating_mul(epochs));
        match (whole, count("max_steps")) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The first step of each epoch, from epoch 1.
    pub fn epoch_starts(&self) -> Vec<f64> {
        let mut starts = Vec::new();
        for (step, epoch) in
            self.losses.steps.iter().zip(self.losses.column("epoch").unwrap_or_default())
        {
            // A log holds whole epochs in order; the bound keeps a broken one from asking for
            // memory.
            while epoch.is_finite()
                && (starts.len() as f64) < *epoch
                && starts.len() < self.losses.steps.len()
            {
                starts.push(*step);
            }
        }
        starts
    }
}

/// The lines of a log as objects, `None` for lines that are not; the last one may be cut off, since
/// a run may be writing it.
fn lines(path: &Path, mut each: impl FnMut(Option<Map<String, Value>>)) -> Result<()> {
    let file = match pixtape::io::file::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(unread(path, &e)),
    };
    let (mut reader, mut bytes) = (BufReader::new(file), Vec::new());
    while reader.read_until(b'\n', &mut bytes).map_err(|e| unread(path, &e))? > 0 {
        let whole = bytes.ends_with(b"\n");
        let row = serde_json::from_slice(&bytes).ok();
        if row.is_some() || whole {
            each(row);
        }
        bytes.clear();
    }
    Ok(())
}

fn log(path: &Path) -> Result<Columns> {
    let mut log = Columns::default();
    lines(path, |row| match row {
        Some(row) => log.push(&row),
        None => log.unreadable += 1,
    })?;
    Ok(log)
}

/// A JSON file; null if it is missing or not JSON (the page then leaves its contents out).
fn json(path: &Path) -> Result<Value> {
    match pixtape::io::file::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Value::Null),
        Err(e) => Err(unread(path, &e)),
    }
}

fn names(list: &Value) -> Vec<String> {
    let list = list.get("names").unwrap_or(list);
    list.as_array().into_iter().flatten().filter_map(|n| n.as_str().map(String::from)).collect()
}

fn unread(path: &Path, e: &std::io::Error) -> Error {
    Error::file(path, format!("cannot be read: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_becomes_columns_and_bad_lines_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text = "{\"step\":1,\"a\":1.5}\nno \
                    json\n{\"step\":2,\"b\":null,\"c\":\"text\"}\n[1]\n{\"a\":1}\n{\"step\":3,\"a\":2,\"b\":7}\n{\"step\":4,\"a\"";
        std::fs::write(&path, text).unwrap();
        let log = log(&path).unwrap();
        assert_eq!((log.steps.as_slice(), log.unreadable), ([1.0, 2.0, 3.0].as_slice(), 3));
        let a = log.column("a").unwrap();
        assert!(a[0] == 1.5 && a[1].is_nan() && a[2] == 2.0);
        let b = log.column("b").unwrap();
        assert!(b.len() == 3 && b[1].is_nan() && b[2] == 7.0 && log.column("c").is_none());
        assert_eq!(super::log(&dir.path().join("none")).unwrap(), Columns::default());
    }

    #[test]
    fn the_number_of_steps_is_told_or_seen() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        assert!(
            Run::read(dir.path()).unwrap_err().to_string().contains("is it the folder of a run")
                || !dir.path().join("options.json").exists()
        );
        write(
            "options.json",
            r#"{"format_version":1,"options":{"name":"n","n_epochs":2,"n_epochs_decay":3}}"#,
        );
        write(
            "losses.jsonl",
            "{\"step\":1,\"epoch\":1}\n{\"step\":2,\"epoch\":1}\n{\"step\":3,\"epoch\":1}\n",
        );
        let run = Run::read(dir.path()).unwrap();
        assert_eq!((run.step(), run.total(), run.epoch_starts()), (3, None, vec![1.0]));
        write(
            "losses.jsonl",
            "{\"step\":1,\"epoch\":1}\n{\"step\":2,\"epoch\":1}\n{\"step\":3,\"epoch\":2}\n",
        );
        let run = Run::read(dir.path()).unwrap();
        assert_eq!((run.total(), run.epoch_starts()), (Some(10), vec![1.0, 3.0]));
        write("info.json", r#"{"data":{"batches_per_epoch":7}}"#);
        assert_eq!(Run::read(dir.path()).unwrap().total(), Some(35));
        write(
            "options.json",
            r#"{"format_version":1,"options":{"name":"n","n_epochs":2,"n_epochs_decay":3,"max_steps":9}}"#,
        );
        assert_eq!(Run::read(dir.path()).unwrap().total(), Some(9));
    }
}
