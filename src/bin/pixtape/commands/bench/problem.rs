//! One pass of a convolution, on its own: built, checked against sums in f64, measured.

use crate::commands::bench::measure::{Timing, time};
use pixtape::Shape;
use pixtape::Tape;
use pixtape::gpu::Gpu;
use pixtape::ops::{Convolution, Cost, Of, Problem};
use pixtape::plan::{Plan, PlanNode, PlanOptions};
use pixtape::store::Store;
use pixtape::{Error, Result};

/// A measured pass.
pub(crate) struct Measured {
    pub timing: Timing,
    pub cost: Cost,
    pub variant: String,
}

/// The variant of a convolution; for other nodes the name of the first kernel.
pub(crate) fn variant(node: &PlanNode) -> String {
    node.variant().map_or_else(|| node.kernel(), |v| v.to_string())
}

/// Elements of the result that are compared with the reference.
const SAMPLES: u64 = 256;

/// `conv2d [1,128,128,64] -> [1,64,64,128] k4 s2 p1`: operands without the weights,
/// then the result.
pub(crate) fn name(problem: &Problem) -> String {
    let ([a, b], y) = (problem.inputs.map(|s| dense(&s)), dense(&problem.output));
    let operands = if problem.pass.is_weight() { format!("{a} {b}") } else { a };
    let border = problem.border.map(|b| format!(" {b}")).unwrap_or_default();
    format!("{} {operands} -> {y} {}{border}", problem.pass.name(), problem.conv)
}

/// Bytes of operands and result together, and of the largest of them.
pub(crate) fn bytes(problem: &Problem) -> (u64, u64) {
    let all = [problem.inputs[0].bytes(), problem.inputs[1].bytes(), problem.output.bytes()];
    (all.iter().sum(), all.into_iter().max().unwrap_or_default())
}

/// Runs a pass once on random numbers, checks the result, then measures.
///
/// # Errors
/// [`Error::Internal`] for a wrong result, and errors of the device.
pub(crate) fn measure(problem: &Problem, gpu: &Gpu, seconds: f64) -> Result<Measured> {
    let mut tape = Tape::new();
    let inputs = problem.inputs.map(|shape| tape.input("operand", shape));
    let output = tape.push_one(Convolution::of(problem), &inputs, problem.output);
    let store = Store::new();
    let program = Plan::new(&tape, &store, &[output], gpu.family(), PlanOptions::default())?
        .prepare(gpu, &store)?;
    let values = [0, 1].map(|at| random(problem.inputs[at].elements(), at as u32));
    for (tensor, values) in inputs.iter().zip(&values) {
        program.write(*tensor, values)?;
    }
    program.submit(0..program.dispatch_count())?;
    let got = pollster::block_on(program.read(output))?;
    check(problem, &got, &values)?;
    let timing = time(&program, &(0..program.dispatch_count()), seconds)?;
    let node = &program.plan().nodes()[0];
    Ok(Measured { timing, cost: node.cost, variant: variant(node) })
}

/// Compares a few hundred results with sums in f64.
fn check(problem: &Problem, got: &[f32], values: &[Vec<f32>; 2]) -> Result<()> {
    // Terms are products of two numbers uniform in -1 to 1.
    let allowed = 8.0 / 16_777_216.0 * problem.terms() as f64;
    let count = got.len() as u64;
    // A stride without common divisors with any size meets every tap, channel and edge sooner or
    // later; both ends are checked.
    let places = (0..SAMPLES.min(count)).map(|i| i * 2_654_435_761 % count).chain([count - 1]);
    for at in places.map(|at| at as usize) {
        let want = reference(problem, at, values);
        let off = (f64::from(got[at]) - want).abs();
        // NaN fails.
        if off.partial_cmp(&allowed).is_none_or(std::cmp::Ordering::is_gt) {
            return Err(Error::Internal(format!(
                "{}: element {at} is {}, not {want} (allowed {allowed:.1e}); pixtape devices \
                 --check says more",
                name(problem),
                got[at]
            )));
        }
    }
    Ok(())
}

/// An element of the result, in f64.
fn reference(problem: &Problem, at: usize, values: &[Vec<f32>; 2]) -> f64 {
    let ([px, py], transposed) = (problem.layer(), problem.pass.transposed);
    // The side that the kernel is anchored at, and the side that it iterates over.
    let [small, big] = problem.anchor_and_walked();
    let (s, p, k) =
        (problem.conv.stride as usize, problem.conv.pad as usize, problem.conv.kernel as usize);
    let (ci, co) = (px.c.logical() as usize, py.c.logical() as usize);
    let places: Vec<usize> = px.c.places().map(|c| c as usize).collect();
    let rows = px.c.physical() as usize;
    let product = |i: usize, j: usize| f64::from(values[0][i]) * f64::from(values[1][j]);
    // The position on the large side under a tap of the small one, and the other way round.
    let under = |at: usize, tap: usize, side: u32| match problem.border {
        Some(padding) => Some(padding.seen((at * s + tap) as i64 - p as i64, side)),
        None => (at * s + tap).checked_sub(p).filter(|b| *b < side as usize),
    };
    let over = |at: usize, tap: usize, side: u32| {
        (at + p).checked_sub(tap).filter(|d| d % s == 0 && d / s < side as usize).map(|d| d / s)
    };
    let pixel = |shape: &Shape, n: usize, y: usize, x: usize| {
        (n * shape.h as usize + y) * shape.w as usize + x
    };
    let split = |shape: &Shape, at: usize, c: usize| {
        let (h, w) = (shape.h as usize, shape.w as usize);
        (at / c / w / h, at / c / w % h, at / c % w, at % c)
    };
    if problem.pass.is_weight() {
        let (tap, place, o) = (at / co / rows, at / co % rows, at % co);
        // A row without a channel is padding.
        let Some(i) = places.iter().position(|p| *p == place) else { return 0.0 };
        let mut sum = 0.0;
        for (n, y, x) in (0..small.pixels() as usize)
            .map(|at| split(&small, at, 1))
            .map(|(n, y, x, _)| (n, y, x))
        {
            if let (Some(by), Some(bx)) = (under(y, tap / k, big.h), under(x, tap % k, big.w)) {
                let (b, s) = (pixel(&big, n, by, bx), pixel(&small, n, y, x));
                let (of_x, of_y) = if transposed { (s, b) } else { (b, s) };
                sum += product(of_x * ci + i, of_y * co + o);
            }
        }
        return sum;
    }
    // Forward reads x and sums over its channels, backward reads dy; the result is on the small or
    // on the large side.
    let forward = problem.pass.of == Of::Output;
    let (from, to, terms, own) = if forward { (&px, &py, ci, co) } else { (&py, &px, co, ci) };
    let (n, y, x, c) = split(to, at, own);
    let gathers = forward != transposed;
    let mut sum = 0.0;
    for tap in 0..k * k {
        let near = |at: usize, tap: usize, side: u32| {
            if gathers { under(at, tap, side) } else { over(at, tap, side) }
        };
        if let (Some(fy), Some(fx)) = (near(y, tap / k, from.h), near(x, tap % k, from.w)) {
            let base = pixel(from, n, fy, fx) * terms;
            let weight = |t: usize| {
                if forward {
                    (tap * rows + places[t]) * co + c
                } else {
                    (tap * rows + places[c]) * co + t
                }
            };
            sum += (0..terms).map(|t| product(base + t, weight(t))).sum::<f64>();
        }
    }
    sum
}

/// Numbers uniform in -1 to 1.
pub(crate) fn random(count: u64, stream: u32) -> Vec<f32> {
    // Four per draw.
    (0..count.div_ceil(4) as u32)
        .flat_map(|i| pixtape::rng::random(i, stream, 0, 0))
        .take(count as usize)
        .map(|word| word as i32 as f32 / 2_147_483_648.0)
        .collect()
}

/// A shape without spaces.
pub(crate) fn dense(shape: &Shape) -> String {
    shape.to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use pixtape::Conv;
    use pixtape::ops::Pass;

    /// A small problem by hand, since everything is compared with the reference.
    #[test]
    fn the_reference_is_a_convolution_and_its_adjoints() {
        let x = Shape::new(2, 5, 4, 3);
        for (transposed, conv) in [
            (false, Conv::new(3, 2, 1)),
            (true, Conv::new(3, 2, 1).with_output_pad(1)),
            (false, Conv::new(4, 1, 1)),
        ] {
            let side = |s| if transposed { conv.transposed_out(s) } else { conv.out(s) }.unwrap();
            let y = Shape::new(2, side(5), side(4), 2);
            let [forward, backward_x, backward_w] =
                Pass::of_layer(transposed).map(|pass| Problem::of_layer(pass, x, y, conv));
            let w = backward_w.output;
            let all = |problem: &Problem, values: &[Vec<f32>; 2]| -> Vec<f32> {
                (0..problem.output.elements() as usize)
                    .map(|at| reference(problem, at, values) as f32)
                    .collect()
            };
            let (vx, vy) = (random(x.elements(), 0), random(y.elements(), 1));
            // Rows of the weight that hold no channel are zero.
            let vw: Vec<f32> = random(w.elements(), 2)
                .into_iter()
                .enumerate()
                .map(|(i, v)| if i / 2 % 4 == 3 { 0.0 } else { v })
                .collect();
            let dot = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let by_y = dot(&all(&forward, &[vx.clone(), vw.clone()]), &vy);
            let by_x = dot(&all(&backward_x, &[vy.clone(), vw.clone()]), &vx);
            let by_w = dot(&all(&backward_w, &[vx.clone(), vy.clone()]), &vw);
            assert!(by_y.abs() > 1e-2, "{by_y}");
            assert_abs_diff_eq!(by_x, by_y, epsilon = 1e-4);
            assert_abs_diff_eq!(by_w, by_y, epsilon = 1e-4);
            // The first output of a plain convolution, by hand.
            if !transposed && conv.stride == 2 {
                let mut sum = 0.0;
                for (ky, kx, c) in (0..27)
                    .map(|i| (i / 9, i / 3 % 3, i % 3))
                    .filter(|(ky, kx, _)| *ky > 0 && *kx > 0)
                {
                    sum += f64::from(vx[((ky - 1) * 4 + kx - 1) * 3 + c])
                        * f64::from(vw[((ky * 3 + kx) * 4 + c) * 2]);
                }
                assert_abs_diff_eq!(reference(&forward, 0, &[vx, vw]), sum, epsilon = 1e-9);
            }
        }
    }
}
