//! Sums of everything: `y = scale * sum(x)`, and back: every element gets `scale * dy`.

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// How a reduction over `count` things is cut up: `number` invocations take at most `length` things each, and none is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chunks {
    pub length: u32,
    pub number: u32,
}

/// Most partial results a reduction leaves for its second stage.
const MAX_CHUNKS: u32 = 256;
/// Up to here one invocation does it all.
const ONE_CHUNK: u32 = 32;

/// About `sqrt(count)` chunks, so that both stages take equally long: the second one has few invocations.
pub(super) fn chunks(count: u32) -> Chunks {
    let length = if count <= ONE_CHUNK { count.max(1) } else { (count.isqrt() + 1).next_multiple_of(4).max(count.div_ceil(MAX_CHUNKS)) };
    Chunks { length, number: count.div_ceil(length).max(1) }
}

/// The dispatch that adds up `x` in `number` invocations; the last one (`number == 1`) also adds up the lanes and scales.
fn stage(x: &Operand, from: Bind, y: &Operand, to: Bind, number: u32, scale: Option<f32>) -> Dispatch {
    let d = Dispatch::new("sum", "sum").bind("x", from).bind("y", to);
    params(d, x, y, number, scale).over(u64::from(number))
}

fn params(d: Dispatch, x: &Operand, y: &Operand, number: u32, scale: Option<f32>) -> Dispatch {
    d.u("vec4s", x.shape.vec4s() as u32)
        .u("width", x.shape.c.vec4s())
        .u("number", number)
        .u("last", u32::from(scale.is_some()))
        .view("x", x)
        .view("y", y)
        .f("scale", scale.unwrap_or(1.0))
        .parts(&y.shape)
}

/// The second stage of a sum over everything: partial results `x` (all lanes count) to the scalar `y = scale * sum(x)`.
pub(super) fn total(x: &Operand, from: Bind, y: &Operand, to: Bind, scale: f32) -> Dispatch {
    stage(x, from, y, to, 1, Some(scale))
}

/// Shape of the partial results of a reduction of `x` to a scalar: `[chunks, 1, 1, 4]`.
pub(super) fn partials(x: &Shape) -> Shape {
    Shape::new(chunks(x.vec4s() as u32).number, 1, 1, 4)
}

/// `y = scale * sum of x`: any shape to a scalar.
///
/// Outputs: the scalar, and where `x` is large the partial results (see [`Sum::scratch`]).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sum {
    /// What the sum is multiplied by; `1 / elements` makes it a mean.
    pub scale: f32,
}

impl Sum {
    /// Outputs behind the first: the partial results `[chunks, 1, 1, 4]`, or nothing where one invocation does it all.
    pub fn scratch(x: Shape) -> Vec<Shape> {
        Some(partials(&x)).filter(|s| s.n > 1).into_iter().collect()
    }

    fn record(self, tape: &mut Tape, x: Tensor) -> Tensor {
        let shapes: Vec<Shape> = std::iter::once(Shape::scalar()).chain(Sum::scratch(tape.shape(x))).collect();
        tape.push(self, &[x], &shapes)[0]
    }
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        match node.outputs.get(1) {
            None => vec![total(x, Bind::In(0), y, Bind::Out(0), self.scale)],
            Some(partials) => {
                vec![stage(x, Bind::In(0), partials, Bind::Out(1), partials.shape.n, None), total(partials, Bind::Again(1), y, Bind::Out(0), self.scale)]
            }
        }
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let dx = b.tape.push_one(Broadcast { scale: self.scale }, &[dy], shape);
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: inputs[0].elements(), bytes: inputs[0].bytes() + outputs[0].bytes() }
    }
}

/// Every element of the output becomes `scale * x`, `x` a scalar.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Broadcast {
    /// The factor.
    pub scale: f32,
}

impl Op for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::new("sum", "broadcast").bind("x", Bind::In(0)).bind("y", Bind::Out(0));
        // The kernel runs over y: vec4s and width are y's.
        let d = d.u("vec4s", y.shape.vec4s() as u32).u("width", y.shape.c.vec4s()).u("number", 1).u("last", 0).view("x", x).view("y", y);
        vec![d.f("scale", self.scale).parts(&y.shape).over(y.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let dx = Sum { scale: self.scale }.record(b.tape, dy);
        b.give(0, dx);
        Ok(())
    }
}

impl Tape {
    /// The sum of everything in `x`, a scalar.
    pub fn sum(&mut self, x: Tensor) -> Tensor {
        Sum { scale: 1.0 }.record(self, x)
    }

    /// The mean of everything in `x`, a scalar.
    pub fn mean(&mut self, x: Tensor) -> Tensor {
        let scale = (1.0 / self.shape(x).elements() as f64) as f32;
        Sum { scale }.record(self, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_everything_and_none_is_idle() {
        for count in (1..5000).chain([65_536, 262_144, 1 << 23]) {
            let Chunks { length, number } = chunks(count);
            assert!(number <= MAX_CHUNKS && (number - 1) * length < count && count <= number * length, "{count}: {number} x {length}");
        }
        assert_eq!(chunks(16_384).number, 125);
    }
}
