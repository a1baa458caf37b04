//! How long a session trains, and how often it saves and validates.

use crate::run::Options;

/// What a session does beside its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionOptions {
    /// The epoch that a new run begins with, from 1.
    pub first_epoch: u64,
    /// The last epoch.
    pub epochs: u64,
    /// Stop at this step, counted from the run's first.
    pub max_steps: Option<u64>,
    /// Threads that decode ahead; 0 decodes between steps.
    pub threads: usize,
    /// Keep the weights under the epoch's number every so many epochs.
    pub save_epoch_freq: u64,
    /// Write a checkpoint every so many images.
    pub save_latest_freq: u64,
    /// Keep the weights of each of these as `iter_IMAGES` too.
    pub save_by_iter: bool,
    /// Measure `val/`, where the data has it, every so many epochs; 0: never.
    pub val_freq: u64,
    /// Stop when the mean L1 on `val/` has not improved for this many validations.
    pub early_stop: Option<u64>,
}

impl Default for SessionOptions {
    /// The defaults of `pixtape train`.
    fn default() -> SessionOptions {
        SessionOptions::from(&Options::default())
    }
}

impl From<&Options> for SessionOptions {
    fn from(options: &Options) -> SessionOptions {
        let Options { run, data, optim, .. } = options;
        SessionOptions {
            first_epoch: optim.epoch_count,
            epochs: optim.n_epochs + optim.n_epochs_decay,
            max_steps: run.max_steps,
            threads: data.num_threads,
            save_epoch_freq: run.save_epoch_freq,
            save_latest_freq: run.save_latest_freq,
            save_by_iter: run.save_by_iter,
            val_freq: run.val_freq,
            early_stop: run.early_stop,
        }
    }
}
