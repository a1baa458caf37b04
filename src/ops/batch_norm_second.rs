//! The derivative of the derivative of a normalisation.
//!
//! The derivative ([`BatchNormBackward`]) is `dx = gamma rstd P(g)` with
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
//! `x_j`; terms in `P` are `v` and `dx`, which are there already. What x does through statistics
//! and sums is in it, so these get no gradient of their own.

use super::batch_norm::{BatchNormBackward, BatchNormSums, bytes, two_rows};
use super::{Bind, ChannelSum, Cost, Dispatch, Lowering, NormMode, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::Backward;

/// The gradient by `x` of a [`BatchNormBackward`]. Inputs: `x`, statistics, `dx`, `v`, then sums of
/// `BatchNormSums` over `g`, over `u` and over `u dx`. Output as `x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormSecond;

/// Records the gradients of a [`BatchNormBackward`].
pub(super) fn record(b: &mut Backward<'_>, mode: NormMode) -> Result<()> {
    let (x, stats, g, gamma, sums) =
        (b.inputs[0], b.inputs[1], b.inputs[2], b.inputs[3], b.inputs[4]);
    let (dx, u) = (b.outputs[0], b.dy());
    let shape = b.tape.shape(x);
    let rows = [two_rows(shape, b.tape.shape(stats).n / 2)];
    if b.needs(0) || b.needs(2) {
        let sums_u = b.tape.push(BatchNormSums { parameters: None }, &[x, stats, u], &rows)[0];
        let v = b.tape.push_one(BatchNormBackward { mode }, &[x, stats, u, gamma, sums_u], shape);
        if b.needs(2) {
            b.give(2, v);
        }
        if b.needs(0) && mode != NormMode::Running {
            let product = b.tape.mul(u, dx)?;
            let sums_product =
                b.tape.push(BatchNormSums { parameters: None }, &[x, stats, product], &rows)[0];
            let by_x = b.tape.push_one(
                BatchNormSecond,
                &[x, stats, dx, v, sums, sums_u, sums_product],
                shape,
            );
            b.give(0, by_x);
        }
    }
    if b.needs(3) {
        // Not dx / gamma: gamma may be 0.
        let one = b.tape.fill(Shape::vector(shape.c), 1.0);
        let plain = b.tape.push_one(BatchNormBackward { mode }, &[x, stats, g, one, sums], shape);
        let product = b.tape.mul(u, plain)?;
        b.emit_parameter(3, &[product], |accumulate| ChannelSum { accumulate });
    }
    Ok(())
}

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
            "the third derivative of batch_norm is not there; no loss here needs it",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 8 * inputs[0].elements(), bytes: bytes(inputs) + bytes(outputs) }
    }
}
