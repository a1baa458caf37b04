//! conv2d and conv_transpose2d with their gradients: one operation, [`Convolution`].
//!
//! conv2d is cross-correlation with zero padding, `ho = floor((hi + 2 p - k) / s) + 1`:
//! `y[n, oy, ox, co] = bias[co] + sum x[n, oy s - p + ky, ox s - p + kx, ci] w[ky k + kx][ci][co]`.
//!
//! conv_transpose2d is its adjoint, `ho = (hi - 1) s - 2 p + k + output_pad`:
//! `y[n, iy s - p + ky, ix s - p + kx, co] += x[n, iy, ix, ci] w[ky k + kx][ci][co]`. It runs by
//! output phases (s s of them), each a dense stride-1 convolution with its own share of the taps.
//!
//! x `[n, hi, wi, ci]`, w `[k k, 1, ci, co]`, y `[n, ho, wo, co]`.

use super::channel_sum::ChannelSum;
use super::implicit_gemm::{self as gemm, Fused, Of, Pass, Problem};
use super::{Adam, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::{Conv, Shape};
use crate::tape::{Backward, Tape, Tensor};

/// One pass of a convolution or transposed convolution, with the operations that a plan fused into
/// it.
///
/// Inputs: the two operands ([`Pass::operands`]), the bias if there is one, then, with
/// [`Fused::mask`], the operand of the activation whose derivative the result is multiplied by.
/// Output: the result, or with [`Fused::adam`] the weight and its first and second moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Convolution {
    /// The layer's kind, and which of its tensors is computed.
    pub pass: Pass,
    /// Kernel, stride, padding.
    pub conv: Conv,
    /// Whether the third input is a bias.
    pub bias: bool,
    /// Whether the result is added to what the output holds.
    pub accumulate: bool,
    /// What a plan has fused into it.
    pub fused: Fused,
}

impl Convolution {
    /// A pass alone: no bias, nothing fused, the output overwritten.
    pub const fn new(pass: Pass, conv: Conv) -> Self {
        let fused = Fused { load: [None, None], mask: None, border: None, adam: None };
        Convolution { pass, conv, bias: false, accumulate: false, fused }
    }

    /// The pass that computes a problem.
    pub fn of(problem: &Problem) -> Self {
        let alone = Convolution::new(problem.pass, problem.conv);
        Convolution { fused: Fused { border: problem.border, ..alone.fused }, ..alone }
    }

    /// What it computes on operands and a result of these shapes.
    pub fn problem(&self, inputs: &[Shape], output: Shape) -> Problem {
        let Convolution { pass, conv, fused, .. } = *self;
        Problem { pass, inputs: [inputs[0], inputs[1]], output, conv, border: fused.border }
    }
}

impl Op for Convolution {
    fn name(&self) -> &'static str {
        self.pass.name()
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let shapes = [node.inputs[0].shape, node.inputs[1].shape];
        let problem = self.problem(&shapes, node.outputs[0].shape);
        gemm::lower(node, problem, self.bias, self.accumulate, self.fused)
    }

    /// A pass is linear in each operand: the gradient of an operand is the layer's pass that
    /// computes it, with the gradient of the result in the place of the result.
    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        if self.fused != Fused::default() {
            return b
                .refuse(self.name(), "it was fused for a plan; differentiate what was recorded");
        }
        let (operands, inputs, dy) = (self.pass.operands(), b.inputs, b.dy());
        let tensor = |of: Of| operands.iter().position(|o| *o == of).map_or(dy, |at| inputs[at]);
        for (input, of) in operands.into_iter().enumerate() {
            if !b.needs(input) {
                continue;
            }
            let gradient = Convolution::new(Pass { of, ..self.pass }, self.conv);
            let from = gradient.pass.operands().map(tensor);
            if of == Of::Weight {
                let into = |accumulate| Convolution { accumulate, ..gradient };
                b.emit_parameter(input, &from, into);
            } else {
                let shape = b.tape.shape(inputs[input]);
                let made = b.tape.push_one(gradient, &from, shape);
                b.give(input, made);
            }
        }
        if self.bias && b.needs(2) {
            ChannelSum::bias_gradient(b, 2, dy);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let read: u64 = inputs.iter().map(Shape::bytes).sum();
        let written: u64 = outputs.iter().map(Shape::bytes).sum();
        let flop = self.problem(inputs, outputs[0]).flop();
        match self.fused.adam {
            None => Cost { flop, bytes: read + written },
            Some(_) => {
                Cost { flop: flop + Adam::flop(outputs[0].elements()), bytes: read + 2 * written }
            }
        }
    }

    fn in_place(&self) -> bool {
        self.accumulate || self.fused.adam.is_some()
    }
}

impl Tape {
    /// Convolution: x `[n, h, w, ci]`, w `[k k, 1, ci, co]` → `[n, ho, wo, co]`,
    /// `ho = floor((h + 2 p - k) / s) + 1`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the weight was made for other channels or another kernel, or the
    /// kernel does not fit.
    pub fn conv2d(
        &mut self,
        x: Tensor,
        w: Tensor,
        bias: Option<Tensor>,
        conv: Conv,
    ) -> Result<Tensor> {
        self.convolve(false, x, w, bias, conv)
    }

    /// Transposed convolution: x `[n, h, w, ci]`, w `[k k, 1, ci, co]` → `[n, ho, wo, co]`,
    /// `ho = (h - 1) s - 2 p + k + output_pad`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the weight was made for other channels or another kernel, or
    /// the output would be empty.
    pub fn conv_transpose2d(
        &mut self,
        x: Tensor,
        w: Tensor,
        bias: Option<Tensor>,
        conv: Conv,
    ) -> Result<Tensor> {
        self.convolve(true, x, w, bias, conv)
    }

    fn convolve(
        &mut self,
        transposed: bool,
        x: Tensor,
        w: Tensor,
        bias: Option<Tensor>,
        conv: Conv,
    ) -> Result<Tensor> {
        let pass = Pass { transposed, of: Of::Output };
        let (xs, ws) = (self.shape(x), self.shape(w));
        gemm::check_weight(&xs, &ws, self.info(w).rows, conv, bias.map(|b| self.shape(b)).as_ref())
            .map_err(|m| self.shape_error(pass.name(), m))?;
        let out = |side| if transposed { conv.transposed_out(side) } else { conv.out(side) };
        let (Some(ho), Some(wo)) = (out(xs.h), out(xs.w)) else {
            let message = if transposed {
                format!("nothing is left of x {xs} with {conv}; use less padding")
            } else {
                format!("a kernel of {conv} does not fit x {xs}; use larger images or fewer layers")
            };
            return Err(self.shape_error(pass.name(), message));
        };
        let inputs: Vec<Tensor> = [x, w].into_iter().chain(bias).collect();
        let layer = Convolution { bias: bias.is_some(), ..Convolution::new(pass, conv) };
        Ok(self.push_one(layer, &inputs, Shape::new(xs.n, ho, wo, ws.c)))
    }
}
