//! Comparisons, all written so that NaN fails, and the one table of tolerances.
//!
//! A kernel's f32 result `a` is held against an f64 reference `b` computed from the same f32
//! operands. With `K` terms summed, `|a - b| <= factor 2^-24 sqrt(K) max(|b|, rms(b))` for every
//! element, and the normalised mean squared error is at most `(factor / 2)^2 K 2^-48`: f32 sums err
//! like random walks.

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

/// Panics unless `got` is `want` up to the rounding of sums of `k` terms.
#[track_caller]
pub fn close(op: &str, what: &str, k: usize, got: &[f32], want: &[f64]) {
    if let Some(message) = difference(op, k, got, want) {
        panic!("{what}: {message}");
    }
    trust(what, want);
}

/// Panics unless every value is equal.
#[track_caller]
pub fn exact(what: &str, got: &[f32], want: &[f64]) {
    if let Some(message) = inequality(got, want) {
        panic!("{what}: {message}");
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
