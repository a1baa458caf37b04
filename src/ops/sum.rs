//! Sums of everything: `y = scale * sum(x)`, and back: every element gets `scale * dy`.

use super::reduce::Reduction;
use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::gpu::Family;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// The reduction of all vec4s of a tensor to one.
pub(super) fn everything(family: Family, x: &Shape) -> Reduction {
    Reduction::new(family, 1, 1, x.vec4s() as u32)
}

/// The partial results of a reduction to a scalar.
pub(super) fn partials(cut: &Reduction) -> Operand {
    Operand::dense(Shape::new(cut.chunks, 1, 1, 4), 0)
}

fn stage(
    cut: &Reduction,
    x: &Operand,
    from: Bind,
    y: &Operand,
    to: Bind,
    scale: Option<f32>,
) -> Dispatch {
    let d = Dispatch::new("sum", "sum").bind("x", from).bind("y", to);
    cut.dispatch(params(d, x, y, cut.chunks, scale))
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

/// The second stage of a sum over everything: partial results (all lanes count) to the scalar
/// `y = scale * sum`, output 0.
pub(super) fn total(cut: &Reduction, y: &Operand, scale: f32) -> Dispatch {
    stage(&cut.second(), &partials(cut), cut.partials(1, false), y, Bind::Out(0), Some(scale))
}

/// `y = scale * sum of x`: any shape to a scalar.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sum {
    /// What the sum is multiplied by; `1 / elements` makes it a mean.
    pub scale: f32,
}

impl Sum {
    fn record(self, tape: &mut Tape, x: Tensor) -> Tensor {
        tape.push_one(self, &[x], Shape::scalar())
    }
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let cut = everything(node.tuning.family(), &x.shape);
        if cut.whole() {
            return vec![stage(&cut, x, Bind::In(0), y, Bind::Out(0), Some(self.scale))];
        }
        vec![
            stage(&cut, x, Bind::In(0), &partials(&cut), cut.partials(1, true), None),
            total(&cut, y, self.scale),
        ]
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
    /// The factor of the value.
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
        let d = d
            .u("vec4s", y.shape.vec4s() as u32)
            .u("width", y.shape.c.vec4s())
            .u("number", 1)
            .u("last", 0)
            .view("x", x)
            .view("y", y);
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
