//! `devices --check`: every family of kernels at small shapes, compared with loops in f64 on the
//! CPU.
//!
//! The test suite is more thorough; this is for an untested driver on a machine without the
//! sources.

use crate::device::environment;
use crate::messages::with_flags;
use pixtape::gpu::{Family, Gpu, Request};
use pixtape::ops::{Act, BatchNorm, Convolution, Dropout, InitNormal, Method, NormMode, Of, Pass};
use pixtape::plan::{GROUPS, Plan, PlanOptions, Rate, StepValues};
use pixtape::store::{Layout, Store};
use pixtape::{Conv, Shape};
use pixtape::{Error, Result};
use pixtape::{Tape, Tensor};
use serde_json::{Value, json};
use std::fmt;

const SEED: u32 = 0x5eed;
const ULP: f64 = 1.0 / 16_777_216.0;

/// Error of a result, relative to the larger of the value and the root mean square, and the allowed
/// error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deviation {
    error: f64,
    allowed: f64,
}

/// Outcome of one check.
#[derive(Debug)]
pub(crate) struct Outcome {
    family: Option<Family>,
    test: &'static str,
    result: Result<Deviation>,
}

impl Outcome {
    /// Whether it passed.
    pub fn ok(&self) -> bool {
        self.result.as_ref().is_ok_and(|d| d.error <= d.allowed)
    }

    /// A row of `--json`. An infinite error becomes null.
    pub fn json(&self) -> Value {
        let deviation = self.result.as_ref().ok();
        json!({
            "test": self.test,
            "family": self.family.map(|f| f.to_string()),
            "ok": self.ok(),
            "max_error": deviation.map(|d| d.error),
            "allowed": deviation.map(|d| d.allowed),
            "message": self.result.as_ref().err().map(ToString::to_string),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family.map(|f| f.to_string()).unwrap_or_default();
        write!(f, "{:<4}  {:<24} {family:<12} ", if self.ok() { "ok" } else { "FAIL" }, self.test)?;
        match &self.result {
            Ok(d) if d.allowed == 0.0 => {
                write!(f, "{}", if d.error == 0.0 { "exact" } else { "not exact" })
            }
            Ok(d) => write!(f, "max error {:.1e}, allowed {:.1e}", d.error, d.allowed),
            Err(e) => f.write_str(&with_flags(e)),
        }
    }
}

type Test = (&'static str, fn(&Gpu) -> Result<Deviation>);

/// Checks with a variant for each family of tiles.
const CONVOLUTIONS: [Test; 6] = [
    ("conv2d", |g| convolutions(g, false, Of::Output)),
    ("conv2d_bwd_x", |g| convolutions(g, false, Of::Input)),
    ("conv2d_bwd_w", |g| convolutions(g, false, Of::Weight)),
    ("conv_transpose2d", |g| convolutions(g, true, Of::Output)),
    ("conv_transpose2d_bwd_x", |g| convolutions(g, true, Of::Input)),
    ("conv_transpose2d_bwd_w", |g| convolutions(g, true, Of::Weight)),
];

const OTHERS: [Test; 9] = [
    ("batch_norm, gradients", batch_norm),
    ("activations, gradients", activations),
    ("losses, gradients", losses),
    ("sums", sums),
    ("add, scale, copy, fill", elementwise),
    ("dropout mask", dropout),
    ("adam", adam),
    ("initial weights", init),
    ("bytes to values and back", picture),
];

/// Checks an adapter. An error becomes a failed check, and the others still run.
pub(crate) fn run(index: usize) -> Vec<Outcome> {
    let request = |family| {
        let request = Request { family, ..environment::request(Some(&index.to_string())) };
        pollster::block_on(Gpu::request(&request))
    };
    let mut outcomes = Vec::new();
    for family in [Family::Subgroup(0), Family::Register, Family::Workgroup] {
        match request(Some(family)) {
            Ok(gpu) => outcomes.extend(CONVOLUTIONS.iter().map(|(test, run)| Outcome {
                family: Some(gpu.family()),
                test,
                result: run(&gpu),
            })),
            // No subgroups of a fixed size here: nothing to check.
            Err(Error::Limit { .. }) if matches!(family, Family::Subgroup(_)) => {}
            Err(e) => {
                outcomes.push(Outcome { family: Some(family), test: "device", result: Err(e) })
            }
        }
    }
    match request(None) {
        Ok(gpu) => outcomes.extend(OTHERS.iter().map(|(test, run)| Outcome {
            family: None,
            test,
            result: run(&gpu),
        })),
        Err(e) => outcomes.push(Outcome { family: None, test: "device", result: Err(e) }),
    }
    outcomes
}

/// Compares sums of `terms` terms with a reference: errors of f32 sums grow like random walks. NaN
/// is an infinite error.
fn compare(terms: usize, got: &[f32], want: &[f64]) -> Deviation {
    compare_by(Method::Direct, terms, got, want)
}

/// The same for sums that a method computes.
fn compare_by(method: Method, terms: usize, got: &[f32], want: &[f64]) -> Deviation {
    let rms = (want.iter().map(|b| b * b).sum::<f64>() / want.len().max(1) as f64)
        .sqrt()
        .max(f64::MIN_POSITIVE);
    let off = |(a, b): (&f32, &f64)| {
        let error = (f64::from(*a) - b).abs() / b.abs().max(rms);
        // f64::max would ignore NaN.
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let error = if got.len() == want.len() {
        got.iter().zip(want).map(off).fold(0.0, f64::max)
    } else {
        f64::INFINITY
    };
    Deviation { error, allowed: method.rounding() * ULP * (terms as f64).sqrt() }
}

fn exact(got: &[f32], want: &[f64]) -> Deviation {
    Deviation { allowed: 0.0, ..compare(1, got, want) }
}

/// The one with the largest error relative to the allowed one.
fn worst(all: impl IntoIterator<Item = Deviation>) -> Deviation {
    let share =
        |d: &Deviation| if d.allowed > 0.0 { d.error / d.allowed } else { d.error * f64::MAX };
    all.into_iter().max_by(|a, b| share(a).total_cmp(&share(b))).expect("at least one comparison")
}

/// A tape with values for its inputs.
#[derive(Default)]
struct Case {
    tape: Tape,
    store: Store,
    inputs: Vec<(Tensor, Vec<f32>)>,
}

impl Case {
    /// An input of random numbers in -1 to 1, and these numbers.
    fn input(&mut self, shape: Shape) -> (Tensor, Vec<f64>) {
        self.input_of(shape, |_| true)
    }

    /// The same, with zeros where `filled` says no.
    fn input_of(&mut self, shape: Shape, filled: impl Fn(u32) -> bool) -> (Tensor, Vec<f64>) {
        let stream = self.inputs.len() as u32;
        let value = |i| {
            if filled(i) {
                pixtape::rng::random(i, stream, 0, SEED)[0] as i32 as f32 / 2_147_483_648.0
            } else {
                0.0
            }
        };
        let values: Vec<f32> = (0..shape.elements() as u32).map(value).collect();
        let tensor = self.tape.input("input", shape);
        let wide = values.iter().map(|v| f64::from(*v)).collect();
        self.inputs.push((tensor, values));
        (tensor, wide)
    }

    fn plan(&self, gpu: &Gpu, keep: &[Tensor]) -> Result<Plan> {
        Plan::new(&self.tape, &self.store, keep, gpu.family(), PlanOptions::default())
    }

    /// Runs a step and reads some tensors.
    fn run(self, gpu: &Gpu, keep: &[Tensor]) -> Result<Vec<Vec<f32>>> {
        let program = self.plan(gpu, keep)?.prepare(gpu, &self.store)?;
        for (tensor, values) in &self.inputs {
            program.write(*tensor, values)?;
        }
        program.step(&STEP)?;
        keep.iter().map(|t| pollster::block_on(program.read(*t))).collect()
    }
}

const RATE: Rate = Rate { lr: 1e-2, beta1: 0.5, beta2: 0.999, eps: 1e-8, t: 3 };
const STEP: StepValues = StepValues { step: 3, seed: SEED, rates: [RATE; GROUPS] };

/// A small layer with odd channels and a larger one of several tiles, at strides 2 and 1.
fn convolutions(gpu: &Gpu, transposed: bool, of: Of) -> Result<Deviation> {
    let layers = [(Shape::new(2, 10, 12, 6), 5), (Shape::new(1, 24, 24, 24), 36)];
    let cases = layers
        .into_iter()
        .flat_map(|layer| [Conv::new(4, 2, 1), Conv::new(4, 1, 1)].map(|conv| (layer, conv)));
    let all: Vec<Deviation> = cases
        .map(|((x, co), conv)| convolution(gpu, x, co, conv, transposed, of))
        .collect::<Result<_>>()?;
    Ok(worst(all))
}

fn convolution(
    gpu: &Gpu,
    x_shape: Shape,
    co: u32,
    conv: Conv,
    transposed: bool,
    of: Of,
) -> Result<Deviation> {
    let mut case = Case::default();
    let side = |s| if transposed { conv.transposed_out(s) } else { conv.out(s) };
    let (Some(h), Some(w)) = (side(x_shape.h), side(x_shape.w)) else {
        return Err(Error::Internal("a check's kernel does not fit".into()));
    };
    let y_shape = Shape::new(x_shape.n, h, w, co);
    let (ci, rows) = (x_shape.c.logical(), x_shape.c.physical());
    let w_shape = Layout::Conv { ci: x_shape.c, co, kernel: conv.kernel }.shape();
    let (x, xs) = case.input(x_shape);
    let (w, ws) = case.input_of(w_shape, |i| i / co % rows < ci);
    let (b, bs) = case.input(Shape::vector(co));
    let (dy, dys) = case.input(y_shape);
    let gradient = Convolution::new(Pass { transposed, of }, conv);
    let (result, want, terms) = match of {
        Of::Output => {
            let y = if transposed {
                case.tape.conv_transpose2d(x, w, Some(b), conv)?
            } else {
                case.tape.conv2d(x, w, Some(b), conv)?
            };
            (
                y,
                (0..y_shape.elements()).map(|i| bs[i as usize % co as usize]).collect(),
                conv.taps() * ci + 1,
            )
        }
        Of::Input => {
            let dx = case.tape.push_one(gradient, &[dy, w], x_shape);
            (dx, vec![0.0; x_shape.elements() as usize], conv.taps() * co)
        }
        Of::Weight => {
            let dw = case.tape.push_one(gradient, &[x, dy], w_shape);
            (dw, vec![0.0; w_shape.elements() as usize], y_shape.pixels())
        }
    };
    let mut want: Vec<f64> = want;
    let (anchor, gathered) = if transposed { (x_shape, y_shape) } else { (y_shape, x_shape) };
    taps(anchor, gathered, conv, |a, g, tap| {
        let (i, o) = if transposed { (a, g) } else { (g, a) };
        for c in 0..ci as usize {
            for d in 0..co as usize {
                let (at_x, at_y, at_w) = (
                    i * ci as usize + c,
                    o * co as usize + d,
                    (tap * rows as usize + c) * co as usize + d,
                );
                match of {
                    Of::Output => want[at_y] += xs[at_x] * ws[at_w],
                    Of::Input => want[at_x] += dys[at_y] * ws[at_w],
                    Of::Weight => want[at_w] += xs[at_x] * dys[at_y],
                }
            }
        }
    });
    // Operands that this pass does not read are not inputs of its plan.
    let used: &[Tensor] = match of {
        Of::Output => &[x, w, b],
        Of::Input => &[dy, w],
        Of::Weight => &[x, dy],
    };
    case.inputs.retain(|(t, _)| used.contains(t));
    let plan = case.plan(gpu, &[result])?;
    let variant = plan.nodes().iter().find_map(|node| node.variant());
    let method = variant.map_or(Method::Direct, |variant| variant.method);
    Ok(compare_by(method, terms as usize, &case.run(gpu, &[result])?[0], &want))
}

/// Calls `f(anchor pixel, gathered pixel, tap)` for every tap that lies inside the image.
fn taps(anchor: Shape, gathered: Shape, conv: Conv, mut f: impl FnMut(usize, usize, usize)) {
    for a in 0..anchor.pixels() {
        let (n, y, x) = (a / (anchor.h * anchor.w), a / anchor.w % anchor.h, a % anchor.w);
        for tap in 0..conv.taps() {
            // Beyond the left and upper border the subtraction wraps, and the number is too large.
            let gy = (y * conv.stride + tap / conv.kernel).wrapping_sub(conv.pad);
            let gx = (x * conv.stride + tap % conv.kernel).wrapping_sub(conv.pad);
            if gy < gathered.h && gx < gathered.w {
                f(a as usize, ((n * gathered.h + gy) * gathered.w + gx) as usize, tap as usize);
            }
        }
    }
}

/// Batch and instance norm; the gradient comes from a squared error behind it.
fn batch_norm(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(2, 7, 9, 10);
    let (channels, pixels) = (10, 63);
    let mut all = Vec::new();
    for mode in [NormMode::Batch, NormMode::Instance] {
        let mut case = Case::default();
        let (x, xs) = case.input(shape);
        let (gamma, gs) = case.input(Shape::vector(10));
        let (beta, bs) = case.input(Shape::vector(10));
        let (goal, ts) = case.input(shape);
        let y = case.tape.batch_norm(x, gamma, beta, None, mode, BatchNorm::default())?;
        let loss = case.tape.mse_between(y, goal)?;
        let gradients = case.tape.backward(&[loss], &[x, gamma, beta])?;
        let keep: Vec<Tensor> = [y].into_iter().chain(gradients.into_iter().flatten()).collect();
        let (group, groups) = if mode == NormMode::Batch { (2 * pixels, 1) } else { (pixels, 2) };
        let (mut want_y, mut want_dx) = (vec![0.0; xs.len()], vec![0.0; xs.len()]);
        let (mut want_dgamma, mut want_dbeta) = (vec![0.0; channels], vec![0.0; channels]);
        for g in 0..groups {
            for c in 0..channels {
                let at: Vec<usize> = (0..group).map(|p| (g * group + p) * channels + c).collect();
                let mean_of = |value: &dyn Fn(usize) -> f64| {
                    at.iter().map(|&i| value(i)).sum::<f64>() / group as f64
                };
                let mean = mean_of(&|i| xs[i]);
                let rstd = 1.0
                    / (mean_of(&|i| (xs[i] - mean).powi(2)) + f64::from(BatchNorm::default().eps))
                        .sqrt();
                let hat = |i: usize| (xs[i] - mean) * rstd;
                let dy = |i: usize| 2.0 * (hat(i) * gs[c] + bs[c] - ts[i]) / xs.len() as f64;
                let (mean_dy, mean_dyx) = (mean_of(&dy), mean_of(&|i| dy(i) * hat(i)));
                for &i in &at {
                    want_y[i] = hat(i) * gs[c] + bs[c];
                    want_dx[i] = gs[c] * rstd * (dy(i) - mean_dy - hat(i) * mean_dyx);
                }
                want_dgamma[c] += mean_dyx * group as f64;
                want_dbeta[c] += mean_dy * group as f64;
            }
        }
        let got = case.run(gpu, &keep)?;
        all.extend(
            got.iter()
                .zip([want_y, want_dx, want_dgamma, want_dbeta])
                .map(|(got, want)| compare(2 * pixels, got, &want)),
        );
    }
    Ok(worst(all))
}

fn activations(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(1, 9, 7, 6);
    type Formula = (Act, fn(f64) -> f64, fn(f64) -> f64);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let formulas: [Formula; 4] = [
        (
            Act::LeakyRelu(0.25),
            |x| if x > 0.0 { x } else { 0.25 * x },
            |x| if x > 0.0 { 1.0 } else { 0.25 },
        ),
        (Act::Relu, |x| x.max(0.0), |x| if x > 0.0 { 1.0 } else { 0.0 }),
        (Act::Tanh, f64::tanh, |x| 1.0 - x.tanh().powi(2)),
        (Act::Sigmoid, sigmoid, |x| 0.25 / (x / 2.0).cosh().powi(2)),
    ];
    let mut all = Vec::new();
    for (act, f, slope) in formulas {
        let mut case = Case::default();
        let (x, xs) = case.input(shape);
        let (goal, ts) = case.input(shape);
        let x3 = case.tape.scale(x, 3.0);
        let y = case.tape.act(x3, act);
        let loss = case.tape.mse_between(y, goal)?;
        let dx = case.tape.backward(&[loss], &[x3])?[0]
            .ok_or_else(|| Error::Internal("an activation without a gradient".into()))?;
        let want_y: Vec<f64> = xs.iter().map(|x| f(3.0 * x)).collect();
        let want_dx: Vec<f64> = xs
            .iter()
            .zip(&want_y)
            .zip(&ts)
            .map(|((x, y), t)| slope(3.0 * x) * 2.0 * (y - t) / ts.len() as f64)
            .collect();
        let got = case.run(gpu, &[y, dx])?;
        // Exponentials on some drivers are good to a few units in the last place only.
        all.extend([compare(8, &got[0], &want_y), compare(16, &got[1], &want_dx)]);
    }
    Ok(worst(all))
}

fn losses(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(2, 9, 7, 3);
    let count = shape.elements() as f64;
    let mut case = Case::default();
    let (x, xs) = case.input(shape);
    let (goal, ts) = case.input(shape);
    let made = [
        case.tape.bce_with_logits(x, 1.0),
        case.tape.bce_with_logits(x, 0.0),
        case.tape.mse(x, 1.0),
        case.tape.l1(x, goal)?,
    ];
    let mut keep = made.to_vec();
    for loss in made {
        keep.extend(case.tape.backward(&[loss], &[x])?.into_iter().flatten());
    }
    type Formula = (fn(f64, f64) -> f64, fn(f64, f64) -> f64);
    let formulas: [Formula; 4] = [
        (|x, _| (1.0 + (-x).exp()).ln(), |x, _| 1.0 / (1.0 + (-x).exp()) - 1.0),
        (|x, _| (1.0 + x.exp()).ln(), |x, _| 1.0 / (1.0 + (-x).exp())),
        (|x, _| (x - 1.0).powi(2), |x, _| 2.0 * (x - 1.0)),
        (|x, t| (x - t).abs(), |x, t| (x - t).signum()),
    ];
    let got = case.run(gpu, &keep)?;
    let pairs = || xs.iter().zip(&ts);
    let all = formulas.iter().enumerate().flat_map(|(at, (value, slope))| {
        let mean = pairs().map(|(x, t)| value(*x, *t)).sum::<f64>() / count;
        let gradient: Vec<f64> = pairs().map(|(x, t)| slope(*x, *t) / count).collect();
        [compare(count as usize, &got[at], &[mean]), compare(2, &got[at + 4], &gradient)]
    });
    Ok(worst(all))
}

fn sums(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(2, 40, 40, 6);
    let mut case = Case::default();
    let (x, xs) = case.input(shape);
    let keep = [case.tape.sum(x), case.tape.mean(x), case.tape.channel_sum(x)];
    let total: f64 = xs.iter().sum();
    let mut channels = [0.0; 6];
    xs.iter().enumerate().for_each(|(i, x)| channels[i % 6] += x);
    let got = case.run(gpu, &keep)?;
    // Terms of both signs cancel: the sum of magnitudes counts.
    let size = xs.iter().map(|x| x.abs()).sum::<f64>();
    let scaled = |got: f32, want: f64, size: f64| Deviation {
        error: (f64::from(got) - want).abs() / size,
        allowed: 8.0 * ULP,
    };
    let count = shape.elements() as f64;
    let by_channel = got[2].iter().zip(channels).map(|(got, want)| scaled(*got, want, size / 6.0));
    Ok(worst(
        [scaled(got[0][0], total, size), scaled(got[1][0], total / count, size / count)]
            .into_iter()
            .chain(by_channel),
    ))
}

fn elementwise(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(2, 5, 7, 6);
    let mut case = Case::default();
    let ((a, xs), (b, ys)) = (case.input(shape), case.input(shape));
    let halved = case.tape.scale(b, 0.5);
    let keep = [case.tape.add(a, halved)?, case.tape.copy(a), case.tape.fill(shape, 7.0)];
    let sum: Vec<f64> = xs.iter().zip(&ys).map(|(x, y)| f64::from((x + 0.5 * y) as f32)).collect();
    let got = case.run(gpu, &keep)?;
    Ok(worst([exact(&got[0], &sum), exact(&got[1], &xs), exact(&got[2], &vec![7.0; xs.len()])]))
}

fn dropout(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(2, 5, 7, 6);
    let mut case = Case::default();
    let (x, xs) = case.input(shape);
    let y = case.tape.push_one(Dropout { p: 0.5, stream: Some(7) }, &[x], shape);
    let want: Vec<f64> = (0..)
        .zip(&xs)
        .map(|(i, x)| if Dropout::keep(i, 7, STEP.step, STEP.seed, 0.5) { 2.0 * x } else { 0.0 })
        .collect();
    Ok(exact(&case.run(gpu, &[y])?[0], &want))
}

fn adam(gpu: &Gpu) -> Result<Deviation> {
    let layout = Layout::Vector(10.into());
    let mut case = Case::default();
    let param = case.store.param("check", "w", layout);
    let page = case.store.pages("check")[0];
    case.tape.adam(&case.store, &page, 0);
    let ids = [Some(param.value), param.gradient]
        .into_iter()
        .flatten()
        .chain(param.moments.into_iter().flatten());
    let ids: Vec<_> = ids.collect();
    let value = |i: u32, stream: u32| {
        pixtape::rng::random(i, stream, 0, SEED)[0] as f32 / 4_294_967_296.0 + 0.1
    };
    let before: Vec<Vec<f32>> =
        (0..4).map(|stream| (0..10).map(|i| value(i, stream)).collect()).collect();
    for (id, values) in ids.iter().zip(&before) {
        case.store.write(gpu, *id, &layout, values)?;
    }
    let program = Plan::new(&case.tape, &case.store, &[], gpu.family(), PlanOptions::default())?
        .prepare(gpu, &case.store)?;
    program.step(&STEP)?;
    let Rate { lr, beta1, beta2, eps, t } = RATE;
    let correct = |beta: f64| 1.0 - beta.powi(t as i32);
    let mut want = [const { Vec::new() }; 3];
    for (((w, g), m), v) in before[0].iter().zip(&before[1]).zip(&before[2]).zip(&before[3]) {
        let [w, g, m, v] = [w, g, m, v].map(|value| f64::from(*value));
        let (m, v) = (beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g);
        want[0].push(w - lr / correct(beta1) * m / ((v / correct(beta2)).sqrt() + eps));
        want[1].push(m);
        want[2].push(v);
    }
    let read = |id| pollster::block_on(case.store.read(gpu, id, &layout));
    let all = [ids[0], ids[2], ids[3]]
        .into_iter()
        .zip(&want)
        .map(|(id, want)| Ok(compare(2, &read(id)?, want)))
        .collect::<Result<Vec<_>>>()?;
    Ok(worst(all))
}

fn init(gpu: &Gpu) -> Result<Deviation> {
    let layout = Layout::Conv { ci: 6.into(), co: 5, kernel: 4 };
    let mut case = Case::default();
    let param = case.store.param("check", "w", layout);
    case.tape.init_normal(&case.store, &param, 0.0, 0.02, 3);
    let program = Plan::new(&case.tape, &case.store, &[], gpu.family(), PlanOptions::default())?
        .prepare(gpu, &case.store)?;
    program.step(&STEP)?;
    let got = pollster::block_on(case.store.read(gpu, param.value, &layout))?;
    let op = InitNormal { layout, mean: 0.0, std: 0.02, stream: 3 };
    let want: Vec<f64> = (0..got.len() as u32).map(|i| op.value(i, STEP.seed)).collect();
    // Logarithm, root and sine, one after another.
    Ok(compare(16, &got, &want))
}

fn picture(gpu: &Gpu) -> Result<Deviation> {
    let shape = Shape::new(1, 10, 10, 3);
    let mut case = Case::default();
    let raw = case.tape.picture_input("picture", 1, 10, 10, 3);
    let x = case.tape.picture_to_tensor(raw, shape)?;
    let y = case.tape.tensor_to_picture(x);
    let program =
        Plan::new(&case.tape, &case.store, &[x, y], gpu.family(), PlanOptions::default())?
            .prepare(gpu, &case.store)?;
    let bytes: Vec<u8> = (0..shape.elements()).map(|i| i as u8).collect();
    program.write_bytes(raw, &bytes)?;
    program.step(&STEP)?;
    let values = pollster::block_on(program.read(x))?;
    let back = pollster::block_on(program.read_bytes(y))?;
    let wide = |b: &u8| f64::from(*b);
    let got: Vec<f32> = back.iter().take(bytes.len()).map(|b| f32::from(*b)).collect();
    let want: Vec<f64> = bytes.iter().map(|b| (wide(b) / 255.0 - 0.5) * 2.0).collect();
    Ok(worst([
        compare(2, &values, &want),
        exact(&got, &bytes.iter().map(wide).collect::<Vec<_>>()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_fails_and_so_does_no_number() {
        let want = [1.0, -2.0, 3.0];
        let judge = |got: &[f32]| {
            let result = Ok(compare(1, got, &want));
            Outcome { family: None, test: "", result }.ok()
        };
        assert!(judge(&[1.0, -2.0, 3.0]) && judge(&[1.0, -2.0, 3.000_000_2]));
        assert!(
            !judge(&[1.0, -2.0, 3.00001])
                && !judge(&[1.0, f32::NAN, 3.0])
                && !judge(&[f32::NAN; 3])
                && !judge(&[1.0])
        );
        assert!(worst([exact(&[1.0], &[1.1]), compare(1, &[1.0], &[1.0])]).error > 0.0);
    }

    #[test]
    fn taps_outside_the_picture_are_left_out() {
        let conv = Conv::new(4, 2, 1);
        let mut count = 0;
        taps(Shape::new(1, 2, 2, 1), Shape::new(1, 4, 4, 1), conv, |_, g, _| {
            count += usize::from(g < 16)
        });
        // Each of the four windows loses a row and a column.
        assert_eq!(count, 4 * 9);
    }
}
