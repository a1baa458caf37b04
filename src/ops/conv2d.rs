//! conv2d:
//! `y[n, oy, ox, co] = bias[co] + sum x[n, oy s - p + ky, ox s - p + kx, ci] w[ky k + kx][ci][co]`
//! (cross-correlation, zero padding). x `[n, hi, wi, ci]`, w `[k k, 1, ci, co]`, y
//! `[n, ho, wo, co]` with `ho = floor((hi + 2 p - k) / s) + 1`.

use super::implicit_gemm::{self as gemm, Pass};
use super::{ChannelSum, ConvPass, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::{Conv, Shape};
use crate::tape::{Backward, Tape, Tensor};

/// Convolution; operands x, w and perhaps a bias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conv2d(pub Conv);

/// `dx` of a convolution from (dy, w).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conv2dBackwardX(pub Conv);

/// `dw` of a convolution from (x, dy).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conv2dBackwardW {
    /// The convolution.
    pub conv: Conv,
    /// Add to what the output holds.
    pub accumulate: bool,
}

impl Conv2d {
    fn pass(&self) -> ConvPass {
        ConvPass::new(Pass::Conv, self.0, false)
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        ConvPass { bias: node.inputs.len() > 2, ..self.pass() }.dispatches(node)
    }

    fn convolution(&self) -> Option<ConvPass> {
        Some(self.pass())
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (x, w, dy, conv) = (b.inputs[0], b.inputs[1], b.dy(), self.0);
        if b.needs(0) {
            let shape = b.tape.shape(x);
            let dx = b.tape.push_one(Conv2dBackwardX(conv), &[dy, w], shape);
            b.give(0, dx);
        }
        if b.needs(1) {
            b.emit_parameter(1, &[x, dy], |accumulate| Conv2dBackwardW { conv, accumulate });
        }
        if b.needs(2) {
            ChannelSum::bias_gradient(b, 2, dy);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        self.pass().cost(inputs, outputs)
    }
}

impl Conv2dBackwardX {
    fn pass(&self) -> ConvPass {
        ConvPass::new(Pass::ConvX, self.0, false)
    }
}

impl Op for Conv2dBackwardX {
    fn name(&self) -> &'static str {
        "conv2d_bwd_x"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        self.pass().dispatches(node)
    }

    fn convolution(&self) -> Option<ConvPass> {
        Some(self.pass())
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        // Linear in both: the gradient of dx is convolved again.
        let (dy, w, u, conv) = (b.inputs[0], b.inputs[1], b.dy(), self.0);
        if b.needs(0) {
            let shape = b.tape.shape(dy);
            let g = b.tape.push_one(Conv2d(conv), &[u, w], shape);
            b.give(0, g);
        }
        if b.needs(1) {
            b.emit_parameter(1, &[u, dy], |accumulate| Conv2dBackwardW { conv, accumulate });
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        self.pass().cost(inputs, outputs)
    }
}

impl Conv2dBackwardW {
    fn pass(&self) -> ConvPass {
        ConvPass::new(Pass::ConvW, self.conv, self.accumulate)
    }
}

impl Op for Conv2dBackwardW {
    fn name(&self) -> &'static str {
        "conv2d_bwd_w"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        self.pass().dispatches(node)
    }

    fn convolution(&self) -> Option<ConvPass> {
        Some(self.pass())
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (x, dy, v, conv) = (b.inputs[0], b.inputs[1], b.dy(), self.conv);
        if b.needs(0) {
            let shape = b.tape.shape(x);
            let g = b.tape.push_one(Conv2dBackwardX(conv), &[dy, v], shape);
            b.give(0, g);
        }
        if b.needs(1) {
            let shape = b.tape.shape(dy);
            let g = b.tape.push_one(Conv2d(conv), &[x, v], shape);
            b.give(1, g);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        self.pass().cost(inputs, outputs)
    }

    fn in_place(&self) -> bool {
        self.accumulate
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
        let (xs, ws) = (self.shape(x), self.shape(w));
        gemm::check_weight(&xs, &ws, self.info(w).rows, conv, bias.map(|b| self.shape(b)).as_ref())
            .map_err(|m| self.shape_error("conv2d", m))?;
        let (Some(ho), Some(wo)) = (conv.out(xs.h), conv.out(xs.w)) else {
            return Err(self.shape_error(
                "conv2d",
                format!(
                    "a kernel of {conv} does not fit x {xs}; use larger pictures or fewer layers"
                ),
            ));
        };
        let inputs: Vec<Tensor> = [x, w].into_iter().chain(bias).collect();
        Ok(self.push_one(Conv2d(conv), &inputs, Shape::new(xs.n, ho, wo, ws.c)))
    }
}
