//! variation: differences of neighbouring pixels, and the total variation.

use crate::support::{self, Case, assert_close, directional, dot, each, fill, rounding, wide};
use pixtape::Shape;
use pixtape::ops::Variation;

/// Calls `f(lower index, higher index, weight)` for every pair of neighbours, indices in NHWC.
fn pairs(s: Shape, across: f64, down: f64, mut f: impl FnMut(usize, usize, f64)) {
    let [n, h, w, c] = [s.n, s.h, s.w, s.c.logical()].map(|v| v as usize);
    for (at, k) in (0..n * h * w).flat_map(|at| (0..c).map(move |k| (at, k))) {
        let (x, y) = (at % w, at / w % h);
        if x + 1 < w {
            f(at * c + k, (at + 1) * c + k, across);
        }
        if y + 1 < h {
            f(at * c + k, (at + w) * c + k, down);
        }
    }
}

fn forward(x: &[f64], s: Shape, across: f64, down: f64) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    pairs(s, across, down, |low, high, weight| y[low] += weight * (x[high] - x[low]).abs());
    y
}

fn backward(x: &[f64], dy: &[f64], s: Shape, across: f64, down: f64) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    pairs(s, across, down, |low, high, weight| {
        let slope =
            if x[high] == x[low] { 0.0 } else { weight * (x[high] - x[low]).signum() * dy[low] };
        dx[high] += slope;
        dx[low] -= slope;
    });
    dx
}

#[test]
fn values_and_gradients_match_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    each("variation", |shape, lay, what| {
        if shape.h * shape.w == 1 {
            // No neighbours: nothing but zeros.
            return;
        }
        let len = shape.elements() as usize;
        let (x, dy) = (fill::reals(len, 1, -1.0, 1.0), fill::reals(len, 2, 0.5, 1.0));
        let mut case = Case::new();
        let (tx, tdy) = (case.operand("x", shape, &x, lay), case.operand("dy", shape, &dy, lay));
        let y = case.tape.push_one(Variation { across: 0.5, down: 2.0 }, &[tx], shape);
        let dx = case.backward(y, tdy, &[tx])[0].unwrap();
        let keep = [case.result(y, lay), case.result(dx, lay)];
        let done = case.run(gpu, &keep);
        assert_close!(
            done.read(y),
            forward(&wide(&x), shape, 0.5, 2.0),
            rounding("variation", 2),
            "{what} y"
        );
        assert_close!(
            done.read(dx),
            backward(&wide(&x), &wide(&dy), shape, 0.5, 2.0),
            rounding("variation", 4),
            "{what} dx"
        );
    });
}

#[test]
fn the_total_is_two_means_and_of_a_pixel_nothing() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 3, 4, 3);
    let x = fill::integers(shape.elements() as usize, 1, 9);
    let mut case = Case::new();
    let (tx, pixel) =
        (case.input("x", shape, &x), case.input("pixel", Shape::new(1, 1, 1, 3), &[1.0, 2.0, 3.0]));
    let totals = [tx, pixel].map(|t| case.tape.total_variation(t));
    let done = case.run(gpu, &totals);
    let (mut across, mut down) = (0.0, 0.0);
    pairs(shape, 1.0, 0.0, |low, high, weight| {
        across += weight * f64::from((x[high] - x[low]).abs())
    });
    pairs(shape, 0.0, 1.0, |low, high, weight| {
        down += weight * f64::from((x[high] - x[low]).abs())
    });
    // 2 * 3 * 3 * 3 differences across, 2 * 2 * 4 * 3 down.
    assert_close!(
        done.read(totals[0]),
        [across / 54.0 + down / 48.0],
        rounding("variation", 48),
        "total"
    );
    assert_eq!(done.read(totals[1]), [0.0]);
}

#[test]
fn the_references_gradient_is_that_of_the_reference() {
    let shape = Shape::new(2, 3, 4, 3);
    let [x, dy] =
        [1, 2].map(|stream| wide(&fill::reals(shape.elements() as usize, stream, -1.0, 1.0)));
    directional(
        "dx",
        |x| dot(&forward(x, shape, 0.5, 2.0), &dy),
        &x,
        &backward(&x, &dy, shape, 0.5, 2.0),
    );
}
