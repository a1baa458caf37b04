//! batch_norm: over the batch, over each image, with running statistics; forward, backward, and
//! what it does to the running ones.

use crate::support::{
    self, Case, Lay, Parameter, assert_close, assert_exact, directional, dot, fill, parts,
    rounding, wide,
};
use approx::assert_abs_diff_eq;
use pixtape::ops::{BatchNorm, NormMode, Running};
use pixtape::store::Layout;
use pixtape::{Channels, Gpu, Shape, Tensor};

const EPS: f64 = 1e-5;

/// One normalisation, in f64: `groups` groups of pixels of `c` channels.
struct Norm {
    groups: usize,
    c: usize,
    mean: Vec<f64>,
    /// Biased.
    var: Vec<f64>,
    /// Whether the statistics are those of x, so that x acts through them.
    own: bool,
}

impl Norm {
    fn of(x: &[f64], groups: usize, c: usize) -> Norm {
        let mut norm = Norm { groups, c, mean: Vec::new(), var: Vec::new(), own: true };
        for group in x.chunks(x.len() / groups) {
            for k in 0..c {
                let values: Vec<f64> = group.iter().skip(k).step_by(c).copied().collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                norm.mean.push(mean);
                norm.var.push(
                    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64,
                );
            }
        }
        norm
    }

    /// Calls `f` with the index of every element, its row of statistics and its channel.
    fn each(&self, len: usize, mut f: impl FnMut(usize, usize, usize)) {
        (0..len).for_each(|i| f(i, i / (len / self.groups) * self.c + i % self.c, i % self.c));
    }

    fn xhat(&self, x: &[f64]) -> Vec<f64> {
        let mut xhat = vec![0.0; x.len()];
        self.each(x.len(), |i, row, _| {
            xhat[i] = (x[i] - self.mean[row]) / (self.var[row] + f64::from(EPS as f32)).sqrt()
        });
        xhat
    }

    fn forward(&self, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        let mut y = self.xhat(x);
        self.each(x.len(), |i, _, k| y[i] = y[i] * gamma[k] + beta[k]);
        y
    }

    /// dx, dgamma, dbeta.
    fn backward(&self, x: &[f64], gamma: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
        let xhat = self.xhat(x);
        let rows = self.groups * self.c;
        let (mut sum, mut product) = (vec![0.0; rows], vec![0.0; rows]);
        self.each(x.len(), |i, row, _| {
            sum[row] += dy[i];
            product[row] += dy[i] * xhat[i];
        });
        let inverse = if self.own { rows as f64 / x.len() as f64 } else { 0.0 };
        let mut dx = vec![0.0; x.len()];
        self.each(x.len(), |i, row, k| {
            let rstd = 1.0 / (self.var[row] + f64::from(EPS as f32)).sqrt();
            dx[i] =
                gamma[k] * rstd * (dy[i] - sum[row] * inverse - xhat[i] * product[row] * inverse);
        });
        let by_channel =
            |rows: &[f64]| (0..self.c).map(|k| rows.iter().skip(k).step_by(self.c).sum()).collect();
        [dx, by_channel(&product), by_channel(&sum)]
    }
}

fn shapes() -> Vec<Shape> {
    let shape = |n, h, w, c: &[u32]| Shape::new(n, h, w, parts(c));
    vec![
        shape(2, 3, 3, &[1]),
        shape(1, 5, 7, &[3]),
        shape(2, 4, 9, &[3, 3]),
        shape(2, 17, 19, &[6]),
        shape(3, 5, 11, &[9, 5]),
        shape(1, 33, 6, &[16]),
    ]
}

/// More than one chunk of pixels, and workgroups of one to eight columns.
fn large() -> Vec<Shape> {
    vec![
        Shape::new(2, 65, 66, 3),
        Shape::new(1, 47, 49, parts(&[3, 3])),
        Shape::new(2, 31, 37, 12),
        Shape::new(1, 27, 41, 33),
    ]
}

/// Two pixels make a derivative of nearly nothing out of large terms, so there are more of them;
/// small gradients besides.
struct Sample {
    x: Vec<f32>,
    dy: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    var: Vec<f32>,
}

impl Sample {
    fn new(shape: Shape) -> Sample {
        let (len, c) = (shape.elements() as usize, shape.c.logical() as usize);
        Sample {
            x: fill::normals(len, 1).iter().map(|v| 2.0 * v + 0.5).collect(),
            dy: fill::normals(len, 2),
            gamma: fill::reals(c, 3, 0.5, 1.5),
            beta: fill::reals(c, 4, -1.0, 1.0),
            mean: fill::reals(c, 5, -1.0, 1.0),
            var: fill::reals(c, 6, 0.5, 2.0),
        }
    }
}

fn running(case: &mut Case, c: Channels, s: &Sample) -> ([Parameter; 2], Running) {
    let [mean, var] = [case.running("mean", c, &s.mean), case.running("var", c, &s.var)];
    let both = Running { mean: mean.tensor, var: var.tensor };
    ([mean, var], both)
}

#[test]
fn every_mode_matches_the_reference_forward_and_backward() {
    support::reducers().into_iter().for_each(every_mode);
}

fn every_mode(gpu: &Gpu) {
    for (mode, with_running) in [
        (NormMode::Batch, false),
        (NormMode::Batch, true),
        (NormMode::Instance, false),
        (NormMode::Running, true),
    ] {
        for shape in shapes().into_iter().chain(large()) {
            for lay in [Lay::Dense, Lay::Strided] {
                let what = format!(
                    "batch_norm {mode:?} {shape} {lay:?}{} on {}",
                    if with_running { " running" } else { "" },
                    gpu.family()
                );
                let (s, c) = (Sample::new(shape), shape.c.logical() as usize);
                let mut case = Case::new();
                let (tx, tdy) =
                    (case.operand("x", shape, &s.x, lay), case.operand("dy", shape, &s.dy, lay));
                let (gamma, beta) = (
                    case.param("gamma", Layout::Vector(shape.c), &s.gamma),
                    case.param("beta", Layout::Vector(shape.c), &s.beta),
                );
                let stored = with_running.then(|| running(&mut case, shape.c, &s));
                let y = case
                    .tape
                    .batch_norm(
                        tx,
                        gamma.tensor,
                        beta.tensor,
                        stored.as_ref().map(|r| r.1),
                        mode,
                        BatchNorm::default(),
                    )
                    .unwrap();
                let gradients = case.backward(y, tdy, &[tx, gamma.tensor, beta.tensor]);
                let dx = gradients[0].unwrap();
                let keep = [case.result(y, lay), case.result(dx, lay)];
                let done = case.run(gpu, &keep);
                let (x, dy) = (wide(&s.x), wide(&s.dy));
                let groups = if mode == NormMode::Instance { shape.n as usize } else { 1 };
                let mut norm = Norm::of(&x, groups, c);
                let (mean, var) = (norm.mean.clone(), norm.var.clone());
                if mode == NormMode::Running {
                    norm = Norm { mean: wide(&s.mean), var: wide(&s.var), own: false, ..norm };
                }
                let n = shape.pixels() as usize;
                assert_close!(
                    done.read(y),
                    norm.forward(&x, &wide(&s.gamma), &wide(&s.beta)),
                    rounding("batch_norm", n),
                    "{what} y"
                );
                let [want_dx, dgamma, dbeta] = norm.backward(&x, &wide(&s.gamma), &dy);
                assert_close!(done.read(dx), want_dx, rounding("batch_norm", n), "{what} dx");
                assert_close!(
                    done.gradient(&gamma),
                    dgamma,
                    rounding("batch_norm", n),
                    "{what} dgamma"
                );
                assert_close!(
                    done.gradient(&beta),
                    dbeta,
                    rounding("batch_norm", n),
                    "{what} dbeta"
                );
                assert!(done.padding_is_zero(&gamma) && done.padding_is_zero(&beta), "{what}");
                let Some(([kept_mean, kept_var], _)) = stored else { continue };
                let blend = |old: &[f32], new: &[f64]| {
                    old.iter()
                        .zip(new)
                        .map(|(old, new)| 0.9 * f64::from(*old) + 0.1 * new)
                        .collect::<Vec<_>>()
                };
                let unbiased: Vec<f64> =
                    var.iter().map(|v| v * n as f64 / (n as f64 - 1.0)).collect();
                if mode == NormMode::Batch {
                    assert_close!(
                        done.value(&kept_mean),
                        blend(&s.mean, &mean),
                        rounding("batch_norm", n),
                        "{what} running mean"
                    );
                    assert_close!(
                        done.value(&kept_var),
                        blend(&s.var, &unbiased),
                        rounding("batch_norm", n),
                        "{what} running variance"
                    );
                } else {
                    assert!(
                        done.value(&kept_mean) == s.mean && done.value(&kept_var) == s.var,
                        "{what}: statistics that are used are not updated"
                    );
                }
                assert!(
                    done.padding_is_zero(&kept_mean) && done.padding_is_zero(&kept_var),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_large_mean_does_not_cost_the_variance() {
    // Deviation 1, mean 1000: a sum of squares would keep no digit of the variance beyond the
    // second.
    let shapes = [
        Shape::new(2, 3, 5, 6),
        Shape::new(2, 17, 19, 5),
        Shape::new(1, 128, 130, 3),
        Shape::new(1, 40, 41, 32),
    ];
    for (gpu, shape) in
        support::reducers().into_iter().flat_map(|gpu| shapes.map(|shape| (gpu, shape)))
    {
        let (len, c) = (shape.elements() as usize, shape.c.logical() as usize);
        let x: Vec<f32> = fill::normals(len, 1).iter().map(|v| v + 1000.0).collect();
        let mut case = Case::new();
        let tx = case.input("x", shape, &x);
        let [gamma, beta] =
            [1.0, 0.0].map(|v| case.param("v", Layout::Vector(shape.c), &vec![v; c]));
        let y = case
            .tape
            .batch_norm(tx, gamma.tensor, beta.tensor, None, NormMode::Batch, BatchNorm::default())
            .unwrap();
        let done = case.run(gpu, &[y]);
        let want = Norm::of(&wide(&x), 1, c).forward(&wide(&x), &vec![1.0; c], &vec![0.0; c]);
        // The mean itself is rounded to f32, once: half an ulp of 1000 is 3.1e-5. All else together
        // must be less than a third of that.
        let worst = done
            .read(y)
            .iter()
            .zip(&want)
            .map(|(y, want)| (f64::from(*y) - want).abs())
            .max_by(f64::total_cmp)
            .unwrap();
        assert!(worst < 4e-5, "{shape} on {}: {worst}", gpu.family());
        let y = wide(&done.read(y));
        let again = Norm::of(&y, 1, c);
        assert_abs_diff_eq!(again.mean[..], [0.0].repeat(c)[..], epsilon = 1e-4);
        assert_abs_diff_eq!(again.var[..], [1.0].repeat(c)[..], epsilon = 1e-4);
    }
}

#[test]
fn one_value_a_channel_gives_beta_and_no_gradient() {
    support::reducers().into_iter().for_each(one_value);
}

fn one_value(gpu: &Gpu) {
    let shape = Shape::new(1, 1, 1, 6);
    let mut case = Case::new();
    let s = Sample::new(shape);
    let (tx, tdy) = (case.input("x", shape, &s.x), case.input("dy", shape, &s.dy));
    let (gamma, beta) = (
        case.param("gamma", Layout::Vector(shape.c), &s.gamma),
        case.param("beta", Layout::Vector(shape.c), &s.beta),
    );
    let y = case
        .tape
        .batch_norm(tx, gamma.tensor, beta.tensor, None, NormMode::Instance, BatchNorm::default())
        .unwrap();
    let dx = case.backward(y, tdy, &[tx, gamma.tensor, beta.tensor])[0].unwrap();
    let done = case.run(gpu, &[y, dx]);
    assert_exact!(done.read(y), wide(&s.beta), "y");
    assert_eq!(done.read(dx), [0.0; 6]);
    assert_exact!(done.gradient(&beta), wide(&s.dy), "dbeta");
    assert_eq!(done.gradient(&gamma), [0.0; 6]);
}

#[test]
fn parameters_used_twice_get_the_sum_of_both_gradients() {
    let cases = [NormMode::Batch, NormMode::Instance]
        .map(|mode| [Shape::new(2, 3, 3, 6), Shape::new(2, 48, 47, 6)].map(|shape| (mode, shape)));
    for (gpu, (mode, shape)) in support::reducers()
        .into_iter()
        .flat_map(|gpu| cases.concat().into_iter().map(move |case| (gpu, case)))
    {
        let s = Sample::new(shape);
        let other: Vec<f32> = fill::normals(s.x.len(), 9);
        let mut case = Case::new();
        let tdy = case.input("dy", shape, &s.dy);
        let (gamma, beta) = (
            case.param("gamma", Layout::Vector(shape.c), &s.gamma),
            case.param("beta", Layout::Vector(shape.c), &s.beta),
        );
        let mut seeds = Vec::new();
        for x in [&s.x, &other] {
            let tx = case.input("x", shape, x);
            seeds.push((
                case.tape
                    .batch_norm(tx, gamma.tensor, beta.tensor, None, mode, BatchNorm::default())
                    .unwrap(),
                tdy,
            ));
        }
        case.backward_all(&seeds, &[gamma.tensor, beta.tensor]);
        let done = case.run(gpu, &[]);
        let groups = if mode == NormMode::Instance { 2 } else { 1 };
        let each = [&s.x, &other].map(|x| {
            Norm::of(&wide(x), groups, 6).backward(&wide(x), &wide(&s.gamma), &wide(&s.dy))
        });
        for (name, parameter, at) in [("dgamma", &gamma, 1), ("dbeta", &beta, 2)] {
            let want: Vec<f64> = each[0][at].iter().zip(&each[1][at]).map(|(a, b)| a + b).collect();
            assert_close!(
                done.gradient(parameter),
                want,
                rounding("batch_norm", 2 * shape.pixels() as usize),
                "{mode:?} {shape} {name} on {}",
                gpu.family()
            );
        }
    }
}

#[test]
fn several_batches_are_normalised_as_by_as_many_calls() {
    for gpu in support::reducers() {
        for (batches, shape) in shapes().into_iter().chain(large()).flat_map(|shape| {
            // Three: more than are taken one after another for the gradients of gamma and beta.
            [2, 3].map(|batches| (batches, Shape { n: batches * shape.n, ..shape }))
        }) {
            let what = format!("{batches} batches of {shape} on {}", gpu.family());
            let (s, c) = (Sample::new(shape), shape.c);
            let (joint, apart) = (
                of_batches(gpu, &s, shape, batches, true),
                of_batches(gpu, &s, shape, batches, false),
            );
            for (name, (got, want)) in ["y", "dx", "running mean", "running variance"]
                .into_iter()
                .zip(joint.iter().zip(&apart))
            {
                assert_exact!(got, wide(want), "{what} {name}");
            }
            let x = wide(&s.x);
            let [_, dgamma, dbeta] = Norm::of(&x, batches as usize, c.logical() as usize).backward(
                &x,
                &wide(&s.gamma),
                &wide(&s.dy),
            );
            let terms = rounding("batch_norm", shape.pixels() as usize);
            assert_close!(joint[4], dgamma, terms, "{what} dgamma");
            assert_close!(joint[5], dbeta, terms, "{what} dbeta");
        }
    }
}

/// y, dx, the running statistics after it, dgamma and dbeta of batches that lie one after another,
/// in one call or in a call for each.
fn of_batches(gpu: &Gpu, s: &Sample, shape: Shape, batches: u32, joint: bool) -> [Vec<f32>; 6] {
    let mut case = Case::new();
    let (tx, tdy) = (case.input("x", shape, &s.x), case.input("dy", shape, &s.dy));
    let [gamma, beta] = [("gamma", &s.gamma), ("beta", &s.beta)]
        .map(|(name, values)| case.param(name, Layout::Vector(shape.c), values));
    let ([mean, var], stored) = running(&mut case, shape.c, s);
    let norm = |case: &mut Case, x, batches| {
        let config = BatchNorm { batches, ..BatchNorm::default() };
        let (gamma, beta, mode) = (gamma.tensor, beta.tensor, NormMode::Batch);
        case.tape.batch_norm(x, gamma, beta, Some(stored), mode, config).unwrap()
    };
    let y = if joint {
        norm(&mut case, tx, batches)
    } else {
        let counts = vec![shape.n / batches; batches as usize];
        let each: Vec<Tensor> = case.tape.split_batch(tx, &counts).unwrap();
        let each: Vec<Tensor> = each.into_iter().map(|x| norm(&mut case, x, 1)).collect();
        case.tape.join_batches(&each).unwrap()
    };
    let dx = case.backward(y, tdy, &[tx, gamma.tensor, beta.tensor])[0].unwrap();
    let done = case.run(gpu, &[y, dx]);
    for parameter in [&gamma, &beta, &mean, &var] {
        assert!(done.padding_is_zero(parameter), "{shape} on {}", gpu.family());
    }
    [
        done.read(y),
        done.read(dx),
        done.value(&mean),
        done.value(&var),
        done.gradient(&gamma),
        done.gradient(&beta),
    ]
}

#[test]
fn images_that_cannot_be_shared_out_are_refused() {
    let mut case = Case::new();
    let shape = Shape::new(3, 4, 4, 3);
    let x = case.input("x", shape, &vec![0.0; shape.elements() as usize]);
    let [gamma, beta] =
        ["gamma", "beta"].map(|name| case.param(name, Layout::Vector(shape.c), &[0.0; 3]));
    for batches in [0, 2] {
        let config = BatchNorm { batches, ..BatchNorm::default() };
        let (gamma, beta) = (gamma.tensor, beta.tensor);
        let refused = case.tape.batch_norm(x, gamma, beta, None, NormMode::Batch, config);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(&format!("to {batches} batches")), "{message}");
    }
}

#[test]
fn the_references_gradient_is_that_of_the_reference() {
    let shape = Shape::new(2, 3, 4, 3);
    let s = Sample::new(shape);
    let [x, gamma, beta, dy] = [&s.x, &s.gamma, &s.beta, &s.dy].map(|v| wide(v));
    for groups in [1, 2] {
        let gradients = Norm::of(&x, groups, 3).backward(&x, &gamma, &dy);
        directional(
            "dx",
            |x| dot(&Norm::of(x, groups, 3).forward(x, &gamma, &beta), &dy),
            &x,
            &gradients[0],
        );
        directional(
            "dgamma",
            |gamma| dot(&Norm::of(&x, groups, 3).forward(&x, gamma, &beta), &dy),
            &gamma,
            &gradients[1],
        );
        directional(
            "dbeta",
            |beta| dot(&Norm::of(&x, groups, 3).forward(&x, &gamma, beta), &dy),
            &beta,
            &gradients[2],
        );
    }
    let given = || Norm { groups: 1, c: 3, mean: wide(&s.mean), var: wide(&s.var), own: false };
    directional(
        "dx, given",
        |x| dot(&given().forward(x, &gamma, &beta), &dy),
        &x,
        &given().backward(&x, &gamma, &dy)[0],
    );
}
