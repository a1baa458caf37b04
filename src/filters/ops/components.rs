//! Connected components: `y = 1` where the 8-connected component of `x > 0` has enough pixels and
//! one of them reaches a level.
//!
//! With `level` between two classes this is the hysteresis of edge detectors, with `pixels` it
//! drops specks. Labels come from a union-find forest with atomic minima (Playne and Hawick, "A New
//! Algorithm for Parallel Connected-Component Labelling on GPUs", 2018).

use crate::error::Result;
use crate::ops::{Bind, Cost, Dispatch, Lowering, Op};
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// Keeps connected components that reach a value and have enough pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Components {
    /// Value that at least one pixel has to reach.
    pub level: f32,
    /// Fewest pixels.
    pub pixels: u32,
}

impl Op for Components {
    fn name(&self) -> &'static str {
        "components"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let pixels = x.shape.pixels();
        let scratch = |at, write| Bind::Scratch { at, bytes: 4 * u64::from(pixels), write };
        let params = |d: Dispatch| {
            d.u("pixels", pixels)
                .u("w", x.shape.w)
                .u("h", x.shape.h)
                .view("x", x)
                .view("y", y)
                .f("level", self.level)
                .u("least", self.pixels)
                .over(pixels.into())
        };
        let d = |entry| Dispatch::new("components", entry).bind("x", Bind::In(0));
        vec![
            params(d("begin").bind("labels", scratch(0, true)).bind("sizes", scratch(1, true))),
            params(d("merge").bind("labels", scratch(0, true))),
            params(d("count").bind("labels", scratch(0, true)).bind("sizes", scratch(1, true))),
            params(
                d("keep")
                    .bind("roots", scratch(0, false))
                    .bind("found", scratch(1, false))
                    .bind("y", Bind::Out(0)),
            ),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("components", "a choice of pixels has no derivative")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 0, bytes: 8 * inputs.iter().chain(outputs).map(Shape::bytes).sum::<u64>() }
    }
}

impl Tape {
    /// Of the 8-connected components of `x > 0` (`[n, h, w, 1]`) those of at least `pixels` pixels,
    /// one of which is `level` or more: 1 there, 0 elsewhere.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for more than one channel.
    pub fn components(&mut self, x: Tensor, level: f32, pixels: u32) -> Result<Tensor> {
        self.map_of(Components { level, pixels }, x, 1, 1)
    }
}
