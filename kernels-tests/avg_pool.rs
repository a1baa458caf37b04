//! avg_pool: means over windows, forward and adjoint.

use crate::support::{
    self, Case, Lay, assert_close, assert_exact, directional, dot, each, fill, parts, rounding,
    wide,
};
use pixtape::Shape;
use pixtape::ops::{AvgPool2d, Pooling};

const FORMS: [Pooling; 5] = [
    Pooling::HALF,
    Pooling { kernel: 2, stride: 2, pad: 0 },
    Pooling { kernel: 3, stride: 1, pad: 1 },
    Pooling { kernel: 4, stride: 3, pad: 2 },
    // Pixels between the windows.
    Pooling { kernel: 2, stride: 3, pad: 1 },
];

/// Calls `f(index of y, index of x, pixels of the window)` for every pixel of every window.
fn products(s: Shape, form: Pooling, mut f: impl FnMut(usize, usize, f64)) {
    let y = form.out(s).unwrap();
    let [n, h, w, c, ho, wo] = [s.n, s.h, s.w, s.c.logical(), y.h, y.w].map(|v| v as usize);
    let [kernel, stride, pad] = [form.kernel, form.stride, form.pad].map(|v| v as usize);
    let line = |o: usize, side: usize| -> Vec<usize> {
        (0..kernel)
            .filter_map(|k| (o * stride + k).checked_sub(pad))
            .filter(|i| *i < side)
            .collect()
    };
    for at in 0..n * ho * wo {
        let (rows, columns) = (line(at / wo % ho, h), line(at % wo, w));
        let count = (rows.len() * columns.len()) as f64;
        for (r, q) in rows.iter().flat_map(|r| columns.iter().map(move |q| (r, q))) {
            for k in 0..c {
                f(at * c + k, ((at / wo / ho * h + r) * w + q) * c + k, count);
            }
        }
    }
}

fn forward(x: &[f64], s: Shape, form: Pooling) -> Vec<f64> {
    let mut y = vec![0.0; form.out(s).unwrap().elements() as usize];
    products(s, form, |to, from, count| y[to] += x[from] / count);
    y
}

fn backward(dy: &[f64], s: Shape, form: Pooling) -> Vec<f64> {
    let mut dx = vec![0.0; s.elements() as usize];
    products(s, form, |to, from, count| dx[from] += dy[to] / count);
    dx
}

#[test]
fn values_gradients_and_their_gradients_match_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    let mut check = |shape: Shape, lay: Lay, what: &str| {
        for form in FORMS {
            let Some(small) = form.out(shape) else { continue };
            let what = format!("{what} {form:?}");
            let len = shape.elements() as usize;
            let [x, u] = [1, 2].map(|stream| fill::reals(len, stream, 0.5, 2.0));
            let dy = fill::reals(small.elements() as usize, 3, 0.5, 2.0);
            let mut case = Case::new();
            let (tx, tu, tdy) = (
                case.operand("x", shape, &x, lay),
                case.operand("u", shape, &u, lay),
                case.operand("dy", small, &dy, lay),
            );
            let y = case.tape.push_one(AvgPool2d(form), &[tx], small);
            let dx = case.backward(y, tdy, &[tx])[0].unwrap();
            let second = case.backward(dx, tu, &[tdy])[0].unwrap();
            let keep = [case.result(y, lay), case.result(dx, lay), second];
            let done = case.run(gpu, &keep);
            let limit = rounding("avg_pool", (form.kernel * form.kernel) as usize);
            assert_close!(done.read(y), forward(&wide(&x), shape, form), limit, "{what} y");
            assert_close!(done.read(dx), backward(&wide(&dy), shape, form), limit, "{what} dx");
            assert_close!(
                done.read(second),
                forward(&wide(&u), shape, form),
                limit,
                "{what} by dy of <u, dx>"
            );
        }
    };
    each("avg_pool", &mut check);
    check(Shape::new(2, 8, 6, parts(&[3, 3])), Lay::Strided, "avg_pool [2, 8, 6, 3|3]");
}

/// Windows of `HALF` have 9, 6, 4, 3, 2 or 1 pixels: of multiples of 36 all means are whole.
#[test]
fn whole_means_are_exact_and_the_gradient_is_the_adjoint() {
    let Some(gpu) = support::gpu() else { return };
    each("avg_pool", |shape, lay, what| {
        let small = Pooling::HALF.out(shape).unwrap();
        let [x, dy] = [(shape, 1), (small, 2)].map(|(shape, stream)| {
            let numbers = fill::integers(shape.elements() as usize, stream, 50);
            numbers.iter().map(|v| 36.0 * (v + 51.0)).collect::<Vec<f32>>()
        });
        let mut case = Case::new();
        let (tx, tdy) = (case.operand("x", shape, &x, lay), case.operand("dy", small, &dy, lay));
        let y = case.tape.avg_pool2d(tx);
        let dx = case.backward(y, tdy, &[tx])[0].unwrap();
        let keep = [case.result(y, lay), case.result(dx, lay)];
        let done = case.run(gpu, &keep);
        let [x, dy] = [wide(&x), wide(&dy)];
        assert_exact!(done.read(y), forward(&x, shape, Pooling::HALF), "{what} y");
        assert_exact!(done.read(dx), backward(&dy, shape, Pooling::HALF), "{what} dx");
        assert_eq!(
            dot(&wide(&done.read(y)), &dy),
            dot(&x, &wide(&done.read(dx))),
            "{what}: <y, dy> and <x, dx>"
        );
    });
}

#[test]
fn pixels_outside_the_image_do_not_count() {
    let Some(gpu) = support::gpu() else { return };
    let mut case = Case::new();
    let x: Vec<f32> = (1..=12).map(|v| v as f32).collect();
    let x = case.input("x", Shape::new(1, 3, 4, 1), &x);
    let y = case.tape.avg_pool2d(x);
    let quarter = case.tape.avg_pool2d(y);
    let done = case.run(gpu, &[y, quarter]);
    // The corner is (1 + 2 + 5 + 6) / 4, beside it (2 + 3 + 4 + 6 + 7 + 8) / 6.
    assert_eq!(done.read(y), [3.5, 5.0, 7.5, 9.0]);
    assert_eq!(done.read(quarter), [6.25]);
}

#[test]
fn sides_are_halved_and_rounded_up_and_the_references_gradient_is_its_own() {
    let mut case = Case::new();
    for (side, half) in [(1, 1), (2, 1), (3, 2), (4, 2), (129, 65), (512, 256)] {
        let x = case.tape.input("x", Shape::new(1, side, 6, 3));
        let y = case.tape.avg_pool2d(x);
        assert_eq!(case.tape.shape(y), Shape::new(1, half, 3, 3));
    }
    assert_eq!(Pooling { kernel: 5, ..Pooling::HALF }.out(Shape::new(1, 2, 9, 1)), None);
    let shape = Shape::new(2, 3, 4, 2);
    for form in FORMS {
        let small = form.out(shape).unwrap();
        let (x, dy) = (
            wide(&fill::reals(shape.elements() as usize, 1, -1.0, 1.0)),
            wide(&fill::reals(small.elements() as usize, 2, -1.0, 1.0)),
        );
        directional("dx", |x| dot(&forward(x, shape, form), &dy), &x, &backward(&dy, shape, form));
    }
}
