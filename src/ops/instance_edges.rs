//! The boundaries between the instances of a map.
//!
//! ```text
//! y[h, w] = 1 if x[h, w] differs from x[h, w - 1], x[h, w + 1], x[h - 1, w] or x[h + 1, w], else 0
//! ```
//!
//! Both sides of a boundary are marked; the border of the image is none. This is the boundary map
//! of pix2pixHD (section 3.3 of the paper).

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `[n, h, w, 1]` to `[n, h, w, 1]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstanceEdges;

impl Op for InstanceEdges {
    fn name(&self) -> &'static str {
        "instance_edges"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let pixels = y.shape.pixels();
        vec![
            Dispatch::new("instance_edges", "instance_edges")
                .bind("x", Bind::In(0))
                .bind("y", Bind::Out(0))
                .u("pixels", pixels)
                .u("h", y.shape.h)
                .u("w", y.shape.w)
                .view("x", x)
                .view("y", y)
                .over(pixels.into()),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("instance_edges", "numbers of instances are names: they have no derivative")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 0, bytes: inputs[0].bytes() + outputs[0].bytes() }
    }
}

impl Tape {
    /// The boundaries in a map of instances `[n, h, w, 1]`, whose values matter only by being equal
    /// or not: 1 where a pixel differs from one beside, above or below it, 0 elsewhere. No gradient
    /// leads through it.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the map has more than one channel.
    pub fn instance_edges(&mut self, ids: Tensor) -> Result<Tensor> {
        let shape = self.shape(ids);
        if shape.c != 1.into() {
            return Err(self.shape_error(
                "instance_edges",
                format!("expected one number per pixel, [n, h, w, 1], not {shape}"),
            ));
        }
        Ok(self.push_one(InstanceEdges, &[ids], shape))
    }
}
