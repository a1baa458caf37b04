//! Learning-rate schedules by epoch.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How the learning rate changes from epoch to epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LrPolicy {
    /// Constant, then down in a line.
    Linear,
    /// A tenth of it every `lr_decay_iters` epochs.
    Step,
    /// A fifth of it when the metric has not fallen by 1 % for more than five epochs.
    Plateau,
    /// Half a cosine over all epochs.
    Cosine,
    /// The same throughout.
    Constant,
}

impl FromStr for LrPolicy {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "linear" => Ok(LrPolicy::Linear),
            "step" => Ok(LrPolicy::Step),
            "plateau" => Ok(LrPolicy::Plateau),
            "cosine" => Ok(LrPolicy::Cosine),
            "constant" => Ok(LrPolicy::Constant),
            _ => {
                let why = format!("{s}: choose linear, step, plateau, cosine or constant");
                Err(Error::config("lr_policy", why))
            }
        }
    }
}

impl fmt::Display for LrPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LrPolicy::Linear => "linear",
            LrPolicy::Step => "step",
            LrPolicy::Plateau => "plateau",
            LrPolicy::Cosine => "cosine",
            LrPolicy::Constant => "constant",
        })
    }
}

/// Learning rates of the two networks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rates {
    /// The generator's.
    pub g: f64,
    /// The discriminator's.
    pub d: f64,
    /// That of the inner parts of a generator, which may be held fixed: 0 then.
    pub inner: f64,
}

impl Rates {
    /// Of generator and discriminator; nothing is held fixed.
    pub fn new(g: f64, d: f64) -> Rates {
        Rates { g, d, inner: g }
    }
}

impl From<f64> for Rates {
    fn from(lr: f64) -> Self {
        Rates::new(lr, lr)
    }
}

/// What a schedule has seen: part of a checkpoint. Only [`LrPolicy::Plateau`] remembers anything.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "io", derive(serde::Serialize, serde::Deserialize))]
pub struct ScheduleState {
    /// What the rates are multiplied by.
    pub factor: f64,
    /// The lowest metric so far.
    pub best: Option<f64>,
    /// Epochs since then.
    pub bad_epochs: u64,
    /// Sum of the training metric in this epoch, and of how many steps.
    pub sum: f64,
    /// See `sum`.
    pub steps: u64,
    /// Whether `best` is of validation and not of training.
    #[cfg_attr(feature = "io", serde(default))]
    pub validated: bool,
    /// Steps done when the inner parts of the generator were set free, and its optimiser began
    /// anew.
    #[cfg_attr(feature = "io", serde(default, skip_serializing_if = "Option::is_none"))]
    pub freed: Option<u64>,
}

impl Default for ScheduleState {
    fn default() -> Self {
        ScheduleState {
            factor: 1.0,
            best: None,
            bad_epochs: 0,
            sum: 0.0,
            steps: 0,
            validated: false,
            freed: None,
        }
    }
}

impl ScheduleState {
    /// PyTorch's `ReduceLROnPlateau` with the reference's `factor=0.2, threshold=0.01, patience=5`
    /// and the default `eps=1e-8`.
    fn plateau(&mut self, metric: f64, lr: f64) {
        if self.best.is_none_or(|best| metric < best * (1.0 - 0.01)) {
            (self.best, self.bad_epochs) = (Some(metric), 0);
        } else {
            self.bad_epochs += 1;
        }
        if self.bad_epochs > 5 {
            if lr * self.factor * (1.0 - 0.2) > 1e-8 {
                self.factor *= 0.2;
            }
            self.bad_epochs = 0;
        }
    }
}

/// Learning rates with their schedule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Schedule {
    /// How they change.
    pub policy: LrPolicy,
    /// The rates of the first epoch.
    pub rates: Rates,
    /// Epochs at that rate (linear).
    pub n_epochs: u64,
    /// Epochs of decay.
    pub n_epochs_decay: u64,
    /// Epochs between steps (step).
    pub lr_decay_iters: u64,
    /// The reference implementation's table, with its mistakes: see [`Schedule::factor`].
    pub compat: bool,
    /// pix2pixHD's line: at the full rate for one epoch more, then down by equal parts, of which
    /// one is left in the last epoch.
    pub late: bool,
    /// Epochs in which the inner parts of the generator are held fixed.
    pub fixed_epochs: u64,
    /// State that depends on the training so far.
    pub state: ScheduleState,
}

impl Schedule {
    /// Constant rates for some epochs, which then fall to 0 in a line.
    pub fn linear(rates: impl Into<Rates>, n_epochs: u64, n_epochs_decay: u64) -> Schedule {
        Schedule {
            policy: LrPolicy::Linear,
            rates: rates.into(),
            n_epochs,
            n_epochs_decay,
            lr_decay_iters: 50,
            compat: false,
            late: false,
            fixed_epochs: 0,
            state: ScheduleState::default(),
        }
    }

    /// What the rates of epoch `e`, counted from 1, are multiplied by, for `n` epochs at the full
    /// rate and `d` of decay:
    ///
    /// | policy | factor | `compat` |
    /// |---|---|---|
    /// | linear | `1 - max(0, e - n) / (d + 1)` | `e + 1` for `e`: one epoch early, the last at 0 |
    /// | linear, `late` | `1 - max(0, e - n - 1) / d` | the same |
    /// | step | `0.1 ^ floor((e - 1) / iters)` | `e` for `e - 1` |
    /// | cosine | `(1 + cos(pi (e - 1) / (n + d))) / 2` | `(1 + cos(pi e / n)) / 2`: rises after `n` |
    /// | plateau | `0.2 ^ (times the metric stood still)` | a metric of 0: every six epochs |
    /// | constant | `1` | the same |
    pub fn factor(&self, epoch: u64) -> f64 {
        let total = self.n_epochs + self.n_epochs_decay;
        let late = if self.compat { epoch } else { epoch.saturating_sub(1) };
        let factor = match self.policy {
            LrPolicy::Linear if self.late => {
                let past = epoch.saturating_sub(self.n_epochs + 1) as f64;
                1.0 - past / self.n_epochs_decay.max(1) as f64
            }
            LrPolicy::Linear => {
                1.0 - (late + 1).saturating_sub(self.n_epochs) as f64
                    / (self.n_epochs_decay + 1) as f64
            }
            LrPolicy::Step => 0.1f64.powi((late / self.lr_decay_iters.max(1)) as i32),
            LrPolicy::Cosine => {
                let half = if self.compat { self.n_epochs } else { total };
                0.5 * (1.0 + (std::f64::consts::PI * late as f64 / half.max(1) as f64).cos())
            }
            LrPolicy::Plateau if self.compat => {
                let mut state = ScheduleState::default();
                (0..epoch).for_each(|_| state.plateau(0.0, self.rates.g));
                state.factor
            }
            LrPolicy::Plateau => self.state.factor,
            LrPolicy::Constant => 1.0,
        };
        factor.max(0.0)
    }

    /// The rates of an epoch, counted from 1.
    pub fn at(&self, epoch: u64) -> Rates {
        let factor = self.factor(epoch);
        let Rates { g, d, inner } = self.rates;
        let inner = if self.fixes(epoch) { 0.0 } else { inner * factor };
        Rates { g: g * factor, d: d * factor, inner }
    }

    /// Whether the inner parts of the generator are held fixed in an epoch. What was set free once
    /// stays so.
    fn fixes(&self, epoch: u64) -> bool {
        epoch <= self.fixed_epochs && self.state.freed.is_none()
    }

    /// To be called before each step: whether with an epoch the inner parts of the generator are
    /// set free, after `steps` steps. Then the generator's optimiser begins anew.
    pub fn frees(&mut self, epoch: u64, steps: u64) -> bool {
        let frees = self.fixed_epochs > 0 && !self.fixes(epoch) && self.state.freed.is_none();
        if frees {
            self.state.freed = Some(steps);
        }
        frees
    }

    /// Whether it wants to hear of the metric.
    fn listens(&self) -> bool {
        self.policy == LrPolicy::Plateau && !self.compat
    }

    /// Takes the training metric (the distance) of a step: what an epoch without validation is
    /// judged by.
    pub fn saw_step(&mut self, metric: f32) {
        if self.listens() {
            self.state.sum += f64::from(metric);
            self.state.steps += 1;
        }
    }

    /// To be called when an epoch has ended. `validation`: the metric of the validation, lower is
    /// better; `None`: nothing is validated in this run, and the mean of the training metric
    /// counts. Not to be called for epochs that a run with validation leaves out.
    pub fn end_epoch(&mut self, validation: Option<f64>) {
        if !self.listens() {
            return;
        }
        // Two scales: the best of one says nothing about the other.
        if self.state.validated != validation.is_some() {
            (self.state.best, self.state.bad_epochs, self.state.validated) =
                (None, 0, validation.is_some());
        }
        let trained = (self.state.steps > 0).then(|| self.state.sum / self.state.steps as f64);
        if let Some(metric) = validation.or(trained) {
            self.state.plateau(metric, self.rates.g);
        }
        (self.state.sum, self.state.steps) = (0.0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};

    fn schedule(policy: LrPolicy, compat: bool) -> Schedule {
        Schedule {
            policy,
            rates: 1.0.into(),
            n_epochs: 100,
            n_epochs_decay: 100,
            lr_decay_iters: 50,
            compat,
            late: false,
            fixed_epochs: 0,
            state: ScheduleState::default(),
        }
    }

    fn hold(s: Schedule, table: &[(u64, f64)]) {
        for (epoch, factor) in table {
            assert!(
                abs_diff_eq!(s.factor(*epoch), factor, epsilon = 1e-12),
                "{} compat {} epoch {epoch}: {}",
                s.policy,
                s.compat,
                s.factor(*epoch)
            );
        }
    }

    #[test]
    fn compat_is_the_reference_table() {
        hold(
            schedule(LrPolicy::Linear, true),
            &[
                (1, 1.0),
                (99, 1.0),
                (100, 100.0 / 101.0),
                (150, 50.0 / 101.0),
                (199, 1.0 / 101.0),
                (200, 0.0),
            ],
        );
        hold(
            schedule(LrPolicy::Step, true),
            &[(1, 1.0), (49, 1.0), (50, 0.1), (99, 0.1), (100, 0.01)],
        );
        hold(schedule(LrPolicy::Cosine, true), &[(50, 0.5), (100, 0.0), (150, 0.5), (200, 1.0)]);
        hold(
            schedule(LrPolicy::Plateau, true),
            &[(1, 1.0), (6, 1.0), (7, 0.2), (12, 0.2), (13, 0.04)],
        );
    }

    #[test]
    fn corrected_tables_decay_where_they_say_and_never_reach_zero() {
        hold(
            schedule(LrPolicy::Linear, false),
            &[(1, 1.0), (100, 1.0), (101, 100.0 / 101.0), (200, 1.0 / 101.0)],
        );
        hold(
            schedule(LrPolicy::Step, false),
            &[(1, 1.0), (50, 1.0), (51, 0.1), (100, 0.1), (101, 0.01)],
        );
        hold(schedule(LrPolicy::Cosine, false), &[(1, 1.0), (101, 0.5)]);
        hold(schedule(LrPolicy::Constant, false), &[(1, 1.0), (200, 1.0)]);
        let cosine = schedule(LrPolicy::Cosine, false);
        assert!(
            (1..200).all(|e| cosine.factor(e + 1) < cosine.factor(e)) && cosine.factor(200) > 0.0
        );
    }

    #[test]
    fn the_late_line_is_that_of_pix2pix_hd() {
        let late = Schedule { late: true, ..Schedule::linear(1.0, 1, 3) };
        hold(late, &[(1, 1.0), (2, 1.0), (3, 2.0 / 3.0), (4, 1.0 / 3.0)]);
    }

    #[test]
    fn inner_parts_are_held_for_some_epochs_and_set_free_once() {
        let mut s = Schedule { fixed_epochs: 2, ..Schedule::linear(1.0, 10, 0) };
        assert!(!s.frees(1, 0) && !s.frees(2, 4));
        assert_eq!((s.at(2).inner, s.at(2).g), (0.0, 1.0));
        assert!(s.frees(3, 8) && !s.frees(3, 9));
        assert_eq!((s.at(3).inner, s.state.freed), (1.0, Some(8)));
        // More epochs of it than at first do not hold again what was set free.
        s.fixed_epochs = 5;
        assert_eq!(s.at(4).inner, 1.0);
        let mut plain = Schedule::linear(1.0, 10, 0);
        assert!(!plain.frees(1, 0) && plain.at(1).inner == 1.0);
    }

    #[test]
    fn a_plateau_is_one_of_the_metric_and_validation_goes_first() {
        let mut s = schedule(LrPolicy::Plateau, false);
        s.saw_step(5.0);
        s.saw_step(3.0);
        s.end_epoch(None);
        assert_eq!((s.state.best, s.state.steps), (Some(4.0), 0));
        // Validation is another scale: the count starts again. Less than a hundredth better is no
        // better.
        s.end_epoch(Some(4.5));
        assert_eq!((s.state.best, s.state.bad_epochs), (Some(4.5), 0));
        (0..5).for_each(|_| s.end_epoch(Some(4.47)));
        assert_eq!((s.factor(7), s.state.bad_epochs), (1.0, 5));
        s.end_epoch(Some(4.47));
        assert_abs_diff_eq!(s.factor(8), 0.2, epsilon = 1e-15);
        s.saw_step(100.0);
        s.end_epoch(Some(1.0));
        assert_eq!((s.state.best, s.state.bad_epochs), (Some(1.0), 0));
        let mut constant = schedule(LrPolicy::Constant, false);
        constant.saw_step(1.0);
        constant.end_epoch(None);
        assert_eq!(constant.state, ScheduleState::default());
    }
}
