//! A run's folder: options, logs, checkpoints, and where the run stands.

use super::logs::Log;
use super::names::{
    CONFIG, FEATURES_FILE, FOLDER, FORMAT, INFO, LOCK, MOMENTS, OPTIONS, POOLS, STATE, TUNING,
};
use super::state::State;
use super::{COMMIT, Options, Trainer};
use crate::io::tuning::TuningFile;
use crate::io::{create_dir, file::open, write_aside};
use crate::train::{Losses, Rates};
use crate::tune::Identity;
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a folder records of its run.
#[derive(Clone, Debug)]
pub struct About {
    /// The options as they were resolved.
    pub options: Value,
    /// What its files say of themselves: architecture, preprocessing, device and version.
    pub files: Value,
    /// The same as a TOML file, which a later run can start from.
    pub config: String,
    /// Whether correlations of inputs and outputs are logged.
    pub correlations: bool,
    /// Checkpoints to keep.
    pub keep: usize,
}

impl About {
    /// What the run of a trainer records of itself.
    ///
    /// # Errors
    /// [`Error::Internal`] for options that TOML cannot hold.
    pub fn new(options: &Options, trainer: &Trainer) -> Result<About> {
        let identity = Identity::of(trainer.program().gpu());
        let (width, height) = trainer.settings().size;
        // Everything that decides what the files are good for, and what made them. Nothing in it
        // depends on where the run lies or how far it is to go.
        let files = json!({
            "format_version": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "commit": COMMIT,
            "adapter": identity.adapter,
            "driver": identity.driver,
            "kernels": identity.kernels,
            "width": width,
            "height": height,
            // What the norms did in training; translating and measuring do the same by default.
            "norm_mode": "batch",
            "options": options.of_files(),
        });
        Ok(About {
            options: options.to_json(),
            files,
            config: options.to_toml()?,
            correlations: !trainer.description().paired,
            keep: options.run.keep as usize,
        })
    }
}

/// A run's folder with its open logs.
#[derive(Debug)]
pub struct RunFolder {
    pub(super) path: PathBuf,
    /// A line a step.
    losses: Log,
    timing: Log,
    /// A line a validated epoch.
    pub validation: Log,
    /// A line a watcher's remark.
    pub events: Log,
    /// How outputs go with inputs, of models without pairs.
    correlations: Option<Log>,
    about: Value,
    /// Where the run stood when the folder was opened; nothing for a new run.
    resumed: Option<State>,
    pub(super) keep: usize,
    /// Held as long as the run goes on; the system lets go of it when the process ends, however it
    /// ends.
    _lock: File,
}

impl RunFolder {
    /// Makes a folder for a new run. One that holds a run already is refused, or emptied of it with
    /// `overwrite`.
    pub fn create(
        path: &Path,
        overwrite: bool,
        about: About,
        held_lock: Option<File>,
    ) -> Result<RunFolder> {
        let held = refuse_held(path, overwrite)?;
        create_dir(path)?;
        let lock = held_lock.map_or_else(|| lock(path), Ok)?;
        if held {
            remove_run(path)?;
        }
        RunFolder::with_logs(path, None, about, lock)
    }

    /// Opens the logs, cut back to where the run stands.
    pub(super) fn with_logs(
        path: &Path,
        resumed: Option<State>,
        about: About,
        lock: File,
    ) -> Result<RunFolder> {
        let step = resumed.as_ref().map_or(0, |state| state.step);
        for folder in [path.into(), path.join("samples"), path.join("validation")] {
            create_dir(&folder)?;
            remove_parts(&folder);
        }
        let whole = json!({
            "format_version": FORMAT, "version": env!("CARGO_PKG_VERSION"),
            // What its relative paths are relative to.
            "worked_in": std::env::current_dir().ok().as_deref().and_then(Path::to_str),
            "options": about.options,
        });
        write_json(&path.join(OPTIONS), &whole)?;
        write_aside(&path.join(CONFIG), about.config.as_bytes())?;
        let log = |name: &str| Log::open(&path.join(name), step);
        Ok(RunFolder {
            path: path.into(),
            losses: log("losses.jsonl")?,
            timing: log("timing.jsonl")?,
            validation: log("validation.jsonl")?,
            events: log("events.jsonl")?,
            correlations: about.correlations.then(|| log("correlations.jsonl")).transpose()?,
            about: about.files,
            resumed,
            keep: about.keep,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run stood when the folder was opened: nothing for a new run.
    pub fn resumed(&self) -> Option<&State> {
        self.resumed.as_ref()
    }

    /// The kernels that a run uses; one of an older version does not say.
    pub fn tuning(path: &Path) -> Result<Option<TuningFile>> {
        let file = path.join(TUNING);
        if file.exists() { TuningFile::read(&file).map(Some) } else { Ok(None) }
    }

    /// Writes down the kernels that this run uses.
    pub fn save_tuning(&self, tuning: &TuningFile) -> Result<()> {
        tuning.write(&self.path.join(TUNING))
    }

    /// Writes what a page about the run wants to know of device, memory and data.
    pub fn save_info(&self, info: &Value) -> Result<()> {
        write_json(&self.path.join(INFO), info)
    }

    /// What a file of this run says of itself, with something more.
    pub(super) fn about(&self, more: &Value) -> Value {
        let mut about = self.about.clone();
        for (name, value) in more.as_object().into_iter().flatten() {
            about[name] = value.clone();
        }
        about
    }

    /// Appends a step's losses.
    pub fn log_losses(&mut self, losses: &Losses, epoch: u64) -> Result<()> {
        let mut row = Map::new();
        row.insert("step".into(), losses.step.into());
        row.insert("epoch".into(), epoch.into());
        for (name, value) in &losses.named {
            row.insert((*name).into(), json!(value));
        }
        self.losses.line(&Value::Object(row))
    }

    /// Appends the correlation between each generator's outputs and inputs, by its name; null where
    /// something does not vary.
    pub fn log_correlations(&mut self, step: u64, found: &[(&'static str, f64)]) -> Result<()> {
        let Some(log) = &mut self.correlations else { return Ok(()) };
        let mut row = Map::from_iter([("step".to_string(), json!(step))]);
        row.extend(found.iter().map(|(name, value)| (name.to_string(), json!(value))));
        log.line(&Value::Object(row))
    }

    /// The correlations logged so far.
    pub fn correlations(&mut self) -> Result<Vec<Value>> {
        self.correlations.as_mut().map_or(Ok(Vec::new()), Log::read)
    }

    /// The losses logged so far.
    pub fn losses(&mut self) -> Result<Vec<Value>> {
        self.losses.read()
    }

    /// Appends a step's times, in seconds, and its learning rates.
    pub fn log_time(&mut self, step: u64, seconds: f64, data: f64, rates: Rates) -> Result<()> {
        let round = |s: f64| (s * 1e6).round() / 1e6;
        self.timing.line(&json!({
            "step": step, "seconds": round(seconds), "data_wait": round(data), "lr_G": rates.g,
            "lr_D": rates.d,
        }))
    }

    /// Hands what was logged to the system, so that others can read it.
    ///
    /// # Errors
    /// [`Error::File`] for the first log that cannot be written, after all were tried.
    pub fn flush(&mut self) -> Result<()> {
        self.logs().map(Log::flush).fold(Ok(()), Result::and)
    }

    /// Brings what was logged to the disk: before a checkpoint, so that a resumed run finds its
    /// lines.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn sync(&mut self) -> Result<()> {
        self.logs().map(Log::sync).fold(Ok(()), Result::and)
    }

    fn logs(&mut self) -> impl Iterator<Item = &mut Log> {
        [&mut self.losses, &mut self.timing, &mut self.validation, &mut self.events]
            .into_iter()
            .chain(&mut self.correlations)
    }
}

/// Whether a folder holds a run, which a new one does not replace unless `overwrite` is set.
pub fn refuse_held(path: &Path, overwrite: bool) -> Result<bool> {
    let held = path.join(OPTIONS).exists() || path.join(STATE).exists();
    if held && !overwrite {
        return Err(Error::file(
            path,
            "holds a run already; resume it with `continue_train`, replace it with `overwrite`, or \
             choose another `name`",
        ));
    }
    Ok(held)
}

/// One program a folder: held until the file is dropped. Before anything is read that another
/// program may be replacing.
pub fn lock(path: &Path) -> Result<File> {
    let file = path.join(LOCK);
    let cannot = |e: std::io::Error| {
        let hint = match e.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "; a run goes on in its own folder: copy it to where you can write"
            }
            _ => "",
        };
        Error::file(&file, format!("cannot be written: {e}{hint}"))
    };
    // A folder may come from others: what the name leads to is not emptied, nor waited for.
    if file.exists() {
        open(&file).map_err(cannot)?;
    }
    let mut options = File::options();
    let lock = options.write(true).create(true).truncate(false).open(&file).map_err(cannot)?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::file(
            path,
            "another pixtape is training in this folder; wait for it, or choose another `name`",
        )),
        // Some file systems have no locks.
        _ => Ok(lock),
    }
}

/// Removes what was being written aside when an earlier program was killed: nobody else writes here
/// now.
fn remove_parts(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_file() && path.extension().is_some_and(|e| e == "part") {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes JSON for people.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    write_aside(path, text.as_bytes())
}

/// Removes what a run wrote, and nothing else.
fn remove_run(path: &Path) -> Result<()> {
    const FILES: [&str; 15] = [
        OPTIONS,
        CONFIG,
        TUNING,
        INFO,
        STATE,
        MOMENTS,
        POOLS,
        FEATURES_FILE,
        "best.json",
        "report.html",
        "losses.jsonl",
        "timing.jsonl",
        "validation.jsonl",
        "events.jsonl",
        "correlations.jsonl",
    ];
    const FOLDERS: [&str; 5] = [FOLDER, "samples", "validation", "diverged", "tensorboard"];
    let entries =
        std::fs::read_dir(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let gone = if FOLDERS.contains(&name.as_str()) {
            std::fs::remove_dir_all(entry.path())
        } else if FILES.contains(&name.as_str())
            || (name.contains("_net_") && name.ends_with(".safetensors"))
        {
            std::fs::remove_file(entry.path())
        } else {
            Ok(())
        };
        gone.map_err(|e| Error::file(entry.path(), format!("cannot be removed: {e}")))?;
    }
    Ok(())
}
