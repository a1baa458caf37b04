//! act: `y = f(x)`, `dx = f'(x) dy`, and the derivative of that for the (leaky) ReLU.

use crate::support::{
    self, Case, Lay, assert_close, assert_exact, directional, each, fill, rounding, wide,
};
use approx::abs_diff_eq;
use pixtape::ops::{Act, ActBackward};
use pixtape::store::Layout;
use pixtape::{Conv, Shape};

const ALL: [Act; 4] = [Act::LeakyRelu(0.2), Act::Relu, Act::Tanh, Act::Sigmoid];

fn value(act: Act, x: f64) -> f64 {
    match act {
        Act::LeakyRelu(slope) if x <= 0.0 => f64::from(slope) * x,
        Act::Relu if x <= 0.0 => 0.0,
        Act::LeakyRelu(_) | Act::Relu => x,
        Act::Tanh => x.tanh(),
        Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

fn slope(act: Act, x: f64) -> f64 {
    match act {
        Act::LeakyRelu(slope) if x <= 0.0 => f64::from(slope),
        Act::Relu if x <= 0.0 => 0.0,
        Act::LeakyRelu(_) | Act::Relu => 1.0,
        Act::Tanh | Act::Sigmoid => slope_at(act, x, value(act, x)),
    }
}

/// The slope from what the kernel is given: the operand, or for tanh and sigmoid the result (near 1
/// its rounding counts for much).
fn slope_at(act: Act, x: f64, y: f64) -> f64 {
    match act {
        Act::Tanh => 1.0 - y * y,
        Act::Sigmoid => y * (1.0 - y),
        Act::LeakyRelu(_) | Act::Relu => slope(act, x),
    }
}

fn name(act: Act) -> String {
    format!("{act:?}").to_lowercase()
}

#[test]
fn forward_and_backward_match_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    for act in ALL {
        each(&name(act), |shape, lay, what| {
            let len = shape.elements() as usize;
            let (x, dy) = (fill::reals(len, 1, 0.25, 2.5), fill::reals(len, 2, -1.0, 1.0));
            // Both signs, but for a single element: ReLU would leave nothing of it.
            let x: Vec<f32> =
                x.iter().enumerate().map(|(i, v)| if i % 3 == 1 { -v } else { *v }).collect();
            let mut case = Case::new();
            let (tx, tdy) =
                (case.operand("x", shape, &x, lay), case.operand("dy", shape, &dy, lay));
            let y = case.tape.act(tx, act);
            let dx = case.backward(y, tdy, &[tx])[0].unwrap();
            let keep = [case.result(y, lay), case.result(dx, lay)];
            let done = case.run(gpu, &keep);
            assert_close!(
                done.read(y),
                wide(&x).iter().map(|x| value(act, *x)).collect::<Vec<_>>(),
                rounding("act", 1),
                "{what} y"
            );
            let saved = wide(&done.read(y));
            let want: Vec<f64> = (0..len)
                .map(|i| slope_at(act, f64::from(x[i]), saved[i]) * f64::from(dy[i]))
                .collect();
            assert_close!(done.read(dx), want, rounding("act", 1), "{what} dx");
        });
    }
}

#[test]
fn relu_is_exact_and_its_kink_is_that_of_pytorch() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 2, 2, 3);
    let x = [-3.0, -1.0, -0.0, 0.0, 1.0, 2.0, -1e-30, 1e-30, -1e30, 1e30, 4.0, 5.0];
    for (act, at_zero) in [(Act::Relu, 0.0), (Act::LeakyRelu(0.25), 0.25)] {
        let mut case = Case::new();
        let (tx, tdy) = (case.input("x", shape, &x), case.input("dy", shape, &[8.0; 12]));
        let y = case.tape.act(tx, act);
        let dx = case.backward(y, tdy, &[tx])[0].unwrap();
        let done = case.run(gpu, &[y, dx]);
        assert_exact!(
            done.read(y),
            wide(&x).iter().map(|x| value(act, *x)).collect::<Vec<_>>(),
            "{}",
            &name(act)
        );
        let dx = done.read(dx);
        assert_eq!(dx[2..4], [8.0 * at_zero; 2], "{act:?}: the slope at 0");
        assert_eq!(dx, x.map(|x| 8.0 * if x > 0.0 { 1.0 } else { at_zero }), "{act:?}");
    }
}

#[test]
fn tanh_and_sigmoid_saturate_without_nan() {
    let Some(gpu) = support::gpu() else { return };
    let x: Vec<f32> =
        vec![-1e30, -100.0, -20.0, -1e-3, -1e-20, 1e-20, 1e-3, 20.0, 100.0, 1e30, 0.0, 0.6250001];
    let shape = Shape::new(1, 3, 1, 4);
    for act in [Act::Tanh, Act::Sigmoid] {
        let mut case = Case::new();
        let (tx, tdy) = (case.input("x", shape, &x), case.input("dy", shape, &[1.0; 12]));
        let y = case.tape.act(tx, act);
        let dx = case.backward(y, tdy, &[tx])[0].unwrap();
        let done = case.run(gpu, &[y, dx]);
        assert_close!(
            done.read(y),
            wide(&x).iter().map(|x| value(act, *x)).collect::<Vec<_>>(),
            rounding("act", 1),
            "{}",
            &name(act)
        );
        assert!(done.read(dx).iter().all(|dx| (0.0..=1.0).contains(dx)), "{act:?}");
    }
    // Near 0 the error has to be small against the value itself.
    let small: Vec<f32> = (1..=64).map(|i| i as f32 * 1e-4).collect();
    let mut case = Case::new();
    let tx = case.input("x", Shape::new(1, 8, 8, 1), &small);
    let y = case.tape.act(tx, Act::Tanh);
    let done = case.run(gpu, &[y]);
    for (y, x) in done.read(y).iter().zip(&small) {
        let (got, want) = (f64::from(*y), f64::from(*x).tanh());
        assert!(abs_diff_eq!(got / want, 1.0, epsilon = 3e-7), "tanh({x}) = {y}");
    }
}

/// A convolution takes the larger of `x` and `slope x` as it loads, which is the activation only up
/// to a slope of 1.
#[test]
fn a_convolution_follows_an_activation_of_any_slope() {
    for gpu in support::families() {
        for factor in [0.25, 2.0] {
            let (act, shape) = (Act::LeakyRelu(factor), Shape::new(1, 5, 7, 8));
            let x = fill::integers(shape.elements() as usize, 1, 4);
            let identity: Vec<f32> = (0..64).map(|i| f32::from(u8::from(i % 9 == 0))).collect();
            let mut case = Case::new();
            let tx = case.input("x", shape, &x);
            let layout = Layout::Conv { ci: 8.into(), co: 8, kernel: 1 };
            let w = case.param("w", layout, &identity);
            let h = case.tape.act(tx, act);
            let y = case.tape.conv2d(h, w.tensor, None, Conv::new(1, 1, 0)).unwrap();
            let done = case.run(gpu, &[y]);
            let want: Vec<f64> = x.iter().map(|x| value(act, f64::from(*x))).collect();
            assert_exact!(done.read(y), want, "{act:?} on {}", gpu.family());
        }
    }
}

#[test]
fn the_derivative_of_a_relu_has_itself_a_derivative_in_dy() {
    let Some(gpu) = support::gpu() else { return };
    for act in [Act::Relu, Act::LeakyRelu(0.25)] {
        let shape = Shape::new(2, 3, 5, 6);
        let [x, dy, u] =
            [1, 2, 3].map(|stream| fill::integers(shape.elements() as usize, stream, 4));
        let mut case = Case::new();
        let [tx, tdy, tu] = [("x", &x), ("dy", &dy), ("u", &u)]
            .map(|(label, v)| case.operand(label, shape, v, Lay::Strided));
        let dx = case.tape.push_one(ActBackward(act), &[tx, tdy], shape);
        let ddy = case.backward(dx, tu, &[tdy])[0].unwrap();
        let done = case.run(gpu, &[ddy]);
        let want: Vec<f64> =
            x.iter().zip(&u).map(|(x, u)| slope(act, f64::from(*x)) * f64::from(*u)).collect();
        assert_exact!(done.read(ddy), want, "{act:?}");
    }
}

#[test]
fn the_references_gradient_is_that_of_the_reference() {
    for act in ALL {
        let x: Vec<f64> = wide(&fill::reals(64, 4, 0.1, 3.0))
            .iter()
            .enumerate()
            .map(|(i, x)| if i % 2 == 0 { *x } else { -x })
            .collect();
        let gradient: Vec<f64> = x.iter().map(|x| slope(act, *x)).collect();
        directional(&name(act), |x| x.iter().map(|x| value(act, *x)).sum(), &x, &gradient);
    }
}
