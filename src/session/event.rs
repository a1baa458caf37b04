//! What a session reports, and who listens.

use super::pace::Pace;
use super::scores::Scores;
use super::watch::Remark;
use crate::Result;
use crate::train::{Description, Losses, Rates};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Something that happened in a training. Whatever an event speaks of is already in the run's
/// folder (buffered logs are flushed at the end of an epoch).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Before the first step.
    Started(Started),
    /// Worth knowing, once.
    Note(String),
    /// Something does not work as asked; the training goes on without it.
    Warning(String),
    /// All steps were done before.
    NothingToDo {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
    /// Losses arrived: a few steps late, in order, each step once.
    Losses {
        /// The step's epoch, from 1.
        epoch: u64,
        /// The losses.
        losses: Losses,
    },
    /// A step was submitted.
    Step(Step),
    /// A watcher found something.
    Remark(Remark),
    /// A grid of samples was written at the end of an epoch.
    Samples {
        /// Steps done.
        step: u64,
        /// The epoch that ended.
        epoch: u64,
        /// The PNG file.
        path: PathBuf,
    },
    /// `val/` was translated and measured.
    Validated(Validated),
    /// An epoch ended; its samples, its validation and its logs can be read by others.
    EpochEnded {
        /// Steps done.
        step: u64,
        /// The epoch.
        epoch: u64,
    },
    /// A checkpoint was written.
    Saved {
        /// Steps done.
        step: u64,
        /// Further names of its weights: `5` for an epoch, `iter_4000` for a number of images.
        also: Vec<String>,
        /// Time that it took.
        seconds: Duration,
    },
    /// A loss or a weight is no longer finite; the steps since the last checkpoint run again to
    /// find where it begins.
    Searching {
        /// The step that diverged.
        step: u64,
        /// Steps to run again.
        steps: u64,
    },
    /// The training diverged and stops; the session returns the same message as its error.
    Diverged {
        /// The step.
        step: u64,
        /// What happened, what was kept, what usually helps.
        message: String,
    },
    /// The session is over, other than by an error.
    Ended(Ended),
}

/// See [`Event::Started`].
#[derive(Clone, Debug)]
pub struct Started {
    /// The run's folder.
    pub folder: PathBuf,
    /// Steps done before.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Images of each side per step.
    pub images: u64,
    /// Planned device memory, in bytes.
    pub device_bytes: u64,
    /// What the losses mean, and their levels of chance.
    pub model: Description,
    /// `info.json`: version, device, parameters, memory, data.
    pub info: Value,
}

/// See [`Event::Step`].
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The step, from 1.
    pub step: u64,
    /// Its epoch, from 1.
    pub epoch: u64,
    /// Time of the whole step.
    pub seconds: Duration,
    /// Part of it that was spent waiting for data.
    pub waited: Duration,
    /// Its learning rates.
    pub rates: Rates,
    /// Speed since the session began.
    pub pace: Pace,
}

/// See [`Event::Validated`].
#[derive(Clone, Debug)]
pub struct Validated {
    /// Steps done.
    pub step: u64,
    /// The epoch that ended.
    pub epoch: u64,
    /// The means over `val/`.
    pub mean: Scores,
    /// Whether it is the lowest mean L1 of the run: these weights are kept as `best`.
    pub best: bool,
}

/// See [`Event::Ended`]; also what a session returns.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The run's folder.
    pub folder: PathBuf,
    /// Steps done when the session began.
    pub first: u64,
    /// Steps done now.
    pub step: u64,
    /// Steps that were asked for.
    pub steps: u64,
    /// Validations without improvement after which it was stopped early, if it was.
    pub stopped_early: Option<u64>,
    /// Whether it was asked to end before all was done: steps, or what comes after the last one.
    pub interrupted: bool,
    /// Time since the session began.
    pub elapsed: Duration,
    /// Speed of its steps.
    pub pace: Pace,
}

/// Listens to a session. Any `FnMut(&Event) -> Result<()>` is an observer.
pub trait Observer {
    /// Called for each event, in order, on the thread of the session.
    ///
    /// # Errors
    /// An error ends the session, which saves what is finished and returns it. An observer whose
    /// failing should not end a training keeps its errors to itself.
    fn event(&mut self, event: &Event) -> Result<()>;
}

impl<F: FnMut(&Event) -> Result<()>> Observer for F {
    fn event(&mut self, event: &Event) -> Result<()> {
        self(event)
    }
}
