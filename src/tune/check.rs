//! Whether a variant computes what it should: on a small problem of the same kind, against the
//! plain one.

use super::single::{Single, operands};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::{Act, Fused, Method, Problem, Tile, Tuning, Variant};
use crate::shape::{Channels, Shape};

/// Rounding error of an f32.
const ULP: f64 = 1.0 / 16_777_216.0;

/// Side of the smaller map of a cropped problem: odd, and more pixels than the largest tile has
/// rows.
const SIDE: u32 = 13;
/// Channels summed over, and channels made: more than the largest tile has.
const CHANNELS: u32 = 132;

/// A smaller problem of the same pass that uses the same variant.
pub(super) fn crop(problem: &Problem, split: u32) -> Problem {
    let Problem { pass, conv, border, .. } = *problem;
    let ([x, y], transposed) = (problem.layer(), pass.transposed);
    // Of x and y, a convolution's x is the larger map.
    let small = if transposed { x } else { y };
    // Slices of a weight's sum are runs of pixels, those of other sums runs of channels.
    let side = if pass.is_weight() { SIDE.max(2 * split.isqrt() * 2 + 1) } else { SIDE };
    let channels = CHANNELS.max(4 * split + 4);
    let cut = [small.h, small.w].map(|n| n.saturating_sub(side));
    // On small maps, too, a slice needs a step of 4 pixels.
    let slices = if pass.is_weight() {
        (4 * split).div_ceil(small.h.min(side) * small.w.min(side))
    } else {
        1
    };
    let images = slices.max(2);
    let less = |map: Shape, step: u32| {
        let c = if map.c == Channels::new(map.c.logical()) && map.c.logical() > channels {
            channels.into()
        } else {
            map.c
        };
        Shape { n: map.n.min(images), h: map.h - step * cut[0], w: map.w - step * cut[1], c }
    };
    let (x, y) = if transposed {
        (less(x, 1), less(y, conv.stride))
    } else {
        (less(x, conv.stride), less(y, 1))
    };
    Problem { border, ..Problem::of_layer(pass, x, y, conv) }
}

/// The variant that others are compared with: every product of the definition, in the simplest
/// kernel.
fn plain(variant: Variant) -> Variant {
    let columns = if variant.tile == (Tile::Register { columns: 2 }) { 1 } else { 2 };
    Variant { method: Method::Direct, tile: Tile::Register { columns }, split: 1 }
}

/// What is wrong with a variant, if anything.
pub(super) fn fault(gpu: &Gpu, problem: &Problem, variant: Variant) -> Result<Option<String>> {
    let small = crop(problem, variant.split);
    if !variant.fits(&small, gpu.family()) {
        return Ok(Some(format!("cannot be tried on {small}")));
    }
    // Neighbours are fused as in the nets: they are part of the kernels.
    let act = Some(Act::LeakyRelu(0.2));
    let weights = small.pass.is_weight();
    let fused = Fused {
        load: [act, act.filter(|_| weights)],
        mask: act.filter(|_| !weights),
        ..Fused::default()
    };
    let values = operands(&[small.inputs[0], small.inputs[1], small.output]);
    let run = |variant: Variant| -> Result<Vec<f32>> {
        let mut tuning = Tuning::on(gpu);
        tuning.set(&small, variant);
        let single = Single::new(gpu, &small, tuning, fused, &values)?;
        single.run(1)?;
        single.result()
    };
    let (want, got) = (run(plain(variant))?, run(variant)?);
    Ok(difference(variant.method.rounding(), small.terms(), &got, &want))
}

/// What is wrong with `got`, if anything: the bound that the tests hold kernels to.
fn difference(factor: f64, terms: u64, got: &[f32], want: &[f32]) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} values, not {}", got.len(), want.len()));
    }
    let power: f64 = want.iter().map(|b| f64::from(*b).powi(2)).sum();
    let rms = (power / want.len().max(1) as f64).sqrt();
    // A reference that is no number, or nothing but zeros, proves nothing.
    if !(rms.is_finite() && rms > 0.0) {
        return Some(format!("the plain kernel's results are no reference (rms {rms})"));
    }
    let scale = factor * ULP * (terms.max(1) as f64).sqrt();
    got.iter().zip(want).enumerate().find_map(|(at, (a, b))| {
        let (a, b) = (f64::from(*a), f64::from(*b));
        let (off, allowed) = ((a - b).abs(), scale * b.abs().max(rms));
        // Not `off > allowed`: that is false for NaN.
        (!(off <= allowed)).then(|| {
            format!(
                "element {at} of {} is {a}, not {b} (off {off:.1e}, allowed {allowed:.1e})",
                want.len()
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Family;
    use crate::ops::Pass;
    use crate::shape::Conv;

    #[test]
    fn wrong_numbers_are_noticed() {
        let want = [1.0, -2.0, 3.0];
        assert_eq!(difference(8.0, 1, &[1.0, -2.0, 3.0 + 2e-7], &want), None);
        for wrong in [3.0 + 3e-6, f32::NAN, f32::INFINITY] {
            assert!(difference(8.0, 1, &[1.0, -2.0, wrong], &want).is_some(), "{wrong}");
        }
        assert!(
            difference(8.0, 1, &[1.0], &want).is_some()
                && difference(8.0, 1, &[0.0; 3], &[0.0; 3]).is_some()
        );
        assert!(difference(8.0, 1, &want, &[1.0, f32::NAN, 3.0]).is_some());
    }

    #[test]
    fn a_cropped_problem_is_small_consistent_and_takes_the_same_variants() {
        for (stride, pad) in [(2, 1), (1, 1), (1, 3)] {
            let conv = Conv::new(4, stride, pad);
            for (side, ci, co) in
                [(256, 3, 64), (64, 512, 512), (2, 512, 512), (4, 1024, 1), (31, 64, 130)]
            {
                let Some(out) = conv.out(side) else { continue };
                let n = if side < 8 { 64 } else { 3 };
                let (large, small) = (Shape::new(n, side, side, ci), Shape::new(n, out, out, co));
                for pass in Pass::ALL {
                    let (x, y) = if pass.transposed { (small, large) } else { (large, small) };
                    let problem = Problem::of_layer(pass, x, y, conv);
                    for family in [Family::Subgroup(8), Family::Register, Family::Workgroup] {
                        for variant in Variant::candidates(&problem, family) {
                            let cropped = crop(&problem, variant.split);
                            assert!(
                                variant.fits(&cropped, family),
                                "{variant} for {cropped}, from {problem}"
                            );
                            assert!(cropped.output.bytes() <= problem.output.bytes());
                            let [x, y] = cropped.layer();
                            let (a, b) = (x.h.max(y.h), x.h.min(y.h));
                            // With padding 3 the map that is convolved is the smaller one.
                            assert!(conv.out(a) == Some(b) || conv.out(b) == Some(a), "{cropped}");
                            assert!(b <= 26, "{cropped}");
                        }
                    }
                }
            }
        }
    }
}
