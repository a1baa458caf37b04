//! Total variation: how much neighbouring pixels differ.
//!
//! ```text
//! y[h, w]  = across |x[h, w + 1] - x[h, w]| + down |x[h + 1, w] - x[h, w]|
//! dx[h, w] = across (sign(x[h, w] - x[h, w - 1]) dy[h, w - 1]
//!                    - sign(x[h, w + 1] - x[h, w]) dy[h, w]) + the same down
//! terms past the edge are 0
//! ```

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `y` of the module's formula: same shape as `x`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Variation {
    /// Weight of differences between columns.
    pub across: f32,
    /// Weight of differences between rows.
    pub down: f32,
}

/// `dx` from (x, dy).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VariationBackward(pub Variation);

impl Variation {
    fn params(&self, d: Dispatch, x: &Operand, dy: &Operand, y: &Operand) -> Dispatch {
        let d = d
            .u("vec4s", x.shape.vec4s() as u32)
            .u("width", x.shape.c.vec4s())
            .u("rows", x.shape.h)
            .u("columns", x.shape.w);
        d.view("x", x)
            .view("dy", dy)
            .view("y", y)
            .f("across", self.across)
            .f("down", self.down)
            .over(x.shape.vec4s())
    }
}

impl Op for Variation {
    fn name(&self) -> &'static str {
        "variation"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d =
            Dispatch::new("variation", "variation").bind("x", Bind::In(0)).bind("y", Bind::Out(0));
        vec![self.params(d, x, x, y)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (x, dy) = (b.inputs[0], b.dy());
        let shape = b.tape.shape(x);
        let dx = b.tape.push_one(VariationBackward(*self), &[x, dy], shape);
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 7 * inputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

impl Op for VariationBackward {
    fn name(&self) -> &'static str {
        "variation_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, dy, dx) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::new("variation", "variation_bwd")
            .bind("x", Bind::In(0))
            .bind("dy", Bind::In(1))
            .bind("dx", Bind::Out(0));
        vec![self.0.params(d, x, dy, dx)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "variation_bwd",
            "the second derivative of the total variation is not there; no loss here needs it",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 12 * inputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

impl Tape {
    /// The total variation of `x`, a scalar: the mean absolute difference of neighbouring columns
    /// plus that of neighbouring rows.
    pub fn total_variation(&mut self, x: Tensor) -> Tensor {
        let shape = self.shape(x);
        let weight = |h: u32, w: u32| {
            let count = Shape { h, w, ..shape }.elements();
            if count == 0 { 0.0 } else { (1.0 / count as f64) as f32 }
        };
        let op =
            Variation { across: weight(shape.h, shape.w - 1), down: weight(shape.h - 1, shape.w) };
        let y = self.push_one(op, &[x], shape);
        self.sum(y)
    }
}
