//! Sums over pixels: `y[c] = sum over n, h, w of x[n, h, w, c]`, the gradient of a bias.

use super::sum::{Chunks, chunks};
use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `y[c] (+)= sum over pixels of x`: `[n, h, w, c]` to `[1, 1, 1, c]`.
///
/// Outputs: `y` (may be a stored gradient), and where there are many pixels the partial sums ([`ChannelSum::scratch`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelSum {
    /// Whether to add to what `y` holds.
    pub accumulate: bool,
}

impl ChannelSum {
    /// Outputs behind the first: the partial sums `[chunks, 1, 1, c]`, or nothing where one stage does.
    pub fn scratch(x: Shape) -> Vec<Shape> {
        let number = chunks(x.pixels()).number;
        if number > 1 { vec![Shape::new(number, 1, 1, x.c)] } else { Vec::new() }
    }

    /// Records the sum of `dy` over pixels as the gradient of the input (a bias) of the operation being differentiated.
    pub fn bias_gradient(b: &mut Backward<'_>, input: usize, dy: Tensor) {
        let scratch = ChannelSum::scratch(b.tape.shape(dy));
        b.emit_parameter(input, &[dy], &scratch, |accumulate| ChannelSum { accumulate });
    }
}

fn stage(x: &Operand, from: Bind, y: &Operand, to: Bind, chunks: Chunks, accumulate: bool) -> Dispatch {
    let width = x.shape.c.vec4s();
    let invocations = chunks.number * width;
    let d = Dispatch::new("channel_sum", "channel_sum").bind("x", from).bind("y", to);
    let d = d.u("invocations", invocations).u("width", width).u("pixels", x.shape.pixels()).u("length", chunks.length);
    d.view("x", x).view("y", y).u("accumulate", u32::from(accumulate)).over(u64::from(invocations))
}

impl Op for ChannelSum {
    fn name(&self) -> &'static str {
        "channel_sum"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let whole = |count| Chunks { length: count, number: 1 };
        match node.outputs.get(1) {
            None => vec![stage(x, Bind::In(0), y, Bind::Out(0), whole(x.shape.pixels()), self.accumulate)],
            // The same kernel adds up the pixels of each chunk, then the chunks.
            Some(partials) => vec![
                stage(x, Bind::In(0), partials, Bind::Out(1), chunks(x.shape.pixels()), false),
                stage(partials, Bind::Again(1), y, Bind::Out(0), whole(partials.shape.n), self.accumulate),
            ],
        }
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("channel_sum", "it makes gradients of biases, on which no loss depends; for a loss use sum or mean")
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
        let shape = self.shape(x);
        let shapes: Vec<Shape> = std::iter::once(Shape::vector(shape.c)).chain(ChannelSum::scratch(shape)).collect();
        self.push(ChannelSum { accumulate: false }, &[x], &shapes)[0]
    }
}
