//! The loop over batches, and what happens between them.

use super::samples::spread;
use super::validation::Validation;
use super::watch::Seen;
use super::{Ended, Event, Remark, Session, SessionOptions, Started, Step, Validated, peak_memory};
use crate::io::Loader;
use crate::train::Losses;
use crate::{Error, Result};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Batches that are kept until it is known that their step went well: more than there are steps
/// whose losses have not arrived.
const RECENT: usize = 8;

/// Steps between measurements of how outputs correlate with inputs, of models without pairs.
const CORRELATION_STEPS: u64 = 100;

impl Session<'_> {
    /// Trains to the end of the session.
    pub(super) fn train(&mut self) -> Result<Ended> {
        let per_epoch = self.dataset.batches_per_epoch() as u64;
        let (started, first) = (Instant::now(), self.trainer.steps());
        let total = self.total(per_epoch);
        self.begin(first, total)?;
        if self.saved.is_none() {
            // A disk that is too small or not ours is found now, and from here on there is
            // something to resume from.
            self.save(&[])?;
        }
        let (epoch, batch) = self.position;
        let mut loader = Loader::new(self.dataset.clone(), epoch, batch, self.options.threads)?;
        while self.trainer.steps() < total
            && !self.stop.load(Ordering::SeqCst)
            && self.stopped_early().is_none()
        {
            let (epoch, index) = self.step(&mut loader)?;
            let epoch_ends = index as u64 + 1 == per_epoch;
            self.position = if epoch_ends { (epoch + 1, 0) } else { (epoch, index + 1) };
            if epoch_ends {
                self.end_of_epoch(epoch)?;
            }
            if self.trainer.steps().is_multiple_of(CORRELATION_STEPS) {
                self.correlations()?;
            }
            self.save_if_due(epoch_ends.then_some(epoch))?;
        }
        self.drain()?;
        if self.saved != Some(self.trainer.steps()) {
            self.save(&[])?;
        }
        pollster::block_on(self.samples.write(&self.folder.path().join("samples/latest.png")))?;
        let step = self.trainer.steps();
        let ended = Ended {
            folder: self.folder.path().into(),
            first,
            step,
            steps: total,
            stopped_early: self.stopped_early().filter(|_| step < total),
            elapsed: started.elapsed(),
            pace: self.pace,
        };
        self.emit(Event::Ended(ended.clone()))?;
        Ok(ended)
    }

    /// Steps in all, counted from the run's first.
    fn total(&mut self, per_epoch: u64) -> u64 {
        // With another batch size than before an epoch may have fewer batches.
        if self.position.1 as u64 >= per_epoch {
            self.position = (self.position.0 + 1, 0);
        }
        // From where the run stands, so that other data or batch sizes than before do not move its
        // last epoch.
        let (epoch, batch) = (self.position.0, self.position.1 as u64);
        let left = per_epoch
            .saturating_mul((self.options.epochs + 1).saturating_sub(epoch))
            .saturating_sub(batch);
        let most = self.options.max_steps.unwrap_or(u64::MAX);
        most.min(self.trainer.steps().saturating_add(left))
    }

    fn begin(&mut self, first: u64, total: u64) -> Result<()> {
        self.emit(Event::Started(Started {
            folder: self.folder.path().into(),
            step: first,
            steps: total,
            images: self.images_per_step(),
            device_bytes: self.trainer.program().plan().memory().total(),
            model: self.trainer.description().clone(),
            info: self.info.clone(),
        }))?;
        let early = std::mem::take(&mut self.early);
        early.into_iter().try_for_each(|event| self.emit(event))?;
        if first >= total {
            self.emit(Event::NothingToDo { step: first, steps: total })?;
        }
        Ok(())
    }

    /// Images of each side per step.
    fn images_per_step(&self) -> u64 {
        self.trainer.settings().pictures.into()
    }

    /// Trains on the next batch; returns its epoch and its index there.
    fn step(&mut self, loader: &mut Loader) -> Result<(u64, usize)> {
        let start = Instant::now();
        let batch = loader.next()?;
        let waited = start.elapsed();
        if self.schedule.frees(batch.epoch, self.trainer.steps()) {
            self.trainer.restart_generators()?;
        }
        let rates = self.schedule.at(batch.epoch);
        let losses = self.trainer.step(&batch.values(), rates)?;
        let (step, epoch, index) = (self.trainer.steps(), batch.epoch, batch.index);
        self.epochs.insert(step, epoch);
        self.recent.push_back((step, batch));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.log(losses)?;
        let seconds = start.elapsed();
        self.folder.log_time(step, seconds.as_secs_f64(), waited.as_secs_f64(), rates)?;
        self.pace.add(seconds, waited);
        self.emit(Event::Step(Step { step, epoch, seconds, waited, rates, pace: self.pace }))?;
        Ok((epoch, index))
    }

    /// Validations without improvement, if they are as many as [`SessionOptions::early_stop`] says.
    fn stopped_early(&self) -> Option<u64> {
        let since = self.validation.as_ref().map(Validation::since)?;
        self.options.early_stop.filter(|most| since >= *most)
    }

    fn end_of_epoch(&mut self, epoch: u64) -> Result<()> {
        self.drain()?;
        let step = self.trainer.steps();
        let path = self.folder.path().join(format!("samples/epoch{epoch:03}.png"));
        let judged = pollster::block_on(self.samples.write(&path))?;
        for (generator, rows) in judged.iter().enumerate() {
            let remark = self.watch.outputs(step, generator, spread(rows));
            remark.into_iter().try_for_each(|r| self.remark(r))?;
        }
        self.emit(Event::Samples { step, epoch, path })?;
        let mut validated = None;
        if self.options.val_freq > 0 && epoch.is_multiple_of(self.options.val_freq) {
            validated = self.validate(epoch)?;
        }
        // Where there is validation, epochs without it do not count for the schedule.
        if self.validation.is_none() || validated.is_some() {
            self.schedule.end_epoch(validated);
        }
        self.folder.flush()?;
        self.emit(Event::EpochEnded { step, epoch })
    }

    /// The mean L1 on `val/`, where there is one.
    fn validate(&mut self, epoch: u64) -> Result<Option<f64>> {
        let Some(validation) = &mut self.validation else { return Ok(None) };
        let step = self.trainer.steps();
        let (mean, best) = validation.run(&self.samples, &mut self.folder, step, epoch)?;
        if best {
            pollster::block_on(self.folder.save_best(&self.trainer, epoch, "l1", mean.l1))?;
        }
        let l1 = mean.l1;
        self.emit(Event::Validated(Validated { step, epoch, mean, best }))?;
        Ok(Some(l1))
    }

    fn correlations(&mut self) -> Result<()> {
        let Some(found) = pollster::block_on(self.samples.correlations())? else { return Ok(()) };
        let step = self.trainer.steps();
        self.folder.log_correlations(step, &found)?;
        let values: Vec<f64> = found.iter().map(|(_, value)| *value).collect();
        let remark = self.watch.correlations(step, &values);
        remark.into_iter().try_for_each(|r| self.remark(r))
    }

    /// Logs losses that have arrived, and shows them to the watchers.
    fn log(&mut self, losses: Vec<Losses>) -> Result<()> {
        for losses in losses {
            let step = losses.step;
            let epoch = self.epochs.remove(&step).unwrap_or(0);
            if let Some((name, value)) = losses.named.iter().find(|(_, v)| !v.is_finite()) {
                self.bad = Some(step);
                return Err(Error::NotFinite { name: (*name).into(), value: *value });
            }
            let model = self.trainer.description();
            let seen = Seen::new(model, step, epoch, |name| losses.get(name).map(f64::from));
            self.schedule.saw_step(seen.distance as f32);
            self.folder.log_losses(&losses, epoch)?;
            self.emit(Event::Losses { epoch, losses })?;
            self.watch.losses(seen).into_iter().try_for_each(|remark| self.remark(remark))?;
        }
        Ok(())
    }

    fn remark(&mut self, remark: Remark) -> Result<()> {
        let Remark { step, kind, message } = &remark;
        let line = json!({ "step": step, "kind": kind, "message": message });
        self.folder.events.line(&line)?;
        self.emit(Event::Remark(remark))
    }

    /// Waits for all losses.
    fn drain(&mut self) -> Result<()> {
        let rest = self.trainer.finish()?;
        self.log(rest)
    }

    /// Writes a checkpoint where the options ask for one; `epoch` if one has just ended.
    fn save_if_due(&mut self, epoch: Option<u64>) -> Result<()> {
        let SessionOptions { save_epoch_freq, save_latest_freq: freq, save_by_iter, .. } =
            self.options;
        let mut also = Vec::new();
        also.extend(epoch.filter(|e| e.is_multiple_of(save_epoch_freq)).map(|e| e.to_string()));
        // By the count of images, so that a run that was stopped saves where others do.
        let images = self.trainer.steps() * self.images_per_step();
        let due = images / freq > (images - self.images_per_step()) / freq;
        also.extend((due && save_by_iter).then(|| format!("iter_{images}")));
        if due || !also.is_empty() { self.save(&also) } else { Ok(()) }
    }

    /// Writes a checkpoint, and its weights under more names.
    fn save(&mut self, also: &[String]) -> Result<()> {
        self.drain()?;
        let (position, state) = (self.position, self.schedule.state);
        pollster::block_on(self.folder.save(&self.trainer, position, also, state))?;
        let step = self.trainer.steps();
        self.saved = Some(step);
        self.info["process_peak_bytes"] = peak_memory().into();
        self.folder.save_info(&self.info)?;
        self.emit(Event::Saved { step, also: also.to_vec() })
    }
}
