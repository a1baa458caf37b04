//! blur: a separable Gaussian on every channel.

use crate::support::{self, Case, assert_close, assert_exact, each, edges, fill, rounding, wide};
use pixtape::Shape;

fn sides(shape: Shape) -> [usize; 4] {
    [shape.n, shape.h, shape.w, shape.c.logical()].map(|side| side as usize)
}

#[test]
fn it_matches_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    for sigma in [0.5, 1.4, 4.0] {
        each(&format!("blur {sigma}"), |shape, lay, what| {
            let x = fill::reals(shape.elements() as usize, 1, 0.5, 2.0);
            let mut case = Case::new();
            let tx = case.operand("x", shape, &x, lay);
            let y = case.tape.gaussian_blur(tx, sigma).unwrap();
            let keep = case.result(y, lay);
            let done = case.run(gpu, &[keep]);
            // Weights are f32, two sums one after the other.
            let terms = 2 * (2 * (4.0 * sigma + 0.5) as usize + 1);
            assert_close!(
                done.read(y),
                edges::blur(&wide(&x), sides(shape), f64::from(sigma)),
                rounding("gaussian_blur", terms),
                "{what}"
            );
        });
    }
}

#[test]
fn a_narrow_one_leaves_integers_as_they_are() {
    let Some(gpu) = support::gpu() else { return };
    // Radius 0: one weight, 1.
    let shape = Shape::new(2, 5, 7, 3);
    let x = fill::integers(shape.elements() as usize, 2, 50);
    let mut case = Case::new();
    let tx = case.input("x", shape, &x);
    let y = case.tape.gaussian_blur(tx, 0.1).unwrap();
    let done = case.run(gpu, &[y]);
    assert_exact!(done.read(y), wide(&x), "sigma 0.1");
}

#[test]
fn sigmas_out_of_range_are_refused() {
    let mut case = Case::new();
    let x = case.tape.input("x", Shape::new(1, 2, 2, 1));
    for sigma in [0.0, -1.0, 4.1, f32::NAN] {
        assert!(case.tape.gaussian_blur(x, sigma).is_err(), "{sigma}");
    }
}
