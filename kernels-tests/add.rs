//! add: `y = a + b`, `da = db = dy`.

use crate::support::{self, Case, Lay, assert_exact, each, fill};
use pixtape::Shape;

#[test]
fn sums_are_exact_and_gradients_pass() {
    let Some(gpu) = support::gpu() else { return };
    each("add", |shape, lay, what| {
        let len = shape.elements() as usize;
        let [a, b, dy] = [1, 2, 3].map(|stream| fill::reals(len, stream, 1.0, 2.0));
        let mut case = Case::new();
        // One operand strided, the other not: each has an offset and a stride of its own.
        let (ta, tb, tdy) = (
            case.operand("a", shape, &a, lay),
            case.operand("b", shape, &b, Lay::Dense),
            case.operand("dy", shape, &dy, lay),
        );
        let y = case.tape.add(ta, tb).unwrap();
        let gradients = case.backward(y, tdy, &[ta, tb]);
        assert_eq!(gradients, [Some(tdy), Some(tdy)], "{what}");
        let keep = [case.result(y, lay)];
        let done = case.run(gpu, &keep);
        // One addition is rounded once, in f32 as here.
        let want: Vec<f64> = a.iter().zip(&b).map(|(a, b)| f64::from(a + b)).collect();
        assert_exact!(done.read(y), want, "{what}");
    });
}

#[test]
fn a_tensor_added_to_itself_gets_both_gradients() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 3, 5, 3);
    let [x, dy] = [1, 2].map(|stream| fill::integers(shape.elements() as usize, stream, 9));
    let mut case = Case::new();
    let (tx, tdy) = (case.input("x", shape, &x), case.input("dy", shape, &dy));
    let y = case.tape.add(tx, tx).unwrap();
    let dx = case.backward(y, tdy, &[tx])[0].unwrap();
    let done = case.run(gpu, &[y, dx]);
    let twice = |v: &[f32]| v.iter().map(|v| 2.0 * f64::from(*v)).collect::<Vec<_>>();
    assert_exact!(done.read(y), twice(&x), "y");
    assert_exact!(done.read(dx), twice(&dy), "dx");
}

#[test]
fn shapes_that_differ_are_refused() {
    let mut case = Case::new();
    let [a, b] = [3, 4].map(|c| case.tape.input("x", Shape::new(1, 2, 2, c)));
    let message = case.tape.add(a, b).unwrap_err().to_string();
    assert!(message.contains("[1, 2, 2, 3]") && message.contains("[1, 2, 2, 4]"), "{message}");
}
