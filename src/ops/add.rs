//! Sum: `y = a + b`, element by element.

use super::{Dispatch, Lowering, Op, pair};
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
        let shape = pair::one_shape(tape, "add", x, y)?;
        Ok(tape.push_one(Add, &[x, y], shape))
    }
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        vec![pair::dispatch("add", node)]
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
