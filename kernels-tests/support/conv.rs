//! What the tests of conv2d and conv_transpose2d share: the two differ in the products that make up
//! a result, and in the layout of the weight.

use super::compare::{difference, inequality};
use super::{
    Case, Done, Lay, assert_close, assert_exact, directional, dot, fill, rounding, trust, wide,
};
use pixtape::gpu::Family;
use pixtape::ops::{Convolution, Method, Of, Pass, Tuning};
use pixtape::store::Layout;
use pixtape::{Channels, Conv, Gpu, Shape, Tensor};
use std::fmt;

/// Calls its last argument with the indices `(y, x, w)` of every product of a case, all in public
/// order.
pub type Products = fn(&ConvCase, &mut dyn FnMut(usize, usize, usize));

/// Prints as `conv2d n1 h17 w19 ci3|3 co8 k4 s2 p1 bias`.
#[derive(Clone, Copy)]
pub struct ConvCase {
    pub n: u32,
    pub h: u32,
    pub w: u32,
    pub ci: Channels,
    pub co: u32,
    pub conv: Conv,
    pub bias: bool,
    pub transposed: bool,
    pub products: Products,
}

impl fmt::Display for ConvCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, bias) = (self.op(), if self.bias { " bias" } else { "" });
        write!(
            f,
            "{op} n{} h{} w{} ci{} co{} {}{bias}",
            self.n, self.h, self.w, self.ci, self.co, self.conv
        )
    }
}

impl ConvCase {
    pub fn op(&self) -> &'static str {
        if self.transposed { "conv_transpose2d" } else { "conv2d" }
    }

    /// Side of the output.
    pub fn out(&self, side: u32) -> u32 {
        if self.transposed { self.conv.transposed_out(side) } else { self.conv.out(side) }
            .expect("the case fits")
    }

    pub fn x(&self) -> Shape {
        Shape::new(self.n, self.h, self.w, self.ci)
    }

    pub fn y(&self) -> Shape {
        Shape::new(self.n, self.out(self.h), self.out(self.w), self.co)
    }

    pub fn layout(&self) -> Layout {
        let (ci, co, kernel) = (self.ci, self.co, self.conv.kernel);
        if self.transposed {
            Layout::ConvTranspose { ci, co, kernel }
        } else {
            Layout::Conv { ci, co, kernel }
        }
    }

    pub fn forward(&self, x: &[f64], w: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
        let mut y: Vec<f64> = (0..self.y().elements() as usize)
            .map(|i| bias.map_or(0.0, |b| b[i % self.co as usize]))
            .collect();
        (self.products)(self, &mut |at, i, k| y[at] += x[i] * w[k]);
        y
    }

    pub fn backward_x(&self, dy: &[f64], w: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; self.x().elements() as usize];
        (self.products)(self, &mut |at, i, k| dx[i] += dy[at] * w[k]);
        dx
    }

    pub fn backward_w(&self, x: &[f64], dy: &[f64]) -> Vec<f64> {
        let mut dw = vec![0.0; self.layout().elements()];
        (self.products)(self, &mut |at, i, k| dw[k] += x[i] * dy[at]);
        dw
    }

    pub fn backward_bias(&self, dy: &[f64]) -> Vec<f64> {
        let co = self.co as usize;
        (0..co).map(|o| dy.iter().skip(o).step_by(co).sum()).collect()
    }

    /// `y`, `dx` and `dw` in single precision, added up as the kernels do.
    fn in_order(&self, x: &[f32], w: &[f32], dy: &[f32], fused: bool) -> [Vec<f32>; 3] {
        let (ci, co) = (self.ci.logical() as usize, self.co as usize);
        let taps = self.conv.taps() as usize;
        let mut sums = [x, w, dy].map(|v| vec![Vec::new(); v.len()]);
        (self.products)(self, &mut |at, i, k| {
            let anchor = if self.transposed { i / ci } else { at / co };
            sums[2][at].push(((k % taps, i % ci), x[i], w[k]));
            sums[0][i].push(((k % taps, at % co), dy[at], w[k]));
            sums[1][k].push(((anchor, 0), x[i], dy[at]));
        });
        let [dx, dw, y] = sums.map(|of| {
            of.into_iter()
                .map(|mut terms| {
                    terms.sort_by_key(|term| term.0);
                    let add = |sum: f32, &(_, a, b): &(_, f32, f32)| {
                        if fused { a.mul_add(b, sum) } else { a * b + sum }
                    };
                    terms.iter().fold(0.0, add)
                })
                .collect()
        });
        [y, dx, dw]
    }

    fn record(&self, case: &mut Case, x: Tensor, w: Tensor, bias: Option<Tensor>) -> Tensor {
        if self.transposed {
            case.tape.conv_transpose2d(x, w, bias, self.conv)
        } else {
            case.tape.conv2d(x, w, bias, self.conv)
        }
        .unwrap()
    }

    fn record_dx(&self, case: &mut Case, dy: Tensor, w: Tensor) -> Tensor {
        case.tape.push_one(self.gradient(Of::Input), &[dy, w], self.x())
    }

    fn record_dw(&self, case: &mut Case, x: Tensor, dy: Tensor) -> Tensor {
        case.tape.push_one(self.gradient(Of::Weight), &[x, dy], self.layout().shape())
    }

    fn gradient(&self, of: Of) -> Convolution {
        Convolution::new(Pass { transposed: self.transposed, of }, self.conv)
    }
}

/// Forward and every gradient. On integers bit for bit, else up to rounding.
pub fn check(gpu: &Gpu, c: &ConvCase, lay: Lay, integers: bool) {
    check_tuned(gpu, c, lay, integers, None);
}

/// The same with variants of one's own.
pub fn check_tuned(gpu: &Gpu, c: &ConvCase, lay: Lay, integers: bool, tuning: Option<Tuning>) {
    let tuned = tuning.is_some();
    let what = format!("{c} {lay:?} on {}{}", gpu.family(), if integers { "" } else { ", reals" });
    let draw = |len: usize, stream| {
        if integers { fill::integers(len, stream, 2) } else { fill::reals(len, stream, -1.0, 1.0) }
    };
    let (x, dy) = (draw(c.x().elements() as usize, 1), draw(c.y().elements() as usize, 2));
    let (w, b) = (draw(c.layout().elements(), 3), fill::integers(c.co as usize, 4, 2));
    let mut case = Case::new();
    case.tuning = tuning;
    let (tx, tdy) = (case.operand("x", c.x(), &x, lay), case.operand("dy", c.y(), &dy, lay));
    let tw = case.param("w", c.layout(), &w);
    let tb = c.bias.then(|| case.param("bias", Layout::Vector(c.co.into()), &b));
    let y = c.record(&mut case, tx, tw.tensor, tb.as_ref().map(|b| b.tensor));
    let wrt: Vec<_> = [tx, tw.tensor].into_iter().chain(tb.as_ref().map(|b| b.tensor)).collect();
    let dx = case.backward(y, tdy, &wrt)[0].unwrap();
    let keep = [case.result(y, lay), case.result(dx, lay)];
    let done = case.run(gpu, &keep);
    let row = done.filtered();
    let exact = integers && row.is_none();
    let op = row.unwrap_or(c.op());
    let what = if tuned { format!("{what}, {}", variants(&done)) } else { what };
    let [x, dy, w, b] = [x, dy, w, b].map(|v| wide(&v));
    let (ci, co, taps) = (c.ci.logical() as usize, c.co as usize, c.conv.taps() as usize);
    let [mut anchors, pixels] = [c.x(), c.y()].map(|s| s.pixels() as usize);
    if !c.transposed {
        anchors = pixels;
    }
    // `ones` is the same result for operands of ones: 0 where no product reaches, as most of the
    // weight where the picture is a pixel.
    let hold = |name: &str, k: usize, got: &[f32], want: &[f64], ones: &[f64]| {
        let wrong = if exact { inequality(got, want) } else { difference(op, k, got, want) };
        assert!(wrong.is_none(), "{what} {name}: {}", wrong.unwrap_or_default());
        trust(
            &format!("{what} {name}"),
            &want
                .iter()
                .zip(ones)
                .filter(|(_, one)| **one != 0.0)
                .map(|(want, _)| *want)
                .collect::<Vec<_>>(),
        );
    };
    let [x1, dy1, w1] = [&x, &dy, &w].map(|v| vec![1.0; v.len()]);
    hold(
        "y",
        ci * taps,
        &done.read(y),
        &c.forward(&x, &w, c.bias.then_some(&b)),
        &c.forward(&x1, &w1, None),
    );
    hold("dx", co * taps, &done.read(dx), &c.backward_x(&dy, &w), &c.backward_x(&dy1, &w1));
    hold("dw", anchors, &done.gradient(&tw), &c.backward_w(&x, &dy), &c.backward_w(&x1, &dy1));
    assert!(done.padding_is_zero(&tw), "{what}: padding of dw");
    if let Some(tb) = &tb {
        hold("db", pixels, &done.gradient(tb), &c.backward_bias(&dy), &c.backward_bias(&dy1));
    }
    if exact && !c.bias {
        let (left, right) = (dot(&wide(&done.read(y)), &dy), dot(&x, &wide(&done.read(dx))));
        assert_eq!(left, right, "{what}: <y, dy> and <x, dx>");
    }
}

/// The variants a case ran with.
fn variants(done: &Done) -> String {
    done.program
        .plan()
        .nodes()
        .iter()
        .filter_map(|n| n.variant())
        .map(|v| v.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Every variant that is worth measuring on a family's devices, forced, on every case: reals, and
/// integers bit for bit where the method allows it.
pub fn check_variants(family: Family, cases: &[ConvCase]) {
    let Some(gpu) = super::gpu().and_then(|_| super::family(family)) else { return };
    let wishes: &[&str] = match gpu.family() {
        Family::Subgroup(_) => {
            &["subgroup8x8", "subgroup8x16", "subgroup8x32", "subgroup8x16 split3", "register1"]
        }
        Family::Register => &["register1", "register2", "register4", "register4 split3"],
        Family::Workgroup => &[
            "workgroup32",
            "workgroup64 split3",
            "workgroup128x64 split2",
            "workgroup128",
            "gemv4",
            "gemv8 split2",
            "narrow split2",
        ],
    };
    for wish in wishes {
        // Tiles for few rows or columns are of the direct method only.
        let direct_only = wish.starts_with("gemv") || wish.starts_with("narrow");
        for method in Method::ALL.into_iter().filter(|m| !direct_only || *m == Method::Direct) {
            for (at, c) in cases.iter().enumerate() {
                let tuning =
                    Tuning::rule(gpu.family()).force(format!("{method} {wish}").parse().unwrap());
                let lay = if at % 2 == 0 { Lay::Strided } else { Lay::Dense };
                check_tuned(gpu, c, lay, method.is_exact(), Some(tuning));
            }
        }
    }
}

/// The order in which a workgroup's tile adds up, bit for bit: tap by tap and channel by channel
/// (of a weight's gradient pixel by pixel), `acc = fma(a, b, acc)` from zero. A device may round
/// the product of its `fma`; then it does so everywhere.
pub fn check_order(tiles: &[&str], cases: &[ConvCase]) {
    let Some(gpu) = super::gpu().and_then(|_| super::family(Family::Workgroup)) else { return };
    for c in cases {
        let draw = |len: usize, stream| fill::reals(len, stream, -1.0, 1.0);
        let (x, dy) = (draw(c.x().elements() as usize, 1), draw(c.y().elements() as usize, 2));
        let w = draw(c.layout().elements(), 3);
        let wants = [true, false].map(|fused| c.in_order(&x, &w, &dy, fused));
        for tile in tiles {
            let parts = format!("direct {tile} split1").parse().unwrap();
            let mut case = Case::new();
            case.tuning = Some(Tuning::rule(gpu.family()).force(parts));
            let (tx, tdy) = (case.input("x", c.x(), &x), case.input("dy", c.y(), &dy));
            let tw = case.param("w", c.layout(), &w);
            let y = c.record(&mut case, tx, tw.tensor, None);
            let dx = case.backward(y, tdy, &[tx, tw.tensor])[0].unwrap();
            let done = case.run(gpu, &[y, dx]);
            let got = [done.read(y), done.read(dx), done.gradient(&tw)];
            let equal = |want: &[Vec<f32>; 3]| {
                (0..3)
                    .map(|i| got[i].iter().zip(&want[i]).filter(|(a, b)| a == b).count())
                    .collect()
            };
            let [fused, rounded]: [Vec<usize>; 2] = [equal(&wants[0]), equal(&wants[1])];
            let all: Vec<usize> = got.iter().map(Vec::len).collect();
            assert!(
                fused == all || rounded == all,
                "{c}, {tile}: of {all:?} elements of y, dx, dw {fused:?} are those of the order \
                 (with rounded products: {rounded:?})"
            );
        }
    }
}

/// Everything for one family of tiles: pipelines are compiled once a process, so one test takes all
/// cases.
pub fn check_family(
    family: Family,
    cases: &[ConvCase],
    large: &[ConvCase],
    twice: &[ConvCase; 2],
    second: &ConvCase,
) {
    if super::gpu().is_none() {
        return;
    }
    let Some(gpu) = super::family(family) else {
        super::device::skipped("no subgroups of a fixed size on this adapter");
        return;
    };
    for (at, c) in cases.iter().enumerate() {
        for lay in [Lay::Dense, Lay::Strided] {
            check(gpu, c, lay, true);
        }
        if at % 3 == 0 {
            check(gpu, c, Lay::Strided, false);
        }
    }
    for c in large {
        check(gpu, c, Lay::Dense, true);
    }
    check_twice(gpu, twice);
    check_second(gpu, second);
}

/// Equal, or close where the variants at work are not exact on integers.
#[track_caller]
fn hold(done: &Done, what: &str, got: &[f32], want: &[f64]) {
    match done.filtered() {
        None => assert_exact!(got, want, "{what}"),
        Some(row) => assert_close!(got, want, rounding(row, 64), "{what}"),
    }
}

/// One weight at two places of a tape, at different sizes: its gradient is the sum.
fn check_twice(gpu: &Gpu, both: &[ConvCase; 2]) {
    let co = both[0].co as usize;
    let mut case = Case::new();
    let w = fill::integers(both[0].layout().elements(), 1, 2);
    let (tw, tb) = (
        case.param("w", both[0].layout(), &w),
        case.param("b", Layout::Vector(both[0].co.into()), &vec![1.0; co]),
    );
    let (mut seeds, mut dw, mut db) = (Vec::new(), vec![0.0; w.len()], vec![0.0; co]);
    for (stream, c) in (2..).zip(both) {
        let (x, dy) = (
            fill::integers(c.x().elements() as usize, stream, 2),
            fill::integers(c.y().elements() as usize, stream + 10, 2),
        );
        let (tx, tdy) = (case.input("x", c.x(), &x), case.input("dy", c.y(), &dy));
        seeds.push((c.record(&mut case, tx, tw.tensor, Some(tb.tensor)), tdy));
        dw.iter_mut().zip(c.backward_w(&wide(&x), &wide(&dy))).for_each(|(sum, v)| *sum += v);
        db.iter_mut().zip(c.backward_bias(&wide(&dy))).for_each(|(sum, v)| *sum += v);
    }
    case.backward_all(&seeds, &[tw.tensor, tb.tensor]);
    let done = case.run(gpu, &[]);
    let what = format!("{} twice on {}", both[0].op(), gpu.family());
    hold(&done, &format!("{what} dw"), &done.gradient(&tw), &dw);
    assert_exact!(done.gradient(&tb), db, "{what} db");
    assert!(done.padding_is_zero(&tw) && done.padding_is_zero(&tb), "{what}");
}

/// Derivatives of the derivatives: linear in each operand, so they are convolutions again. Weights
/// come as a host tensor here.
fn check_second(gpu: &Gpu, c: &ConvCase) {
    let [x, u] = [1, 2].map(|s| fill::integers(c.x().elements() as usize, s, 2));
    let dy = fill::integers(c.y().elements() as usize, 3, 2);
    let [w, v] = [4, 5].map(|s| fill::integers(c.layout().elements(), s, 2));
    // No padding here: a host tensor's logical order is that of the device, [tap][ci][co].
    let on_device = |w: &[f32]| {
        let mut device = vec![0.0; w.len()];
        c.layout().places().iter().zip(w).for_each(|(place, w)| device[*place as usize] = *w);
        device
    };
    let public = |done: &Done, t| {
        let device = done.read(t);
        c.layout().places().iter().map(|place| device[*place as usize]).collect::<Vec<f32>>()
    };
    let mut case = Case::new();
    let (tx, tu, tdy) =
        (case.input("x", c.x(), &x), case.input("u", c.x(), &u), case.input("dy", c.y(), &dy));
    let shape = c.layout().shape();
    let (tw, tv) = (case.input("w", shape, &on_device(&w)), case.input("v", shape, &on_device(&v)));
    let dx = c.record_dx(&mut case, tdy, tw);
    let of_dx: Vec<_> = case.backward(dx, tu, &[tdy, tw]).into_iter().flatten().collect();
    let dw = c.record_dw(&mut case, tx, tdy);
    let of_dw: Vec<_> = case.backward(dw, tv, &[tx, tdy]).into_iter().flatten().collect();
    let done = case.run(gpu, &[of_dx[0], of_dx[1], of_dw[0], of_dw[1]]);
    let [x, u, dy, w, v] = [x, u, dy, w, v].map(|v| wide(&v));
    hold(&done, "dx by dy", &done.read(of_dx[0]), &c.forward(&u, &w, None));
    hold(&done, "dx by w", &public(&done, of_dx[1]), &c.backward_w(&u, &dy));
    hold(&done, "dw by x", &done.read(of_dw[0]), &c.backward_x(&dy, &v));
    hold(&done, "dw by dy", &done.read(of_dw[1]), &c.forward(&x, &v, None));
}

/// The reference's gradients against differences of its values.
pub fn check_reference(c: &ConvCase) {
    let draw = |len: usize, stream| wide(&fill::reals(len, stream, -1.0, 1.0));
    let [x, dy] =
        [(c.x(), 1), (c.y(), 2)].map(|(shape, stream)| draw(shape.elements() as usize, stream));
    let (w, b) = (draw(c.layout().elements(), 3), draw(c.co as usize, 4));
    directional("dx", |x| dot(&c.forward(x, &w, Some(&b)), &dy), &x, &c.backward_x(&dy, &w));
    directional("dw", |w| dot(&c.forward(&x, w, Some(&b)), &dy), &w, &c.backward_w(&x, &dy));
    directional("db", |b| dot(&c.forward(&x, &w, Some(b)), &dy), &b, &c.backward_bias(&dy));
}
