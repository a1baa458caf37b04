//! Constants that a plan makes once.

use crate::bits::bits;
use crate::support;
use pixtape::gpu::Family;
use pixtape::{Plan, PlanOptions, Shape, StepValues, Store, Tape, Tensor};

/// Sums of constants that are equal, products of others, or differ in shape; the last is read by
/// the host.
fn record() -> (Tape, [Tensor; 4]) {
    let mut tape = Tape::new();
    let [shape, other] = [6, 5].map(|channels| Shape::new(1, 1, 1, channels));
    let x = tape.input("x", shape);
    let fill = |tape: &mut Tape, shape, value| tape.fill(shape, value);
    let [a, b, c] = [1.5, 1.5, 2.5].map(|value| fill(&mut tape, shape, value));
    let half = tape.scale(c, 0.5);
    let quarter = tape.scale(half, 1.1);
    let mut sum = x;
    for part in [a, b, quarter] {
        sum = tape.add(sum, part).unwrap();
    }
    let narrow = fill(&mut tape, other, 1.5);
    let narrow = tape.act(narrow, pixtape::ops::Act::Relu);
    let kept = fill(&mut tape, shape, 1.5);
    (tape, [sum, narrow, kept, x])
}

#[test]
fn products_of_constants_and_equal_ones_take_no_dispatch() {
    let (tape, [sum, narrow, kept, _]) = record();
    let plan = |fuse| {
        let options = PlanOptions { fuse, ..support::plan_options() };
        Plan::new(&tape, &Store::new(), &[sum, narrow, kept], Family::Workgroup, options).unwrap()
    };
    let count = |plan: &Plan| plan.nodes().iter().filter(|n| n.op == "fill").count();
    let (before, after) = (plan(false), plan(true));
    assert_eq!((count(&before), count(&after)), (5, 4), "{after}");
    assert_eq!(before.nodes().len() - after.nodes().len(), 3, "{after}");
}

#[test]
fn they_have_the_bits_of_what_was_recorded() {
    let Some(gpu) = support::gpu() else { return };
    let run = |fuse| {
        let (tape, [sum, narrow, kept, x]) = record();
        let options = PlanOptions { fuse, ..support::plan_options() };
        let keep = [sum, narrow, kept];
        let plan = Plan::new(&tape, &Store::new(), &keep, gpu.family(), options).unwrap();
        let store = Store::new();
        let program = plan.prepare(gpu, &store).unwrap();
        program.write(x, &support::reals(6, 1, -1.0, 1.0)).unwrap();
        program.step(&StepValues { step: 1, seed: 1, ..Default::default() }).unwrap();
        keep.map(|tensor| pollster::block_on(program.read(tensor)).unwrap()).to_vec()
    };
    assert_eq!(bits(&run(true)), bits(&run(false)));
}
