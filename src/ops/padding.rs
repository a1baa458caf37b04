//! Padding that is not zeros.

use std::fmt;

/// The pixels around a padded image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Padding {
    /// Its mirror image, without the edge.
    Reflect,
    /// Its edge, repeated.
    Replicate,
}

impl Padding {
    pub(super) fn kind(self) -> u32 {
        match self {
            Padding::Reflect => 0,
            Padding::Replicate => 1,
        }
    }

    /// The pixel of a line of `side` that is read at `at`, which lies outside by no more than the
    /// padding.
    pub fn seen(self, at: i64, side: u32) -> usize {
        let last = i64::from(side) - 1;
        (match self {
            Padding::Reflect if at.abs() > last => 2 * last - at.abs(),
            Padding::Reflect => at.abs(),
            Padding::Replicate => at.clamp(0, last),
        }) as usize
    }

    /// `BORDER` of the kernels that read a map through its padding.
    pub(super) fn border(self) -> u32 {
        self.kind() + 1
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Padding::Reflect => "reflect",
            Padding::Replicate => "replicate",
        })
    }
}
