//! A training under way: steps, losses, watchers, samples, validation, checkpoints.
//!
//! A [`Session`] puts a trainer, its data and its run's folder together and trains. It writes
//! everything that belongs to a run into the folder, and reports [`Event`]s to [`Observer`]s; it
//! knows no terminal and no page.
//!
//! ```no_run
//! use pixtape::run::{Options, options::ModelKind};
//! use pixtape::session::{Event, Session};
//!
//! # fn main() -> pixtape::Result<()> {
//! let gpu = pollster::block_on(pixtape::Gpu::request(&Default::default()))?;
//! let mut options = Options::new(ModelKind::Pix2Pix);
//! options.dataroot = Some("datasets/facades".into());
//! options.run.name = "facades".into();
//! // Begins the run, or resumes it where its folder holds one.
//! let mut session = Session::open(&gpu, options)?;
//! session.observe(|event: &Event| {
//!     if let Event::Validated(v) = event {
//!         println!("epoch {}: L1 {:.4}", v.epoch, v.mean.l1);
//!     }
//!     Ok(())
//! });
//! session.run()?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/07_train_session.rs` trains on images of its own and resumes.

mod diverged;
mod event;
mod info;
mod open;
mod options;
mod pace;
mod samples;
mod scores;
mod validation;
mod watch;

pub use event::{Ended, Event, Observer, Started, Step, Validated};
pub use info::peak_memory;
pub use options::SessionOptions;
pub use pace::Pace;
pub use samples::translated;
pub use scores::{Scores, worst_first};
pub use watch::Remark;

use crate::io::{Batch, Dataset, Loader};
use crate::plan::{PlanOptions, Progress};
use crate::run::{RunFolder, Trainer};
use crate::train::{Description, Losses, Schedule};
use crate::{Error, Result};
use samples::{Samples, spread};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use validation::Validation;
use watch::{Seen, Watch};

/// Batches that are kept until it is known that their step went well: more than there are steps
/// whose losses have not arrived.
const RECENT: usize = 8;

/// Steps between measurements of how outputs correlate with inputs, of models without pairs.
const CORRELATION_STEPS: u64 = 100;

/// A training that goes on.
pub struct Session<'a> {
    trainer: Trainer,
    dataset: Arc<Dataset>,
    folder: RunFolder,
    schedule: Schedule,
    options: SessionOptions,
    observers: Vec<Box<dyn Observer + 'a>>,
    stop: Arc<AtomicBool>,
    samples: Samples,
    validation: Option<Validation>,
    watch: Watch,
    /// What `info.json` says.
    info: Value,
    /// Events of before the first step.
    early: Vec<Event>,
    pace: Pace,
    /// The next batch: epoch, from 1, and its index there.
    position: (u64, usize),
    /// Epoch of each step whose losses have not arrived.
    epochs: BTreeMap<u64, u64>,
    /// The last steps and their batches.
    recent: VecDeque<(u64, Batch)>,
    /// The step whose losses are not finite, if there is one.
    bad: Option<u64>,
    /// The step of the last checkpoint.
    saved: Option<u64>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("folder", &self.folder.path())
            .field("step", &self.trainer.steps())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// A session of a run whose folder was opened with this trainer; a resumed run goes on where
    /// its checkpoint stands.
    ///
    /// # Errors
    /// [`Error::File`] for data or logs that cannot be read, and what the device reports.
    pub fn new(
        trainer: Trainer,
        dataset: Arc<Dataset>,
        folder: RunFolder,
        schedule: Schedule,
        options: SessionOptions,
    ) -> Result<Self> {
        let plan = PlanOptions::default();
        Self::with_progress(trainer, dataset, folder, schedule, options, plan, &mut |_, _| {})
    }

    /// Like [`Session::new`], with plan options for the generators that make samples, and a
    /// callback while their kernels compile.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with_progress(
        trainer: Trainer,
        dataset: Arc<Dataset>,
        mut folder: RunFolder,
        mut schedule: Schedule,
        options: SessionOptions,
        sample_options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let model = trainer.description().clone();
        let samples = Samples::new(&trainer, &dataset, sample_options, progress)?;
        let mut early: Vec<_> = dataset.notes().iter().cloned().map(Event::Note).collect();
        let mut validation = None;
        // Without pairs there is nothing to measure against.
        if options.val_freq > 0 && model.paired {
            match Validation::open(&dataset, &folder.validation.read()?) {
                Ok(found) => validation = found,
                Err(e) => {
                    early.push(Event::Warning(format!("val/ is not used for validation: {e}")));
                }
            }
        }
        let resumed = folder.resumed();
        if let Some(state) = resumed {
            schedule.state = state.schedule;
        }
        let position = resumed.map_or((options.first_epoch, 0), |s| (s.epoch, s.batch));
        let saved = resumed.map(|s| s.step);
        let watch = watch(model, &mut folder)?;
        Ok(Session {
            info: info::info(&trainer, &dataset),
            pace: Pace::new(trainer.settings().pictures.into()),
            trainer,
            dataset,
            folder,
            schedule,
            options,
            observers: Vec::new(),
            stop: Arc::default(),
            samples,
            validation,
            watch,
            early,
            position,
            epochs: BTreeMap::new(),
            recent: VecDeque::new(),
            bad: None,
            saved,
        })
    }

    /// Adds an observer; events come to observers in the order in which they were added.
    pub fn observe(&mut self, observer: impl Observer + 'a) {
        self.observers.push(Box::new(observer));
    }

    /// Adds a note that is reported first, after [`Event::Started`].
    pub fn note(&mut self, text: impl Into<String>) {
        self.early.insert(0, Event::Note(text.into()));
    }

    /// Set to true, from another thread or a signal handler, it ends the session after the step at
    /// hand: a checkpoint is written, and the run can be resumed.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The run's folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Trains to the end, or until [`Session::stop_flag`] is set, or until validation has not
    /// improved for as long as [`SessionOptions::early_stop`] says.
    ///
    /// # Errors
    /// [`Error::Usage`] if the training diverges, with what was found and kept; [`Error::File`] if
    /// data cannot be read or files cannot be written; what the device and the observers report.
    pub fn run(mut self) -> Result<Ended> {
        match self.train() {
            Err(Error::NotFinite { name, value }) => {
                let step = self.bad.unwrap_or(self.trainer.steps());
                let message = self.diverged(step, &name, value)?;
                self.emit(Event::Diverged { step, message: message.clone() })?;
                Err(Error::Usage(message))
            }
            other => other,
        }
    }

    fn emit(&mut self, event: Event) -> Result<()> {
        self.observers.iter_mut().try_for_each(|observer| observer.event(&event))
    }

    fn train(&mut self) -> Result<Ended> {
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

/// Watchers that stand where those of the run's logs stood.
fn watch(model: Description, folder: &mut RunFolder) -> Result<Watch> {
    let events = folder.events.read()?;
    let said = events.iter().filter_map(|row| row["kind"].as_str().map(String::from)).collect();
    let mut watch = Watch::new(model.clone(), said);
    let number = |row: &Value, name: &str| row[name].as_u64().unwrap_or(0);
    for row in folder.losses()? {
        let (step, epoch) = (number(&row, "step"), number(&row, "epoch"));
        watch.losses(Seen::new(&model, step, epoch, |name| row[name].as_f64()));
    }
    for row in folder.correlations()? {
        let value = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
        let found: Vec<f64> = model.generators.iter().map(|g| value(g.name)).collect();
        watch.correlations(number(&row, "step"), &found);
    }
    Ok(watch)
}
