//! Learning-rate schedules by epoch, exactly as the reference implementation steps them.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How the learning rate changes from epoch to epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LrPolicy {
    /// Constant, then down to 0 in a line.
    Linear,
    /// A tenth of it every `lr_decay_iters` epochs.
    Step,
    /// Half a cosine over `n_epochs`, and on.
    Cosine,
}

impl FromStr for LrPolicy {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "linear" => Ok(LrPolicy::Linear),
            "step" => Ok(LrPolicy::Step),
            "cosine" => Ok(LrPolicy::Cosine),
            "plateau" => {
                Err(Error::Usage("--lr_policy plateau: the reference never feeds it a metric, so it is not offered; choose linear, step or cosine".into()))
            }
            _ => Err(Error::Usage(format!("--lr_policy {s}: choose linear, step or cosine"))),
        }
    }
}

impl fmt::Display for LrPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LrPolicy::Linear => "linear",
            LrPolicy::Step => "step",
            LrPolicy::Cosine => "cosine",
        })
    }
}

/// A learning rate with its schedule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Schedule {
    /// How it changes.
    pub policy: LrPolicy,
    /// The rate of the first epoch.
    pub lr: f64,
    /// Epochs at that rate (linear), or the cosine's half period.
    pub n_epochs: u64,
    /// Epochs of decay.
    pub n_epochs_decay: u64,
    /// Epochs between steps (step).
    pub lr_decay_iters: u64,
}

impl Schedule {
    /// The rate of an epoch, counted from 1.
    ///
    /// Linear is the reference's `1 - max(0, e + 1 - n_epochs) / (n_epochs_decay + 1)`: it begins to fall one epoch early,
    /// and the very last epoch has rate 0.
    pub fn at(&self, epoch: u64) -> f64 {
        let factor = match self.policy {
            LrPolicy::Linear => 1.0 - (epoch + 1).saturating_sub(self.n_epochs) as f64 / (self.n_epochs_decay + 1) as f64,
            LrPolicy::Step => 0.1f64.powi((epoch / self.lr_decay_iters.max(1)) as i32),
            LrPolicy::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * epoch as f64 / self.n_epochs.max(1) as f64).cos()),
        };
        self.lr * factor.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_is_the_reference_table() {
        let s = Schedule { policy: LrPolicy::Linear, lr: 1.0, n_epochs: 100, n_epochs_decay: 100, lr_decay_iters: 50 };
        for (epoch, factor) in [(1, 1.0), (99, 1.0), (100, 100.0 / 101.0), (150, 50.0 / 101.0), (199, 1.0 / 101.0), (200, 0.0)] {
            assert!((s.at(epoch) - factor).abs() < 1e-12, "epoch {epoch}");
        }
    }
}
