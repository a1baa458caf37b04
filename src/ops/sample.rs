//! Operations on each sample of a batch: sums over a sample, one number for all of a sample, mixing
//! two batches.

use super::reduce::Reduction;
use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// Scalars, one per sample.
fn one_each(x: &Shape) -> Shape {
    Shape::new(x.n, 1, 1, 1)
}

/// `y[n] = sum over h, w, c of x[n, h, w, c]`: `[n, h, w, c]` to `[n, 1, 1, 1]`.
/// `dx[n, h, w, c] = dy[n]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleSum;

/// A stage of a sum: with `last` the lanes are added up too.
fn stage(cut: &Reduction, x: &Operand, from: Bind, y: &Operand, to: Bind, last: bool) -> Dispatch {
    let d = Dispatch::new("sample", "sample_sum").bind("x", from).bind("y", to);
    let d = d
        .u("tasks", cut.tasks())
        .u("width", x.shape.c.vec4s())
        .u("each", (x.shape.vec4s() / u64::from(x.shape.n)) as u32);
    let d = d.u("chunks", cut.chunks).u("length", cut.length).u("last", u32::from(last));
    cut.dispatch(
        d.view("x", x).view("b", x).view("y", y).u("stream", 0).u("second", 0).parts(&x.shape),
    )
}

impl Op for SampleSum {
    fn name(&self) -> &'static str {
        "sample_sum"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let cut = Reduction::new(
            node.tuning.family(),
            x.shape.n,
            1,
            (x.shape.vec4s() / u64::from(x.shape.n)) as u32,
        );
        if cut.whole() {
            return vec![stage(&cut, x, Bind::In(0), y, Bind::Out(0), true)];
        }
        let partials = Operand::dense(Shape::new(x.shape.n, cut.chunks, 1, 4), 0);
        vec![
            stage(&cut, x, Bind::In(0), &partials, cut.partials(1, true), false),
            stage(&cut.second(), &partials, cut.partials(1, false), y, Bind::Out(0), true),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let dx = b.tape.push_one(SampleBroadcast, &[dy], shape);
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: inputs[0].elements(), bytes: inputs[0].bytes() + outputs[0].bytes() }
    }
}

/// The element-wise kernels: `y` is what is written.
fn over(
    entry: &'static str,
    binds: &[(&'static str, Bind)],
    [x, b]: [&Operand; 2],
    y: &Operand,
    stream: u32,
    second: bool,
) -> Dispatch {
    let d =
        binds.iter().fold(Dispatch::new("sample", entry), |d, &(name, bind)| d.bind(name, bind));
    let d = d
        .u("tasks", y.shape.vec4s() as u32)
        .u("width", y.shape.c.vec4s())
        .u("each", y.shape.h * y.shape.w);
    let d = d.u("chunks", 1).u("length", 1).u("last", 0).view("x", x).view("b", b).view("y", y);
    d.u("stream", stream).u("second", u32::from(second)).parts(&y.shape).over(y.shape.vec4s())
}

/// `y[n, h, w, c] = x[n]`: `[n, 1, 1, 1]` to `[n, h, w, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleBroadcast;

impl Op for SampleBroadcast {
    fn name(&self) -> &'static str {
        "sample_broadcast"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let binds = [("x", Bind::In(0)), ("y", Bind::Out(0))];
        vec![over("sample_broadcast", &binds, [&node.inputs[0]; 2], &node.outputs[0], 0, false)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let dx = b.tape.sample_sum(dy);
        b.give(0, dx);
        Ok(())
    }
}

/// `y = alpha a + (1 - alpha) b` with one `alpha` per sample, uniform in [0, 1), from the
/// counter-based generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix;

/// `da = alpha dy`, or `db = (1 - alpha) dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MixBackward {
    /// The number that the mixing was recorded under: its stream of random numbers.
    pub stream: u32,
    /// Whether it is the gradient of `b`.
    pub second: bool,
}

impl Mix {
    /// The share of `a` in a sample: what the kernel draws, on the host.
    pub fn alpha(sample: u32, stream: u32, step: u32, seed: u32) -> f32 {
        (crate::rng::random(sample, stream, step, seed)[0] >> 8) as f32 / 16_777_216.0
    }
}

impl Op for Mix {
    fn name(&self) -> &'static str {
        "mix"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let binds = [("x", Bind::In(0)), ("b", Bind::In(1)), ("z", Bind::Out(0))];
        vec![over(
            "sample_mix",
            &binds,
            [&node.inputs[0], &node.inputs[1]],
            &node.outputs[0],
            node.number,
            false,
        )]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, stream) = (b.dy(), b.number);
        let shape = b.tape.shape(dy);
        for (input, second) in [(0, false), (1, true)] {
            if b.needs(input) {
                let gradient = b.tape.push_one(MixBackward { stream, second }, &[dy], shape);
                b.give(input, gradient);
            }
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 3 * outputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

impl Op for MixBackward {
    fn name(&self) -> &'static str {
        "mix_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let binds = [("x", Bind::In(0)), ("y", Bind::Out(0))];
        vec![over(
            "sample_mix_bwd",
            &binds,
            [&node.inputs[0]; 2],
            &node.outputs[0],
            self.stream,
            self.second,
        )]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let shape = b.tape.shape(dy);
        let dx = b.tape.push_one(*self, &[dy], shape);
        b.give(0, dx);
        Ok(())
    }
}

impl Tape {
    /// The sum of each sample of `x`: `[n, h, w, c]` to `[n, 1, 1, 1]`.
    pub fn sample_sum(&mut self, x: Tensor) -> Tensor {
        let shape = one_each(&self.shape(x));
        self.push_one(SampleSum, &[x], shape)
    }

    /// A random point between two batches: `alpha x + (1 - alpha) y`, `alpha` uniform in [0, 1) and
    /// one per sample. It depends on the seed, the step, the node's number and the sample's only.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn mix(&mut self, x: Tensor, y: Tensor) -> Result<Tensor> {
        let (a, b) = (self.shape(x), self.shape(y));
        if a != b {
            return Err(self
                .shape_error("mix", format!("the batches must have one shape, not {a} and {b}")));
        }
        Ok(self.push_one(Mix, &[x, y], a))
    }
}
