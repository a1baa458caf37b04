//! Steps of Canny's edge detector ("A Computational Approach to Edge Detection", 1986): brightness,
//! gradient, maxima along it. A blur goes before ([`Tape::gaussian_blur`]); hysteresis after is
//! [`Tape::components`].

use crate::error::Result;
use crate::ops::{Bind, Dispatch, Lowering, Op};
use crate::tape::{Backward, Tape, Tensor};

fn dispatch(entry: &'static str, node: &Lowering<'_>, low: f32, high: f32) -> Vec<Dispatch> {
    let (x, y) = (&node.inputs[0], &node.outputs[0]);
    let pixels = x.shape.pixels();
    let d = Dispatch::new("canny", entry)
        .bind("x", Bind::In(0))
        .bind("y", Bind::Out(0))
        .u("pixels", pixels)
        .u("w", x.shape.w)
        .u("h", x.shape.h)
        .view("x", x)
        .view("y", y)
        .f("low", low)
        .f("high", high);
    vec![d.over(pixels.into())]
}

/// `y = 0.299 r + 0.587 g + 0.114 b` (ITU-R 601).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Luma;

impl Op for Luma {
    fn name(&self) -> &'static str {
        "luma"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        dispatch("luma", node, 0.0, 0.0)
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("luma", "a filter of finished images has no derivative")
    }
}

/// Sobel's filters, not normalised: `(dx, dy, sqrt(dx² + dy²))`; a step of 1 across gives `dx = 4`.
/// Borders are repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sobel;

impl Op for Sobel {
    fn name(&self) -> &'static str {
        "sobel"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        dispatch("sobel", node, 0.0, 0.0)
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("sobel", "a filter of finished images has no derivative")
    }
}

/// Where the length of a gradient is at least that of both neighbours along it, interpolated
/// between two pixels each: 2 from `high` on, 1 from `low` on; 0 elsewhere and at the border.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NonMaximum {
    /// Least length of a weak edge.
    pub low: f32,
    /// Least length of a strong edge.
    pub high: f32,
}

impl Op for NonMaximum {
    fn name(&self) -> &'static str {
        "non_maximum"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        dispatch("non_maximum", node, self.low, self.high)
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("non_maximum", "a choice of pixels has no derivative")
    }
}

impl Tape {
    /// Brightness: `[n, h, w, 3]` (red, green, blue) to `[n, h, w, 1]`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for other channels.
    pub fn luma(&mut self, x: Tensor) -> Result<Tensor> {
        self.map_of(Luma, x, 3, 1)
    }

    /// Gradient by Sobel's filters: `[n, h, w, 1]` to `[n, h, w, 3]`, across, down, and its length.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for other channels.
    pub fn sobel(&mut self, x: Tensor) -> Result<Tensor> {
        self.map_of(Sobel, x, 1, 3)
    }

    /// Maxima of a gradient ([`Tape::sobel`]) along its direction: `[n, h, w, 3]` to
    /// `[n, h, w, 1]`, 2 strong, 1 weak, 0 none.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for other channels.
    pub fn non_maximum(&mut self, x: Tensor, low: f32, high: f32) -> Result<Tensor> {
        self.map_of(NonMaximum { low, high }, x, 3, 1)
    }
}
