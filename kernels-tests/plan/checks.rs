//! The checked run, timing, and problems for the tuner.

use crate::support;
use crate::{pix2pix_256, tiny};
use pixtape::gpu::Family;
use pixtape::ops::{Act, Bind, Dispatch, Lowering, Op, Tuning};
use pixtape::train::Pix2Pix;
use pixtape::{Backward, Error, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape, tune};
use std::time::Duration;

/// Fills its output, with one mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Faulty {
    None,
    NotANumber,
    Unwritten,
    Outside,
    Padding,
}

impl Op for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let y = &node.outputs[0];
        let vec4s = y.shape.vec4s() as u32;
        let (count, value, channels) = match self {
            Faulty::None => (vec4s, 2.0, y.shape),
            Faulty::NotANumber => (vec4s, f32::NAN, y.shape),
            Faulty::Unwritten => (vec4s - 1, 2.0, y.shape),
            Faulty::Outside => (vec4s + 1, 2.0, y.shape),
            Faulty::Padding => (vec4s, 2.0, y.shape.with_channels(4)),
        };
        let d = Dispatch::new("fill", "fill")
            .bind("y", Bind::Out(0))
            .u("vec4s", count)
            .u("width", y.shape.c.vec4s());
        vec![d.view("y", y).f("value", value).parts(&channels).over(u64::from(count))]
    }

    fn backward(&self, _: &mut Backward<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn the_checked_run_finds_planted_faults() {
    let Some(gpu) = support::gpu() else { return };
    let check = |fault: Faulty, input: f32| {
        let (store, mut tape) = (Store::new(), Tape::new());
        let shape = Shape::new(1, 3, 5, 3);
        tape.scope("good");
        let x = tape.input("x", shape);
        let before = tape.act(x, Act::Relu);
        tape.scope("bad");
        let y = tape.push_one(fault, &[before], shape);
        tape.scope("after");
        let sum = tape.add(before, y).unwrap();
        let plan = Plan::new(
            &tape,
            &store,
            &[sum],
            gpu.family(),
            PlanOptions { guards: true, ..crate::support::plan_options() },
        )
        .unwrap();
        let program = plan.prepare(gpu, &store).unwrap();
        program.write(x, &[input; 45]).unwrap();
        pollster::block_on(program.run_checked(&StepValues::default()))
    };
    check(Faulty::None, 1.0).unwrap();
    for (fault, words) in [
        (Faulty::NotANumber, "NaN"),
        (Faulty::Unwritten, "never written"),
        (Faulty::Outside, "overwritten"),
        (Faulty::Padding, "padding and not zero"),
    ] {
        let error = check(fault, 1.0).unwrap_err();
        assert!(
            matches!(&error, Error::Check { node: 1, label, message } if label == "bad/faulty" && message.contains(words)),
            "{fault:?}: {error}"
        );
    }
    // A fault that the host brought in: the first node to see it is named.
    let error = check(Faulty::None, f32::INFINITY).unwrap_err();
    assert!(
        matches!(&error, Error::Check { node: 0, label, message } if label == "good/relu" && message.contains("infinite")),
        "{error}"
    );
}

#[test]
fn every_node_that_runs_takes_time_and_timing_changes_no_result() {
    let Some(gpu) = support::gpu() else { return };
    let mut tape = Tape::new();
    let x = tape.input("x", Shape::new(1, 64, 64, 8));
    let (a, b) = (tape.act(x, Act::Tanh), tape.act(x, Act::Sigmoid));
    // Planned away: its parts lie there already.
    let y = tape.concat(&[a, b]).unwrap();
    let store = Store::new();
    let program = Plan::new(&tape, &store, &[y], gpu.family(), crate::support::plan_options())
        .unwrap()
        .prepare(gpu, &store)
        .unwrap();
    program.write(x, &vec![0.5; 64 * 64 * 8]).unwrap();
    program.step(&StepValues::default()).unwrap();
    let before = pollster::block_on(program.read(y)).unwrap();
    let times = program.time_nodes().unwrap();
    let runs: Vec<bool> = program.node_ranges().iter().map(|r| !r.is_empty()).collect();
    assert_eq!((runs.len(), runs.iter().filter(|r| **r).count()), (3, 2));
    for (seconds, runs) in times.seconds.iter().zip(&runs) {
        assert!(if *runs { (0.0..10.0).contains(seconds) } else { *seconds == 0.0 }, "{times:?}");
    }
    let twice = program.time(program.node_ranges(), 2).unwrap();
    assert!(twice.seconds.len() == 3 && twice.seconds.iter().sum::<f64>() > 0.0, "{twice:?}");
    assert_eq!(pollster::block_on(program.read(y)).unwrap(), before);
}

#[test]
fn a_plans_problems_are_counted_and_measured_choices_are_valid() {
    let plan =
        Pix2Pix::plan(&pix2pix_256(), Family::Workgroup, crate::support::plan_options()).unwrap();
    let loads = tune::problems(&plan);
    let passes = plan.nodes().iter().filter(|n| n.convolution.is_some()).count();
    assert_eq!(
        (loads.iter().map(|l| l.uses).sum::<usize>(), tune::choices(&plan).len()),
        (passes, loads.len())
    );
    assert!(loads.len() < passes);

    let Some(gpu) = support::gpu() else { return };
    let loads = tune::problems(
        &Pix2Pix::plan(&tiny(), gpu.family(), crate::support::plan_options()).unwrap(),
    );
    let rule = Tuning::rule(gpu.family());
    let mut told = 0;
    let report =
        tune::measure(gpu, &loads[..4], &rule, Duration::from_secs(4), &mut |done, all, _| {
            told = done * 10 / all
        })
        .unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(report.choices.len() + report.left, 4);
    assert!(!report.choices.is_empty() && told == 10 * report.choices.len() / 4);
    for choice in &report.choices {
        assert!(
            choice.variant.fits(&choice.load.problem, gpu.family()) && choice.seconds > 0.0,
            "{choice:?}"
        );
        // Either the rule's, or it was faster when it was measured.
        assert!(
            choice.variant == choice.rule || choice.rule_seconds.is_none_or(|r| choice.seconds < r),
            "{choice:?}"
        );
    }
    // No time, no choice.
    assert_eq!(
        tune::measure(gpu, &loads, &rule, Duration::ZERO, &mut |_, _, _| ()).unwrap().left,
        loads.len()
    );
}
