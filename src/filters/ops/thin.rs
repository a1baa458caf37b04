//! Thinning (Guo and Hall, "Parallel Thinning with Two-Subiteration Algorithms", 1989, A1): lines
//! become one pixel wide and stay connected.

use crate::error::Result;
use crate::ops::{Bind, Cost, Dispatch, Lowering, Op};
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// Half an iteration: one layer of pixels is taken away on two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thin {
    /// The second half of an iteration, which removes the other borders.
    second: bool,
}

impl Op for Thin {
    fn name(&self) -> &'static str {
        "thin"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let pixels = x.shape.pixels();
        let d = Dispatch::new("thin", "thin")
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0))
            .u("pixels", pixels)
            .u("w", x.shape.w)
            .u("h", x.shape.h)
            .view("x", x)
            .view("y", y)
            .u("second", u32::from(self.second));
        vec![d.over(pixels.into())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("thin", "a choice of pixels has no derivative")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 30 * outputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

impl Tape {
    /// `iterations` of thinning on `x > 0` (`[n, h, w, 1]`): 1 where a pixel is left, 0 elsewhere.
    /// Each takes one layer off on every side.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for more than one channel.
    pub fn thin(&mut self, x: Tensor, iterations: u32) -> Result<Tensor> {
        let mut y = x;
        for at in 0..2 * iterations {
            y = self.map_of(Thin { second: at % 2 == 1 }, y, 1, 1)?;
        }
        Ok(y)
    }
}
