//! scale: `y = a x` and `y = s x`; gradients the same.

use crate::support::{self, Case, assert_exact, dot, each, fill, wide};
use pixtape::Shape;

#[test]
fn products_with_a_constant_and_with_a_scalar_tensor_are_exact() {
    let Some(gpu) = support::gpu() else { return };
    for factor in [-0.5, 3.0] {
        each(&format!("scale {factor}"), |shape, lay, what| {
            let len = shape.elements() as usize;
            let (x, dy) = (fill::reals(len, 1, 1.0, 2.0), fill::reals(len, 2, 1.0, 2.0));
            let mut case = Case::new();
            let (tx, tdy) =
                (case.operand("x", shape, &x, lay), case.operand("dy", shape, &dy, lay));
            let s = case.operand("s", Shape::scalar(), &[factor], lay);
            let (y, z) = (case.tape.scale(tx, factor), case.tape.scale_by(tx, s).unwrap());
            let dx = [y, z].map(|y| case.backward(y, tdy, &[tx])[0].unwrap());
            let keep = [y, z, dx[0], dx[1]].map(|t| case.result(t, lay));
            let done = case.run(gpu, &keep);
            let times = |v: &[f32]| v.iter().map(|v| f64::from(v * factor)).collect::<Vec<_>>();
            for (name, got, want) in [
                ("y", y, &x),
                ("z", z, &x),
                ("dx of scale", dx[0], &dy),
                ("dx of scale_by", dx[1], &dy),
            ] {
                assert_exact!(done.read(got), times(want), "{what} {name}");
            }
        });
    }
}

#[test]
fn it_is_its_own_adjoint() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 5, 3, 5);
    let [x, dy] = [1, 2].map(|stream| fill::integers(shape.elements() as usize, stream, 9));
    let mut case = Case::new();
    let (tx, tdy) = (case.input("x", shape, &x), case.input("dy", shape, &dy));
    let y = case.tape.scale(tx, -3.0);
    let dx = case.backward(y, tdy, &[tx])[0].unwrap();
    let done = case.run(gpu, &[y, dx]);
    let (left, right) =
        (dot(&wide(&done.read(y)), &wide(&dy)), dot(&wide(&x), &wide(&done.read(dx))));
    assert!(left == right && left != 0.0, "{left} {right}");
}

#[test]
fn the_scalar_must_be_one_and_has_no_gradient() {
    let mut case = Case::new();
    let (x, s) =
        (case.tape.input("x", Shape::new(1, 2, 2, 3)), case.tape.input("s", Shape::scalar()));
    assert!(case.tape.scale_by(x, x).is_err());
    let y = case.tape.scale_by(x, s).unwrap();
    let loss = case.tape.sum(y);
    assert!(case.tape.backward(&[loss], &[s]).is_err());
}
