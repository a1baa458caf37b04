//! resample2d: enlarging by 2 and padding by reflection or replication, forward and adjoint.

use crate::support::{
    self, Case, Lay, assert_close, assert_exact, directional, dot, each, fill, parts, rounding,
    wide,
};
use pixtape::ops::{Enlarge, Padding};
use pixtape::{Shape, Tensor};

#[derive(Clone, Copy, Debug)]
struct Form {
    enlarge: Enlarge,
    padding: Padding,
    pad: u32,
}

impl Form {
    fn record(self, case: &mut Case, x: Tensor) -> pixtape::Result<Tensor> {
        case.tape.resample2d(x, self.enlarge, self.padding, self.pad)
    }

    /// Whether a picture has the pixels that are to be reflected.
    fn fits(self, shape: Shape) -> bool {
        self.padding == Padding::Replicate || self.pad < self.enlarge.scale() * shape.h.min(shape.w)
    }
}

/// Shares of the pixels of a line of `side` in pixel `o` of the enlarged and padded line.
fn line(Form { enlarge, padding, pad }: Form, side: usize, o: usize) -> Vec<(usize, f64)> {
    let last = (enlarge.scale() as usize * side - 1) as i64;
    let at = o as i64 - i64::from(pad);
    let r = match padding {
        Padding::Reflect if at.abs() > last => 2 * last - at.abs(),
        Padding::Reflect => at.abs(),
        Padding::Replicate => at.clamp(0, last),
    } as usize;
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

fn out(s: Shape, Form { enlarge, pad, .. }: Form) -> Shape {
    Shape { h: enlarge.scale() * s.h + 2 * pad, w: enlarge.scale() * s.w + 2 * pad, ..s }
}

/// Calls `f(index of y, index of x, weight)` for every product.
fn products(s: Shape, form: Form, mut f: impl FnMut(usize, usize, f64)) {
    let y = out(s, form);
    let [n, h, w, c, ho, wo] = [s.n, s.h, s.w, s.c.logical(), y.h, y.w].map(|v| v as usize);
    let (rows, columns): (Vec<_>, Vec<_>) =
        ((0..ho).map(|o| line(form, h, o)).collect(), (0..wo).map(|o| line(form, w, o)).collect());
    for (b, (oy, row)) in (0..n).flat_map(|b| rows.iter().enumerate().map(move |r| (b, r))) {
        for ((ox, column), k) in
            columns.iter().enumerate().flat_map(|column| (0..c).map(move |k| (column, k)))
        {
            for ((iy, a), (ix, e)) in row.iter().flat_map(|r| column.iter().map(move |c| (r, c))) {
                f(((b * ho + oy) * wo + ox) * c + k, ((b * h + iy) * w + ix) * c + k, a * e);
            }
        }
    }
}

fn forward(x: &[f64], s: Shape, form: Form) -> Vec<f64> {
    let mut y = vec![0.0; out(s, form).elements() as usize];
    products(s, form, |to, from, weight| y[to] += weight * x[from]);
    y
}

fn backward(dy: &[f64], s: Shape, form: Form) -> Vec<f64> {
    let mut dx = vec![0.0; s.elements() as usize];
    products(s, form, |to, from, weight| dx[from] += weight * dy[to]);
    dx
}

const fn form(enlarge: Enlarge, padding: Padding, pad: u32) -> Form {
    Form { enlarge, padding, pad }
}

const FORMS: [Form; 12] = [
    form(Enlarge::No, Padding::Reflect, 0),
    form(Enlarge::No, Padding::Reflect, 2),
    form(Enlarge::No, Padding::Replicate, 1),
    form(Enlarge::No, Padding::Replicate, 4),
    form(Enlarge::Nearest, Padding::Reflect, 0),
    form(Enlarge::Nearest, Padding::Reflect, 1),
    form(Enlarge::Nearest, Padding::Replicate, 2),
    form(Enlarge::Bilinear, Padding::Reflect, 0),
    form(Enlarge::Bilinear, Padding::Reflect, 1),
    form(Enlarge::Bilinear, Padding::Reflect, 3),
    form(Enlarge::Bilinear, Padding::Replicate, 1),
    form(Enlarge::Bilinear, Padding::Replicate, 3),
];

#[test]
fn values_gradients_and_their_gradients_match_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    let mut check = |shape: Shape, lay: Lay, what: &str| {
        for form in FORMS.into_iter().filter(|form| form.fits(shape)) {
            let what = format!("{what} {form:?}");
            let large = out(shape, form);
            let [x, u] = [1, 2].map(|stream| {
                fill::integers(shape.elements() as usize, stream, 9)
                    .iter()
                    .map(|v| v + 10.0)
                    .collect::<Vec<f32>>()
            });
            let dy: Vec<f32> =
                fill::integers(large.elements() as usize, 3, 9).iter().map(|v| v + 10.0).collect();
            let mut case = Case::new();
            let (tx, tu, tdy) = (
                case.operand("x", shape, &x, lay),
                case.operand("u", shape, &u, lay),
                case.operand("dy", large, &dy, lay),
            );
            let y = form.record(&mut case, tx).unwrap();
            let dx = case.backward(y, tdy, &[tx])[0].unwrap();
            let second = case.backward(dx, tu, &[tdy])[0].unwrap();
            let keep = [case.result(y, lay), case.result(dx, lay), second];
            let done = case.run(gpu, &keep);
            // Sixteenths of integers: exact.
            assert_exact!(done.read(y), forward(&wide(&x), shape, form), "{what} y");
            assert_exact!(done.read(dx), backward(&wide(&dy), shape, form), "{what} dx");
            assert_exact!(
                done.read(second),
                forward(&wide(&u), shape, form),
                "{what} by dy of <u, dx>"
            );
            assert_eq!(
                dot(&wide(&done.read(y)), &wide(&dy)),
                dot(&wide(&x), &wide(&done.read(dx))),
                "{what}: <y, dy> and <x, dx>"
            );
        }
    };
    each("resample2d", &mut check);
    check(Shape::new(1, 2, 2, parts(&[3, 3])), Lay::Dense, "resample2d [1, 2, 2, 3|3]");
}

/// What PyTorch 2.15 gives: `Upsample(scale_factor=2, mode)` then `ReflectionPad2d(1)` of the rows
/// 1 2 3 and 4 8 16; and `ReplicationPad2d(3)` of them, with the gradient of its sum times 0, 1, 2,
/// ….
#[test]
fn a_small_picture_is_enlarged_as_pytorch_does() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 2, 3, 1);
    let mut case = Case::new();
    let x = case.input("x", shape, &[1.0, 2.0, 3.0, 4.0, 8.0, 16.0]);
    let [near, smooth] = [Enlarge::Nearest, Enlarge::Bilinear]
        .map(|e| form(e, Padding::Reflect, 1).record(&mut case, x).unwrap());
    let edge = form(Enlarge::No, Padding::Replicate, 3).record(&mut case, x).unwrap();
    let counted = case.tape.shape(edge);
    let dy =
        case.input("dy", counted, &(0..counted.elements()).map(|i| i as f32).collect::<Vec<_>>());
    let dx = case.backward(edge, dy, &[x])[0].unwrap();
    let done = case.run(gpu, &[near, smooth, edge, dx]);
    let want = include_str!("golden/resample2d.txt");
    for (name, tensor) in
        [("nearest ", near), ("bilinear ", smooth), ("replicate ", edge), ("replicate_dx ", dx)]
    {
        let row = want.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        let row: Vec<f64> = row.split_whitespace().map(|v| v.parse().unwrap()).collect();
        assert_close!(done.read(tensor), row, rounding("resample2d", 4), "{name}");
    }
}

#[test]
fn what_cannot_be_reflected_is_refused_and_the_references_gradient_is_its_own() {
    let mut case = Case::new();
    let x = case.tape.input("x", Shape::new(1, 2, 8, 3));
    assert!(
        form(Enlarge::No, Padding::Reflect, 2)
            .record(&mut case, x)
            .unwrap_err()
            .to_string()
            .contains("reflect fewer than 2")
    );
    assert!(form(Enlarge::Nearest, Padding::Reflect, 3).record(&mut case, x).is_ok());
    assert!(form(Enlarge::No, Padding::Replicate, 7).record(&mut case, x).is_ok());
    assert!(
        form(Enlarge::No, Padding::Replicate, u32::MAX)
            .record(&mut case, x)
            .unwrap_err()
            .to_string()
            .contains("too many")
    );
    let shape = Shape::new(2, 3, 4, 2);
    for form in FORMS {
        let large = out(shape, form);
        let (x, dy) = (
            wide(&fill::reals(shape.elements() as usize, 1, -1.0, 1.0)),
            wide(&fill::reals(large.elements() as usize, 2, -1.0, 1.0)),
        );
        directional("dx", |x| dot(&forward(x, shape, form), &dy), &x, &backward(&dy, shape, form));
    }
}
