//! Adversarial losses, and the gradient penalty.

use crate::error::{Error, Result};
use crate::nets::Judgement;
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

    /// The discriminator's loss on real or on generated images, a scalar: the sum over the scales
    /// that it judged. Real ones have the label `1 - smoothing`.
    ///
    /// # Errors
    /// [`Error::Usage`] without a judgement.
    pub fn discriminator_loss(
        self,
        tape: &mut Tape,
        scales: &[Judgement],
        real: bool,
        smoothing: f32,
    ) -> Result<Tensor> {
        summed(tape, scales, |tape, judgement| self.of(tape, judgement.logits, real, smoothing))
    }

    fn of(self, tape: &mut Tape, logits: Tensor, real: bool, smoothing: f32) -> Tensor {
        let target = if real { 1.0 - smoothing } else { 0.0 };
        match self {
            GanMode::Vanilla => tape.bce_with_logits(logits, target),
            GanMode::Lsgan => tape.mse(logits, target),
            GanMode::Hinge => tape.hinge(logits, if real { 1.0 } else { -1.0 }),
            GanMode::Wgangp if real => negative_mean(tape, logits),
            GanMode::Wgangp => tape.mean(logits),
        }
    }

    /// The generator's adversarial loss for what the discriminator says of its images, a scalar:
    /// the sum over the scales that it judged.
    ///
    /// # Errors
    /// [`Error::Usage`] without a judgement.
    pub fn generator_loss(self, tape: &mut Tape, scales: &[Judgement]) -> Result<Tensor> {
        summed(tape, scales, |tape, judgement| match self {
            GanMode::Vanilla | GanMode::Lsgan => self.of(tape, judgement.logits, true, 0.0),
            GanMode::Hinge | GanMode::Wgangp => negative_mean(tape, judgement.logits),
        })
    }
}

/// Sum of a loss over scales; of a single one it is the loss itself.
fn summed(
    tape: &mut Tape,
    scales: &[Judgement],
    loss: impl Fn(&mut Tape, &Judgement) -> Tensor,
) -> Result<Tensor> {
    let mut total = None;
    for judgement in scales {
        let one = loss(tape, judgement);
        total = Some(total.map_or(Ok(one), |sum| tape.add(sum, one))?);
    }
    total.ok_or_else(|| Error::Usage("a loss over no scale".into()))
}

/// Feature matching: the sum over all scales and stages of the mean absolute difference between a
/// discriminator's features of generated and of real images. No gradient leads to the real ones:
/// record them without the generator.
///
/// # Errors
/// [`Error::Shape`] if the judgements are not of one discriminator and size, [`Error::Usage`] if
/// they have no features.
pub fn feature_matching(
    tape: &mut Tape,
    generated: &[Judgement],
    real: &[Judgement],
) -> Result<Tensor> {
    let features = |scales: &[Judgement]| -> Vec<Tensor> {
        scales.iter().flat_map(|judgement| judgement.features.clone()).collect()
    };
    let (generated, real) = (features(generated), features(real));
    if generated.len() != real.len() || generated.is_empty() {
        let (ours, theirs) = (generated.len(), real.len());
        let why = format!("{ours} features of generated images beside {theirs} of real ones");
        return Err(Error::Usage(why));
    }
    let mut total = None;
    for (ours, theirs) in generated.into_iter().zip(real) {
        let distance = tape.l1(ours, theirs)?;
        total = Some(total.map_or(Ok(distance), |sum| tape.add(sum, distance))?);
    }
    Ok(total.expect("there are features"))
}

fn negative_mean(tape: &mut Tape, logits: Tensor) -> Tensor {
    let mean = tape.mean(logits);
    tape.scale(mean, -1.0)
}

/// The gradient penalty of WGAN-GP: the mean over samples of
/// `(norm of the gradient of the sum of D's logits by x, minus 1)^2`, a scalar.
///
/// `logits` are the discriminator's of `x` `[n, h, w, c]`, both recorded before. The gradient is
/// recorded here as on any tape, so the derivative of the penalty by D's weights is one of second
/// order. As in the reference's helper the norm is over all of `x` (the condition included, if D
/// sees one).
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
