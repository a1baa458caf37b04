//! Max pooling over windows of 2x2 pixels.
//!
//! ```text
//! y[h, w] = max of x[2 h + r, 2 w + s] over r, s in 0, 1
//! dx      = dy at the pixel that is the largest of its window, 0 elsewhere
//! ```
//!
//! As PyTorch's `MaxPool2d(2, 2)`: the sides are halved and rounded down, so that an odd row or
//! column at the end is in no window; of equal pixels the first, row by row, gets the gradient; NaN
//! is larger than any number. The gradient finds the largest pixel in `x` again.

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `[n, h, w, c]` to `[n, h / 2, w / 2, c]`, rounded down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaxPool2d;

/// `dx` from (x, dy).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaxPool2dBackward;

fn params(d: Dispatch, [x, dy, y]: [&Operand; 3], pooled: Shape, windows: Shape) -> Dispatch {
    d.u("tasks", windows.vec4s() as u32)
        .u("width", x.shape.c.vec4s())
        .u("image_h", x.shape.h)
        .u("image_w", x.shape.w)
        .u("pooled_h", pooled.h)
        .u("pooled_w", pooled.w)
        .view("x", x)
        .view("dy", dy)
        .view("y", y)
        .over(windows.vec4s())
}

fn cost(pooled: Shape, inputs: &[Shape], outputs: &[Shape]) -> Cost {
    Cost {
        flop: 3 * pooled.elements(),
        bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
    }
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d =
            Dispatch::new("max_pool", "max_pool").bind("x", Bind::In(0)).bind("y", Bind::Out(0));
        vec![params(d, [x, y, y], y.shape, y.shape)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (x, dy) = (b.inputs[0], b.dy());
        let shape = b.tape.shape(x);
        let dx = b.tape.push_one(MaxPool2dBackward, &[x, dy], shape);
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        cost(outputs[0], inputs, outputs)
    }
}

impl Op for MaxPool2dBackward {
    fn name(&self) -> &'static str {
        "max_pool2d_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, dy, dx) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::new("max_pool", "max_pool_bwd")
            .bind("x", Bind::In(0))
            .bind("dy", Bind::In(1))
            .bind("dx", Bind::Out(0));
        let windows = Shape { h: x.shape.h.div_ceil(2), w: x.shape.w.div_ceil(2), ..x.shape };
        vec![params(d, [x, dy, dx], dy.shape, windows)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "max_pool2d_bwd",
            "the second derivative of max pooling is not there; no loss here needs it",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        cost(inputs[1], inputs, outputs)
    }
}

impl Tape {
    /// The largest of every 2x2 pixels of `x` `[n, h, w, c]`: `[n, h / 2, w / 2, c]`, rounded down.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if a side has one pixel only.
    pub fn max_pool2d(&mut self, x: Tensor) -> Result<Tensor> {
        let shape = self.shape(x);
        let y = Shape { h: shape.h / 2, w: shape.w / 2, ..shape };
        if y.h == 0 || y.w == 0 {
            return Err(self.shape_error(
                "max_pool2d",
                format!(
                    "{}x{} pixels have no window of 2x2; use larger images or fewer layers",
                    shape.h, shape.w
                ),
            ));
        }
        Ok(self.push_one(MaxPool2d, &[x], y))
    }
}
