//! fill: `y = value` where there is a channel, 0 in the padding (which the checked run looks at).

use crate::support::{self, Case, assert_exact, each};

#[test]
fn every_element_gets_the_value() {
    let Some(gpu) = support::gpu() else { return };
    for value in [1.0f32, -0.1] {
        each(&format!("fill {value}"), |shape, lay, what| {
            let mut case = Case::new();
            let y = case.tape.fill(shape, value);
            let keep = [case.result(y, lay)];
            let done = case.run(gpu, &keep);
            assert_exact!(
                done.read(y),
                vec![f64::from(value); shape.elements() as usize],
                "{what}"
            );
        });
    }
}
