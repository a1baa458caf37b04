//! What the methods share: the pass to lower, with its fused neighbours.

use super::problem::Problem;
use crate::ops::Adam;
use crate::ops::act::Act;
use crate::ops::dispatch::{Bind, Dispatch, Operand};
use crate::ops::op::Lowering;
use crate::ops::padding::Padding;

/// What a pass does besides the product itself: neighbours that were fused into it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Fused {
    /// A (leaky) ReLU that each operand passes as it is loaded.
    pub load: [Option<Act>; 2],
    /// The derivative of a (leaky) ReLU that the result is multiplied by; the operand of that
    /// activation is the last input.
    pub mask: Option<Act>,
    /// The pixels around the map that the kernel walks over, as wide as the convolution's padding;
    /// `None`: zeros.
    pub border: Option<Padding>,
    /// Of a weight's gradient: it goes straight into a step of Adam with the rates of this group.
    /// The outputs are then the weight and its moments, updated, and the gradient is nowhere.
    pub adam: Option<u32>,
}

/// The factor of negative values of an activation on load: 1 leaves them as they are.
pub(super) fn slope(act: Option<Act>) -> f32 {
    act.map_or(1.0, Act::slope)
}

/// A pass to lower: the problem, and where its operands lie.
pub(super) struct Task<'a> {
    pub problem: Problem,
    pub node: &'a Lowering<'a>,
    pub fused: Fused,
    /// Which input is the bias, and which the operand of the mask.
    pub bias: Option<usize>,
    pub mask: Option<usize>,
    pub accumulate: bool,
}

impl Task<'_> {
    pub fn input(&self, at: usize) -> &Operand {
        &self.node.inputs[at]
    }

    pub fn output(&self) -> &Operand {
        &self.node.outputs[0]
    }

    /// Sets the constant for the pixels around the map that the kernel walks over.
    pub fn border(&self, d: Dispatch) -> Dispatch {
        self.problem.border.into_iter().fold(d, |d, padding| d.tune("BORDER", padding.border()))
    }

    /// Binds the bias and the mask of `lib/epilogue.wgsl`. Every binding must be bound: `instead`
    /// stands in for what is missing and is not read.
    pub fn bind_epilogue(&self, d: Dispatch, instead: Bind) -> Dispatch {
        d.bind("bias", self.bias.map_or(instead, Bind::In))
            .bind("mask", self.mask.map_or(instead, Bind::In))
    }

    /// Binds what Adam updates, of `lib/adam.wgsl`.
    pub fn bind_adam(&self, d: Dispatch) -> Dispatch {
        d.bind("weight", Bind::Out(0)).bind("moment1", Bind::Out(1)).bind("moment2", Bind::Out(2))
    }

    /// Where Adam's rates begin in the step uniform; 0 where there is none.
    pub fn rates_at(&self) -> u32 {
        self.fused.adam.map_or(0, |group| Adam { group }.rates_at())
    }

    /// Their parameters, and the constant that says whether there is a mask. Without `on` there is
    /// no bias and no mask.
    pub fn epilogue(&self, d: Dispatch, on: bool) -> Dispatch {
        let mask = self.mask.filter(|_| on);
        let operand = mask.map_or(*self.output(), |m| *self.input(m));
        d.u("has_bias", u32::from(on && self.bias.is_some()))
            .view("mask", &operand)
            .f("mask_slope", self.fused.mask.map_or(0.0, Act::slope))
            .tune("MASK", u32::from(mask.is_some()))
    }
}
