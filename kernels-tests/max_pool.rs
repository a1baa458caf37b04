//! max_pool: the largest of 2x2 pixels, and the one pixel that its gradient goes to.

use crate::support::{self, Case, Lay, assert_exact, directional, dot, each, fill, parts, wide};
use pixtape::Shape;

fn pooled(s: Shape) -> Shape {
    Shape { h: s.h / 2, w: s.w / 2, ..s }
}

/// The index in x of each element of y. As PyTorch: the first of equal pixels; a NaN replaces
/// what was found before it.
fn places(x: &[f64], s: Shape) -> Vec<usize> {
    let y = pooled(s);
    let [h, w, c, ho, wo] = [s.h, s.w, s.c.logical(), y.h, y.w].map(|v| v as usize);
    (0..y.elements() as usize)
        .map(|at| {
            let (pixel, k) = (at / c, at % c);
            let first = (pixel / wo / ho * h + 2 * (pixel / wo % ho)) * w + 2 * (pixel % wo);
            let window = [first, first + 1, first + w, first + w + 1].map(|pixel| pixel * c + k);
            window.into_iter().reduce(
                |best, i| {
                    if x[i] > x[best] || x[i].is_nan() { i } else { best }
                },
            )
        })
        .map(|place| place.expect("four pixels"))
        .collect()
}

fn forward(x: &[f64], s: Shape) -> Vec<f64> {
    places(x, s).into_iter().map(|place| x[place]).collect()
}

fn backward(x: &[f64], dy: &[f64], s: Shape) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    places(x, s).into_iter().zip(dy).for_each(|(place, dy)| dx[place] += dy);
    dx
}

/// Runs it, and compares values and gradients with the reference, bit for bit.
fn check(shape: Shape, x: &[f32], lay: Lay, what: &str) {
    let Some(gpu) = support::gpu() else { return };
    let small = pooled(shape);
    let dy: Vec<f32> =
        fill::integers(small.elements() as usize, 2, 9).iter().map(|v| v + 10.0).collect();
    let mut case = Case::new();
    let (tx, tdy) = (case.operand("x", shape, x, lay), case.operand("dy", small, &dy, lay));
    let y = case.tape.max_pool2d(tx).unwrap();
    let dx = case.backward(y, tdy, &[tx])[0].unwrap();
    let keep = [case.result(y, lay), case.result(dx, lay)];
    let done = case.run(gpu, &keep);
    assert_exact!(done.read(y), forward(&wide(x), shape), "{what} y");
    let want = backward(&wide(x), &wide(&dy), shape);
    // At most one pixel of four has a gradient: the comparer would not trust so many zeros.
    assert_eq!(wide(&done.read(dx)), want, "{what} dx");
    assert!(10 * want.iter().filter(|v| **v != 0.0).count() >= want.len(), "{what}: badly chosen");
}

#[test]
fn values_and_gradients_match_the_reference() {
    each("max_pool", |shape, lay, what| {
        if shape.h == 1 || shape.w == 1 {
            return;
        }
        let len = shape.elements() as usize;
        check(shape, &fill::reals(len, 1, -1.0, 1.0), lay, what);
        // Many are equal; none is 0, or y would be.
        let few: Vec<f32> = fill::integers(len, 1, 1).iter().map(|v| v - 2.0).collect();
        check(shape, &few, lay, &format!("{what}, few values"));
    });
    let shape = Shape::new(2, 8, 6, parts(&[3, 3]));
    check(shape, &fill::reals(shape.elements() as usize, 3, -9.0, -1.0), Lay::Strided, "3|3");
}

/// As PyTorch: the first of equal ones, infinity as any number, NaN above all, the last of several.
#[test]
fn one_pixel_of_equal_ones_has_the_gradient() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 3, 11, 1);
    let (low, nan) = (f32::NEG_INFINITY, f32::NAN);
    #[rustfmt::skip]
    let x = [
        5.0, 5.0,  1.0, 2.0,  low, low,  0.0, -0.0,  1.0, nan,  9.0,
        5.0, 5.0,  2.0, 2.0,  low, low, -0.0,  0.0,  nan, 7.0,  9.0,
        9.0, 9.0,  9.0, 9.0,  9.0, 9.0,  9.0,  9.0,  9.0, 9.0,  9.0,
    ];
    let mut case = Case::new();
    let tx = case.input("x", shape, &x);
    let dy = case.input("dy", pooled(shape), &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let y = case.tape.max_pool2d(tx).unwrap();
    let dx = case.backward(y, dy, &[tx])[0].unwrap();
    let done = case.prepare(gpu, &[y, dx]);
    // Not as a checked step, which refuses what is not finite.
    done.program.submit(0..done.program.dispatch_count()).unwrap();
    let got = done.read(y);
    assert_eq!(got[..4], [5.0, 2.0, low, 0.0]);
    assert!(got[4].is_nan());
    let mut want = [0.0; 33];
    for (place, value) in [(0, 1.0), (3, 2.0), (4, 3.0), (6, 4.0), (19, 5.0)] {
        want[place] = value;
    }
    assert_eq!(done.read(dx), want);
}

#[test]
fn what_is_too_small_is_refused_and_the_references_gradient_is_its_own() {
    let mut case = Case::new();
    let x = case.tape.input("x", Shape::new(1, 1, 8, 3));
    let error = case.tape.max_pool2d(x).unwrap_err().to_string();
    assert!(error.contains("1x8 pixels have no window"), "{error}");
    let shape = Shape::new(2, 5, 4, 2);
    let (x, dy) = (
        wide(&fill::reals(shape.elements() as usize, 1, -1.0, 1.0)),
        wide(&fill::reals(pooled(shape).elements() as usize, 2, -1.0, 1.0)),
    );
    directional("dx", |x| dot(&forward(x, shape), &dy), &x, &backward(&x, &dy, shape));
}
