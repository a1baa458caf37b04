//! Copy: `y = x`, to a place of its own.

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `y = x`. `dx = dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copy;

/// Copies the pixels of `from` to the place `to` (its first vec4s of each pixel, as many as `from`
/// has). The two may lie in one buffer, but not overlap.
pub(super) fn dispatch(from: &Operand, to: &Operand, bind_in: Bind, bind_out: Bind) -> Dispatch {
    let d = if from.root == to.root {
        // A buffer cannot be bound to be read and to be written in one dispatch.
        Dispatch::new("copy", "copy_within").bind("z", bind_out)
    } else {
        Dispatch::new("copy", "copy").bind("x", bind_in).bind("y", bind_out)
    };
    d.u("vec4s", from.shape.vec4s() as u32)
        .u("width", from.shape.c.vec4s())
        .view("x", from)
        .view("y", to)
        .over(from.shape.vec4s())
}

impl Op for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        vec![dispatch(&node.inputs[0], &node.outputs[0], Bind::In(0), Bind::Out(0))]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        b.give(0, dy);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 0, bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum() }
    }
}

impl Tape {
    /// A copy of `x`, same shape.
    pub fn copy(&mut self, x: Tensor) -> Tensor {
        let shape = self.shape(x);
        self.push_one(Copy, &[x], shape)
    }
}
