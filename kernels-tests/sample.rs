//! Samples one by one: their sums, a number for each, and batches mixed at random.

use crate::support::{
    self, Case, Lay, assert_close, assert_exact, dot, each, fill, parts, rounding, trust, wide,
};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use pixtape::ops::{Mix, SampleBroadcast};
use pixtape::{Gpu, Shape, StepValues};

/// Sums of samples, in f64.
fn sums(x: &[f64], n: u32) -> Vec<f64> {
    x.chunks(x.len() / n as usize).map(|s| s.iter().sum()).collect()
}

/// A number for every element of its sample.
fn spread(x: &[f64], len: usize) -> Vec<f64> {
    (0..len).map(|i| x[i / (len / x.len())]).collect()
}

#[test]
fn sums_of_samples_and_their_gradients_are_exact_on_integers() {
    support::reducers().into_iter().for_each(sums_on);
}

fn sums_on(gpu: &Gpu) {
    let mut check = |shape: Shape, lay, what: &str| {
        let len = shape.elements() as usize;
        // No zeros, or a sample of one element would be one.
        let x: Vec<f32> = fill::integers(len, 1, 3).iter().map(|v| v + 4.0).collect();
        let [dy, u] = [(shape.n as usize, 2), (len, 3)].map(|(len, stream)| {
            fill::integers(len, stream, 3).iter().map(|v| v + 4.0).collect::<Vec<f32>>()
        });
        let mut case = Case::new();
        let (tx, tu) = (case.operand("x", shape, &x, lay), case.operand("u", shape, &u, lay));
        let tdy = case.input("dy", Shape::new(shape.n, 1, 1, 1), &dy);
        let y = case.tape.sample_sum(tx);
        let dx = case.backward(y, tdy, &[tx])[0].unwrap();
        let second = case.backward(dx, tu, &[tdy])[0].unwrap();
        let keep = [y, case.result(dx, lay), second];
        let done = case.run(gpu, &keep);
        let what = format!("{what} on {}", gpu.family());
        assert_exact!(done.read(y), sums(&wide(&x), shape.n), "{what} y");
        assert_exact!(done.read(dx), spread(&wide(&dy), len), "{what} dx");
        assert_exact!(done.read(second), sums(&wide(&u), shape.n), "{what} by dy of <u, dx>");
    };
    each("sample_sum", &mut check);
    // More than one chunk a sample.
    check(Shape::new(3, 31, 37, parts(&[3, 3])), Lay::Strided, "sample_sum [3, 31, 37, 3|3]");
    check(Shape::new(2, 128, 130, 3), Lay::Dense, "sample_sum [2, 128, 130, 3]");
}

#[test]
fn a_number_reaches_all_of_its_sample() {
    let Some(gpu) = support::gpu() else { return };
    each("sample_broadcast", |shape, lay, what| {
        let x = fill::reals(shape.n as usize, 1, 1.0, 2.0);
        let mut case = Case::new();
        let tx = case.input("x", Shape::new(shape.n, 1, 1, 1), &x);
        let y = case.tape.push_one(SampleBroadcast, &[tx], shape);
        let keep = [case.result(y, lay)];
        let done = case.run(gpu, &keep);
        assert_exact!(done.read(y), spread(&wide(&x), shape.elements() as usize), "{what}");
    });
}

#[test]
fn a_mixture_has_one_share_a_sample_and_its_gradients_are_the_shares() {
    let Some(gpu) = support::gpu() else { return };
    let (step, seed) = (9, 77);
    each("mix", |shape, lay, what| {
        let len = shape.elements() as usize;
        let [a, b, dy] = [1, 2, 3].map(|stream| fill::reals(len, stream, 1.0, 2.0));
        let mut case = Case::new();
        let (ta, tb, tdy) = (
            case.operand("a", shape, &a, lay),
            case.operand("b", shape, &b, Lay::Dense),
            case.operand("dy", shape, &dy, lay),
        );
        let stream = case.tape.nodes().len() as u32;
        let y = case.tape.mix(ta, tb).unwrap();
        let g: Vec<_> = case.backward(y, tdy, &[ta, tb]).into_iter().flatten().collect();
        let again = case.backward(g[1], ta, &[tdy])[0].unwrap();
        let keep = [case.result(y, lay), case.result(g[0], lay), g[1], again];
        let done = case.run_step(gpu, &keep, &StepValues { step, seed, ..StepValues::default() });
        let share = spread(
            &(0..shape.n).map(|n| f64::from(Mix::alpha(n, stream, step, seed))).collect::<Vec<_>>(),
            len,
        );
        let map = |f: &dyn Fn(usize) -> f64| (0..len).map(f).collect::<Vec<_>>();
        assert_close!(
            done.read(y),
            map(&|i| share[i] * f64::from(a[i]) + (1.0 - share[i]) * f64::from(b[i])),
            rounding("mix", 2),
            "{what} y"
        );
        assert_close!(
            done.read(g[0]),
            map(&|i| share[i] * f64::from(dy[i])),
            rounding("mix", 1),
            "{what} da"
        );
        assert_close!(
            done.read(g[1]),
            map(&|i| (1.0 - share[i]) * f64::from(dy[i])),
            rounding("mix", 1),
            "{what} db"
        );
        assert_close!(
            done.read(again),
            map(&|i| (1.0 - share[i]) * f64::from(a[i])),
            rounding("mix", 1),
            "{what} by dy of <a, db>"
        );
        // The gradients are adjoint to the mixture.
        let (left, right) = (
            dot(&wide(&done.read(y)), &wide(&dy)),
            dot(&wide(&done.read(g[0])), &wide(&a)) + dot(&wide(&done.read(g[1])), &wide(&b)),
        );
        assert!(
            abs_diff_eq!(left, right, epsilon = 1e-5 * left.abs()),
            "{what}: {left} and {right}"
        );
    });
}

#[test]
fn shares_are_uniform_and_differ_by_sample_step_stream_and_seed() {
    const N: u32 = 1 << 14;
    let all: Vec<f64> = (0..N).map(|n| f64::from(Mix::alpha(n, 3, 1, 5))).collect();
    trust("shares", &all);
    let mean = all.iter().sum::<f64>() / f64::from(N);
    let square = all.iter().map(|a| a * a).sum::<f64>() / f64::from(N);
    // Five standard deviations of the means of u and u^2.
    let root = f64::from(N).sqrt();
    assert_abs_diff_eq!(mean, 0.5, epsilon = 5.0 * 0.289 / root);
    assert_abs_diff_eq!(square, 1.0 / 3.0, epsilon = 5.0 * 0.299 / root);
    assert!(all.iter().all(|a| (0.0..1.0).contains(a)));
    let first = Mix::alpha(0, 0, 0, 0);
    assert!(
        [
            Mix::alpha(1, 0, 0, 0),
            Mix::alpha(0, 1, 0, 0),
            Mix::alpha(0, 0, 1, 0),
            Mix::alpha(0, 0, 0, 1)
        ]
        .iter()
        .all(|a| *a != first)
    );
}

#[test]
fn batches_of_two_shapes_are_not_mixed() {
    let mut case = Case::new();
    let [a, b] = [3, 4].map(|c| case.tape.input("x", Shape::new(1, 2, 2, c)));
    assert!(case.tape.mix(a, b).unwrap_err().to_string().contains("one shape"));
}
