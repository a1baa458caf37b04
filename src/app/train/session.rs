//! The loop over batches, and what happens between them.

use super::STOP;
use super::progress::{peak_memory, progress};
use crate::app::flags::TrainArgs;
use crate::app::run_folder::{RunFolder, State};
use crate::app::samples::Samples;
use crate::error::{Error, Result};
use crate::io::{AlignedDataset, Loader};
use crate::train::{LOSS_NAMES, Losses, Pix2Pix, Schedule};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A training under way.
pub(super) struct Session<'a> {
    pub args: &'a TrainArgs,
    pub dataset: Arc<AlignedDataset>,
    pub schedule: Schedule,
    pub trainer: Pix2Pix,
    pub folder: RunFolder,
    pub samples: Samples,
    /// Epoch of each step whose losses are still on their way.
    pub epochs: BTreeMap<u64, u64>,
}

impl Session<'_> {
    /// Trains to the end, or until Ctrl-C.
    pub fn run(mut self, state: Option<&State>) -> Result<()> {
        let per_epoch = self.dataset.batches_per_epoch() as u64;
        let last_epoch = self.args.optim.n_epochs + self.args.optim.n_epochs_decay;
        let total = self.args.run.max_steps.unwrap_or(u64::MAX).min(per_epoch.saturating_mul(last_epoch));
        let (first_epoch, first_batch) = state.map_or((1, 0), |s| (s.epoch, s.batch));
        if self.trainer.steps() >= total {
            println!("nothing to do: {} of {total} steps are done; raise --n_epochs or --max_steps", self.trainer.steps());
            return Ok(());
        }
        let mut loader = Loader::new(self.dataset.clone(), first_epoch, first_batch, self.args.data.num_threads)?;
        let bar = progress(total, self.trainer.steps());
        let (started, first) = (Instant::now(), self.trainer.steps());
        let mut latest = String::new();
        let mut since_save = 0;
        let mut position = (first_epoch, first_batch);
        let mut data_wait = Duration::ZERO;
        while self.trainer.steps() < total && !STOP.load(Ordering::SeqCst) {
            let start = Instant::now();
            let batch = loader.next()?;
            let waited = start.elapsed();
            data_wait += waited;
            let losses = self.trainer.step(&batch.input, &batch.target, self.schedule.at(batch.epoch))?;
            let step = self.trainer.steps();
            self.epochs.insert(step, batch.epoch);
            if let Some(text) = self.log(&losses)? {
                latest = text;
            }
            self.folder.log_time(step, start.elapsed().as_secs_f64(), waited.as_secs_f64())?;
            let done = (step - first) as f64;
            bar.set_message(format!("epoch {} · {:.3} s/step · {latest}", batch.epoch, started.elapsed().as_secs_f64() / done));
            bar.set_position(step);
            let images = u64::from(self.args.data.batch_size);
            if bar.is_hidden() && (step * images) % self.args.run.print_freq.max(1) < images {
                println!(
                    "(epoch: {}, step: {step}, {:.3} s/step, data: {:.3} s) {latest}",
                    batch.epoch,
                    started.elapsed().as_secs_f64() / done,
                    data_wait.as_secs_f64() / done
                );
            }
            since_save += images;
            let epoch_ends = batch.index as u64 + 1 == per_epoch;
            position = if epoch_ends { (batch.epoch + 1, 0) } else { (batch.epoch, batch.index + 1) };
            if epoch_ends {
                self.end_of_epoch(batch.epoch)?;
            }
            let save_epoch = epoch_ends && batch.epoch.is_multiple_of(self.args.run.save_epoch_freq);
            if (save_epoch || since_save >= self.args.run.save_latest_freq) && step < total {
                self.save(position)?;
                since_save = 0;
            }
        }
        if let Some(text) = self.drain()? {
            latest = text;
        }
        self.save(position)?;
        pollster::block_on(self.samples.write(self.args.nets.output_nc, &self.folder.path().join("samples/latest.png")))?;
        bar.finish_and_clear();
        self.report(started, first, data_wait, &latest, total);
        Ok(())
    }

    fn end_of_epoch(&mut self, epoch: u64) -> Result<()> {
        self.drain()?;
        let grid = self.folder.path().join(format!("samples/epoch{epoch:03}.png"));
        pollster::block_on(self.samples.write(self.args.nets.output_nc, &grid))?;
        if epoch.is_multiple_of(self.args.run.save_epoch_freq) {
            pollster::block_on(self.folder.save_epoch(&self.trainer, epoch))?;
        }
        Ok(())
    }

    /// Logs losses that have come back; returns the last ones as text.
    fn log(&mut self, losses: &[Losses]) -> Result<Option<String>> {
        for row in losses {
            let epoch = self.epochs.remove(&row.step).unwrap_or(0);
            if let Some((name, value)) = LOSS_NAMES.iter().zip(row.values).find(|(_, v)| !v.is_finite()) {
                return Err(Error::Usage(format!(
                    "{name} is {value} at step {} of {}: training has diverged and stops here, the last checkpoint stays; lower --lr, or look at the pictures of that step",
                    row.step,
                    self.folder.path().display()
                )));
            }
            self.folder.log_losses(row, epoch)?;
        }
        let text = |row: &Losses| LOSS_NAMES.iter().zip(row.values).map(|(n, v)| format!("{n}: {v:.3}")).collect::<Vec<_>>().join(" ");
        Ok(losses.last().map(text))
    }

    fn drain(&mut self) -> Result<Option<String>> {
        let rest = self.trainer.finish()?;
        self.log(&rest)
    }

    fn save(&mut self, position: (u64, usize)) -> Result<()> {
        self.drain()?;
        pollster::block_on(self.folder.save_latest(&self.trainer, position))
    }

    fn report(&self, started: Instant, first: u64, data_wait: Duration, latest: &str, total: u64) {
        let (done, seconds) = (self.trainer.steps() - first, started.elapsed().as_secs_f64());
        println!(
            "{} steps in {seconds:.1} s: {:.3} s/step, waited {:.3} s/step for data; {latest}",
            done,
            seconds / done.max(1) as f64,
            data_wait.as_secs_f64() / done.max(1) as f64
        );
        if let Some(peak) = peak_memory() {
            println!("process memory peak {:.0} MiB", peak as f64 / f64::from(1 << 20));
        }
        println!("saved in {}", self.folder.path().display());
        if self.trainer.steps() < total {
            println!(
                "stopped at step {} of {total}; go on with: pixtape train --checkpoints_dir {} --name {} --continue_train",
                self.trainer.steps(),
                self.args.run.checkpoints_dir.display(),
                self.args.run.name
            );
        }
    }
}
