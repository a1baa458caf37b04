//! mul: `y = a b`, `da = dy b`, `db = dy a`.

use crate::support::{self, Case, Lay, assert_exact, each, fill};
use pixtape::Shape;

#[test]
fn products_and_gradients_are_exact() {
    let Some(gpu) = support::gpu() else { return };
    each("mul", |shape, lay, what| {
        let len = shape.elements() as usize;
        let [a, b, dy] = [1, 2, 3].map(|stream| fill::reals(len, stream, 1.0, 2.0));
        let mut case = Case::new();
        // One operand strided, the other not: each has an offset and a stride of its own.
        let (ta, tb, tdy) = (
            case.operand("a", shape, &a, lay),
            case.operand("b", shape, &b, Lay::Dense),
            case.operand("dy", shape, &dy, lay),
        );
        let y = case.tape.mul(ta, tb).unwrap();
        let gradients: Vec<_> = case.backward(y, tdy, &[ta, tb]).into_iter().flatten().collect();
        let keep = [case.result(y, lay), case.result(gradients[0], lay), gradients[1]];
        let done = case.run(gpu, &keep);
        // One product is rounded once, in f32 as here.
        let want = |x: &[f32], y: &[f32]| {
            x.iter().zip(y).map(|(x, y)| f64::from(x * y)).collect::<Vec<_>>()
        };
        assert_exact!(done.read(y), want(&a, &b), "{what}");
        assert_exact!(done.read(gradients[0]), want(&dy, &b), "{what}");
        assert_exact!(done.read(gradients[1]), want(&dy, &a), "{what}");
    });
}

#[test]
fn a_square_gets_both_gradients_and_a_second_derivative() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 3, 5, 3);
    let [x, dy, u] = [1, 2, 3].map(|stream| fill::integers(shape.elements() as usize, stream, 9));
    let mut case = Case::new();
    let (tx, tdy, tu) =
        (case.input("x", shape, &x), case.input("dy", shape, &dy), case.input("u", shape, &u));
    let y = case.tape.mul(tx, tx).unwrap();
    let dx = case.backward(y, tdy, &[tx])[0].unwrap();
    let second = case.backward(dx, tu, &[tx])[0].unwrap();
    let done = case.run(gpu, &[y, dx, second]);
    let map = |f: &dyn Fn(usize) -> f32| (0..x.len()).map(|i| f64::from(f(i))).collect::<Vec<_>>();
    assert_exact!(done.read(y), map(&|i| x[i] * x[i]), "y");
    assert_exact!(done.read(dx), map(&|i| 2.0 * x[i] * dy[i]), "dx");
    assert_exact!(done.read(second), map(&|i| 2.0 * u[i] * dy[i]), "by x of <u, dx>");
}

#[test]
fn shapes_that_differ_are_refused() {
    let mut case = Case::new();
    let [a, b] = [3, 4].map(|c| case.tape.input("x", Shape::new(1, 2, 2, c)));
    let message = case.tape.mul(a, b).unwrap_err().to_string();
    assert!(message.contains("[1, 2, 2, 3]") && message.contains("[1, 2, 2, 4]"), "{message}");
}
