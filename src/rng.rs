//! Counter-based random numbers, bit for bit those of `shaders/lib/rng.wgsl`.

/// The hash pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020) of (index,
/// stream, step, seed).
pub fn random(index: u32, stream: u32, step: u32, seed: u32) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] =
        [index, stream, step, seed].map(|v| v.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    for round in 0..2 {
        x = x.wrapping_add(y.wrapping_mul(w));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        w = w.wrapping_add(y.wrapping_mul(z));
        if round == 0 {
            [x, y, z, w] = [x, y, z, w].map(|v| v ^ (v >> 16));
        }
    }
    [x, y, z, w]
}

/// Hashes a 64-bit seed to the 32 bits that kernels use.
pub fn fold_seed(seed: u64) -> u32 {
    // splitmix64's finaliser, so that neighbouring seeds share nothing.
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};

    #[test]
    fn bits_are_balanced_and_neighbours_do_not_correlate() {
        const N: u32 = 1 << 16;
        for (stream, step) in [(0, 0), (1, 0), (0, 1), (7, 123)] {
            let words: Vec<u32> = (0..N).map(|i| random(i, stream, step, 42)[0]).collect();
            for bit in 0..32 {
                let ones = words.iter().filter(|w| *w >> bit & 1 == 1).count() as f64;
                // Six standard deviations of a fair coin.
                assert!(
                    abs_diff_eq!(ones, f64::from(N) / 2.0, epsilon = 3.0 * f64::from(N).sqrt()),
                    "bit {bit}: {ones}"
                );
            }
            let flips = words.windows(2).map(|w| (w[0] ^ w[1]).count_ones()).sum::<u32>();
            let mean = f64::from(flips) / f64::from(N - 1);
            assert_abs_diff_eq!(mean, 16.0, epsilon = 0.1);
        }
    }

    #[test]
    fn streams_steps_and_seeds_differ() {
        let at = |stream, step, seed| {
            (0..64).map(|i| random(i, stream, step, seed)[0]).collect::<Vec<_>>()
        };
        let first = at(0, 0, 0);
        for other in [at(1, 0, 0), at(0, 1, 0), at(0, 0, 1)] {
            assert_ne!(first, other);
        }
        assert_ne!(fold_seed(1), fold_seed(2));
    }
}
