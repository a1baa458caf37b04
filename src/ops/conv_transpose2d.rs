//! conv_transpose2d, the adjoint of a convolution:
//! `y[n, iy s - p + ky, ix s - p + kx, co] += x[n, iy, ix, ci] w[ky k + kx][ci][co]`. x
//! `[n, hi, wi, ci]`, w `[k k, 1, ci, co]`, y `[n, ho, wo, co]` with
//! `ho = (hi - 1) s - 2 p + k + output_pad`. Runs by output phases (s s of them), each a dense
//! stride-1 convolution with its own share of the taps.

use super::implicit_gemm::{self as gemm, Pass};
use super::{ChannelSum, ConvPass, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::{Conv, Shape};
use crate::tape::{Backward, Tape, Tensor};

/// Transposed convolution; operands x, w and perhaps a bias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvTranspose2d(pub Conv);

/// `dx` of a transposed convolution from (dy, w): a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvTranspose2dBackwardX(pub Conv);

/// `dw` of a transposed convolution from (x, dy).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvTranspose2dBackwardW {
    /// The transposed convolution.
    pub conv: Conv,
    /// Add to what the output holds.
    pub accumulate: bool,
}

impl ConvTranspose2d {
    fn pass(&self) -> ConvPass {
        ConvPass::new(Pass::Transposed, self.0, false)
    }
}

impl Op for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
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
            let dx = b.tape.push_one(ConvTranspose2dBackwardX(conv), &[dy, w], shape);
            b.give(0, dx);
        }
        if b.needs(1) {
            b.emit_parameter(1, &[x, dy], |accumulate| ConvTranspose2dBackwardW {
                conv,
                accumulate,
            });
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

impl ConvTranspose2dBackwardX {
    fn pass(&self) -> ConvPass {
        ConvPass::new(Pass::TransposedX, self.0, false)
    }
}

impl Op for ConvTranspose2dBackwardX {
    fn name(&self) -> &'static str {
        "conv_transpose2d_bwd_x"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        self.pass().dispatches(node)
    }

    fn convolution(&self) -> Option<ConvPass> {
        Some(self.pass())
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, w, u, conv) = (b.inputs[0], b.inputs[1], b.dy(), self.0);
        if b.needs(0) {
            let shape = b.tape.shape(dy);
            let g = b.tape.push_one(ConvTranspose2d(conv), &[u, w], shape);
            b.give(0, g);
        }
        if b.needs(1) {
            b.emit_parameter(1, &[u, dy], |accumulate| ConvTranspose2dBackwardW {
                conv,
                accumulate,
            });
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        self.pass().cost(inputs, outputs)
    }
}

impl ConvTranspose2dBackwardW {
    fn pass(&self) -> ConvPass {
        ConvPass::new(Pass::TransposedW, self.conv, self.accumulate)
    }
}

impl Op for ConvTranspose2dBackwardW {
    fn name(&self) -> &'static str {
        "conv_transpose2d_bwd_w"
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
            let g = b.tape.push_one(ConvTranspose2dBackwardX(conv), &[dy, v], shape);
            b.give(0, g);
        }
        if b.needs(1) {
            let shape = b.tape.shape(dy);
            let g = b.tape.push_one(ConvTranspose2d(conv), &[x, v], shape);
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
    /// Transposed convolution: x `[n, h, w, ci]`, w `[k k, 1, ci, co]` → `[n, ho, wo, co]`,
    /// `ho = (h - 1) s - 2 p + k + output_pad`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the weight was made for other channels or another kernel, or
    /// nothing is left of the picture.
    pub fn conv_transpose2d(
        &mut self,
        x: Tensor,
        w: Tensor,
        bias: Option<Tensor>,
        conv: Conv,
    ) -> Result<Tensor> {
        let (xs, ws) = (self.shape(x), self.shape(w));
        gemm::check_weight(&xs, &ws, self.info(w).rows, conv, bias.map(|b| self.shape(b)).as_ref())
            .map_err(|m| self.shape_error("conv_transpose2d", m))?;
        let (Some(ho), Some(wo)) = (conv.transposed_out(xs.h), conv.transposed_out(xs.w)) else {
            return Err(self.shape_error(
                "conv_transpose2d",
                format!("nothing is left of x {xs} with {conv}; use less padding"),
            ));
        };
        let inputs: Vec<Tensor> = [x, w].into_iter().chain(bias).collect();
        Ok(self.push_one(ConvTranspose2d(conv), &inputs, Shape::new(xs.n, ho, wo, ws.c)))
    }
}
