//! Helpers of the f64 references, and the check of their gradients.

use super::fill;
use approx::abs_diff_eq;

/// Widens operands.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Inner product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Panics unless `gradient` is that of the scalar function `f` at `x`, along a random direction:
/// central differences in f64.
#[track_caller]
pub fn directional(what: &str, f: impl Fn(&[f64]) -> f64, x: &[f64], gradient: &[f64]) {
    const EPS: f64 = 1e-5;
    let way = wide(&fill::reals(x.len(), 0xd1ff, -1.0, 1.0));
    let at = |by: f64| f(&x.iter().zip(&way).map(|(x, v)| x + by * v).collect::<Vec<_>>());
    let (slope, expected) = ((at(EPS) - at(-EPS)) / (2.0 * EPS), dot(gradient, &way));
    // Rounding of f itself: its size times 2^-53 / eps.
    let scale = expected.abs() + f(x).abs() * 1e-3 + dot(gradient, gradient).sqrt();
    assert!(
        abs_diff_eq!(slope, expected, epsilon = 1e-7 * scale),
        "{what}: the reference's gradient says {expected}, differences say {slope}"
    );
}
