//! Operations of filters: they have no derivative, since nothing is trained through them.

mod blur;
mod canny;
mod components;
mod thin;

pub use blur::GaussianBlur;
pub use canny::{Luma, NonMaximum, Sobel};
pub use components::Components;
pub use thin::Thin;

use crate::error::Result;
use crate::ops::registry::op;
use crate::ops::{Gradient, Op, OpInfo};
use crate::shape::Shape;
use crate::tape::{Tape, Tensor};

const NOT_TRAINED: Gradient =
    Gradient::None("a filter of finished images; nothing is trained through it");

/// All operations of filters.
pub const OPS: &[OpInfo] = &[
    op(
        "gaussian_blur",
        "blur",
        "y = Gaussian * x, each channel by itself, borders repeated",
        NOT_TRAINED,
        |t, _| {
            let x = map(t, 3);
            t.gaussian_blur(x, 1.5).map(drop)
        },
    ),
    op("luma", "canny", "y = 0.299 r + 0.587 g + 0.114 b", NOT_TRAINED, |t, _| {
        let x = t.input("x", Shape::new(2, 5, 7, 3));
        t.luma(x).map(drop)
    }),
    op(
        "sobel",
        "canny",
        "y = (dx, dy, their length) by Sobel's 3 x 3 filters",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 1));
            t.sobel(x).map(drop)
        },
    ),
    op(
        "non_maximum",
        "canny",
        "y = 2 or 1 where the length is a maximum along the gradient and reaches high or low, \
         else 0",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 3));
            t.non_maximum(x, 0.1, 0.2).map(drop)
        },
    ),
    op(
        "components",
        "components",
        "y = 1 in 8-connected components of x > 0 with enough pixels that reach a level, else 0",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 1));
            t.components(x, 2.0, 5).map(drop)
        },
    ),
    op(
        "thin",
        "thin",
        "y = x > 0 less one layer of pixels on two sides (Guo and Hall)",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 1));
            t.thin(x, 1).map(drop)
        },
    ),
];

fn map(t: &mut Tape, channels: u32) -> Tensor {
    t.input("x", Shape::new(2, 5, 7, channels))
}

impl Tape {
    /// `x` (`[n, h, w, channels]`) through an operation that leaves `to` channels.
    fn map_of(&mut self, op: impl Op, x: Tensor, channels: u32, to: u32) -> Result<Tensor> {
        let shape = self.shape(x);
        if shape.c != channels.into() {
            return Err(self.shape_error(
                op.name(),
                format!("{shape} has not {channels} channel(s) in one part"),
            ));
        }
        Ok(self.push_one(op, &[x], shape.with_channels(to)))
    }
}
