//! sum: `y = scale * sum of x`, and broadcast: every element gets `scale * x`.

use crate::support::{
    self, Case, Lay, assert_close, assert_exact, each, fill, parts, rounding, wide,
};
use approx::abs_diff_eq;
use pixtape::{Gpu, Shape};

#[test]
fn sums_and_means_match_and_their_gradients_are_constants() {
    support::reducers().into_iter().for_each(sums_and_means);
}

fn sums_and_means(gpu: &Gpu) {
    let mut check = |shape: Shape, lay, what: &str| {
        let what = &format!("{what} on {}", gpu.family());
        let len = shape.elements() as usize;
        let (whole, real) = (fill::integers(len, 1, 9), fill::reals(len, 2, -1.0, 2.0));
        let mut case = Case::new();
        let (tw, tr) =
            (case.operand("whole", shape, &whole, lay), case.operand("real", shape, &real, lay));
        let (sum, mean) = (case.tape.sum(tw), case.tape.mean(tr));
        let seed = case.operand("seed", Shape::scalar(), &[3.0], lay);
        let dx = case.backward(sum, seed, &[tw])[0].unwrap();
        let dm = case.backward(mean, seed, &[tr])[0].unwrap();
        let keep = [sum, mean, dx, dm].map(|t| case.result(t, lay));
        let done = case.run(gpu, &keep);
        let total: f64 = wide(&whole).iter().sum();
        if total != 0.0 {
            assert_exact!(done.read(sum), [total], "{what} sum");
        }
        assert_exact!(done.read(dx), vec![3.0; len], "{what} dx");
        // The mean may cancel: its error is relative to the mean of absolute values.
        let (want, size) = (
            wide(&real).iter().sum::<f64>() / len as f64,
            wide(&real).iter().map(|v| v.abs()).sum::<f64>() / len as f64,
        );
        let got = f64::from(done.read(mean)[0]);
        let allowed = 8.0 / 16_777_216.0 * size;
        assert!(abs_diff_eq!(got, want, epsilon = allowed), "{what}: mean {got}, not {want}");
        assert_close!(
            done.read(dm),
            vec![3.0 / len as f64; len],
            rounding("sum", 1),
            "{what} gradient of the mean"
        );
    };
    each("sum", &mut check);
    check(Shape::new(2, 64, 65, parts(&[3, 3])), Lay::Strided, "sum [2, 64, 65, 3|3]");
}

#[test]
fn the_gradient_of_a_broadcast_is_a_sum() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 9, 7, 5);
    let dy = fill::integers(shape.elements() as usize, 1, 9);
    let mut case = Case::new();
    let x = case.input("x", Shape::scalar(), &[3.0]);
    let y = case.tape.push_one(pixtape::ops::Broadcast { scale: 0.5 }, &[x], shape);
    let tdy = case.operand("dy", shape, &dy, Lay::Strided);
    let dx = case.backward(y, tdy, &[x])[0].unwrap();
    let done = case.run(gpu, &[y, dx]);
    assert_exact!(done.read(y), vec![1.5; dy.len()], "y");
    assert_exact!(done.read(dx), [0.5 * wide(&dy).iter().sum::<f64>()], "dx");
}
