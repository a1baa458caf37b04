//! dropout: `y = keep ? x / (1 - p) : 0`, the mask bit for bit that of `Dropout::keep`.

use crate::support::{self, Case, each, fill, parts};
use approx::abs_diff_eq;
use pixtape::ops::Dropout;
use pixtape::{Shape, StepValues};

fn step(step: u32, seed: u32) -> StepValues {
    StepValues { step, seed, ..StepValues::default() }
}

#[test]
fn masks_are_those_of_the_host_forward_and_backward() {
    let Some(gpu) = support::gpu() else { return };
    for (p, number, seed) in [(0.5, 1, 42), (0.1, 77, 0xdead_beef), (0.0, 3, 5)] {
        each(&format!("dropout {p}"), |shape, lay, what| {
            let len = shape.elements() as usize;
            let (x, dy) = (fill::reals(len, 1, 1.0, 2.0), fill::reals(len, 2, 1.0, 2.0));
            let mut case = Case::new();
            let (tx, tdy) =
                (case.operand("x", shape, &x, lay), case.operand("dy", shape, &dy, lay));
            let stream = case.tape.nodes().len() as u32;
            let y = case.tape.dropout(tx, p).unwrap();
            let dx = case.backward(y, tdy, &[tx])[0].unwrap();
            let keep = [case.result(y, lay), case.result(dx, lay)];
            let done = case.run_step(gpu, &keep, &step(number, seed));
            for (name, got, from) in [("y", done.read(y), &x), ("dx", done.read(dx), &dy)] {
                for (i, (got, from)) in got.iter().zip(from).enumerate() {
                    let want = if Dropout::keep(i as u32, stream, number, seed, p) {
                        from * (1.0 / (1.0 - p))
                    } else {
                        0.0
                    };
                    assert_eq!(*got, want, "{what} {name} element {i}");
                }
            }
        });
    }
}

#[test]
fn the_share_kept_is_right_and_neighbours_steps_and_nodes_are_independent() {
    let Some(gpu) = support::gpu() else { return };
    let (p, shape) = (0.3f32, Shape::new(1, 128, 96, parts(&[3, 3])));
    let n = shape.elements() as usize;
    let mut case = Case::new();
    let x = case.input("x", shape, &vec![1.0; n]);
    let (a, b) = (case.tape.dropout(x, p).unwrap(), case.tape.dropout(x, p).unwrap());
    let done = case.prepare(gpu, &[a, b]);
    let mut masks: Vec<Vec<f64>> = Vec::new();
    for at in [step(1, 42), step(2, 42), step(1, 43)] {
        done.step(&at);
        masks.extend(
            [a, b].map(|t| done.read(t).iter().map(|y| f64::from(u8::from(*y != 0.0))).collect()),
        );
    }
    let (mean, var) = (f64::from(1.0 - p), f64::from(p * (1.0 - p)));
    // Six standard deviations of the mean of n products of centred, independent draws.
    let correlation = |a: &[f64], b: &[f64]| {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / (var * a.len() as f64)
    };
    let bound = 6.0 / (n as f64).sqrt();
    for (i, mask) in masks.iter().enumerate() {
        let kept = mask.iter().sum::<f64>() / n as f64;
        assert!(
            abs_diff_eq!(kept, mean, epsilon = 6.0 * (var / n as f64).sqrt()),
            "mask {i}: {kept} kept, not {mean}"
        );
        // Next channel, next pixel, next row.
        for distance in [1, 6, 6 * 96] {
            let c = correlation(&mask[distance..], mask);
            assert!(
                abs_diff_eq!(c, 0.0, epsilon = 1.01 * bound),
                "mask {i}: correlation {c} at distance {distance}"
            );
        }
        for (j, other) in masks.iter().enumerate().skip(i + 1) {
            let c = correlation(mask, other);
            assert!(abs_diff_eq!(c, 0.0, epsilon = bound), "masks {i} and {j}: correlation {c}");
        }
    }
    // The same step again: the same bits.
    done.step(&step(1, 42));
    assert!(done.read(a).iter().zip(&masks[0]).all(|(y, m)| (*y != 0.0) == (*m != 0.0)));
}

#[test]
fn a_net_recorded_again_draws_the_same_masks() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 9, 9, 6);
    let mut case = Case::new();
    let x = case.input("x", shape, &fill::reals(shape.elements() as usize, 1, 1.0, 2.0));
    let record = |case: &mut Case| {
        let h = case.tape.act(x, pixtape::ops::Act::Relu);
        let h = case.tape.dropout(h, 0.5).unwrap();
        case.tape.dropout(h, 0.25).unwrap()
    };
    case.tape.fill(shape, 0.0);
    let begin = case.tape.nodes().len();
    let first = record(&mut case);
    case.tape.random_streams_from(Some(begin));
    let same = record(&mut case);
    case.tape.random_streams_from(None);
    let other = record(&mut case);
    let done = case.run(gpu, &[first, same, other]);
    assert_eq!(done.read(first), done.read(same));
    assert_ne!(done.read(first), done.read(other));
}
