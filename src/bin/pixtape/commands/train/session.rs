//! The loop over batches, and what happens between them.

use crate::commands::train::STOP;
use crate::commands::train::progress::{Progress, Step, peak_memory};
use crate::commands::train::validation::Validation;
use crate::commands::train::watch::{Remark, Seen, Spread, Watch};
use crate::options::TrainArgs;
use crate::outputs::report;
use crate::outputs::tensorboard::Board;
use crate::samples::Samples;
use pixtape::io::{Batch, Dataset, Loader, Picture};
use pixtape::run::RunFolder;
use pixtape::run::Trainer;
use pixtape::train::{Losses, Schedule};
use pixtape::{Error, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Batches that are kept until it is known that their step went well: more than there are steps
/// whose losses are on their way.
const RECENT: usize = 8;

/// Steps between looks at whether generators trained without pairs make negatives.
const LOOK: u64 = 100;

/// A training under way.
pub(crate) struct Session<'a> {
    pub args: &'a TrainArgs,
    pub dataset: Arc<Dataset>,
    pub schedule: Schedule,
    pub trainer: Trainer,
    pub folder: RunFolder,
    pub samples: Samples,
    pub validation: Option<Validation>,
    pub watch: Watch,
    pub board: Option<Board>,
    pub page: report::Live,
    pub progress: Progress,
    /// What `info.json` says, but for what changes.
    pub info: Value,
    /// The next batch: epoch, from 1, and place in it.
    pub position: (u64, usize),
    /// Epoch of each step whose losses are still on their way.
    pub epochs: BTreeMap<u64, u64>,
    /// Steps and their batches.
    pub recent: VecDeque<(u64, Batch)>,
    /// The step whose losses are being looked at, if there are any that are no numbers.
    pub bad: Option<u64>,
    /// The step of the last checkpoint.
    pub saved: Option<u64>,
}

impl Session<'_> {
    /// Trains to the end, or until Ctrl-C, or until validation says that it is enough.
    pub fn run(mut self) -> Result<()> {
        let done = self.go();
        self.progress.end();
        match done {
            Err(Error::NotFinite { name, value }) => {
                let step = self.bad.unwrap_or(self.trainer.steps());
                let error = self.diverged(step, &name, value);
                // The page tells why; that it could not be written would not matter beside that.
                let _ = report::write(self.folder.path());
                Err(error)
            }
            other => other,
        }
    }

    fn go(&mut self) -> Result<()> {
        let per_epoch = self.dataset.batches_per_epoch() as u64;
        let last_epoch = self.args.optim.n_epochs + self.args.optim.n_epochs_decay;
        let (started, first) = (Instant::now(), self.trainer.steps());
        // Another batch size than before may have fewer batches an epoch.
        if self.position.1 as u64 >= per_epoch {
            self.position = (self.position.0 + 1, 0);
        }
        // From where the run stands, so that other pictures or batch sizes than before do not move
        // its last epoch.
        let left = per_epoch
            .saturating_mul((last_epoch + 1).saturating_sub(self.position.0))
            .saturating_sub(self.position.1 as u64);
        let total = self.args.run.max_steps.unwrap_or(u64::MAX).min(first.saturating_add(left));
        if first >= total {
            let text = format!(
                "nothing to do: {first} of {total} steps are done; raise --n_epochs or --max_steps"
            );
            self.progress.say("end", &text, json!({ "step": first, "steps": total }));
        }
        if self.saved.is_none() {
            // A disk that is too small or not ours is found now, and from here on there is
            // something to go on from.
            self.save(&[])?;
        }
        self.progress.total = total;
        self.progress.begin(first);
        let mut loader = Loader::new(
            self.dataset.clone(),
            self.position.0,
            self.position.1,
            self.args.data.num_threads,
        )?;
        while self.trainer.steps() < total && !STOP.load(Ordering::SeqCst) && !self.enough() {
            let batch = self.step(&mut loader)?;
            let epoch_ends = batch.1 as u64 + 1 == per_epoch;
            self.position = if epoch_ends { (batch.0 + 1, 0) } else { (batch.0, batch.1 + 1) };
            let mut also = Vec::new();
            if epoch_ends {
                self.end_of_epoch(batch.0)?;
                also.extend(
                    batch
                        .0
                        .is_multiple_of(self.args.run.save_epoch_freq)
                        .then(|| batch.0.to_string()),
                );
            }
            if self.trainer.steps().is_multiple_of(LOOK)
                && let Some(found) = pollster::block_on(self.samples.correlations())?
            {
                let step = self.trainer.steps();
                self.folder.log_correlations(step, &found)?;
                let values: Vec<f64> = found.iter().map(|(_, value)| *value).collect();
                let remark = self.watch.correlations(step, &values);
                remark.into_iter().try_for_each(|r| self.remark(r))?;
            }
            // By the count of pictures, so that a run that was stopped saves where the others do.
            let (images, freq) =
                (self.trainer.steps() * self.progress.images, self.args.run.save_latest_freq);
            let due = images / freq > (images - self.progress.images) / freq;
            also.extend((due && self.args.run.save_by_iter).then(|| format!("iter_{images}")));
            if due || !also.is_empty() {
                self.save(&also)?;
            }
        }
        self.drain()?;
        if self.saved != Some(self.trainer.steps()) {
            self.save(&[])?;
        }
        pollster::block_on(self.samples.write(&self.folder.path().join("samples/latest.png")))?;
        report::write(self.folder.path())?;
        self.progress.end();
        self.report(started, first, total);
        Ok(())
    }

    /// Trains on the next batch; returns its epoch and place.
    fn step(&mut self, loader: &mut Loader) -> Result<(u64, usize)> {
        let start = Instant::now();
        let batch = loader.next()?;
        let waited = start.elapsed();
        let rates = self.schedule.at(batch.epoch);
        let losses = self.trainer.step(&batch.input, &batch.target, rates)?;
        let (step, epoch, index) = (self.trainer.steps(), batch.epoch, batch.index);
        self.epochs.insert(step, epoch);
        self.recent.push_back((step, batch));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.log(&losses)?;
        let seconds = start.elapsed();
        self.folder.log_time(step, seconds.as_secs_f64(), waited.as_secs_f64(), rates)?;
        self.progress.step(Step { step, epoch, seconds, waited });
        Ok((epoch, index))
    }

    /// Whether validation has not become better for as long as `--early_stop` allows.
    fn enough(&self) -> bool {
        let since = self.validation.as_ref().map(Validation::since);
        self.args.run.early_stop.zip(since).is_some_and(|(most, since)| since >= most)
    }

    fn end_of_epoch(&mut self, epoch: u64) -> Result<()> {
        self.drain()?;
        let step = self.trainer.steps();
        let grid = self.folder.path().join(format!("samples/epoch{epoch:03}.png"));
        let judged = pollster::block_on(self.samples.write(&grid))?;
        for (generator, rows) in judged.iter().enumerate() {
            let remark = self.watch.outputs(step, generator, spread(rows));
            remark.into_iter().try_for_each(|r| self.remark(r))?;
        }
        if let Some(board) = &mut self.board {
            board.picture(step, "samples", &grid)?;
            let rates = self.schedule.at(epoch);
            board.scalars(step, &[("learning_rate/G", rates.g), ("learning_rate/D", rates.d)])?;
        }
        let mut validated = None;
        if self.args.run.val_freq > 0 && epoch.is_multiple_of(self.args.run.val_freq) {
            validated = self.validate(epoch)?;
        }
        // Where there is validation, epochs without it are not judged.
        if self.validation.is_none() || validated.is_some() {
            self.schedule.end_epoch(validated);
        }
        self.folder.flush()?;
        self.board.as_mut().map_or(Ok(()), Board::flush)?;
        self.page.write()
    }

    /// The mean L1 on `val/`, where there is one.
    fn validate(&mut self, epoch: u64) -> Result<Option<f64>> {
        let Some(validation) = &mut self.validation else { return Ok(None) };
        let step = self.trainer.steps();
        let (mean, better) = validation.run(&self.samples, &mut self.folder, step, epoch)?;
        if better {
            pollster::block_on(self.folder.save_best(&self.trainer, epoch, "l1", mean.l1))?;
        }
        let best = if better { ", the best so far" } else { "" };
        let text = format!(
            "epoch {epoch}, val/: L1 {:.5}, PSNR {:.2} dB, SSIM {:.4}{best}",
            mean.l1, mean.psnr, mean.ssim
        );
        self.progress.say("validation", &text, json!({ "step": step, "epoch": epoch, "l1": mean.l1, "psnr": mean.psnr, "ssim": mean.ssim, "best": better }));
        if let Some(board) = &mut self.board {
            board.scalars(
                step,
                &[("val/L1", mean.l1), ("val/PSNR", mean.psnr), ("val/SSIM", mean.ssim)],
            )?;
        }
        Ok(Some(mean.l1))
    }

    /// Logs losses that have come back, and has the watchers look at them.
    fn log(&mut self, losses: &[Losses]) -> Result<()> {
        for row in losses {
            let epoch = self.epochs.remove(&row.step).unwrap_or(0);
            if let Some((name, value)) = row.named.iter().find(|(_, v)| !v.is_finite()) {
                self.bad = Some(row.step);
                return Err(Error::NotFinite { name: (*name).into(), value: *value });
            }
            let model = self.trainer.description();
            let seen = Seen::new(model, row.step, epoch, |name| row.get(name).map(f64::from));
            self.schedule.saw_step(seen.distance as f32);
            self.folder.log_losses(row, epoch)?;
            if let Some(board) = &mut self.board {
                let values: Vec<(&str, f64)> =
                    row.named.iter().map(|(n, v)| (*n, f64::from(*v))).collect();
                board.scalars(row.step, &values)?;
            }
            self.progress.losses(row);
            self.watch.losses(seen).into_iter().try_for_each(|remark| self.remark(remark))?;
        }
        Ok(())
    }

    fn remark(&mut self, Remark { step, kind, message }: Remark) -> Result<()> {
        self.progress.say(
            "event",
            &format!("step {step}: {message}"),
            json!({ "step": step, "event": kind, "message": message }),
        );
        self.folder.events.line(&json!({ "step": step, "kind": kind, "message": message }))
    }

    fn drain(&mut self) -> Result<()> {
        let rest = self.trainer.finish()?;
        self.log(&rest)
    }

    /// Writes a checkpoint, and its weights under more names.
    fn save(&mut self, also: &[String]) -> Result<()> {
        self.drain()?;
        pollster::block_on(self.folder.save(
            &self.trainer,
            self.position,
            also,
            self.schedule.state,
        ))?;
        self.saved = Some(self.trainer.steps());
        self.info["process_peak_bytes"] = peak_memory().into();
        self.folder.save_info(&self.info)
    }

    fn report(&self, started: Instant, first: u64, total: u64) {
        let (done, step) = (self.progress.done().0, self.trainer.steps());
        let mut text = format!(
            "{done} steps in {:.1} s: {:.3} s/step, {:.2} images/s, {:.1} % of it waiting for \
             data; {}\n",
            started.elapsed().as_secs_f64(),
            self.progress.seconds_per_step(),
            self.progress.images_per_second(),
            100.0 * self.progress.wait_share(),
            self.progress.text()
        );
        if let Some(peak) = peak_memory() {
            text += &format!("process memory peak {:.0} MiB\n", peak as f64 / f64::from(1 << 20));
        }
        text += &format!("saved in {}", self.folder.path().display());
        if step < total {
            let (why, more) = match self.args.run.early_stop.filter(|_| self.enough()) {
                Some(most) => (
                    format!(", since val/ has not become better for {most} validations"),
                    format!(" --early_stop {}", 2 * most),
                ),
                None => (String::new(), String::new()),
            };
            text += &format!(
                "\nstopped at step {step} of {total}{why}; go on with: pixtape train \
                 --checkpoints_dir {} --name {} --continue_train{more}",
                self.args.run.checkpoints_dir.display(),
                self.args.run.name
            );
        }
        let fields = json!({
            "first": first, "step": step, "steps": total, "seconds_per_step": self.progress.seconds_per_step(), "images_per_second": self.progress.images_per_second(),
            "data_wait_share": self.progress.wait_share(), "folder": self.folder.path(), "stopped_early": step < total && self.enough(), "process_peak_bytes": peak_memory(),
        });
        self.progress.say("end", &text, fields);
    }
}

/// How a sample grid's columns differ.
fn spread(rows: &[[Picture; 3]]) -> Spread {
    let deviation = |p: &Picture| {
        let n = p.data.len() as f64;
        let mean = p.data.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        (p.data.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    let difference = |a: &Picture, b: &Picture| {
        a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
            / a.data.len() as f64
    };
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let within = |column: usize| largest(&mut rows.iter().map(|row| deviation(&row[column])));
    let between = |column: usize| {
        largest(&mut rows.iter().skip(1).map(|row| difference(&rows[0][column], &row[column])))
    };
    Spread { within: within(1), targets: within(2), between: between(1), inputs: between(0) }
}
