//! init: normal values by public index, whatever the padding; constants.

use crate::support::{self, Case, assert_close, parts, rounding};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use pixtape::StepValues;
use pixtape::ops::{Init, InitNormal};
use pixtape::store::Layout;

const SEED: u32 = 9;

fn values() -> StepValues {
    StepValues { step: 5, seed: SEED, ..StepValues::default() }
}

fn layouts() -> Vec<Layout> {
    let mut all =
        vec![Layout::Vector(7.into()), Layout::Vector(parts(&[3, 3])), Layout::Vector(64.into())];
    for (ci, co, kernel) in [
        (parts(&[3]), 5, 4),
        (parts(&[3, 3]), 16, 4),
        (parts(&[8]), 1, 3),
        (parts(&[6]), 9, 1),
        (parts(&[3, 5, 2]), 7, 2),
    ] {
        all.push(Layout::Conv { ci, co, kernel });
        all.push(Layout::ConvTranspose { ci, co, kernel });
    }
    all
}

#[test]
fn values_are_those_of_the_host_and_padding_is_zero() {
    let Some(gpu) = support::gpu() else { return };
    for (mean, std) in [(0.0f32, 0.02f32), (1.0, 0.02)] {
        let mut case = Case::new();
        let mut made = Vec::new();
        for (stream, layout) in (3..).zip(layouts()) {
            let p = case.param("w", layout, &vec![9.0; layout.elements()]);
            case.tape.init_normal(&case.store, &p.param, mean, std, stream);
            made.push((p, InitNormal { layout, mean, std, stream }));
        }
        let done = case.run_step(gpu, &[], &values());
        for (p, init) in &made {
            let want: Vec<f64> =
                (0..p.param.layout.elements() as u32).map(|i| init.value(i, SEED)).collect();
            assert_close!(
                done.value(p),
                want,
                rounding("init_normal", 1),
                "init_normal {:?}",
                p.param.layout
            );
            assert!(done.padding_is_zero(p), "{:?}", p.param.layout);
        }
    }
}

#[test]
fn values_depend_on_the_public_index_only() {
    let Some(gpu) = support::gpu() else { return };
    let mut case = Case::new();
    // 6 channels in one part, in two, in three: the same weights in other places. Twice in one
    // stream: the same; another: not.
    let mut made = Vec::new();
    for (channels, stream) in
        [(parts(&[6]), 1), (parts(&[3, 3]), 1), (parts(&[1, 2, 3]), 1), (parts(&[6]), 2)]
    {
        let layout = Layout::Conv { ci: channels, co: 5, kernel: 3 };
        let p = case.param("w", layout, &vec![0.0; layout.elements()]);
        case.tape.init_normal(&case.store, &p.param, 0.0, 1.0, stream);
        made.push(p);
    }
    let done = case.run_step(gpu, &[], &values());
    let read: Vec<Vec<f32>> = made.iter().map(|p| done.value(p)).collect();
    assert!(read[0] == read[1] && read[0] == read[2] && read[0] != read[3]);
    // The seed counts, the step does not.
    done.step(&StepValues { step: 6, ..values() });
    assert_eq!(done.value(&made[0]), read[0]);
    done.step(&StepValues { seed: SEED + 1, ..values() });
    assert_ne!(done.value(&made[0]), read[0]);
}

#[test]
fn large_weights_are_normal() {
    let Some(gpu) = support::gpu() else { return };
    let layout = Layout::Conv { ci: 64.into(), co: 128, kernel: 4 };
    let mut case = Case::new();
    let p = case.param("w", layout, &vec![0.0; layout.elements()]);
    case.tape.init(&case.store, &p.param, Init::Normal { mean: 0.0, std: 0.02 }, 17);
    let done = case.run_step(gpu, &[], &values());
    let mut z: Vec<f64> = done.value(&p).iter().map(|v| f64::from(*v) / 0.02).collect();
    let n = z.len() as f64;
    let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / n;
    // Six standard deviations of each sample moment.
    for (k, want, var) in [(1, 0.0, 1.0f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let allowed = 6.0 * (var / n).sqrt();
        assert!(abs_diff_eq!(moment(k), want, epsilon = allowed), "moment {k}: {}", moment(k));
    }
    let neighbours = z.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
    assert_abs_diff_eq!(neighbours, 0.0, epsilon = 6.0 / n.sqrt());
    // Kolmogorov and Smirnov: the largest distance between the distributions, at a level of about
    // one in a million.
    z.sort_by(f64::total_cmp);
    let worst = z
        .iter()
        .enumerate()
        .map(|(i, v)| (normal_share(*v) - (i as f64 + 0.5) / n).abs())
        .max_by(f64::total_cmp)
        .unwrap();
    assert!(worst < 2.7 / n.sqrt(), "{worst}");
}

/// Share of a standard normal distribution below `x`: Simpson's rule from 0.
fn normal_share(x: f64) -> f64 {
    let density = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
    let steps = 64;
    let h = x / f64::from(steps);
    let inner: f64 =
        (1..steps).map(|i| density(f64::from(i) * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    0.5 + h / 3.0 * (density(0.0) + inner + density(x))
}

#[test]
fn constants_are_exact() {
    let Some(gpu) = support::gpu() else { return };
    let mut case = Case::new();
    let made = [0.0, 1.0].map(|value| {
        let p = case.param("v", Layout::Vector(parts(&[3, 3])), &[9.0; 6]);
        case.tape.init(&case.store, &p.param, Init::Constant(value), 0);
        (p, value)
    });
    let done = case.run_step(gpu, &[], &values());
    for (p, value) in &made {
        assert!(done.value(p) == [*value; 6] && done.padding_is_zero(p));
    }
}
