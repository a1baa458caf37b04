//! Product: `y = a b`, element by element.

use super::{Bind, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::tape::{Backward, Tape, Tensor};

/// `y = a b`, all three of one shape. `da = dy b`, `db = dy a`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mul;

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (a, b, y) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::new("mul", "mul")
            .bind("a", Bind::In(0))
            .bind("b", Bind::In(1))
            .bind("y", Bind::Out(0))
            .u("vec4s", y.shape.vec4s() as u32)
            .u("width", y.shape.c.vec4s())
            .view("a", a)
            .view("b", b)
            .view("y", y);
        vec![d.over(y.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let shape = b.tape.shape(dy);
        for (input, other) in [(0, b.inputs[1]), (1, b.inputs[0])] {
            if b.needs(input) {
                let gradient = b.tape.push_one(Mul, &[dy, other], shape);
                b.give(input, gradient);
            }
        }
        Ok(())
    }
}

impl Tape {
    /// `x y`, element by element; shapes equal.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn mul(&mut self, x: Tensor, y: Tensor) -> Result<Tensor> {
        let (a, b) = (self.shape(x), self.shape(y));
        if a != b {
            return Err(self.shape_error("mul", format!("the operands must have one shape, not {a} and {b}")));
        }
        Ok(self.push_one(Mul, &[x, y], a))
    }
}
