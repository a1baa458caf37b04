//! resample2d: enlarging by 2 and padding by reflection, forward and adjoint.

use crate::support::{self, Case, Lay, close, directional, dot, each, exact, fill, parts, wide};
use pixtape::Shape;
use pixtape::ops::Enlarge;

/// Shares of the pixels of a line of `side` in pixel `o` of the enlarged and padded line.
fn line(enlarge: Enlarge, pad: u32, side: usize, o: usize) -> Vec<(usize, f64)> {
    let m = enlarge.scale() as usize * side;
    let mut r = (o as i64 - i64::from(pad)).unsigned_abs() as usize;
    if r > m - 1 {
        r = 2 * (m - 1) - r;
    }
    match enlarge {
        Enlarge::No => vec![(r, 1.0)],
        Enlarge::Nearest => vec![(r / 2, 1.0)],
        Enlarge::Bilinear => {
            // The centre of the pixel in the smaller picture, kept inside.
            let at = ((r as f64 + 0.5) / 2.0 - 0.5).max(0.0);
            let (low, share) = (at.floor() as usize, at.fract());
            vec![(low, 1.0 - share), ((low + 1).min(side - 1), share)]
        }
    }
}

fn out(s: Shape, enlarge: Enlarge, pad: u32) -> Shape {
    Shape { h: enlarge.scale() * s.h + 2 * pad, w: enlarge.scale() * s.w + 2 * pad, ..s }
}

/// Calls `f(index of y, index of x, weight)` for every product.
fn products(s: Shape, enlarge: Enlarge, pad: u32, mut f: impl FnMut(usize, usize, f64)) {
    let y = out(s, enlarge, pad);
    let [n, h, w, c, ho, wo] = [s.n, s.h, s.w, s.c.logical(), y.h, y.w].map(|v| v as usize);
    let (rows, columns): (Vec<_>, Vec<_>) = ((0..ho).map(|o| line(enlarge, pad, h, o)).collect(), (0..wo).map(|o| line(enlarge, pad, w, o)).collect());
    for (b, (oy, row)) in (0..n).flat_map(|b| rows.iter().enumerate().map(move |r| (b, r))) {
        for ((ox, column), k) in columns.iter().enumerate().flat_map(|column| (0..c).map(move |k| (column, k))) {
            for ((iy, a), (ix, e)) in row.iter().flat_map(|r| column.iter().map(move |c| (r, c))) {
                f(((b * ho + oy) * wo + ox) * c + k, ((b * h + iy) * w + ix) * c + k, a * e);
            }
        }
    }
}

fn forward(x: &[f64], s: Shape, enlarge: Enlarge, pad: u32) -> Vec<f64> {
    let mut y = vec![0.0; out(s, enlarge, pad).elements() as usize];
    products(s, enlarge, pad, |to, from, weight| y[to] += weight * x[from]);
    y
}

fn backward(dy: &[f64], s: Shape, enlarge: Enlarge, pad: u32) -> Vec<f64> {
    let mut dx = vec![0.0; s.elements() as usize];
    products(s, enlarge, pad, |to, from, weight| dx[from] += weight * dy[to]);
    dx
}

const FORMS: [(Enlarge, u32); 7] =
    [(Enlarge::No, 0), (Enlarge::No, 2), (Enlarge::Nearest, 0), (Enlarge::Nearest, 1), (Enlarge::Bilinear, 0), (Enlarge::Bilinear, 1), (Enlarge::Bilinear, 3)];

#[test]
fn values_gradients_and_their_gradients_match_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    let mut check = |shape: Shape, lay: Lay, what: &str| {
        for (enlarge, pad) in FORMS.into_iter().filter(|(e, pad)| *pad < e.scale() * shape.h.min(shape.w)) {
            let what = format!("{what} {enlarge:?} pad {pad}");
            let large = out(shape, enlarge, pad);
            let [x, u] = [1, 2].map(|stream| fill::integers(shape.elements() as usize, stream, 9).iter().map(|v| v + 10.0).collect::<Vec<f32>>());
            let dy: Vec<f32> = fill::integers(large.elements() as usize, 3, 9).iter().map(|v| v + 10.0).collect();
            let mut case = Case::new();
            let (tx, tu, tdy) = (case.operand("x", shape, &x, lay), case.operand("u", shape, &u, lay), case.operand("dy", large, &dy, lay));
            let y = case.tape.resample2d(tx, enlarge, pad).unwrap();
            let dx = case.backward(y, tdy, &[tx])[0].unwrap();
            let second = case.backward(dx, tu, &[tdy])[0].unwrap();
            let keep = [case.result(y, lay), case.result(dx, lay), second];
            let done = case.run(gpu, &keep);
            // Sixteenths of integers: exact.
            exact(&format!("{what} y"), &done.read(y), &forward(&wide(&x), shape, enlarge, pad));
            exact(&format!("{what} dx"), &done.read(dx), &backward(&wide(&dy), shape, enlarge, pad));
            exact(&format!("{what} by dy of <u, dx>"), &done.read(second), &forward(&wide(&u), shape, enlarge, pad));
            assert_eq!(dot(&wide(&done.read(y)), &wide(&dy)), dot(&wide(&x), &wide(&done.read(dx))), "{what}: <y, dy> and <x, dx>");
        }
    };
    each("resample2d", &mut check);
    check(Shape::new(1, 2, 2, parts(&[3, 3])), Lay::Dense, "resample2d [1, 2, 2, 3|3]");
}

/// What PyTorch 2.15 gives: `Upsample(scale_factor=2, mode)` then `ReflectionPad2d(1)` of the rows 1 2 3 and 4 8 16.
#[test]
fn a_small_picture_is_enlarged_as_pytorch_does() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 2, 3, 1);
    let mut case = Case::new();
    let x = case.input("x", shape, &[1.0, 2.0, 3.0, 4.0, 8.0, 16.0]);
    let [near, smooth] = [Enlarge::Nearest, Enlarge::Bilinear].map(|e| case.tape.resample2d(x, e, 1).unwrap());
    let done = case.run(gpu, &[near, smooth]);
    let want = include_str!("golden/resample2d.txt");
    for (name, tensor) in [("nearest", near), ("bilinear", smooth)] {
        let row = want.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        let row: Vec<f64> = row.split_whitespace().map(|v| v.parse().unwrap()).collect();
        close("resample2d", name, 4, &done.read(tensor), &row);
    }
}

#[test]
fn what_cannot_be_reflected_is_refused_and_the_references_gradient_is_its_own() {
    let mut case = Case::new();
    let x = case.tape.input("x", Shape::new(1, 2, 8, 3));
    assert!(case.tape.resample2d(x, Enlarge::No, 2).unwrap_err().to_string().contains("reflect fewer than 2"));
    assert!(case.tape.resample2d(x, Enlarge::Nearest, 3).is_ok());
    let shape = Shape::new(2, 3, 4, 2);
    for (enlarge, pad) in FORMS {
        let large = out(shape, enlarge, pad);
        let (x, dy) = (wide(&fill::reals(shape.elements() as usize, 1, -1.0, 1.0)), wide(&fill::reals(large.elements() as usize, 2, -1.0, 1.0)));
        directional("dx", |x| dot(&forward(x, shape, enlarge, pad), &dy), &x, &backward(&dy, shape, enlarge, pad));
    }
}
