//! Values for tensors, from the counter-based generator: the same on every machine.

use pixtape::rng::random;

const SEED: u32 = 0x7069_7874;

/// Random words, one for each index.
pub fn bits(len: usize, stream: u32) -> Vec<u32> {
    (0..len as u32).map(|i| random(i, stream, 0, SEED)[0]).collect()
}

/// Integers in `-max ..= max`: sums of products of few of them are exact in f32.
pub fn integers(len: usize, stream: u32, max: u32) -> Vec<f32> {
    bits(len, stream).into_iter().map(|b| (b % (2 * max + 1)) as f32 - max as f32).collect()
}

/// Uniform in `low .. high`.
pub fn reals(len: usize, stream: u32, low: f32, high: f32) -> Vec<f32> {
    bits(len, stream)
        .into_iter()
        .map(|b| low + (high - low) * ((b >> 8) as f32 / 16_777_216.0))
        .collect()
}

/// Normal, mean 0 and deviation 1 (Box-Muller).
pub fn normals(len: usize, stream: u32) -> Vec<f32> {
    let unit = |word: u32| (f64::from(word >> 8) + 0.5) / 16_777_216.0;
    let normal = |i: u32| {
        let [a, b, ..] = random(i, stream, 1, SEED);
        ((-2.0 * unit(a).ln()).sqrt() * (std::f64::consts::TAU * unit(b)).cos()) as f32
    };
    (0..len as u32).map(normal).collect()
}
