//! Initial values of parameters, drawn on the device from the seed.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::{Channels, Shape};
use crate::store::{Layout, Param, Store};
use crate::tape::{Backward, Tape};

/// The initial values of a parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// Normally distributed.
    Normal {
        /// Mean.
        mean: f32,
        /// Standard deviation.
        std: f32,
    },
    /// One value everywhere.
    Constant(f32),
}

/// `w[i] = mean + std * normal(i)` for every public index `i` of a stored tensor
/// `[taps, 1, ci, co]` or `[1, 1, 1, c]`; padding is 0. `normal` is Box-Muller on the hash of (i,
/// stream, 0, seed), so values depend on neither padding nor layout, and never exceed 5.8 standard
/// deviations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct InitNormal {
    /// Public and device layout.
    pub layout: Layout,
    /// Mean.
    pub mean: f32,
    /// Standard deviation; 0 gives every element the mean.
    pub std: f32,
    /// The stream to draw from: parameters should differ in it.
    pub stream: u32,
}

impl InitNormal {
    /// The value at a public index, on the host in double precision: what the kernel computes up to
    /// rounding.
    pub fn value(&self, public_index: u32, seed: u32) -> f64 {
        let [a, b, ..] = crate::rng::random(public_index, self.stream, 0, seed);
        let unit = |word: u32| f64::from(word >> 8) / 16_777_216.0;
        let radius = (-2.0 * (unit(a) + 1.0 / 16_777_216.0).ln()).sqrt();
        f64::from(self.mean)
            + f64::from(self.std) * radius * (std::f64::consts::TAU * (unit(b) - 0.5)).sin()
    }
}

impl Op for InitNormal {
    fn name(&self) -> &'static str {
        "init_normal"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let y = &node.outputs[0];
        // A vector is a weight of one tap and one row.
        let (ci, rows, co, co_step, ci_step) = match self.layout {
            Layout::Vector(c) => (Channels::new(1), 1, c, 1, 0),
            Layout::Conv { ci, co, kernel } => (
                ci,
                ci.physical(),
                Channels::new(co),
                ci.logical() * kernel * kernel,
                kernel * kernel,
            ),
            Layout::ConvTranspose { ci, co, kernel } => {
                (ci, ci.physical(), Channels::new(co), kernel * kernel, co * kernel * kernel)
            }
        };
        let d = Dispatch::new("init", "init_normal")
            .bind("y", Bind::Out(0))
            .u("vec4s", y.shape.vec4s() as u32)
            .u("width", y.shape.c.vec4s())
            .u("rows", rows)
            .view("y", y)
            .u("co_step", co_step)
            .u("ci_step", ci_step)
            .f("mean", self.mean)
            .f("deviation", self.std)
            .u("stream", self.stream)
            .parts(&Shape::vector(ci));
        let d = (0..)
            .zip(co.parts())
            .fold(d, |d, (at, part): (u32, u32)| d.u(format!("col{at}"), part));
        vec![d.over(y.shape.vec4s())]
    }

    fn backward(&self, _: &mut Backward<'_>) -> Result<()> {
        // It has no operands.
        Ok(())
    }

    fn cost(&self, _: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: outputs.iter().map(|o| 40 * o.elements()).sum(),
            bytes: outputs.iter().map(Shape::bytes).sum(),
        }
    }
}

impl Tape {
    /// Gives a parameter normally distributed values. `stream` is different for each parameter.
    pub fn init_normal(&mut self, store: &Store, param: &Param, mean: f32, std: f32, stream: u32) {
        let value = self.stored(store, param.value, &param.name);
        self.push_into(InitNormal { layout: param.layout, mean, std, stream }, &[], &[value], &[]);
    }

    /// Gives a parameter its first values. `stream` is different for each parameter.
    pub fn init(&mut self, store: &Store, param: &Param, init: Init, stream: u32) {
        let (mean, std) = match init {
            Init::Normal { mean, std } => (mean, std),
            Init::Constant(value) => (value, 0.0),
        };
        self.init_normal(store, param, mean, std, stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn values_are_normal_and_finite() {
        const N: u32 = 1 << 16;
        let init = InitNormal { layout: Layout::Vector(N.into()), mean: 0.0, std: 1.0, stream: 5 };
        let values: Vec<f64> = (0..N).map(|i| init.value(i, 9)).collect();
        let moment = |k: i32| values.iter().map(|v| v.powi(k)).sum::<f64>() / f64::from(N);
        // Five standard deviations of each sample moment.
        for (k, want, var) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0f64)] {
            let allowed = 5.0 * (var / f64::from(N)).sqrt();
            assert_abs_diff_eq!(moment(k), want, epsilon = allowed);
        }
        assert!(values.iter().all(|v| v.abs() < 5.8));
    }
}
