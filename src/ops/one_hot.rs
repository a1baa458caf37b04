//! Planes of classes from a map of indices.
//!
//! ```text
//! y[h, w, k] = 1 if x[h, w] = k, else 0,   k < classes
//! ```
//!
//! Indices are whole numbers, kept as f32, which is exact up to 2^24. An index that is no class
//! makes zeros in all planes; whoever writes the map checks it.

use super::{Bind, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::tape::{Backward, Tape, Tensor};

/// `[n, h, w, 1]` to `[n, h, w, classes]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OneHot;

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        vec![
            Dispatch::new("one_hot", "one_hot")
                .bind("x", Bind::In(0))
                .bind("y", Bind::Out(0))
                .u("vec4s", y.shape.vec4s() as u32)
                .u("width", y.shape.c.vec4s())
                .view("x", x)
                .view("y", y)
                .u("classes", y.shape.c.logical())
                .over(y.shape.vec4s()),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("one_hot", "an index names a class: it has no derivative")
    }
}

impl Tape {
    /// The planes of the classes in a map of indices `[n, h, w, 1]`: `[n, h, w, classes]`, 1 where
    /// a pixel's index is the plane's number, 0 elsewhere. An index of `classes` or more, a
    /// negative one and one that is no whole number make zeros. No gradient leads through it.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the map has more than one channel, or there is no class.
    pub fn one_hot(&mut self, ids: Tensor, classes: u32) -> Result<Tensor> {
        let shape = self.shape(ids);
        if shape.c != 1.into() || classes == 0 {
            let expected = "expected indices [n, h, w, 1] and at least one class";
            let why = format!("{expected}, not {shape} and {classes}");
            return Err(self.shape_error("one_hot", why));
        }
        Ok(self.push_one(OneHot, &[ids], shape.with_channels(classes)))
    }
}
