//! Product: `y = a b`, element by element.

use super::{Dispatch, Lowering, Op, pair};
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
        vec![pair::dispatch("mul", node)]
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
        let shape = pair::one_shape(self, "mul", x, y)?;
        Ok(self.push_one(Mul, &[x, y], shape))
    }
}
