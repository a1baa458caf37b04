//! One pass of a convolution at a size, on its own: built, checked against sums in f64, measured.

use super::{Timing, time};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::ops::{Conv2dBackwardW, Conv2dBackwardX, ConvTranspose2dBackwardW, ConvTranspose2dBackwardX, Cost};
use crate::plan::{Plan, PlanNode, PlanOptions};
use crate::shape::{Conv, Shape};
use crate::store::Store;
use crate::tape::Tape;

/// Which of the three products.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    Forward,
    BackwardX,
    BackwardW,
}

impl Pass {
    pub const ALL: [Pass; 3] = [Pass::Forward, Pass::BackwardX, Pass::BackwardW];
}

/// A pass of a layer from `x` to `y`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Problem {
    pub transposed: bool,
    pub pass: Pass,
    pub conv: Conv,
    pub x: Shape,
    pub y: Shape,
}

/// What was measured.
pub(super) struct Measured {
    pub timing: Timing,
    pub cost: Cost,
    pub variant: String,
}

/// The variant that a node takes; of what is no convolution the kernel, the first if there are several.
pub(super) fn variant(node: &PlanNode) -> String {
    let kernel = || node.dispatches.first().map(|d| d.kernel.label()).unwrap_or_default();
    node.variant().map_or_else(kernel, |v| v.to_string())
}

/// Elements of the result that are held against the reference.
const SAMPLES: u64 = 256;

impl Problem {
    /// The problem that a node of a plan solves, if it is a convolution's.
    pub fn of(plan: &Plan, node: &PlanNode) -> Option<Problem> {
        let transposed = node.op.starts_with("conv_transpose2d");
        let pass = match node.op.strip_prefix(if transposed { "conv_transpose2d" } else { "conv2d" })? {
            "" => Pass::Forward,
            "_bwd_x" => Pass::BackwardX,
            "_bwd_w" => Pass::BackwardW,
            _ => return None,
        };
        let (first, second, result) = (plan.shapes[node.inputs[0].index()], plan.shapes[node.inputs[1].index()], plan.shapes[node.outputs[0].index()]);
        let (x, y, w) = match pass {
            Pass::Forward => (first, result, second),
            Pass::BackwardX => (result, first, second),
            Pass::BackwardW => (first, second, result),
        };
        let conv = geometry(w.n.isqrt(), if transposed { [y, x] } else { [x, y] }, transposed)?;
        Some(Problem { transposed, pass, conv, x, y })
    }

    /// The operation's name.
    pub fn op(&self) -> &'static str {
        match (self.transposed, self.pass) {
            (false, Pass::Forward) => "conv2d",
            (false, Pass::BackwardX) => "conv2d_bwd_x",
            (false, Pass::BackwardW) => "conv2d_bwd_w",
            (true, Pass::Forward) => "conv_transpose2d",
            (true, Pass::BackwardX) => "conv_transpose2d_bwd_x",
            (true, Pass::BackwardW) => "conv_transpose2d_bwd_w",
        }
    }

    /// `conv2d [1,128,128,64] -> [1,64,64,128] k4 s2 p1`: what goes in but the weights, and what comes out.
    pub fn name(&self) -> String {
        let (x, y, w) = (dense(&self.x), dense(&self.y), dense(&self.w()));
        let shapes = match self.pass {
            Pass::Forward => format!("{x} -> {y}"),
            Pass::BackwardX => format!("{y} -> {x}"),
            Pass::BackwardW => format!("{x} {y} -> {w}"),
        };
        format!("{} {shapes} {}", self.op(), self.conv)
    }

    fn w(&self) -> Shape {
        Shape { n: self.conv.taps(), h: 1, w: self.x.c.physical(), c: self.y.c }
    }

    /// The two operands and the result.
    fn shapes(&self) -> ([Shape; 2], Shape) {
        match self.pass {
            Pass::Forward => ([self.x, self.w()], self.y),
            Pass::BackwardX => ([self.y, self.w()], self.x),
            Pass::BackwardW => ([self.x, self.y], self.w()),
        }
    }

    /// Bytes of operands and result, and of the largest of them.
    pub fn bytes(&self) -> (u64, u64) {
        let ([a, b], c) = self.shapes();
        let all = [a.bytes(), b.bytes(), c.bytes()];
        (all.iter().sum(), all.into_iter().max().unwrap_or_default())
    }

    /// Runs it once on random numbers, checks the result, then measures.
    ///
    /// # Errors
    /// [`Error::Internal`] for a wrong result, and what the device reports.
    pub fn measure(&self, gpu: &Gpu, seconds: f64) -> Result<Measured> {
        let (shapes, result) = self.shapes();
        let mut tape = Tape::new();
        let inputs = shapes.map(|shape| tape.input("operand", shape));
        let conv = self.conv;
        let output = match (self.transposed, self.pass) {
            (false, Pass::Forward) => tape.conv2d(inputs[0], inputs[1], None, conv)?,
            (true, Pass::Forward) => tape.conv_transpose2d(inputs[0], inputs[1], None, conv)?,
            (false, Pass::BackwardX) => tape.push_one(Conv2dBackwardX(conv), &inputs, result),
            (true, Pass::BackwardX) => tape.push_one(ConvTranspose2dBackwardX(conv), &inputs, result),
            (false, Pass::BackwardW) => tape.push_one(Conv2dBackwardW { conv, accumulate: false }, &inputs, result),
            (true, Pass::BackwardW) => tape.push_one(ConvTranspose2dBackwardW { conv, accumulate: false }, &inputs, result),
        };
        let store = Store::new();
        let program = Plan::new(&tape, &store, &[output], gpu.family(), PlanOptions::default())?.prepare(gpu, &store)?;
        let values = [0, 1].map(|at| random(shapes[at].elements(), at as u32));
        for (tensor, values) in inputs.iter().zip(&values) {
            program.write(*tensor, values)?;
        }
        program.submit(0..program.dispatch_count())?;
        let got = pollster::block_on(program.read(output))?;
        self.check(&got, &values)?;
        let timing = time(&program, &(0..program.dispatch_count()), seconds)?;
        let node = &program.plan().nodes()[0];
        Ok(Measured { timing, cost: node.cost, variant: variant(node) })
    }

    /// Holds a few hundred results against sums in f64.
    fn check(&self, got: &[f32], values: &[Vec<f32>; 2]) -> Result<()> {
        let terms = match self.pass {
            Pass::BackwardW => u64::from(self.small().pixels()),
            Pass::Forward => u64::from(self.conv.taps() * self.x.c.logical()),
            Pass::BackwardX => u64::from(self.conv.taps() * self.y.c.logical()),
        };
        // Terms are products of two numbers uniform in -1 to 1.
        let allowed = 8.0 / 16_777_216.0 * terms as f64;
        let count = got.len() as u64;
        // A step without common divisors with any size meets every tap, channel and edge sooner or later; both ends are looked at.
        let places = (0..SAMPLES.min(count)).map(|i| i * 2_654_435_761 % count).chain([count - 1]);
        for at in places.map(|at| at as usize) {
            let want = self.reference(at, values);
            let off = (f64::from(got[at]) - want).abs();
            // NaN is not within.
            if off.partial_cmp(&allowed).is_none_or(std::cmp::Ordering::is_gt) {
                return Err(Error::Internal(format!(
                    "{}: element {at} is {}, not {want} (allowed {allowed:.1e}); pixtape devices --check says more",
                    self.name(),
                    got[at]
                )));
            }
        }
        Ok(())
    }

    /// The side that the kernel is anchored at, and the side that it walks over.
    fn small(&self) -> &Shape {
        if self.transposed { &self.x } else { &self.y }
    }

    fn big(&self) -> &Shape {
        if self.transposed { &self.y } else { &self.x }
    }

    fn reference(&self, at: usize, values: &[Vec<f32>; 2]) -> f64 {
        let (s, p, k) = (self.conv.stride as usize, self.conv.pad as usize, self.conv.kernel as usize);
        let (ci, co) = (self.x.c.logical() as usize, self.y.c.logical() as usize);
        let places: Vec<usize> = self.x.c.places().map(|c| c as usize).collect();
        let rows = self.x.c.physical() as usize;
        let product = |i: usize, j: usize| f64::from(values[0][i]) * f64::from(values[1][j]);
        // The place on the large side under a tap of the small one, and the other way round.
        let under = |at: usize, tap: usize, side: u32| (at * s + tap).checked_sub(p).filter(|b| *b < side as usize);
        let over = |at: usize, tap: usize, side: u32| (at + p).checked_sub(tap).filter(|d| d % s == 0 && d / s < side as usize).map(|d| d / s);
        let pixel = |shape: &Shape, n: usize, y: usize, x: usize| (n * shape.h as usize + y) * shape.w as usize + x;
        let split = |shape: &Shape, at: usize, c: usize| {
            let (h, w) = (shape.h as usize, shape.w as usize);
            (at / c / w / h, at / c / w % h, at / c % w, at % c)
        };
        if self.pass == Pass::BackwardW {
            let (tap, place, o) = (at / co / rows, at / co % rows, at % co);
            // A row without a channel holds nothing.
            let Some(i) = places.iter().position(|p| *p == place) else { return 0.0 };
            let (small, big) = (self.small(), self.big());
            let mut sum = 0.0;
            for (n, y, x) in (0..small.pixels() as usize).map(|at| split(small, at, 1)).map(|(n, y, x, _)| (n, y, x)) {
                if let (Some(by), Some(bx)) = (under(y, tap / k, big.h), under(x, tap % k, big.w)) {
                    let (b, s) = (pixel(big, n, by, bx), pixel(small, n, y, x));
                    let (px, py) = if self.transposed { (s, b) } else { (b, s) };
                    sum += product(px * ci + i, py * co + o);
                }
            }
            return sum;
        }
        // Forward reads x and sums over its channels, backward reads dy; the result is on the small or on the large side.
        let forward = self.pass == Pass::Forward;
        let (from, to, terms, own) = if forward { (&self.x, &self.y, ci, co) } else { (&self.y, &self.x, co, ci) };
        let (n, y, x, c) = split(to, at, own);
        let gathers = forward != self.transposed;
        let mut sum = 0.0;
        for tap in 0..k * k {
            let near = |at: usize, tap: usize, side: u32| if gathers { under(at, tap, side) } else { over(at, tap, side) };
            if let (Some(fy), Some(fx)) = (near(y, tap / k, from.h), near(x, tap % k, from.w)) {
                let base = pixel(from, n, fy, fx) * terms;
                let weight = |t: usize| if forward { (tap * rows + places[t]) * co + c } else { (tap * rows + places[c]) * co + t };
                sum += (0..terms).map(|t| product(base + t, weight(t))).sum::<f64>();
            }
        }
        sum
    }
}

/// Numbers uniform in -1 to 1.
fn random(count: u64, stream: u32) -> Vec<f32> {
    // Four a draw.
    (0..count.div_ceil(4) as u32)
        .flat_map(|i| crate::rng::random(i, stream, 0, 0))
        .take(count as usize)
        .map(|word| word as i32 as f32 / 2_147_483_648.0)
        .collect()
}

/// Stride and padding of a convolution of a kernel from one size to another, or the transposed one back. Of several paddings the least.
fn geometry(kernel: u32, [large, small]: [Shape; 2], transposed: bool) -> Option<Conv> {
    let fits = |conv: &Conv| conv.out(large.h) == Some(small.h) && conv.out(large.w) == Some(small.w);
    // The stride is about the ratio of the sides.
    let stride = (1..=4u32).min_by_key(|s| (s * small.w).abs_diff(large.w))?;
    let found = (0..kernel).map(|pad| Conv::new(kernel, stride, pad)).find(fits)?;
    // What a transposed convolution adds at the far side.
    let rest = if transposed { large.w.checked_sub(found.transposed_out(small.w)?)? } else { 0 };
    Some(found.with_output_pad(rest))
}

/// A shape without blanks.
pub(super) fn dense(shape: &Shape) -> String {
    shape.to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::preset;
    use crate::gpu::Family;
    use crate::train::Pix2Pix;

    #[test]
    fn geometry_follows_from_shapes() {
        let s = |side| Shape::new(1, side, side, 4);
        for (large, small, conv, transposed) in [
            (256, 128, Conv::new(4, 2, 1), false),
            (32, 31, Conv::new(4, 1, 1), false),
            (2, 1, Conv::new(4, 2, 1), true),
            (256, 256, Conv::new(7, 1, 3), false),
            (64, 64, Conv::new(3, 1, 1), false),
            (128, 64, Conv::new(3, 2, 1), false),
            (128, 64, Conv::new(3, 2, 1).with_output_pad(1), true),
            (30, 30, Conv::new(1, 1, 0), false),
        ] {
            assert_eq!(geometry(conv.kernel, [s(large), s(small)], transposed), Some(conv), "{large} {small}");
        }
    }

    #[test]
    fn every_convolution_of_a_step_is_a_problem() {
        let plan = Pix2Pix::plan(&preset("pix2pix-256", 2).unwrap(), Family::Workgroup, PlanOptions::default()).unwrap();
        for node in plan.nodes().iter().filter(|n| n.op.starts_with("conv")) {
            let problem = Problem::of(&plan, node).unwrap_or_else(|| panic!("{}", node.label));
            assert_eq!((problem.op(), problem.conv.kernel, problem.conv.pad), (node.op, 4, 1), "{}", node.label);
        }
    }

    /// A small problem by hand: the reference is what everything is held against.
    #[test]
    fn the_reference_is_a_convolution_and_its_adjoints() {
        let x = Shape::new(2, 5, 4, 3);
        for (transposed, conv) in [(false, Conv::new(3, 2, 1)), (true, Conv::new(3, 2, 1).with_output_pad(1)), (false, Conv::new(4, 1, 1))] {
            let side = |s| if transposed { conv.transposed_out(s) } else { conv.out(s) }.unwrap();
            let y = Shape::new(2, side(5), side(4), 2);
            let problem = |pass| Problem { transposed, pass, conv, x, y };
            let w = problem(Pass::Forward).w();
            let all = |shape: Shape, values: &[Vec<f32>; 2], pass| -> Vec<f32> {
                (0..shape.elements() as usize).map(|at| problem(pass).reference(at, values) as f32).collect()
            };
            let (vx, vy) = (random(x.elements(), 0), random(y.elements(), 1));
            // Rows of the weight that hold no channel are zero.
            let vw: Vec<f32> = random(w.elements(), 2).into_iter().enumerate().map(|(i, v)| if i / 2 % 4 == 3 { 0.0 } else { v }).collect();
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let forward = dot(&all(y, &[vx.clone(), vw.clone()], Pass::Forward), &vy);
            let by_x = dot(&all(x, &[vy.clone(), vw.clone()], Pass::BackwardX), &vx);
            let by_w = dot(&all(w, &[vx.clone(), vy.clone()], Pass::BackwardW), &vw);
            assert!((forward - by_x).abs() < 1e-4 && (forward - by_w).abs() < 1e-4 && forward.abs() > 1e-2, "{forward} {by_x} {by_w}");
            // The first output of a plain convolution, by hand.
            if !transposed && conv.stride == 2 {
                let mut sum = 0.0;
                for (ky, kx, c) in (0..27).map(|i| (i / 9, i / 3 % 3, i % 3)).filter(|(ky, kx, _)| *ky > 0 && *kx > 0) {
                    sum += f64::from(vx[((ky - 1) * 4 + kx - 1) * 3 + c]) * f64::from(vw[((ky * 3 + kx) * 4 + c) * 2]);
                }
                assert!((problem(Pass::Forward).reference(0, &[vx, vw]) - sum).abs() < 1e-9);
            }
        }
    }
}
