//! What the steps of all models record in the same way: losses accumulated over several batches,
//! their gradients, Adam and moving averages.

use super::description::Loss;
use crate::error::{Error, Result};
use crate::nets::Weights;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// The losses of a step: by name, one term per batch. A term is already divided by the number of
/// batches, so that terms and gradients add up to a mean.
#[derive(Debug)]
pub(super) struct Terms {
    batches: u32,
    all: Vec<(&'static str, Tensor)>,
}

impl Terms {
    /// No terms yet, for a step that accumulates `batches` batches.
    pub fn new(batches: u32) -> Terms {
        Terms { batches, all: Vec::new() }
    }

    /// What the terms of a batch are multiplied by: one over the number of batches.
    pub fn share(&self) -> f32 {
        1.0 / self.batches as f32
    }

    /// Keeps the terms of a batch, scalars, under the names of their losses.
    pub fn note(&mut self, terms: impl IntoIterator<Item = (&'static str, Tensor)>) {
        self.all.extend(terms);
    }

    /// Keeps the terms of a batch and records their [`gradients`].
    ///
    /// # Errors
    /// As [`gradients`].
    pub fn backward(
        &mut self,
        tape: &mut Tape,
        terms: Vec<(&'static str, Tensor)>,
        wrt: &[Tensor],
        first: bool,
    ) -> Result<()> {
        let losses: Vec<Tensor> = terms.iter().map(|(_, term)| *term).collect();
        self.note(terms);
        gradients(tape, &losses, wrt, first)
    }

    /// Each of `losses` with the sum of its terms over all batches, a scalar.
    ///
    /// # Errors
    /// [`Error::Internal`] for a loss without a term.
    pub fn totals(&self, tape: &mut Tape, losses: Vec<Loss>) -> Result<Vec<(Loss, Tensor)>> {
        tape.scope("loss");
        let mut totals = Vec::new();
        for loss in losses {
            let mut terms = self.all.iter().filter(|(name, _)| *name == loss.name);
            let Some((_, first)) = terms.next() else {
                return Err(Error::Internal(format!("no term of {} was recorded", loss.name)));
            };
            let total = terms.try_fold(*first, |sum, (_, term)| tape.add(sum, *term))?;
            totals.push((loss, total));
        }
        Ok(totals)
    }
}

/// Records the gradients of a batch's losses: those of the first batch replace what the store
/// holds, those of later ones are added to it.
///
/// # Errors
/// As [`Tape::backward`].
pub(super) fn gradients(
    tape: &mut Tape,
    losses: &[Tensor],
    wrt: &[Tensor],
    first: bool,
) -> Result<()> {
    if first { tape.backward(losses, wrt) } else { tape.backward_onto(losses, wrt) }.map(drop)
}

/// `x` times `by`, or `x` itself where `by` is 1.
pub(super) fn scaled(tape: &mut Tape, x: Tensor, by: f32) -> Tensor {
    if by == 1.0 { x } else { tape.scale(x, by) }
}

/// Records Adam on all pages of `sets`, at the learning rate of an optimizer group.
pub(super) fn adam<'a>(
    tape: &mut Tape,
    store: &mut Store,
    sets: impl IntoIterator<Item = &'a str>,
    group: usize,
) {
    for set in sets {
        store.pages(set).iter().for_each(|page| tape.adam(store, page, group as u32));
    }
}

/// Records that `to` follows `from`, a network of the same layout, as its moving average: weights
/// and running statistics.
///
/// # Errors
/// As [`Tape::ema`].
pub(super) fn average(
    tape: &mut Tape,
    store: &mut Store,
    from: &Weights,
    to: &Weights,
    decay: f64,
) -> Result<()> {
    for (from, to) in from.sets().iter().zip(to.sets()) {
        let (from, to) = (store.all_pages(from), store.all_pages(to));
        for (from, to) in from.into_iter().zip(to) {
            tape.ema(store, from, to, decay)?;
        }
    }
    Ok(())
}
