//! Random numbers of a dataset: the same on every machine and in every version of ours.

// What a stream of random numbers is for; keeps the streams apart. CUT and TARGET leave low bits to
// the index.
pub(super) const ORDER: u64 = 1 << 62;
pub(super) const CUT: u64 = 1 << 63;
/// Of pictures that share no pair: which of the targets, and how it is cut.
pub(super) const TARGET: u64 = 1 << 61;

/// splitmix64 from a key.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(key: [u64; 3]) -> Self {
        Self(key.into_iter().fold(0, |state, word| mix(state ^ mix(word.wrapping_add(GOLDEN)))))
    }

    /// 0 to `n` - 1. The bias of n / 2^64 is of no consequence.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        ((u128::from(mix(self.0)) * u128::from(n)) >> 64) as u64
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn offsets_reach_both_ends() {
        let mut random = Random::new([1, 2, 3]);
        let draws = Vec::from_iter((0..200).map(|_| random.below(5)));
        assert_eq!(BTreeSet::from_iter(draws), BTreeSet::from([0, 1, 2, 3, 4]));
    }
}
