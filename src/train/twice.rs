//! Steps that are computed twice, to find a device that computes wrong now and then.

use super::Model;
use super::schedule::Rates;
use super::training::{Losses, Training};
use crate::error::{Error, Result};
use crate::picture::Values;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a step leaves behind.
struct Outcome {
    losses: Vec<Losses>,
    /// By page, see [`Store::snapshot`](crate::Store::snapshot).
    state: Vec<(String, Vec<u8>)>,
}

impl Outcome {
    /// What differs from another outcome of the same step, if anything.
    fn difference(&self, other: &Outcome) -> Option<String> {
        let losses = self.losses.iter().zip(&other.losses);
        let named = losses.flat_map(|(a, b)| a.named.iter().zip(&b.named));
        let loss = named.filter(|((_, a), (_, b))| a.to_bits() != b.to_bits());
        let loss = loss.map(|((name, a), (_, b))| format!("{name} is {a}, then {b}")).next();
        let page = || {
            let pages = self.state.iter().zip(&other.state);
            let different = pages.filter(|(a, b)| a.1 != b.1).map(|((label, _), _)| label);
            different.map(|label| format!("{label} differs")).next()
        };
        loss.or_else(page)
    }
}

fn digest(state: &[(String, Vec<u8>)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl<M: Model> Training<M> {
    /// Like [`step`](Self::step), and blocks: computes the step, takes it back, computes it again,
    /// and compares losses, weights, moments and other state bit by bit. They must also be as the
    /// last such step has left them. More than twice as slow as a step.
    ///
    /// # Errors
    /// [`Error::Unsteady`] where something differs; the training is then where it was before the
    /// step, unless what had changed is that. Otherwise as [`step`](Self::step).
    pub fn step_twice(
        &mut self,
        planes: &[(&str, Values<'_>)],
        lr: impl Into<Rates>,
    ) -> Result<Vec<Losses>> {
        let (lr, gpu) = (lr.into(), self.program().gpu().clone());
        let mut arrived = self.finish()?;
        let (steps, seen, left) = (self.steps(), self.pictures_seen(), self.left());
        let before = pollster::block_on(self.store().snapshot(&gpu))?;
        if left.is_some_and(|left| left != digest(&before)) {
            self.break_off();
            let step = steps + 1;
            let what = format!("what step {steps} left in memory had changed before step {step}");
            return Err(Error::Unsteady { step, what });
        }
        let first = self.outcome(planes, lr)?;
        self.store().restore(&gpu, &before)?;
        self.set_progress(steps, seen);
        let second = self.outcome(planes, lr)?;
        if let Some(what) = first.difference(&second) {
            self.store().restore(&gpu, &before)?;
            self.set_progress(steps, seen);
            let step = steps + 1;
            let what = format!("step {step} ran twice from the same state, and {what}");
            return Err(Error::Unsteady { step, what });
        }
        self.set_left(digest(&second.state));
        arrived.extend(second.losses);
        Ok(arrived)
    }

    fn outcome(&mut self, planes: &[(&str, Values<'_>)], lr: Rates) -> Result<Outcome> {
        self.submit(planes, lr)?;
        let losses = self.finish()?;
        let gpu = self.program().gpu();
        Ok(Outcome { losses, state: pollster::block_on(self.store().snapshot(gpu))? })
    }
}
