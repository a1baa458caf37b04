//! Average pooling, of the pixels inside the image only.
//!
//! Along each axis, of side `n`, with windows of `kernel` pixels, one every `stride`, the first
//! beginning `pad` pixels before the image:
//!
//! ```text
//! y[o]  = mean of x[i] over i in o stride - pad .. o stride - pad + kernel, 0 <= i < n
//! dx[i] = sum over the windows o that hold i of dy[o] / (pixels of window o inside the image)
//! o < floor((n + 2 pad - kernel) / stride) + 1
//! ```
//!
//! As PyTorch's `AvgPool2d(kernel, stride, pad, count_include_pad=False)`. The channels keep their
//! parts. It is linear: the derivative is the adjoint, gathered pixel by pixel.

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// The windows of a pooling, square and alike in both directions. `pad` is less than `kernel`, so
/// that none lies outside the image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pooling {
    /// Side of a window.
    pub kernel: u32,
    /// Pixels from one window to the next.
    pub stride: u32,
    /// Pixels by which the first window begins before the image.
    pub pad: u32,
}

/// Average pooling of `[n, h, w, c]` to `[n, h', w', c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AvgPool2d(pub Pooling);

/// The adjoint of [`AvgPool2d`]: `dx` from `dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AvgPool2dBackward(pub Pooling);

impl Pooling {
    /// Windows of 3 pixels around every second one: half the size, rounded up. What pix2pixHD
    /// makes its scales with.
    pub const HALF: Pooling = Pooling { kernel: 3, stride: 2, pad: 1 };

    /// The shape of what is pooled, `None` if no window fits.
    pub fn out(&self, x: Shape) -> Option<Shape> {
        let side = |n: u32| Some((n + 2 * self.pad).checked_sub(self.kernel)? / self.stride + 1);
        Some(Shape { h: side(x.h)?, w: side(x.w)?, ..x })
    }

    /// A kernel between an image and what is made of it, in either direction.
    fn dispatch(
        &self,
        entry: &'static str,
        [from, to]: [&Operand; 2],
        [image, pooled]: [&Shape; 2],
    ) -> Dispatch {
        Dispatch::new("avg_pool", entry)
            .tune("KERNEL", self.kernel)
            .tune("STRIDE", self.stride)
            .tune("PAD", self.pad)
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0))
            .u("vec4s", to.shape.vec4s() as u32)
            .u("width", to.shape.c.vec4s())
            .u("image_h", image.h)
            .u("image_w", image.w)
            .u("pooled_h", pooled.h)
            .u("pooled_w", pooled.w)
            .view("x", from)
            .view("y", to)
            .over(to.shape.vec4s())
    }

    /// Of a pass that reads or writes `pooled`: an addition per pixel of a window.
    fn cost(&self, pooled: Shape, [from, to]: [Shape; 2]) -> Cost {
        let window = u64::from(self.kernel * self.kernel);
        Cost { flop: pooled.elements() * window, bytes: from.bytes() + to.bytes() }
    }
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        vec![self.0.dispatch("avg_pool", [x, y], [&x.shape, &y.shape])]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let dx = b.tape.push_one(AvgPool2dBackward(self.0), &[dy], shape);
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        self.0.cost(outputs[0], [inputs[0], outputs[0]])
    }
}

impl Op for AvgPool2dBackward {
    fn name(&self) -> &'static str {
        "avg_pool2d_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (dy, dx) = (&node.inputs[0], &node.outputs[0]);
        vec![self.0.dispatch("avg_pool_bwd", [dy, dx], [&dx.shape, &dy.shape])]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (u, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let g = b.tape.push_one(AvgPool2d(self.0), &[u], shape);
        b.give(0, g);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        self.0.cost(inputs[0], [inputs[0], outputs[0]])
    }
}

impl Tape {
    /// Halves `x` `[n, h, w, c]` by average pooling with [`Pooling::HALF`]: each side becomes
    /// `(side + 1) / 2`, rounded down.
    pub fn avg_pool2d(&mut self, x: Tensor) -> Tensor {
        let pooling = Pooling::HALF;
        let y = pooling.out(self.shape(x)).expect("a window fits around every pixel");
        self.push_one(AvgPool2d(pooling), &[x], y)
    }
}
