//! Checkpoints: `checkpoints/step_N/`, each a folder that is whole or not there, and `latest_*`
//! beside them, which are the newest one's files under a second name (hard links, or copies where
//! there are none).
//!
//! The order of writing makes a kill at any moment harmless. A checkpoint is written aside, synced
//! and renamed; only then do its files take the place of `latest_*`, one by one. Until that is done
//! `latest_*` may be a mixture, so a run goes on from the newest folder whose digests hold, and
//! puts `latest_*` right first.

use super::Trainer;
use super::folder::{About, RunFolder};
use super::names::{BEST, FOLDER, MOMENTS, OPTIONS, POOLS, STATE};
use super::state::State;
use crate::io::checkpoint::{TensorFile, save_moments, save_pools, save_weights};
use crate::io::write_aside;
use crate::train::ScheduleState;
use crate::{Error, Result};
use serde_json::json;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file of a network's weights; `epoch`: `latest`, `best`, a number, or `iter_` and a number.
pub fn weights_name(epoch: &str, net: &str) -> String {
    format!("{epoch}_net_{net}.safetensors")
}

/// The checkpoint that a run goes on from.
#[derive(Debug)]
pub struct Found {
    /// Where its files lie.
    pub folder: PathBuf,
    /// Where the run stands.
    pub state: State,
    /// What is wrong with newer ones.
    pub refused: Vec<Error>,
}

/// The steps of the checkpoints of a run, newest first.
fn steps(run: &Path) -> Vec<u64> {
    let names = fs::read_dir(run.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned());
    let mut steps: Vec<u64> = names.filter_map(|n| n.strip_prefix("step_")?.parse().ok()).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps
}

fn folder_of(run: &Path, step: u64) -> PathBuf {
    run.join(FOLDER).join(format!("step_{step}"))
}

/// The newest checkpoint of a run that is whole; none if nothing was ever saved.
///
/// # Errors
/// [`Error::File`] if there are some and all are damaged.
pub fn newest(run: &Path) -> Result<Option<Found>> {
    let mut refused = Vec::new();
    let mut found = None;
    for step in steps(run) {
        let folder = folder_of(run, step);
        match State::read(&folder.join(STATE)) {
            Ok(state) => {
                found = Some((folder, state));
                break;
            }
            Err(e) => refused.push(e),
        }
    }
    // A run of an earlier version, or one whose checkpoints were left behind, has `latest_*` alone.
    let own = run.join(STATE);
    if own.exists() {
        match State::read(&own) {
            Ok(state) if found.as_ref().is_none_or(|(_, f)| state.step > f.step) => {
                found = Some((run.into(), state))
            }
            Ok(_) => {}
            Err(e) if found.is_none() => refused.push(e),
            Err(_) => {}
        }
    }
    match (found, refused.is_empty()) {
        (Some((folder, state)), _) => Ok(Some(Found { folder, state, refused })),
        (None, true) => Ok(None),
        (None, false) => {
            let rest = refused.iter().map(Error::to_string).collect::<Vec<_>>().join("; ");
            Err(Error::file(
                run,
                format!(
                    "no checkpoint is whole ({rest}); restore one of them, or start again with \
                     `overwrite`"
                ),
            ))
        }
    }
}

impl Found {
    /// Puts the checkpoint into a trainer.
    pub fn load(&self, trainer: &mut Trainer) -> Result<()> {
        let gpu = trainer.program().gpu().clone();
        // A run that had no averages so far begins them.
        let new = |net: &&str| !self.state.has(&weights_name("latest", net));
        let new: Vec<&str> = trainer.averages().into_iter().filter(new).collect();
        for (net, weights, _) in trainer.saved_networks() {
            if new.contains(&net) {
                continue;
            }
            TensorFile::read(&self.folder.join(weights_name("latest", net)))?.load_into(
                &gpu,
                trainer.store(),
                weights,
            )?;
        }
        let networks: Vec<_> = trainer.networks().iter().map(|(net, w, _)| (*net, *w)).collect();
        TensorFile::read(&self.folder.join(MOMENTS))?.load_moments(
            &gpu,
            trainer.store(),
            &networks,
        )?;
        if !trainer.pools().is_empty() {
            TensorFile::read(&self.folder.join(POOLS))?.load_pools(
                &gpu,
                trainer.store(),
                trainer.pools(),
            )?;
        }
        match self.state.pictures {
            Some(pictures) => trainer.set_progress(self.state.step, pictures),
            None => trainer.set_steps(self.state.step),
        }
        trainer.set_generators_since(self.state.schedule.freed.unwrap_or(0));
        if new.is_empty() { Ok(()) } else { trainer.restart_average() }
    }

    /// Makes a run's `latest_*` and `best*` those of this checkpoint again.
    fn restore(&self, run: &Path) -> Result<()> {
        if self.folder == run {
            return Ok(());
        }
        self.state.files().try_for_each(|name| link(&self.folder.join(name), &run.join(name)))?;
        link(&self.folder.join(STATE), &run.join(STATE))?;
        for name in best_files(run) {
            fs::remove_file(run.join(&name))
                .map_err(|e| Error::file(run.join(&name), format!("cannot be removed: {e}")))?;
        }
        best_files(&self.folder)
            .iter()
            .try_for_each(|name| link(&self.folder.join(name), &run.join(name)))
    }
}

/// Names of the best weights' files in a folder.
fn best_files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned());
    let ours = |n: &String| {
        *n == format!("{BEST}.json")
            || (n.starts_with(&format!("{BEST}_net_")) && n.ends_with(".safetensors"))
    };
    names.filter(ours).collect()
}

/// Gives a file a second name, in place of whatever has it: a hard link, or a copy where the disk
/// has none.
fn link(from: &Path, to: &Path) -> Result<()> {
    let mut part = to.as_os_str().to_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let inner = || {
        let _ = fs::remove_file(&part);
        if fs::hard_link(from, &part).is_err() {
            fs::copy(from, &part)?;
            fs::File::open(&part)?.sync_all()?;
        }
        fs::rename(&part, to)
    };
    let done = inner();
    // Renaming a link onto another of the same file does nothing, and leaves it.
    let _ = fs::remove_file(&part);
    done.map_err(|e| Error::file(to, format!("cannot be written: {e}")))
}

/// Brings a folder's names to the disk. Some file systems refuse this.
fn sync(folder: &Path) {
    #[cfg(unix)]
    let _ = fs::File::open(folder).and_then(|f| f.sync_all());
    #[cfg(not(unix))]
    let _ = folder;
}

impl RunFolder {
    /// Opens the folder of a run that is resumed from a checkpoint; what its logs hold of later
    /// steps is cut off.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be read or written.
    pub fn open(path: &Path, found: &Found, about: About, lock: fs::File) -> Result<RunFolder> {
        found.restore(path)?;
        RunFolder::with_logs(path, Some(found.state.clone()), about, lock)
    }

    /// Writes a checkpoint of the run as it stands, and its weights under the names of `also` (`5`,
    /// `iter_4000`) too. Where the disk is full older checkpoints make room, but never the newest
    /// one; returns how many went, and from then on so many fewer are kept. Logs are not brought to
    /// the disk: [`RunFolder::sync`] does that.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if there is nothing worth keeping, [`Error::File`] if it cannot be
    /// written. The checkpoint before stays whole.
    pub async fn save(
        &mut self,
        trainer: &Trainer,
        position: (u64, usize),
        also: &[String],
        schedule: ScheduleState,
    ) -> Result<usize> {
        let (step, folder) = (trainer.steps(), self.path.join(FOLDER));
        let part = folder.join(format!(".step_{step}"));
        let mut gone = 0;
        loop {
            let done = self.write_checkpoint(trainer, position, also, schedule, &part).await;
            let Err(e) = done else { break };
            let _ = fs::remove_dir_all(&part);
            if matches!(e, Error::File { .. }) && self.make_room() {
                gone += 1;
                continue;
            }
            let earlier = self.path.join(STATE).exists();
            return Err(match e {
                Error::File { path, message } if earlier => Error::File {
                    path,
                    message: format!("{message}; the checkpoint before this one is whole"),
                },
                other => other,
            });
        }
        self.prune(step);
        Ok(gone)
    }

    /// Removes the oldest checkpoint if there are others and the disk is too full for one more.
    fn make_room(&mut self) -> bool {
        let all = steps(&self.path);
        let (Some(newest), Some(oldest)) = (all.first(), all.get(1..).and_then(<[u64]>::last))
        else {
            return false;
        };
        if !is_full(&self.path, bytes_of(&folder_of(&self.path, *newest))) {
            return false;
        }
        let gone = fs::remove_dir_all(folder_of(&self.path, *oldest)).is_ok();
        if gone {
            // One more is written before the oldest is removed.
            self.keep = all.len() - 1;
        }
        gone
    }

    async fn write_checkpoint(
        &self,
        trainer: &Trainer,
        position: (u64, usize),
        also: &[String],
        schedule: ScheduleState,
        part: &Path,
    ) -> Result<()> {
        let (gpu, step, folder) =
            (trainer.program().gpu(), trainer.steps(), self.path.join(FOLDER));
        let cannot =
            |path: &Path, e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
        // Not its parents: a run's folder that is gone stays gone.
        fs::create_dir(&folder)
            .or_else(|e| if folder.is_dir() { Ok(()) } else { Err(cannot(&folder, e)) })?;
        remove_unfinished(&folder);
        fs::create_dir(part).map_err(|e| cannot(part, e))?;
        let mut state = State::new(step, position, trainer.settings().seed, schedule);
        state.pictures = Some(trainer.pictures_seen());
        for (net, weights, passes) in trainer.saved_networks() {
            let name = weights_name("latest", net);
            let about = self.about(&json!({ "network": net, "step": step }));
            state.vouch(
                &name,
                &save_weights(
                    gpu,
                    trainer.store(),
                    weights,
                    passes * step,
                    Some(&about),
                    &part.join(&name),
                )
                .await?,
            );
        }
        let networks: Vec<_> = trainer.networks().iter().map(|(net, w, _)| (*net, *w)).collect();
        let about = self.about(&json!({ "network": "optimizer", "step": step }));
        state.vouch(
            MOMENTS,
            &save_moments(gpu, trainer.store(), &networks, Some(&about), &part.join(MOMENTS))
                .await?,
        );
        if !trainer.pools().is_empty() {
            let about = self.about(&json!({ "network": "pools", "step": step }));
            state.vouch(
                POOLS,
                &save_pools(gpu, trainer.store(), trainer.pools(), Some(&about), &part.join(POOLS))
                    .await?,
            );
        }
        // So that the folder is a run's folder of its own, for translate and eval.
        for name in best_files(&self.path).iter().map(String::as_str).chain([OPTIONS]) {
            link(&self.path.join(name), &part.join(name))?;
        }
        write_aside(&part.join(STATE), state.text()?.as_bytes())?;
        // Before the checkpoint counts: a run that goes on from it has these already.
        for name in also {
            self.name_weights(trainer, part, name)?;
        }
        let (whole, old) = (folder_of(&self.path, step), folder.join(format!(".old_{step}")));
        if whole.exists() {
            fs::rename(&whole, &old).map_err(|e| cannot(&whole, e))?;
        }
        fs::rename(part, &whole).map_err(|e| cannot(&whole, e))?;
        sync(&folder);
        state.files().try_for_each(|name| link(&whole.join(name), &self.path.join(name)))?;
        link(&whole.join(STATE), &self.path.join(STATE))?;
        sync(&self.path);
        Ok(())
    }

    /// Gives the weights of a checkpoint's folder names of their own in the run's folder.
    fn name_weights(&self, trainer: &Trainer, folder: &Path, epoch: &str) -> Result<()> {
        trainer.saved_networks().iter().try_for_each(|(net, ..)| {
            link(
                &folder.join(weights_name("latest", net)),
                &self.path.join(weights_name(epoch, net)),
            )
        })
    }

    /// Keeps the newest checkpoints; newer ones than `step` were damaged, and the run has gone on
    /// from an older one. What cannot be removed now is removed next time.
    fn prune(&self, step: u64) {
        let folder = self.path.join(FOLDER);
        let all = steps(&self.path);
        let newer = all.iter().filter(|s| **s > step);
        let old = all.iter().filter(|s| **s <= step).skip(self.keep.max(1));
        for gone in newer.chain(old) {
            // Under its name a folder is whole.
            let _ = fs::rename(folder_of(&self.path, *gone), folder.join(format!(".old_{gone}")));
        }
        remove_unfinished(&folder);
    }

    /// Keeps the weights as the best so far, with what they were measured by.
    pub async fn save_best(
        &self,
        trainer: &Trainer,
        epoch: u64,
        metric: &str,
        value: f64,
    ) -> Result<()> {
        let (gpu, step) = (trainer.program().gpu(), trainer.steps());
        for (net, weights, passes) in trainer.saved_networks() {
            let about = self.about(&json!({ "network": net, "step": step }));
            save_weights(
                gpu,
                trainer.store(),
                weights,
                passes * step,
                Some(&about),
                &self.path.join(weights_name(BEST, net)),
            )
            .await?;
        }
        super::write_json(
            &self.path.join(format!("{BEST}.json")),
            &json!({ "step": step, "epoch": epoch, "metric": metric, "value": value }),
        )
    }
}

/// Bytes of the files in a folder.
fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// Whether a folder's disk, or its user's share of it, has no room for so many bytes: tried, since
/// no figure of a system says it for quotas too.
fn is_full(folder: &Path, bytes: u64) -> bool {
    // As random as weights: some file systems keep zeros in no space at all.
    let words = (0..1 << 16).flat_map(|i| crate::rng::random(i, 0, 0, 0));
    let block: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    let inner = || {
        let mut file = tempfile::tempfile_in(folder)?;
        let mut left = bytes;
        while left > 0 {
            let more = left.min(block.len() as u64);
            file.write_all(&block[..more as usize])?;
            left -= more;
        }
        file.sync_all()
    };
    inner().is_err_and(|e: std::io::Error| {
        matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    })
}

/// Removes what was being written or removed when the program ended.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
