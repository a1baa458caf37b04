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

mod device;
mod diverged;
mod event;
mod failed;
mod info;
mod open;
mod options;
mod pace;
mod samples;
mod scores;
mod speed;
mod steps;
mod validation;
mod watch;

pub use event::{Ended, Event, Observer, Started, Step, Validated};
pub use info::peak_memory;
pub use options::SessionOptions;
pub use pace::Pace;
pub use samples::translated;
pub use scores::{Scores, worst_first};
pub use watch::Remark;

use crate::io::{Batch, Dataset};
use crate::plan::{PlanOptions, Progress};
use crate::run::{RunFolder, State, Trainer};
use crate::train::{Description, Schedule};
use crate::tune::Pulse;
use crate::{Error, Result};
use samples::Samples;
use serde_json::Value;
use speed::Speed;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use validation::Validation;
use watch::{Seen, Watch};

/// A training under way: see the module.
pub struct Session<'a> {
    trainer: Trainer,
    dataset: Arc<Dataset>,
    folder: RunFolder,
    schedule: Schedule,
    options: SessionOptions,
    observers: Vec<Box<dyn Observer + 'a>>,
    stop: Arc<AtomicBool>,
    save_now: Arc<AtomicBool>,
    samples: Samples,
    validation: Option<Validation>,
    watch: Watch,
    /// What `info.json` says.
    info: Value,
    /// Events of before the first step.
    early: Vec<Event>,
    pace: Pace,
    speed: Speed,
    /// A kernel of the run, timed near its start.
    pulse: Option<Pulse>,
    /// The next batch: epoch, from 1, and its index there. An index as large as there are batches:
    /// the epoch's steps are done, and what comes at its end (samples, validation) is not.
    position: (u64, usize),
    /// Epoch of each step whose losses have not arrived.
    epochs: BTreeMap<u64, u64>,
    /// The last steps and their batches.
    recent: VecDeque<(u64, Batch)>,
    /// The step whose losses are not finite, if there is one.
    bad: Option<u64>,
    /// Where the last checkpoint stands: its step, and `position` then.
    saved: Option<Standing>,
    /// The step of a checkpoint that could not be written, as the last that was tried.
    unsaved: Option<u64>,
    /// Folders in which something could not be written, which was said.
    unwritten: BTreeSet<PathBuf>,
    /// Whether the session is ending on an error, which observers do not keep it from.
    failing: bool,
}

/// Steps done, and the position of the next batch.
type Standing = (u64, (u64, usize));

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
    /// A session of a run whose folder was opened with this trainer; a resumed run continues
    /// from its checkpoint.
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
        let at_end = |state: &&State| state.batch == dataset.batches_per_epoch();
        if let Some(step) = folder.resumed().filter(at_end).map(|state| state.step) {
            // What comes at the end of this epoch is done once more, whatever a run that went on
            // from here and was killed has logged of it.
            folder.validation.cut(step.saturating_sub(1))?;
        }
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
        let saved = resumed.map(|s| (s.step, (s.epoch, s.batch)));
        let watch = watch(model, &mut folder)?;
        Ok(Session {
            info: info::info(&trainer, &dataset),
            pace: Pace::new(trainer.settings().pictures.into()),
            speed: Speed::default(),
            pulse: None,
            trainer,
            dataset,
            folder,
            schedule,
            options,
            observers: Vec::new(),
            stop: Arc::default(),
            save_now: Arc::default(),
            samples,
            validation,
            watch,
            early,
            position,
            epochs: BTreeMap::new(),
            recent: VecDeque::new(),
            bad: None,
            saved,
            unsaved: None,
            unwritten: BTreeSet::new(),
            failing: false,
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

    /// Set to true, from another thread or a signal handler, it makes the session write a checkpoint
    /// after the step at hand and go on; the session sets it to false when it does.
    pub fn save_flag(&self) -> Arc<AtomicBool> {
        self.save_now.clone()
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
    /// A log, a grid of samples or a page of figures that cannot be written ends nothing: it is
    /// reported once, as [`Event::Warning`].
    ///
    /// # Errors
    /// [`Error::Usage`] if the training diverges, with what was found and kept. Any other error
    /// (data that cannot be read, checkpoints that cannot be written, what the device and the
    /// observers report) comes as [`Error::Stopped`], after the finished steps were saved where
    /// that can be done: a resumed run continues as if nothing had happened.
    pub fn run(mut self) -> Result<Ended> {
        self.train().map_err(|error| self.failed(error))
    }

    fn emit(&mut self, event: Event) -> Result<()> {
        let mut told = Ok(());
        for observer in &mut self.observers {
            // The others hear of it too.
            told = told.and(observer.event(&event));
        }
        if self.failing { Ok(()) } else { told }
    }

    /// Whether something was written that is no condition of the training; that it was not is
    /// reported, once for each folder.
    ///
    /// # Errors
    /// What is no fault of files.
    fn written(&mut self, done: Result<()>) -> Result<bool> {
        let Err(error) = done else { return Ok(true) };
        let Error::File { path, .. } = &error else { return Err(error) };
        let folder = path.parent().unwrap_or(path).to_path_buf();
        if self.unwritten.insert(folder) {
            let text = format!("{error}; the training goes on without it");
            self.emit(Event::Warning(text))?;
        }
        Ok(false)
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
