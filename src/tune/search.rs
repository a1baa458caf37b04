//! The search among a problem's variants: from the rule's choice uphill, one part of the variant at
//! a time.
//!
//! A method, a tile and a split are nearly independent: of the 40 variants of a layer a dozen are
//! tried.

use crate::ops::{Method, Variant};

/// What a trial of a variant found.
pub(super) enum Trial {
    /// Seconds that it takes.
    Took(f64),
    /// Slower than the best so far beyond doubt.
    Hopeless,
    /// It cannot be run here.
    Failed(String),
}

/// The end of a search.
pub(super) struct Found {
    pub variant: Variant,
    pub seconds: f64,
    /// Seconds of the variant that the search began at, if it could be run.
    pub first: Option<f64>,
    pub tried: usize,
    pub failed: Vec<(Variant, String)>,
}

/// A variant must be faster than the one it replaces by this factor: a tie stays with the rule.
pub(super) const GAIN: f64 = 0.97;

/// Looks for the fastest of `candidates` from `first` on. `time` is told the best so far; `None`:
/// time is up. `check` says what is wrong with a variant's results. `None` if nothing could be
/// measured.
pub(super) fn search<E>(
    first: Variant,
    candidates: &[Variant],
    mut time: impl FnMut(Variant, Option<f64>) -> Result<Option<Trial>, E>,
    mut check: impl FnMut(Variant) -> Result<Option<String>, E>,
) -> Result<Option<Found>, E> {
    let mut found =
        Found { variant: first, seconds: f64::INFINITY, first: None, tried: 0, failed: Vec::new() };
    let mut open: Vec<Variant> = candidates.iter().copied().filter(|c| *c != first).collect();
    let mut next = Some(first);
    while let Some(variant) = next {
        open.retain(|v| *v != variant);
        let best = Some(found.seconds).filter(|s| s.is_finite());
        let Some(trial) = time(variant, best)? else { break };
        found.tried += 1;
        let better = match trial {
            Trial::Took(seconds) => {
                if variant == first {
                    found.first = Some(seconds);
                }
                Some(seconds).filter(|s| *s < GAIN * found.seconds)
            }
            Trial::Hopeless => None,
            Trial::Failed(why) => {
                found.failed.push((variant, why));
                None
            }
        };
        if let Some(seconds) = better {
            match check(variant)? {
                None => (found.variant, found.seconds) = (variant, seconds),
                Some(why) => found.failed.push((variant, why)),
            }
        }
        // Where nothing has run yet, anything is near.
        let near = |v: &&Variant| !found.seconds.is_finite() || neighbours(**v, found.variant);
        next = open.iter().filter(near).min_by_key(|v| distance(**v, found.variant)).copied();
    }
    Ok(found.seconds.is_finite().then_some(found))
}

/// Whether one part differs. Candidates of Winograd's methods are not split: between them and
/// direct ones the split does not count.
fn neighbours(a: Variant, b: Variant) -> bool {
    let apart = |a: u32, b: u32| a.max(b) / a.min(b).max(1);
    match (a.method == b.method, a.tile == b.tile) {
        (true, true) => apart(a.split, b.split) <= 2,
        (true, false) => a.split == b.split,
        (false, true) => a.method != Method::Direct || a.split <= 2,
        (false, false) => false,
    }
}

/// Methods first, then tiles, then splits: the order in which most is to be gained.
fn distance(a: Variant, b: Variant) -> (bool, bool, u32) {
    (a.method == b.method, a.tile == b.tile, a.split.abs_diff(b.split))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Family;
    use crate::ops::{Pass, Problem};
    use crate::shape::{Conv, Shape};

    fn candidates() -> Vec<Variant> {
        let conv = Conv::new(4, 2, 1);
        let (x, y) = (Shape::new(1, 8, 8, 512), Shape::new(1, 4, 4, 512));
        Variant::candidates(&Problem::of_layer(Pass::ALL[0], x, y, conv), Family::Workgroup)
    }

    fn run(seconds: impl Fn(&str) -> f64, wrong: &str, most: usize) -> Option<Found> {
        let (all, mut left) = (candidates(), most);
        let time = |v: Variant, best: Option<f64>| {
            if left == 0 {
                return Ok(None);
            }
            left -= 1;
            let s = seconds(&v.to_string());
            Ok::<_, ()>(Some(if s.is_nan() {
                Trial::Failed("no".into())
            } else if best.is_some_and(|b| s > 3.0 * b) {
                Trial::Hopeless
            } else {
                Trial::Took(s)
            }))
        };
        search("direct workgroup64 split4".parse().unwrap(), &all, time, |v| {
            Ok((v.to_string() == wrong).then(|| "NaN".into()))
        })
        .unwrap()
    }

    #[test]
    fn the_fastest_is_found_in_a_few_trials_and_a_tie_stays_with_the_first() {
        let time = |v: &str| match v {
            "direct workgroup32 split16" => 1.0,
            v if v.starts_with("direct workgroup32") => {
                2.0 - v.len() as f64 / 100.0 - f64::from(v.ends_with("split8")) * 0.3
            }
            v if v.starts_with("direct") => 3.0,
            _ => 20.0,
        };
        let found = run(time, "", 99).unwrap();
        assert_eq!(
            (found.variant.to_string().as_str(), found.seconds, found.first),
            ("direct workgroup32 split16", 1.0, Some(3.0))
        );
        assert!(
            found.tried < candidates().len() / 2 + 4,
            "{} of {}",
            found.tried,
            candidates().len()
        );
        let same = run(|v| if v.contains("split4") { 1.0 } else { 0.99 }, "", 99).unwrap();
        assert_eq!(same.variant.to_string(), "direct workgroup64 split4");
    }

    #[test]
    fn what_is_wrong_or_fails_never_wins_and_when_time_is_up_the_best_so_far_does() {
        let time = |v: &str| if v.starts_with("winograd5") { 1.0 } else { 2.0 };
        assert!(run(time, "", 99).unwrap().variant.to_string().starts_with("winograd5"));
        let found = run(time, "winograd5 workgroup64", 99).unwrap();
        assert_ne!(found.variant.to_string(), "winograd5 workgroup64");
        assert_eq!(found.failed.len(), 1);
        // The rule's own variant is wrong: another one is taken.
        let found = run(|_| 1.0, "direct workgroup64 split4", 99).unwrap();
        assert_ne!(found.variant.to_string(), "direct workgroup64 split4");
        let failing = |v: &str| if v.starts_with("winograd") { f64::NAN } else { 2.0 };
        assert!(!run(failing, "", 99).unwrap().failed.is_empty());
        assert_eq!(run(time, "", 1).unwrap().variant.to_string(), "direct workgroup64 split4");
        assert!(run(time, "", 0).is_none());
    }
}
