//! Shapes: channels last, the last dimension stored in whole vec4s.
//!
//! A tensor `[n, h, w, c]` is stored as `n * h * w` pixels of `c.vec4s()` consecutive vec4s.
//! Channels come in parts: a concatenation keeps each part's own padding, so that its producers can
//! write straight into the joint buffer. Lanes that hold no channel are zero, and stay so.

use std::fmt;

/// The most parts with their own padding that a tensor may have.
pub const MAX_PARTS: usize = 4;

/// The channels of a tensor: logical counts by part, each part padded to a multiple of 4.
///
/// Parts are kept merged: a part whose count is a multiple of 4 needs no padding, so the next part
/// continues it (64 and 64 are one part of 128, 3 and 3 are two parts in 4 + 4 places).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Channels {
    parts: [u32; MAX_PARTS],
}

impl Channels {
    /// One part of `count` channels.
    pub const fn new(count: u32) -> Self {
        Channels { parts: [count, 0, 0, 0] }
    }

    /// The channels of a concatenation, or `None` if it would have more than [`MAX_PARTS`] parts.
    pub fn concat(all: &[Channels]) -> Option<Channels> {
        let mut parts = [0; MAX_PARTS];
        let mut last = 0;
        for part in all.iter().flat_map(|c| c.parts).filter(|&p| p > 0) {
            if parts[last] % 4 != 0 {
                last += 1;
            }
            *parts.get_mut(last)? += part;
        }
        Some(Channels { parts })
    }

    /// Logical counts by part; unused parts are 0.
    pub fn parts(self) -> [u32; MAX_PARTS] {
        self.parts
    }

    /// Number of logical channels, without padding.
    pub fn logical(self) -> u32 {
        self.parts.iter().sum()
    }

    /// vec4s per pixel.
    pub fn vec4s(self) -> u32 {
        self.parts.iter().map(|p| p.div_ceil(4)).sum()
    }

    /// f32 per pixel, padding included: `4 * vec4s`.
    pub fn physical(self) -> u32 {
        4 * self.vec4s()
    }

    /// The index of each logical channel within a pixel, in order.
    pub fn places(self) -> impl Iterator<Item = u32> {
        let mut start = 0;
        self.parts.into_iter().flat_map(move |p| {
            let first = start;
            start += 4 * p.div_ceil(4);
            first..first + p
        })
    }
}

impl From<u32> for Channels {
    fn from(count: u32) -> Self {
        Channels::new(count)
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used: Vec<String> = self.parts.iter().filter(|&&p| p > 0).map(u32::to_string).collect();
        f.write_str(&used.join("|"))
    }
}

/// `[n, h, w, c]`. Weights are `[taps, 1, ci, co]`, vectors `[1, 1, 1, c]`, scalars `[1, 1, 1, 1]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// Images in the batch, or kernel taps.
    pub n: u32,
    /// Rows.
    pub h: u32,
    /// Columns, or input channels of a weight (places, padding included).
    pub w: u32,
    /// Channels.
    pub c: Channels,
}

impl Shape {
    /// `[n, h, w, c]`.
    pub fn new(n: u32, h: u32, w: u32, c: impl Into<Channels>) -> Self {
        Shape { n, h, w, c: c.into() }
    }

    /// A vector of `c` channels.
    pub fn vector(c: impl Into<Channels>) -> Self {
        Shape::new(1, 1, 1, c)
    }

    /// A scalar, `[1, 1, 1, 1]`.
    pub fn scalar() -> Self {
        Shape::vector(1)
    }

    /// `n * h * w`.
    pub fn pixels(&self) -> u32 {
        self.n * self.h * self.w
    }

    /// Number of logical values: `pixels * c.logical()`.
    pub fn elements(&self) -> u64 {
        u64::from(self.pixels()) * u64::from(self.c.logical())
    }

    /// vec4s in a dense buffer: `pixels * c.vec4s()`.
    pub fn vec4s(&self) -> u64 {
        u64::from(self.pixels()) * u64::from(self.c.vec4s())
    }

    /// Bytes in a dense buffer.
    pub fn bytes(&self) -> u64 {
        16 * self.vec4s()
    }

    /// The same pixels with different channels.
    pub fn with_channels(self, c: impl Into<Channels>) -> Self {
        Shape { c: c.into(), ..self }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}, {}]", self.n, self.h, self.w, self.c)
    }
}

/// Kernel, stride and padding of a convolution or transposed convolution (square, zero padded).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Conv {
    /// Side of the square kernel, in taps.
    pub kernel: u32,
    /// Stride in pixels, in both directions.
    pub stride: u32,
    /// Zero padding on every side.
    pub pad: u32,
    /// Rows and columns added at the far side of a transposed convolution's output.
    pub output_pad: u32,
}

impl Conv {
    /// Kernel, stride, padding; no output padding.
    pub const fn new(kernel: u32, stride: u32, pad: u32) -> Self {
        Conv { kernel, stride, pad, output_pad: 0 }
    }

    /// Adds output padding (transposed convolutions only).
    pub const fn with_output_pad(self, output_pad: u32) -> Self {
        Conv { output_pad, ..self }
    }

    /// Output side of a convolution, `floor((side + 2 pad - kernel) / stride) + 1`; `None` if the
    /// kernel does not fit.
    pub fn out(&self, side: u32) -> Option<u32> {
        (side + 2 * self.pad).checked_sub(self.kernel).map(|d| d / self.stride + 1)
    }

    /// Output side of a transposed convolution, `(side - 1) stride - 2 pad + kernel + output_pad`;
    /// `None` if not positive.
    pub fn transposed_out(&self, side: u32) -> Option<u32> {
        ((side - 1) * self.stride + self.kernel + self.output_pad)
            .checked_sub(2 * self.pad)
            .filter(|&s| s > 0)
    }

    /// Number of taps of a kernel.
    pub fn taps(&self) -> u32 {
        self.kernel * self.kernel
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{} s{} p{}", self.kernel, self.stride, self.pad)?;
        if self.output_pad > 0 {
            write!(f, " op{}", self.output_pad)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concat_merges_whole_parts_and_keeps_padding_of_odd_ones() {
        let c = |n| Channels::new(n);
        assert_eq!(Channels::concat(&[c(64), c(64)]), Some(c(128)));
        let odd = Channels::concat(&[c(3), c(3)]).unwrap();
        assert_eq!((odd.logical(), odd.physical(), odd.vec4s()), (6, 8, 2));
        assert_eq!(odd.places().collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6]);
        assert_eq!(Channels::concat(&[c(8), c(3), c(8)]).unwrap().parts(), [11, 8, 0, 0]);
        assert_eq!(Channels::concat(&[c(1); 5]), None);
    }

    #[test]
    fn convolution_arithmetic_matches_the_published_sizes() {
        let k4s2 = Conv::new(4, 2, 1);
        assert_eq!((k4s2.out(256), k4s2.transposed_out(128)), (Some(128), Some(256)));
        assert_eq!(Conv::new(4, 1, 1).out(32), Some(31));
        assert_eq!(Conv::new(3, 2, 1).with_output_pad(1).transposed_out(64), Some(128));
        assert_eq!(Conv::new(7, 1, 0).out(5), None);
    }
}
