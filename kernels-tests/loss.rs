//! Losses: binary cross-entropy of logits, squared error, absolute error, hinge, squared error of
//! roots; values and gradients.

use crate::support::{
    self, Case, Lay, assert_close, directional, each, fill, parts, rounding, wide,
};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use pixtape::ops::LossKind;
use pixtape::{Gpu, Shape, Tensor};

fn value(kind: LossKind, x: f64, t: f64) -> f64 {
    match kind {
        LossKind::BceLogits => x.max(0.0) - x * t + (-x.abs()).exp().ln_1p(),
        LossKind::Mse => (x - t) * (x - t),
        LossKind::L1 => (x - t).abs(),
        LossKind::Hinge => (1.0 - t * x).max(0.0),
        LossKind::Root => (x.sqrt() - t).powi(2),
    }
}

fn slope(kind: LossKind, x: f64, t: f64) -> f64 {
    match kind {
        LossKind::BceLogits => 1.0 / (1.0 + (-x).exp()) - t,
        LossKind::Mse => 2.0 * (x - t),
        LossKind::L1 if x == t => 0.0,
        LossKind::L1 => (x - t).signum(),
        LossKind::Hinge if t * x < 1.0 => -t,
        LossKind::Hinge => 0.0,
        LossKind::Root => 1.0 - t / x.sqrt(),
    }
}

fn mean(kind: LossKind, x: &[f64], t: &[f64]) -> f64 {
    x.iter().zip(t).map(|(x, t)| value(kind, *x, *t)).sum::<f64>() / x.len() as f64
}

fn record(case: &mut Case, kind: LossKind, x: Tensor, y: Option<Tensor>, target: f32) -> Tensor {
    match (kind, y) {
        (LossKind::BceLogits, None) => case.tape.bce_with_logits(x, target),
        (LossKind::Mse, None) => case.tape.mse(x, target),
        (LossKind::Mse, Some(y)) => case.tape.mse_between(x, y).unwrap(),
        (LossKind::Hinge, None) => case.tape.hinge(x, target),
        (LossKind::Root, None) => case.tape.norm_penalty(x, target),
        (LossKind::L1, Some(y)) => case.tape.l1(x, y).unwrap(),
        other => panic!("{other:?} cannot be recorded"),
    }
}

const FORMS: [(LossKind, Option<f32>); 8] = [
    (LossKind::BceLogits, Some(1.0)),
    (LossKind::BceLogits, Some(0.0)),
    (LossKind::Mse, Some(1.0)),
    (LossKind::Mse, Some(0.9)),
    (LossKind::Mse, None),
    (LossKind::L1, None),
    (LossKind::Hinge, Some(1.0)),
    (LossKind::Hinge, Some(-1.0)),
];

#[test]
fn values_and_gradients_match_the_reference() {
    support::reducers().into_iter().for_each(values_and_gradients);
}

fn values_and_gradients(gpu: &Gpu) {
    let mut check = |shape: Shape, lay, what: &str| {
        let what = &format!("{what} on {}", gpu.family());
        let len = shape.elements() as usize;
        let (x, y) = (fill::reals(len, 1, -4.0, 4.0), fill::reals(len, 2, -1.0, 1.0));
        let mut case = Case::new();
        let (tx, ty) = (case.operand("x", shape, &x, lay), case.operand("y", shape, &y, lay));
        let mut made = Vec::new();
        let mut keep = Vec::new();
        for (kind, target) in FORMS {
            let other = if target.is_none() { Some(ty) } else { None };
            let loss = record(&mut case, kind, tx, other, target.unwrap_or(0.0));
            // Scaled, as lambda scales the L1 loss: the seed of the gradient is not 1.
            let scaled = case.tape.scale(loss, -3.0);
            let wrt: Vec<Tensor> = [tx].into_iter().chain(other).collect();
            let gradients: Vec<Tensor> =
                case.tape.backward(&[scaled], &wrt).unwrap().into_iter().flatten().collect();
            keep.push(loss);
            keep.extend(gradients.iter().map(|g| case.result(*g, lay)));
            made.push((kind, target, loss, gradients));
        }
        let done = case.run(gpu, &keep);
        for (kind, target, loss, gradients) in made {
            let what = format!("{what} {kind:?} {target:?}");
            let goal: Vec<f64> = target.map_or_else(|| wide(&y), |t| vec![f64::from(t); len]);
            assert_close!(
                done.read(loss),
                [mean(kind, &wide(&x), &goal)],
                rounding("loss", len),
                "{what}"
            );
            let dx: Vec<f64> = wide(&x)
                .iter()
                .zip(&goal)
                .map(|(x, t)| -3.0 / len as f64 * slope(kind, *x, *t))
                .collect();
            assert_close!(done.read(gradients[0]), dx, rounding("loss", 1), "{what} dx");
            if let Some(dy) = gradients.get(1) {
                assert_close!(
                    done.read(*dy),
                    dx.iter().map(|v| -v).collect::<Vec<_>>(),
                    rounding("loss", 1),
                    "{what} dy"
                );
            }
        }
    };
    each("loss", &mut check);
    check(Shape::new(1, 64, 65, parts(&[3, 3])), Lay::Strided, "loss [1, 64, 65, 3|3]");
}

#[test]
fn roots_of_norms_have_their_slope_and_a_norm_of_zero_a_finite_one() {
    for gpu in support::reducers() {
        for shape in [
            Shape::new(3, 1, 1, 1),
            Shape::new(1, 17, 19, 6),
            Shape::new(1, 64, 65, parts(&[3, 3])),
        ] {
            let len = shape.elements() as usize;
            let x = fill::reals(len, 1, 1e-3, 9.0);
            let mut case = Case::new();
            let tx = case.input("x", shape, &x);
            let loss = case.tape.norm_penalty(tx, 1.0);
            let dx = case.tape.backward(&[loss], &[tx]).unwrap()[0].unwrap();
            let done = case.run(gpu, &[loss, dx]);
            let ones = vec![1.0; len];
            assert_close!(
                done.read(loss),
                [mean(LossKind::Root, &wide(&x), &ones)],
                rounding("loss", len),
                "{shape}"
            );
            let want: Vec<f64> =
                wide(&x).iter().map(|x| slope(LossKind::Root, *x, 1.0) / len as f64).collect();
            assert_close!(done.read(dx), want, rounding("loss", 4), "{shape} dx");
        }
        let mut case = Case::new();
        let x = case.input("x", Shape::new(2, 1, 1, 1), &[0.0, 4.0]);
        let loss = case.tape.norm_penalty(x, 1.0);
        let dx = case.tape.backward(&[loss], &[x]).unwrap()[0].unwrap();
        let done = case.run(gpu, &[loss, dx]);
        assert_eq!(done.read(loss), [1.0]);
        let dx = done.read(dx);
        assert!(dx[0] < -1e5, "{dx:?}");
        assert_abs_diff_eq!(dx[1], 0.25, epsilon = 1e-6);
    }
}

#[test]
fn zero_logits_cost_log_2_and_kinks_have_no_slope() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 30, 30, 1);
    let zeros = vec![0.0; 900];
    let mut case = Case::new();
    let (x, y) = (case.input("x", shape, &zeros), case.input("y", shape, &zeros));
    let bce = [0.0, 1.0].map(|target| case.tape.bce_with_logits(x, target));
    let l1 = case.tape.l1(x, y).unwrap();
    let slopes =
        [bce[0], bce[1], l1].map(|loss| case.tape.backward(&[loss], &[x]).unwrap()[0].unwrap());
    let done = case.run(gpu, &[bce[0], bce[1], l1, slopes[0], slopes[1], slopes[2]]);
    for loss in bce {
        let got = f64::from(done.read(loss)[0]);
        assert_abs_diff_eq!(got, std::f64::consts::LN_2, epsilon = 2e-7);
    }
    assert_eq!(done.read(l1), [0.0]);
    assert_close!(
        done.read(slopes[0]),
        vec![0.5 / 900.0; 900],
        rounding("loss", 1),
        "slope at 0, target 0"
    );
    assert_close!(
        done.read(slopes[1]),
        vec![-0.5 / 900.0; 900],
        rounding("loss", 1),
        "slope at 0, target 1"
    );
    assert_eq!(done.read(slopes[2]), zeros, "sign(0) is 0");
}

#[test]
fn large_logits_are_finite_and_right() {
    let Some(gpu) = support::gpu() else { return };
    for logit in [20.0f32, 100.0, 1e4, 1e30] {
        for (x, target) in [(logit, 1.0), (logit, 0.0), (-logit, 1.0), (-logit, 0.0)] {
            let shape = Shape::new(1, 1, 2, 2);
            let mut case = Case::new();
            let tx = case.input("x", shape, &[x; 4]);
            let loss = case.tape.bce_with_logits(tx, target);
            let dx = case.tape.backward(&[loss], &[tx]).unwrap()[0].unwrap();
            // The checked run fails on anything not finite.
            let done = case.run(gpu, &[loss, dx]);
            let (x, t) = (f64::from(x), f64::from(target));
            let (got, want) = (f64::from(done.read(loss)[0]), value(LossKind::BceLogits, x, t));
            assert!(
                abs_diff_eq!(got, want, epsilon = 1e-6 * want + 1e-37),
                "logit {x} target {t}: {got}, not {want}"
            );
            let slope = slope(LossKind::BceLogits, x, t) / 4.0;
            for g in wide(&done.read(dx)) {
                let allowed = 1e-6 * slope.abs() + 1e-7;
                assert!(
                    abs_diff_eq!(g, slope, epsilon = allowed),
                    "logit {x} target {t}: {g}, not {slope}"
                );
            }
        }
    }
}

#[test]
fn the_references_gradient_is_that_of_the_reference() {
    let (x, y) = (wide(&fill::reals(48, 1, -3.0, 3.0)), wide(&fill::reals(48, 2, -1.0, 1.0)));
    for kind in [LossKind::BceLogits, LossKind::Mse, LossKind::L1, LossKind::Hinge, LossKind::Root]
    {
        let goal = match kind {
            LossKind::BceLogits => vec![0.25; 48],
            LossKind::Hinge => y.iter().map(|y| y.signum()).collect(),
            _ => y.clone(),
        };
        let x = if kind == LossKind::Root {
            x.iter().map(|x| x * x + 0.1).collect()
        } else {
            x.clone()
        };
        let gradient: Vec<f64> =
            x.iter().zip(&goal).map(|(x, t)| slope(kind, *x, *t) / 48.0).collect();
        directional(&format!("{kind:?}"), |x| mean(kind, x, &goal), &x, &gradient);
    }
}

#[test]
fn what_has_no_gradient_says_so() {
    let mut case = Case::new();
    let shape = Shape::new(1, 2, 2, 3);
    let x = case.tape.input("x", shape);
    let loss = case.tape.bce_with_logits(x, 1.0);
    let dx = case.tape.backward(&[loss], &[x]).unwrap()[0].unwrap();
    let norm = case.tape.mse(dx, 1.0);
    let message = case.tape.backward(&[norm], &[x]).unwrap_err().to_string();
    assert!(message.contains("second derivative"), "{message}");
    let other = case.tape.input("y", Shape::new(1, 2, 2, 4));
    assert!(case.tape.l1(x, other).is_err() && case.tape.mse_between(x, other).is_err());
}
