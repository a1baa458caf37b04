//! Enlarging by 2, then padding by reflection or replication, as before the convolution of a resize
//! convolution; or either alone.
//!
//! Along each axis, of side `n` enlarged to `m = s n` (`s` 1 or 2) and padded to `m + 2 p`:
//!
//! ```text
//! padded[o]   = enlarged[r]
//! reflect     r = |o - p|, or 2 (m - 1) - |o - p| past the last   (the edge is not repeated)
//! replicate   r = min(max(o - p, 0), m - 1)                       (only the edge is repeated)
//! nearest     enlarged[r] = x[floor(r / 2)]
//! bilinear    enlarged[2 k] = 1/4 x[k - 1] + 3/4 x[k]             (indices kept inside)
//!             enlarged[2 k + 1] = 3/4 x[k] + 1/4 x[k + 1]
//! ```
//!
//! As PyTorch's `Upsample(scale_factor=2)` (bilinear with `align_corners=False`) and
//! `ReflectionPad2d(p)` or `ReplicationPad2d(p)`. All of it is linear: the derivative is the
//! adjoint, gathered pixel by pixel.

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand, Padding};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// How an image is enlarged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enlarge {
    /// Not enlarged: padding alone.
    No,
    /// Twice, each pixel four times.
    Nearest,
    /// Twice, bilinear between the centres of pixels.
    Bilinear,
}

impl Enlarge {
    fn kind(self) -> u32 {
        match self {
            Enlarge::No => 0,
            Enlarge::Nearest => 1,
            Enlarge::Bilinear => 2,
        }
    }

    /// The factor of each side: 1 or 2.
    pub fn scale(self) -> u32 {
        if self == Enlarge::No { 1 } else { 2 }
    }
}

/// Enlarges and pads `[n, h, w, c]` to `[n, s h + 2 pad, s w + 2 pad, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resample2d {
    /// The enlargement before the padding.
    pub enlarge: Enlarge,
    /// The pixels that it is padded with.
    pub padding: Padding,
    /// Rows and columns of padding on every side.
    pub pad: u32,
}

/// The adjoint of [`Resample2d`]: `dx` from `dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resample2dBackward(pub Resample2d);

impl Resample2d {
    fn dispatch(
        &self,
        entry: &'static str,
        from: &Operand,
        to: &Operand,
        [small, large]: [&Shape; 2],
        mask: Option<&Operand>,
    ) -> Dispatch {
        let d = Dispatch::new("resample2d", entry)
            .tune("KIND", self.enlarge.kind())
            .tune("PADDING", self.padding.kind());
        let d = d.bind("x", Bind::In(0));
        let d = if mask.is_some() {
            d.bind("mask", Bind::In(1)).bind("z", Bind::Out(0))
        } else {
            d.bind("y", Bind::Out(0))
        };
        let d = d.u("vec4s", to.shape.vec4s() as u32).u("width", to.shape.c.vec4s());
        let d = d.u("small_h", small.h).u("small_w", small.w);
        d.u("large_h", large.h)
            .u("large_w", large.w)
            .u("pad", self.pad)
            .view("x", from)
            .view("y", to)
            .view("mask", mask.unwrap_or(to))
            .over(to.shape.vec4s())
    }
}

impl Op for Resample2d {
    fn name(&self) -> &'static str {
        "resample2d"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        vec![self.dispatch("resample2d", x, y, [&x.shape, &y.shape], None)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let dx = b.tape.push_one(Resample2dBackward(*self), &[dy], shape);
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flop = if self.enlarge == Enlarge::Bilinear { 9 * outputs[0].elements() } else { 0 };
        Cost { flop, bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum() }
    }
}

impl Op for Resample2dBackward {
    fn name(&self) -> &'static str {
        "resample2d_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (dy, dx) = (&node.inputs[0], &node.outputs[0]);
        vec![self.0.dispatch("resample2d_bwd", dy, dx, [&dx.shape, &dy.shape], None)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (u, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let g = b.tape.push_one(self.0, &[u], shape);
        b.give(0, g);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flop = if self.0.enlarge == Enlarge::Bilinear { 32 } else { 4 } * outputs[0].elements();
        Cost { flop, bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum() }
    }
}

/// The adjoint, times the derivative of a ReLU: (dy, the ReLU's operand) to dx. What the plan puts
/// in place of the two; each gradient of a pixel that is seen twice has the same factor, so that it
/// may be taken last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resample2dBackwardRelu(pub Resample2d);

impl Op for Resample2dBackwardRelu {
    fn name(&self) -> &'static str {
        "resample2d_bwd_relu"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (dy, x, dx) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        vec![self.0.dispatch("resample2d_bwd_relu", dy, dx, [&dx.shape, &dy.shape], Some(x))]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(self.name(), "it was fused for a plan; differentiate what was recorded")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let Cost { flop, bytes } = Resample2dBackward(self.0).cost(&inputs[..1], outputs);
        Cost { flop: flop + outputs[0].elements(), bytes: bytes + inputs[1].bytes() }
    }
}

impl Tape {
    /// Enlarges `x` `[n, h, w, c]` and pads it: `[n, s h + 2 pad, s w + 2 pad, c]`, `s` 1 or 2.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] unless reflection is smaller than the sides of the enlarged image;
    /// replication may be larger.
    pub fn resample2d(
        &mut self,
        x: Tensor,
        enlarge: Enlarge,
        padding: Padding,
        pad: u32,
    ) -> Result<Tensor> {
        let from = self.shape(x);
        let (h, w) = (enlarge.scale() * from.h, enlarge.scale() * from.w);
        if padding == Padding::Reflect && pad >= h.min(w) {
            return Err(self.shape_error(
                "resample2d",
                format!(
                    "{h}x{w} pixels reflect fewer than {pad} on a side; use larger images or \
                     fewer layers"
                ),
            ));
        }
        // The kernel counts in i32.
        if u64::from(h.max(w)) + 2 * u64::from(pad) > i32::MAX as u64 {
            return Err(self.shape_error(
                "resample2d",
                format!("{h}x{w} pixels with {pad} more on every side are too many; pad by less"),
            ));
        }
        Ok(self.push_one(
            Resample2d { enlarge, padding, pad },
            &[x],
            Shape { h: h + 2 * pad, w: w + 2 * pad, ..from },
        ))
    }
}
