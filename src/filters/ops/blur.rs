//! Gaussian blur: `y = g * x`, each channel by itself, across and then down; pixels beyond the
//! border repeat it.
//!
//! Weights are `exp(-k² / 2 sigma²)` for `|k| <= round(4 sigma)`, normalised (SciPy's
//! `gaussian_filter` with mode `nearest`).

use crate::error::{Error, Result};
use crate::ops::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// Weights on one side of the middle that fit the shader.
const MAX_RADIUS: usize = 16;

/// A Gaussian blur, `sigma` in pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GaussianBlur {
    sigma: f32,
}

impl GaussianBlur {
    fn radius(&self) -> usize {
        (4.0 * self.sigma + 0.5) as usize
    }

    /// Weights of the middle and of one side.
    fn weights(&self) -> Vec<f32> {
        let sigma = f64::from(self.sigma);
        let raw: Vec<f64> =
            (0..=self.radius()).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
        let sum = 2.0 * raw.iter().sum::<f64>() - raw[0];
        raw.iter().map(|w| (w / sum) as f32).collect()
    }
}

impl Op for GaussianBlur {
    fn name(&self) -> &'static str {
        "gaussian_blur"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let between = Operand::dense(x.shape, u32::MAX);
        let bytes = x.shape.bytes();
        let scratch = |write| Bind::Scratch { at: 0, bytes, write };
        let one = |from: Bind, x: &Operand, to: Bind, y: &Operand, side: u32, step: u32| {
            let d = Dispatch::new("blur", "blur")
                .bind("x", from)
                .bind("y", to)
                .u("vec4s", x.shape.vec4s() as u32)
                .u("width", x.shape.c.vec4s())
                .view("x", x)
                .view("y", y)
                .u("side", side)
                .u("step", step)
                .u("radius", self.radius() as u32);
            let weights = self.weights();
            (0..=MAX_RADIUS)
                .fold(d, |d, k| d.f(format!("w{k}"), weights.get(k).copied().unwrap_or(0.0)))
                .over(x.shape.vec4s())
        };
        vec![
            one(Bind::In(0), x, scratch(true), &between, x.shape.w, 1),
            one(scratch(false), &between, Bind::Out(0), y, x.shape.h, x.shape.w),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("gaussian_blur", "a filter of finished images has no derivative")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flop = 2 * (1 + 3 * self.radius() as u64) * outputs[0].elements();
        Cost { flop, bytes: 2 * inputs.iter().chain(outputs).map(Shape::bytes).sum::<u64>() }
    }
}

impl Tape {
    /// A Gaussian blur of standard deviation `sigma` pixels: same shape as `x`.
    ///
    /// # Errors
    /// [`Error::Usage`] unless `0 < sigma <= 4`.
    pub fn gaussian_blur(&mut self, x: Tensor, sigma: f32) -> Result<Tensor> {
        if !(sigma > 0.0 && sigma <= 4.0) {
            return Err(Error::Usage(format!(
                "a blur of sigma {sigma}: choose more than 0, at most 4 pixels"
            )));
        }
        let shape = self.shape(x);
        Ok(self.push_one(GaussianBlur { sigma }, &[x], shape))
    }
}
