//! The derivative of the derivative of a normalisation.
//!
//! The derivative ([`super::BatchNormBackward`]) is `dx = gamma rstd P(g)` with
//! `P(a) = a - mean of a - xhat * mean of a xhat`, linear and symmetric in `g`. For the gradient
//! `u` of `dx`, with means over the pixels of a group:
//!
//! ```text
//! by g      v = gamma rstd P(u)        (the same operation on u)
//! by x      -rstd (xhat * mean of u dx + v * mean of g xhat + dx * mean of u xhat)
//!           0 where statistics are given
//! by gamma  sum of u rstd P(g)
//! ```
//!
//! By x: `rstd` changes by `-rstd^2 xhat_j / N` and the sum of `w xhat` by `rstd P(w)_j` with
//! `x_j`; terms in `P` are `v` and `dx`, which exist already. The effect of x through statistics
//! and sums is included, so these get no gradient of their own.

use super::batch_norm::bytes;
use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::Backward;

/// The gradient by `x` of a [`super::BatchNormBackward`]. Inputs: `x`, statistics, `dx`, `v`, then
/// sums of `BatchNormSums` over `g`, over `u` and over `u dx`. Output as `x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormSecond;

impl Op for BatchNormSecond {
    fn name(&self) -> &'static str {
        "batch_norm_second"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let names = ["x", "stats", "dx", "v", "sums", "sums_u", "sums_product"];
        let d = (0..)
            .zip(names)
            .fold(Dispatch::new("batch_norm_second", "bn_second"), |d, (at, name)| {
                d.bind(name, Bind::In(at))
            });
        let x = &node.inputs[0];
        let pixels = x.shape.pixels() / (node.inputs[1].shape.n / 2);
        let d = d
            .bind("y", Bind::Out(0))
            .u("vec4s", x.shape.vec4s() as u32)
            .u("width", x.shape.c.vec4s())
            .u("pixels", pixels);
        let d = d.f("inv_count", (1.0 / f64::from(pixels)) as f32);
        let d = names.iter().zip(node.inputs).fold(d, |d, (name, operand)| d.view(name, operand));
        vec![d.view("y", &node.outputs[0]).over(x.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "batch_norm_second",
            "the third derivative of batch_norm is not implemented; no loss here needs it",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 8 * inputs[0].elements(), bytes: bytes(inputs) + bytes(outputs) }
    }
}
