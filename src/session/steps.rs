//! The loop over batches, and what happens between them.

use super::samples::spread;
use super::validation::{Measured, Validation};
use super::watch::Seen;
use super::{
    Ended, Event, Remark, Scores, Session, SessionOptions, Standing, Started, Step, Validated,
    peak_memory,
};
use crate::io::Loader;
use crate::train::Losses;
use crate::{Error, Result};
use serde_json::{Value, json};
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
        let per_epoch = self.dataset.batches_per_epoch();
        let (started, first) = (Instant::now(), self.trainer.steps());
        let total = self.total(per_epoch as u64);
        self.begin(first, total)?;
        if self.saved.is_none() {
            // A disk that is too small or not ours is found now, and from here on there is
            // something to resume from.
            self.save(&[])?;
        }
        self.catch_up(per_epoch)?;
        let (epoch, batch) = self.position;
        let mut loader = Loader::new(self.dataset.clone(), epoch, batch, self.options.threads)?;
        while self.trainer.steps() < total && !self.stops() && self.stopped_early().is_none() {
            self.step(&mut loader)?;
            self.after_step(per_epoch)?;
        }
        self.drain()?;
        if self.saved != Some(self.standing()) {
            self.save(&[])?;
        }
        let drawn = pollster::block_on(self.samples.draw());
        if let Some((grid, _)) = self.if_there_is_memory("samples", drawn)? {
            let shown = grid.save_png(&self.folder.path().join("samples/latest.png"));
            self.written(shown)?;
        }
        let logged = self.folder.flush();
        self.written(logged)?;
        let step = self.trainer.steps();
        let ended = Ended {
            folder: self.folder.path().into(),
            first,
            step,
            steps: total,
            stopped_early: self.stopped_early().filter(|_| step < total),
            interrupted: self.stops() && (step < total || self.position.1 == per_epoch),
            elapsed: started.elapsed(),
            pace: self.pace,
        };
        self.emit(Event::Ended(ended.clone()))?;
        Ok(ended)
    }

    /// Whether the session was asked to end.
    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Where the session stands: see [`Session::saved`](Session).
    pub(super) fn standing(&self) -> Standing {
        (self.trainer.steps(), self.position)
    }

    /// Does what belongs to the last step and was not done when an earlier session ended.
    fn catch_up(&mut self, per_epoch: usize) -> Result<()> {
        let step = self.trainer.steps();
        let measured = |row: &Value| row["step"].as_u64() == Some(step);
        let unmeasured = !self.trainer.description().paired
            && step > 0
            && step.is_multiple_of(CORRELATION_STEPS)
            && !self.folder.correlations()?.iter().any(measured);
        if self.position.1 == per_epoch || unmeasured { self.after_step(per_epoch) } else { Ok(()) }
    }

    /// What comes after a step: the end of its epoch, measurements, a checkpoint.
    fn after_step(&mut self, per_epoch: usize) -> Result<()> {
        if self.position.1 == per_epoch {
            self.end_of_epoch(self.position.0)?;
            if self.position.1 == per_epoch {
                // It was interrupted.
                return Ok(());
            }
        }
        if self.trainer.steps().is_multiple_of(CORRELATION_STEPS) {
            self.correlations()?;
        }
        let names = self.names_due();
        let asked = self.save_now.swap(false, Ordering::SeqCst);
        if asked || self.is_due() || !names.is_empty() { self.save(&names) } else { Ok(()) }
    }

    /// Steps in all, counted from the run's first.
    fn total(&mut self, per_epoch: u64) -> u64 {
        // With another batch size than before an epoch may have fewer batches.
        if self.position.1 as u64 > per_epoch {
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
        if first >= total && self.position.1 < self.dataset.batches_per_epoch() {
            self.emit(Event::NothingToDo { step: first, steps: total })?;
        }
        Ok(())
    }

    /// Images of each side per step.
    fn images_per_step(&self) -> u64 {
        self.trainer.settings().pictures.into()
    }

    /// Trains on the next batch.
    fn step(&mut self, loader: &mut Loader) -> Result<()> {
        let start = Instant::now();
        let batch = loader.next()?;
        let waited = start.elapsed();
        if self.schedule.frees(batch.epoch, self.trainer.steps()) {
            self.trainer.restart_generators()?;
        }
        let rates = self.schedule.at(batch.epoch);
        let before = self.trainer.steps();
        let losses = self.compute(&batch, rates);
        let (step, epoch) = (self.trainer.steps(), batch.epoch);
        if step > before {
            // Also where an error comes with it: the step is done.
            self.position = (epoch, batch.index + 1);
            self.epochs.insert(step, epoch);
            self.recent.push_back((step, batch));
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
        self.log(losses?)?;
        let seconds = start.elapsed();
        let logged = self.folder.log_time(step, seconds.as_secs_f64(), waited.as_secs_f64(), rates);
        self.written(logged)?;
        self.pace.add(seconds, waited);
        self.emit(Event::Step(Step { step, epoch, seconds, waited, rates, pace: self.pace }))?;
        self.watch_speed(step, seconds.saturating_sub(waited).as_secs_f64())
    }

    /// Validations without improvement, if they are as many as [`SessionOptions::early_stop`] says.
    fn stopped_early(&self) -> Option<u64> {
        let since = self.validation.as_ref().map(Validation::since)?;
        self.options.early_stop.filter(|most| since >= *most)
    }

    /// Samples and validation, in whose middle the session may be asked to end: then, and after an
    /// error, the position says that it is still to be done.
    fn end_of_epoch(&mut self, epoch: u64) -> Result<()> {
        self.drain()?;
        let step = self.trainer.steps();
        let path = self.folder.path().join(format!("samples/epoch{epoch:03}.png"));
        let drawn = pollster::block_on(self.samples.draw());
        if let Some((grid, judged)) = self.if_there_is_memory("samples", drawn)? {
            let shown = self.written(grid.save_png(&path))?;
            for (generator, rows) in judged.iter().enumerate() {
                let remark = self.watch.outputs(step, generator, spread(rows));
                remark.into_iter().try_for_each(|r| self.remark(r))?;
            }
            if shown {
                self.emit(Event::Samples { step, epoch, path })?;
            }
        }
        let mut validated = None;
        if self.options.val_freq > 0 && epoch.is_multiple_of(self.options.val_freq) {
            validated = self.validate(epoch)?;
            if validated.is_none() && self.stops() {
                return Ok(());
            }
        }
        // Where there is validation, epochs without it do not count for the schedule.
        if self.validation.is_none() || validated.is_some() {
            self.schedule.end_epoch(validated.as_ref().map(|v| v.mean.l1));
        }
        self.position = (epoch + 1, 0);
        if let Some(validated) = validated {
            self.emit(Event::Validated(validated))?;
        }
        let logged = self.folder.flush();
        self.written(logged)?;
        self.emit(Event::EpochEnded { step, epoch })
    }

    /// Translates `val/`, where there is one, and measures it; `None` also where the session was
    /// asked to end in the middle of it.
    fn validate(&mut self, epoch: u64) -> Result<Option<Validated>> {
        let Some(mut validation) = self.validation.take() else { return Ok(None) };
        let validated = self.validate_with(&mut validation, epoch);
        self.validation = Some(validation);
        validated
    }

    fn validate_with(
        &mut self,
        validation: &mut Validation,
        epoch: u64,
    ) -> Result<Option<Validated>> {
        let mut measured = Measured::default();
        for index in 0..validation.len() {
            if self.stops() {
                return Ok(None);
            }
            if self.save_now.swap(false, Ordering::SeqCst) {
                self.save(&[])?;
            }
            let done = validation.measure(&self.samples, index, &mut measured);
            if self.if_there_is_memory("validation", done)?.is_none() {
                return Ok(None);
            }
        }
        let (step, mean) = (self.trainer.steps(), Scores::mean(&measured.rows));
        let shown = measured.write(&self.folder.path().join("validation"), step, epoch);
        self.written(shown)?;
        let best = validation.is_better(mean.l1);
        if best {
            pollster::block_on(self.folder.save_best(&self.trainer, epoch, "l1", mean.l1))?;
        }
        validation.count(mean.l1);
        let logged = self.folder.validation.line(&json!({
            "step": step, "epoch": epoch, "pictures": measured.rows.len(), "l1": mean.l1,
            "psnr": mean.psnr, "ssim": mean.ssim,
        }));
        self.written(logged)?;
        Ok(Some(Validated { step, epoch, mean, best }))
    }

    fn correlations(&mut self) -> Result<()> {
        let measured = pollster::block_on(self.samples.correlations());
        let Some(found) = self.if_there_is_memory("correlations", measured)?.flatten() else {
            return Ok(());
        };
        let step = self.trainer.steps();
        let logged = self.folder.log_correlations(step, &found);
        self.written(logged)?;
        let values: Vec<f64> = found.iter().map(|(_, value)| *value).collect();
        let remark = self.watch.correlations(step, &values);
        remark.into_iter().try_for_each(|r| self.remark(r))
    }

    /// Logs losses that have arrived, and shows them to the watchers.
    fn log(&mut self, losses: Vec<Losses>) -> Result<()> {
        let mut told = Ok(());
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
            let logged = self.folder.log_losses(&losses, epoch);
            // An error of an observer comes after all losses: they do not arrive twice.
            told = told.and(self.written(logged).map(drop));
            told = told.and(self.emit(Event::Losses { epoch, losses }));
            for remark in self.watch.losses(seen) {
                told = told.and(self.remark(remark));
            }
        }
        told
    }

    fn remark(&mut self, remark: Remark) -> Result<()> {
        let Remark { step, kind, message } = &remark;
        let line = json!({ "step": step, "kind": kind, "message": message });
        let logged = self.folder.events.line(&line);
        self.written(logged)?;
        self.emit(Event::Remark(remark))
    }

    /// Waits for all losses.
    fn drain(&mut self) -> Result<()> {
        let rest = self.trainer.finish()?;
        self.log(rest)
    }

    /// Whether the options ask for a checkpoint after this step.
    fn is_due(&self) -> bool {
        // By the count of images, so that a run that was stopped saves where others do.
        let (freq, step) = (self.options.save_latest_freq, self.images_per_step());
        let images = self.trainer.steps() * step;
        images > 0 && images / freq > (images - step) / freq
    }

    /// Further names of the weights of this step: those of its number of images, and of its epoch
    /// if that has ended.
    pub(super) fn names_due(&self) -> Vec<String> {
        let SessionOptions { save_epoch_freq, save_by_iter, .. } = self.options;
        let mut names = Vec::new();
        if let (epoch @ 2.., 0) = self.position
            && self.trainer.steps() > 0
            && (epoch - 1).is_multiple_of(save_epoch_freq)
        {
            names.push((epoch - 1).to_string());
        }
        if save_by_iter && self.is_due() {
            names.push(format!("iter_{}", self.trainer.steps() * self.images_per_step()));
        }
        names
    }

    /// Writes a checkpoint, and its weights under more names.
    pub(super) fn save(&mut self, also: &[String]) -> Result<()> {
        let begun = Instant::now();
        self.drain()?;
        let logged = self.folder.sync();
        self.written(logged)?;
        let (position, state, standing) = (self.position, self.schedule.state, self.standing());
        self.unsaved = Some(standing.0);
        let gone = pollster::block_on(self.folder.save(&self.trainer, position, also, state))?;
        (self.saved, self.unsaved) = (Some(standing), None);
        self.info["process_peak_bytes"] = peak_memory().into();
        let noted = self.folder.save_info(&self.info);
        self.written(noted)?;
        if gone > 0 {
            self.emit(Event::Warning(format!(
                "{}: the disk is full; {gone} older checkpoints were removed to write that of step \
                 {}, and fewer than `keep` are kept from here on",
                self.folder.path().display(),
                standing.0
            )))?;
        }
        self.emit(Event::Saved { step: standing.0, also: also.to_vec(), seconds: begun.elapsed() })
    }
}
