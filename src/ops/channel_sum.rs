//! Sums over pixels: `y[c] = sum over n, h, w of x[n, h, w, c]`, the gradient of a bias.

use super::reduce::Reduction;
use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `y[c] (+)= sum over pixels of x`: `[n, h, w, c]` to `[1, 1, 1, c]`; `y` may be a stored
/// gradient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelSum {
    /// Whether to add to what `y` holds.
    pub accumulate: bool,
}

impl ChannelSum {
    /// Records the sum of `dy` over pixels as the gradient of the input (a bias) of the operation
    /// being differentiated.
    pub fn bias_gradient(b: &mut Backward<'_>, input: usize, dy: Tensor) {
        b.emit_parameter(input, &[dy], |accumulate| ChannelSum { accumulate });
    }
}

fn stage(
    cut: &Reduction,
    x: &Operand,
    from: Bind,
    y: &Operand,
    to: Bind,
    accumulate: bool,
) -> Dispatch {
    let d = Dispatch::new("channel_sum", "channel_sum").bind("x", from).bind("y", to);
    let d = d
        .u("tasks", cut.tasks())
        .u("width", x.shape.c.vec4s())
        .u("pixels", x.shape.pixels())
        .u("length", cut.length);
    cut.dispatch(d.view("x", x).view("y", y).u("accumulate", u32::from(accumulate)))
}

impl Op for ChannelSum {
    fn name(&self) -> &'static str {
        "channel_sum"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let cut = Reduction::new(node.tuning.family(), 1, x.shape.c.vec4s(), x.shape.pixels());
        if cut.whole() {
            return vec![stage(&cut, x, Bind::In(0), y, Bind::Out(0), self.accumulate)];
        }
        // The same kernel adds up the pixels of each chunk, then the chunks.
        let partials = Operand::dense(Shape::new(cut.chunks, 1, 1, x.shape.c), 0);
        vec![
            stage(&cut, x, Bind::In(0), &partials, cut.partials(1, true), false),
            stage(
                &cut.second(),
                &partials,
                cut.partials(1, false),
                y,
                Bind::Out(0),
                self.accumulate,
            ),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "channel_sum",
            "it makes gradients of biases, on which no loss depends; for a loss use sum or mean",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let y = outputs[0].bytes() * (1 + u64::from(self.accumulate));
        Cost { flop: inputs[0].elements(), bytes: inputs[0].bytes() + y }
    }

    fn in_place(&self) -> bool {
        self.accumulate
    }
}

impl Tape {
    /// The sum of `x` over pixels: `[n, h, w, c]` to `[1, 1, 1, c]`.
    pub fn channel_sum(&mut self, x: Tensor) -> Tensor {
        let shape = Shape::vector(self.shape(x).c);
        self.push_one(ChannelSum { accumulate: false }, &[x], shape)
    }
}
