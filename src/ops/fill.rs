//! Fill: `y = value`.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `y = value` in every element of a shape; padding stays 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Fill(pub f32);

impl Fill {
    /// Records a tensor of one value.
    pub fn record(tape: &mut Tape, shape: Shape, value: f32) -> Tensor {
        tape.push_one(Fill(value), &[], shape)
    }
}

impl Op for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let y = &node.outputs[0];
        let d = Dispatch::new("fill", "fill")
            .bind("y", Bind::Out(0))
            .u("vec4s", y.shape.vec4s() as u32)
            .u("width", y.shape.c.vec4s())
            .view("y", y)
            .f("value", self.0)
            .parts(&y.shape);
        vec![d.over(y.shape.vec4s())]
    }

    fn backward(&self, _: &mut Backward<'_>) -> Result<()> {
        // It has no operands.
        Ok(())
    }

    fn cost(&self, _: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 0, bytes: outputs.iter().map(Shape::bytes).sum() }
    }
}

impl Tape {
    /// A tensor of one value.
    pub fn fill(&mut self, shape: Shape, value: f32) -> Tensor {
        Fill::record(self, shape, value)
    }
}
