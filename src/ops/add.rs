//! Sum: `y = a + b`, element by element.

use super::{Bind, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::tape::{Backward, Tape, Tensor};

/// `y = a + b`, all three of one shape. `da = db = dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Add;

impl Add {
    /// Records `x + y`, shapes equal.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn record(tape: &mut Tape, x: Tensor, y: Tensor) -> Result<Tensor> {
        let (a, b) = (tape.shape(x), tape.shape(y));
        if a != b {
            return Err(tape.shape_error("add", format!("the operands must have one shape, not {a} and {b}")));
        }
        Ok(tape.push_one(Add, &[x, y], a))
    }
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (a, b, y) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::new("add", "add")
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
        for input in (0..2).filter(|&i| b.needs(i)).collect::<Vec<_>>() {
            b.give(input, dy);
        }
        Ok(())
    }
}

impl Tape {
    /// `x + y`, element by element; shapes equal.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn add(&mut self, x: Tensor, y: Tensor) -> Result<Tensor> {
        Add::record(self, x, y)
    }
}
