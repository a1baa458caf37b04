//! A pass of a convolution with its fused neighbours: what the plan puts in place of recorded
//! nodes.

use super::implicit_gemm::{self as gemm, Fused, Pass, Problem};
use super::{Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::{Conv, Shape};
use crate::tape::Backward;

/// One pass of a convolution or transposed convolution.
///
/// Inputs: the two operands of the recorded operation, its bias if there is one, then, with
/// [`Fused::mask`], the operand of the activation whose derivative the result is multiplied by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ConvPass {
    /// The pass: output, input gradient or weight gradient, transposed or not.
    pub pass: Pass,
    /// Kernel, stride, padding.
    pub conv: Conv,
    /// Whether the third input is a bias.
    pub bias: bool,
    /// Whether the result is added to what the output holds.
    pub accumulate: bool,
    /// Bias, activations and padding that are fused into it.
    pub fused: Fused,
}

impl ConvPass {
    /// A pass on its own.
    pub const fn new(pass: Pass, conv: Conv, accumulate: bool) -> Self {
        ConvPass {
            pass,
            conv,
            bias: false,
            accumulate,
            fused: Fused { load: [None, None], mask: None, border: None },
        }
    }

    /// A problem's pass on its own.
    pub fn of(problem: &Problem) -> Self {
        let pass = ConvPass::new(problem.pass, problem.conv, false);
        ConvPass { fused: Fused { border: problem.border, ..pass.fused }, ..pass }
    }

    /// The dispatches; `bias` is told by the number of inputs where nothing is fused.
    pub(super) fn dispatches(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        gemm::lower(node, self.pass, self.conv, self.bias, self.accumulate, self.fused)
    }
}

impl Op for ConvPass {
    fn name(&self) -> &'static str {
        self.pass.name()
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        self.dispatches(node)
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(self.pass.name(), "it was fused for a plan; differentiate what was recorded")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let (a, b, y) = (&inputs[0], &inputs[1], &outputs[0]);
        // The map at whose pixels multiply-adds are counted, and the channels of the layer.
        let (anchor, ci, co) = match self.pass {
            Pass::Conv => (y, a, y),
            Pass::ConvX => (a, y, a),
            Pass::ConvW => (b, a, b),
            Pass::Transposed => (a, a, y),
            Pass::TransposedX => (y, y, a),
            Pass::TransposedW => (a, a, b),
        };
        let touched: Vec<&Shape> = inputs.iter().chain(outputs).collect();
        gemm::cost(anchor, ci.c.logical(), co.c.logical(), self.conv, &touched)
    }

    fn convolution(&self) -> Option<ConvPass> {
        Some(*self)
    }

    fn in_place(&self) -> bool {
        self.accumulate
    }
}
