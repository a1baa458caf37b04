//! Adversarial losses, and the gradient penalty.

use crate::error::{Error, Result};
use crate::tape::{Tape, Tensor};
use std::fmt;
use std::str::FromStr;

/// The adversarial loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GanMode {
    /// Binary cross-entropy on logits.
    Vanilla,
    /// Least squares.
    Lsgan,
    /// D: `max(0, 1 - D(real)) + max(0, 1 + D(fake))`; G: `-D(fake)`.
    Hinge,
    /// Wasserstein: D: `D(fake) - D(real)` and a gradient penalty; G: `-D(fake)`.
    Wgangp,
}

impl FromStr for GanMode {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "vanilla" => Ok(GanMode::Vanilla),
            "lsgan" => Ok(GanMode::Lsgan),
            "hinge" => Ok(GanMode::Hinge),
            "wgangp" => Ok(GanMode::Wgangp),
            _ => {
                let why = format!("{s}: choose vanilla, lsgan, hinge or wgangp");
                Err(Error::config("gan_mode", why))
            }
        }
    }
}

impl fmt::Display for GanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GanMode::Vanilla => "vanilla",
            GanMode::Lsgan => "lsgan",
            GanMode::Hinge => "hinge",
            GanMode::Wgangp => "wgangp",
        })
    }
}

impl GanMode {
    /// Whether it has labels, which can be smoothed.
    pub fn has_labels(self) -> bool {
        matches!(self, GanMode::Vanilla | GanMode::Lsgan)
    }

    /// D's loss for what it says of real or of made pictures, a scalar. Real ones have the label
    /// `1 - smoothing`.
    pub(super) fn judge(
        self,
        tape: &mut Tape,
        logits: Tensor,
        real: bool,
        smoothing: f32,
    ) -> Tensor {
        let target = if real { 1.0 - smoothing } else { 0.0 };
        match self {
            GanMode::Vanilla => tape.bce_with_logits(logits, target),
            GanMode::Lsgan => tape.mse(logits, target),
            GanMode::Hinge => tape.hinge(logits, if real { 1.0 } else { -1.0 }),
            GanMode::Wgangp if real => negative_mean(tape, logits),
            GanMode::Wgangp => tape.mean(logits),
        }
    }

    /// G's loss for what D says of its pictures, a scalar.
    pub(super) fn persuade(self, tape: &mut Tape, logits: Tensor) -> Tensor {
        match self {
            GanMode::Vanilla | GanMode::Lsgan => self.judge(tape, logits, true, 0.0),
            GanMode::Hinge | GanMode::Wgangp => negative_mean(tape, logits),
        }
    }
}

fn negative_mean(tape: &mut Tape, logits: Tensor) -> Tensor {
    let mean = tape.mean(logits);
    tape.scale(mean, -1.0)
}

/// The gradient penalty of WGAN-GP: the mean over samples of
/// `(norm of the gradient of the sum of D's logits by x, minus 1)^2`, a scalar.
///
/// `logits` are D's of `x` `[n, h, w, c]`, both recorded before. The gradient is recorded here as
/// on any tape, so the derivative of the penalty by D's weights is one of second order. As in the
/// reference's helper the norm is over all of `x` (the condition included, if D sees one).
///
/// # Errors
/// [`Error::Shape`] if an operation of D has no derivative, or `logits` do not depend on `x`.
pub fn gradient_penalty(tape: &mut Tape, logits: Tensor, x: Tensor) -> Result<Tensor> {
    let total = tape.sum(logits);
    let gradient = tape.backward(&[total], &[x])?[0];
    let gradient = gradient.ok_or_else(|| {
        tape.shape_error("gradient_penalty", "the logits do not depend on x".into())
    })?;
    let squares = tape.mul(gradient, gradient)?;
    let norms = tape.sample_sum(squares);
    Ok(tape.norm_penalty(norms, 1.0))
}
