//! The comparer of tensors, in which NaN always fails, and the one table of tolerances.
//!
//! A kernel's f32 result `a` is compared with an f64 reference `b` computed from the same f32
//! operands. With `K` terms summed, `|a - b| <= factor 2^-24 sqrt(K) max(|b|, rms(b))` for every
//! element, and the normalised mean squared error is at most `(factor / 2)^2 K 2^-48`: errors of
//! f32 sums grow like random walks.
//!
//! The comparer is `approx`'s: [`Values`] of a kernel and the [`Reference`] are compared by
//! `AbsDiffEq`, with [`Rounding`] as epsilon. [`assert_close!`] and [`assert_exact!`] add a message
//! that names the element, and refuse references that are mostly zeros. Scalars are compared by
//! `approx`'s own macros; for relative tolerances give `epsilon = 0.0` too, which is an absolute
//! tolerance of one ulp of 1 otherwise.

use approx::AbsDiffEq;

/// Factor of every operation: 8, unless a row says otherwise and why.
const FACTOR: f64 = 8.0;

/// Exceptions, each with its reason. Tests cannot give a factor of their own.
const TOLERANCES: &[(&str, f64, &str)] = &[
    (
        "winograd5",
        24.0,
        "five points: factors up to 8 and sixths; the worst element of all cases is off by 21 \
         where the direct sum's is by 7",
    ),
    (
        "winograd6",
        24.0,
        "six points: the worst element of all variants' cases is off by 14 where that of five \
         points is by 15",
    ),
];

const ULP: f64 = 1.0 / 16_777_216.0;

fn factor(op: &str) -> f64 {
    TOLERANCES.iter().find(|t| t.0 == op).map_or(FACTOR, |t| t.1)
}

/// What is wrong with `got`, if anything.
pub fn difference(op: &str, k: usize, got: &[f32], want: &[f64]) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} values, not {}", got.len(), want.len()));
    }
    let power: f64 = want.iter().map(|b| b * b).sum();
    let rms = (power / want.len().max(1) as f64).sqrt();
    let factor = factor(op);
    let terms = k.max(1) as f64;
    for (at, (&a, &b)) in got.iter().zip(want).enumerate() {
        let allowed = factor * ULP * terms.sqrt() * b.abs().max(rms);
        let off = (f64::from(a) - b).abs();
        // Not `off > allowed`: that is false for NaN.
        if !(off <= allowed) {
            return Some(format!(
                "element {at} of {} is {a}, not {b} (off {off:.3e}, allowed {allowed:.3e})",
                want.len()
            ));
        }
    }
    let error: f64 = got.iter().zip(want).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let allowed = (factor / 2.0).powi(2) * terms * ULP * ULP * power;
    (!(error <= allowed)).then(|| {
        format!("normalised squared error {:.3e}, allowed {:.3e}", error / power, allowed / power)
    })
}

/// What is wrong with `got` if it has to be equal, if anything.
pub fn inequality(got: &[f32], want: &[f64]) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} values, not {}", got.len(), want.len()));
    }
    let at = got.iter().zip(want).position(|(a, b)| !(f64::from(*a) == *b))?;
    Some(format!("element {at} of {} is {}, not {}", want.len(), got[at], want[at]))
}

/// Why values are no evidence, if they are none: fewer than 30 % of them are not zero.
pub fn mistrust(want: &[f64]) -> Option<String> {
    let count = want.iter().filter(|b| **b != 0.0).count();
    (10 * count < 3 * want.len() || want.is_empty())
        .then(|| format!("only {count} of {} values are not zero: badly chosen case", want.len()))
}

/// What the results of a kernel were computed with: the row of the tolerance table, and how many
/// terms each sum has.
#[derive(Clone, Copy, Debug)]
pub struct Rounding {
    op: &'static str,
    terms: usize,
}

/// Rounding of `terms` terms by operation `op`.
pub fn rounding(op: &'static str, terms: usize) -> Rounding {
    Rounding { op, terms }
}

/// What a kernel computed. Equal to a [`Reference`] if every value is.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a>(pub &'a [f32]);

/// Expected values.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a>(pub &'a [f64]);

impl PartialEq<Reference<'_>> for Values<'_> {
    fn eq(&self, want: &Reference<'_>) -> bool {
        inequality(self.0, want.0).is_none()
    }
}

impl AbsDiffEq<Reference<'_>> for Values<'_> {
    type Epsilon = Rounding;

    /// One rounding per value, by the factor that holds unless a row says otherwise.
    fn default_epsilon() -> Rounding {
        rounding("", 1)
    }

    fn abs_diff_eq(&self, want: &Reference<'_>, rounding: Rounding) -> bool {
        difference(rounding.op, rounding.terms, self.0, want.0).is_none()
    }
}

/// Panics unless values are those of the reference up to the rounding of their sums:
/// `assert_close!(done.read(y), want, rounding("conv2d", 48), "{what} y")`.
macro_rules! assert_close {
    ($got:expr, $want:expr, $rounding:expr, $($what:tt)+) => {
        $crate::support::compare::hold_close(&$got, &$want, $rounding, &format!($($what)+))
    };
}

/// Panics unless every value equals the reference's: `assert_exact!(done.read(y), want, "{what}")`.
macro_rules! assert_exact {
    ($got:expr, $want:expr, $($what:tt)+) => {
        $crate::support::compare::hold_exact(&$got, &$want, &format!($($what)+))
    };
}

pub(crate) use {assert_close, assert_exact};

#[track_caller]
pub fn hold_close(got: &[f32], want: &[f64], rounding: Rounding, what: &str) {
    if !Values(got).abs_diff_eq(&Reference(want), rounding) {
        let message = difference(rounding.op, rounding.terms, got, want);
        panic!("{what}: {}", message.unwrap_or_default());
    }
    trust(what, want);
}

#[track_caller]
pub fn hold_exact(got: &[f32], want: &[f64], what: &str) {
    if Values(got) != Reference(want) {
        panic!("{what}: {}", inequality(got, want).unwrap_or_default());
    }
    trust(what, want);
}

/// Panics if fewer than 30 % of the values are not zero.
#[track_caller]
pub fn trust(what: &str, want: &[f64]) {
    if let Some(message) = mistrust(want) {
        panic!("{what}: {message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, abs_diff_ne, assert_abs_diff_eq, relative_eq, ulps_eq};

    #[test]
    fn nan_fails_every_comparison() {
        for (got, want) in [(f32::NAN, 1.0), (1.0, f64::NAN), (f32::NAN, f64::NAN)] {
            let values = [Values(&[1.0, got]), Values(&[got, 1.0])];
            for (values, want) in values.iter().zip([[1.0, want], [want, 1.0]]) {
                let reference = Reference(&want);
                assert!(*values != reference);
                assert!(abs_diff_ne!(*values, reference));
                assert!(abs_diff_ne!(
                    *values,
                    reference,
                    epsilon = rounding("winograd5", usize::MAX)
                ));
            }
            assert!(
                std::panic::catch_unwind(|| assert_close!(
                    [1.0, got],
                    [1.0, want],
                    rounding("", 9),
                    ""
                ))
                .is_err()
            );
            assert!(
                std::panic::catch_unwind(|| assert_exact!([1.0, got], [1.0, want], "")).is_err()
            );
            let got = f64::from(got);
            assert!(!abs_diff_eq!(got, want, epsilon = f64::MAX));
            assert!(!abs_diff_eq!(got, want, epsilon = f64::INFINITY));
            assert!(!relative_eq!(got, want, epsilon = 1.0, max_relative = f64::INFINITY));
            assert!(!ulps_eq!(got, want, epsilon = 1.0, max_ulps = u32::MAX));
            assert!(!abs_diff_eq!([1.0, got][..], [1.0, want][..], epsilon = f64::INFINITY));
        }
    }

    #[test]
    fn the_comparer_is_one_of_approx() {
        let want = Reference(&[1.0, -2.0, 3.0]);
        assert_abs_diff_eq!(Values(&[1.0, -2.0, 3.0 + 2e-7]), want);
        assert_abs_diff_eq!(Values(&[1.0, -2.0, 3.0 + 3e-6]), want, epsilon = rounding("add", 100));
        assert!(abs_diff_ne!(Values(&[1.0, -2.0, 3.0 + 3e-6]), want));
        assert!(Values(&[1.0, -2.0, 3.0]) == want);
    }

    #[test]
    fn the_comparer_fails_what_it_must() {
        let want = [1.0, -2.0, 3.0];
        let off = |by: f32| [1.0, -2.0, 3.0 + by];
        assert_eq!(difference("add", 1, &off(0.0), &want), None);
        assert_eq!(difference("add", 1, &off(2e-7), &want), None);
        assert!(difference("add", 1, &off(3e-6), &want).is_some());
        assert_eq!(difference("add", 100, &off(3e-6), &want), None);
        assert!(
            difference("add", 1, &off(f32::NAN), &want).is_some()
                && difference("add", 1, &off(f32::INFINITY), &want).is_some()
        );
        assert!(difference("add", 1, &[1.0, -2.0], &want).is_some());
        // Each element within its bound, all of them at it.
        let ones = [1.0; 100];
        assert!(
            difference("add", 1, &[1.0 + 7.0 * ULP as f32; 100], &ones)
                .is_some_and(|m| m.contains("squared"))
        );
        assert_eq!(inequality(&off(0.0), &want), None);
        assert!(
            inequality(&off(2.4e-7), &want).is_some()
                && inequality(&off(f32::NAN), &want).is_some()
                && inequality(&[], &want).is_some()
        );
        assert!(mistrust(&[0.0, 0.0, 0.0, 1.0]).is_some() && mistrust(&[]).is_some());
        assert_eq!(mistrust(&[0.0, 1.0]), None);
    }
}
