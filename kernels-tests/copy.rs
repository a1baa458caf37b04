//! copy: `y = x`, `dx = dy`; also what a concatenation does where a part has to lie elsewhere (see
//! concat.rs).

use crate::support::{self, Case, Lay, assert_exact, each, fill, wide};

#[test]
fn copies_are_equal_wherever_operand_and_result_lie() {
    let Some(gpu) = support::gpu() else { return };
    each("copy", |shape, lay, what| {
        for to in [Lay::Dense, Lay::Strided] {
            let values = fill::reals(shape.elements() as usize, 1, 1.0, 2.0);
            let mut case = Case::new();
            let x = case.operand("x", shape, &values, lay);
            let y = case.tape.copy(x);
            assert_eq!(case.backward(y, x, &[x]), [Some(x)]);
            let keep = [case.result(y, to)];
            let done = case.run(gpu, &keep);
            assert_exact!(done.read(y), wide(&values), "{what} to {to:?}");
        }
    });
}
