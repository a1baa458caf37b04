//! A run's folder: options, losses, checkpoints, and where the run stands.

use crate::error::{Error, Result};
use crate::io::checkpoint::{TensorFile, save_moments, save_weights};
use crate::io::tuning::TuningFile;
use crate::io::{create_dir, write_aside};
use crate::train::{LOSS_NAMES, Losses, Pix2Pix};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;

/// Where a run stands. Written last: it vouches for the files it names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    format_version: u32,
    /// Steps done.
    pub step: u64,
    /// Epoch of the next batch, from 1, and that batch's place in it: the sampler's position.
    pub epoch: u64,
    /// See `epoch`.
    pub batch: usize,
    /// Seed of weights, dropout and sampler; random numbers are counted by step, so this and `step` are the whole RNG state.
    pub seed: u64,
    /// SHA-256 of the files that belong to this state.
    digests: BTreeMap<String, String>,
}

/// A run's folder with its open logs.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    losses: BufWriter<File>,
    timing: BufWriter<File>,
}

const STATE: &str = "latest_state.json";
const OPTIONS: &str = "options.json";
const TUNING: &str = "tuning.json";
const MOMENTS: &str = "latest_optimizer.safetensors";

fn weights_name(epoch: &str, net: &str) -> String {
    format!("{epoch}_net_{net}.safetensors")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl RunFolder {
    /// Makes a folder for a new run. One that holds a run already is refused, or emptied of it with `overwrite`.
    pub fn create(path: &Path, overwrite: bool, options: &Value) -> Result<RunFolder> {
        if path.join(OPTIONS).exists() || path.join(STATE).exists() {
            if !overwrite {
                return Err(Error::file(path, "holds a run already; go on with --continue_train, replace it with --overwrite, or choose another --name"));
            }
            remove_run(path)?;
        }
        create_dir(path)?;
        create_dir(&path.join("samples"))?;
        let whole = json!({ "format_version": FORMAT, "version": env!("CARGO_PKG_VERSION"), "options": options });
        write_json(&path.join(OPTIONS), &whole)?;
        RunFolder::open(path, 0)
    }

    /// Opens the logs of a run that stands at `step`; what they hold of later steps is cut off.
    pub fn open(path: &Path, step: u64) -> Result<RunFolder> {
        create_dir(&path.join("samples"))?;
        let losses = log(&path.join("losses.jsonl"), step)?;
        let timing = log(&path.join("timing.jsonl"), step)?;
        Ok(RunFolder { path: path.into(), losses, timing })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Options of a run, as they were resolved.
    pub fn options(path: &Path) -> Result<Value> {
        let file = path.join(OPTIONS);
        let text =
            std::fs::read_to_string(&file).map_err(|e| Error::file(&file, format!("cannot be read: {e}; is {} the folder of a run?", path.display())))?;
        let mut whole: Value = serde_json::from_str(&text).map_err(|e| Error::file(&file, format!("no JSON: {e}")))?;
        match whole["format_version"].as_u64() {
            Some(v) if v <= u64::from(FORMAT) => Ok(whole["options"].take()),
            found => Err(Error::file(&file, format!("format version {found:?} is not known; this pixtape reads up to {FORMAT}"))),
        }
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

    /// Where the run stands, its files checked against their digests.
    pub fn state(path: &Path) -> Result<State> {
        let file = path.join(STATE);
        let text = std::fs::read_to_string(&file)
            .map_err(|e| Error::file(&file, format!("no checkpoint to go on from ({e}); start the run without --continue_train")))?;
        let state: State = serde_json::from_str(&text).map_err(|e| Error::file(&file, format!("no state of a run: {e}")))?;
        for (name, wanted) in &state.digests {
            let file = path.join(name);
            let bytes = std::fs::read(&file).map_err(|e| Error::file(&file, format!("cannot be read: {e}")))?;
            if digest(&bytes) != *wanted {
                return Err(Error::file(
                    &file,
                    "does not belong to latest_state.json (another digest): it was changed or half-copied; restore it, or start again",
                ));
            }
        }
        Ok(state)
    }

    /// Puts the last checkpoint into a trainer.
    pub fn load(path: &Path, trainer: &mut Pix2Pix, state: &State) -> Result<()> {
        let gpu = trainer.program().gpu().clone();
        for (net, weights, _) in trainer.networks() {
            TensorFile::read(&path.join(weights_name("latest", net)))?.load_into(&gpu, trainer.store(), weights)?;
        }
        let networks: Vec<_> = trainer.networks().iter().map(|(net, w, _)| (*net, *w)).collect();
        TensorFile::read(&path.join(MOMENTS))?.load_moments(&gpu, trainer.store(), &networks)?;
        trainer.set_steps(state.step);
        Ok(())
    }

    /// Appends a step's losses.
    pub fn log_losses(&mut self, losses: &Losses, epoch: u64) -> Result<()> {
        let mut row = Map::new();
        row.insert("step".into(), losses.step.into());
        row.insert("epoch".into(), epoch.into());
        for (name, value) in LOSS_NAMES.iter().zip(losses.values) {
            row.insert((*name).into(), json!(value));
        }
        line(&mut self.losses, &Value::Object(row)).map_err(|e| Error::file(self.path.join("losses.jsonl"), format!("cannot be written: {e}")))
    }

    /// Appends a step's times, in seconds.
    pub fn log_time(&mut self, step: u64, seconds: f64, data: f64) -> Result<()> {
        let round = |s: f64| (s * 1e6).round() / 1e6;
        line(&mut self.timing, &json!({ "step": step, "seconds": round(seconds), "data_wait": round(data) }))
            .map_err(|e| Error::file(self.path.join("timing.jsonl"), format!("cannot be written: {e}")))
    }

    /// Writes `<epoch>_net_*`.
    pub async fn save_epoch(&self, trainer: &Pix2Pix, epoch: u64) -> Result<()> {
        let gpu = trainer.program().gpu();
        for (net, weights, passes) in trainer.networks() {
            save_weights(gpu, trainer.store(), weights, passes * trainer.steps(), &self.path.join(weights_name(&epoch.to_string(), net))).await?;
        }
        Ok(())
    }

    /// Writes the checkpoint `latest`: weights, moments, and last the state that vouches for them.
    pub async fn save_latest(&mut self, trainer: &Pix2Pix, (epoch, batch): (u64, usize)) -> Result<()> {
        let flushed = self.losses.flush().and_then(|()| self.timing.flush()).and_then(|()| self.losses.get_ref().sync_all());
        flushed.map_err(|e| Error::file(self.path.join("losses.jsonl"), format!("cannot be written: {e}")))?;
        let gpu = trainer.program().gpu();
        let mut digests = BTreeMap::new();
        for (net, weights, passes) in trainer.networks() {
            let name = weights_name("latest", net);
            let bytes = save_weights(gpu, trainer.store(), weights, passes * trainer.steps(), &self.path.join(&name)).await?;
            digests.insert(name, digest(&bytes));
        }
        let networks: Vec<_> = trainer.networks().iter().map(|(net, w, _)| (*net, *w)).collect();
        let bytes = save_moments(gpu, trainer.store(), &networks, &self.path.join(MOMENTS)).await?;
        digests.insert(MOMENTS.into(), digest(&bytes));
        let state = State { format_version: FORMAT, step: trainer.steps(), epoch, batch, seed: trainer.config().seed, digests };
        let state = serde_json::to_value(state).map_err(|e| Error::Internal(e.to_string()))?;
        write_json(&self.path.join(STATE), &state)
    }
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    write_aside(path, text.as_bytes())
}

fn line(log: &mut BufWriter<File>, value: &Value) -> std::io::Result<()> {
    writeln!(log, "{value}")
}

/// Opens a log for appending, cut back to the lines up to `step`.
fn log(path: &Path, step: u64) -> Result<BufWriter<File>> {
    let cannot = |e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
    if path.exists() {
        let mut kept = Vec::new();
        for text in BufReader::new(File::open(path).map_err(cannot)?).lines() {
            let text = text.map_err(cannot)?;
            let row: Option<Value> = serde_json::from_str(&text).ok();
            // A line cut off in the middle is no line.
            if row.and_then(|r| r["step"].as_u64()).is_some_and(|s| s <= step) {
                kept.extend_from_slice(text.as_bytes());
                kept.push(b'\n');
            }
        }
        write_aside(path, &kept)?;
    }
    OpenOptions::new().create(true).append(true).open(path).map(BufWriter::new).map_err(cannot)
}

/// Removes what a run wrote, and nothing else.
fn remove_run(path: &Path) -> Result<()> {
    let entries = std::fs::read_dir(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = [OPTIONS, STATE, MOMENTS, TUNING, "losses.jsonl", "timing.jsonl"].contains(&name.as_str())
            || (name.contains("_net_") && name.ends_with(".safetensors"));
        let gone = if name == "samples" {
            std::fs::remove_dir_all(entry.path())
        } else if ours {
            std::fs::remove_file(entry.path())
        } else {
            Ok(())
        };
        gone.map_err(|e| Error::file(entry.path(), format!("cannot be removed: {e}")))?;
    }
    Ok(())
}
