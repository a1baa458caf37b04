//! Types of an image's values: 8-bit, 16-bit or float.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

use crate::Error;

/// The kind of an image's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// 8 bits, 0 to 255.
    U8,
    /// 16 bits, 0 to 65535.
    U16,
    /// 32-bit floats, 0 to 1 by default.
    F32,
}

impl Depth {
    const NAMES: [(Depth, &str); 3] = [(Depth::U8, "u8"), (Depth::U16, "u16"), (Depth::F32, "f32")];

    /// The values of black and white.
    pub fn range(self) -> [f32; 2] {
        match self {
            Depth::U8 => [0.0, 255.0],
            Depth::U16 => [0.0, 65535.0],
            Depth::F32 => [0.0, 1.0],
        }
    }

    /// The default file extension for images of this depth: PNG, TIFF for floats, npy for channel
    /// counts that these do not support.
    pub fn extension(self, channels: u32) -> &'static str {
        match (self, channels) {
            (Depth::F32, 1 | 3 | 4) => "tiff",
            (Depth::U8 | Depth::U16, 1 | 3 | 4) => "png",
            _ => "npy",
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            Self::NAMES.iter().find(|(depth, _)| depth == self).map_or("", |(_, name)| name),
        )
    }
}

impl FromStr for Depth {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == s);
        found
            .map(|(depth, _)| *depth)
            .ok_or_else(|| Error::Usage(format!("depth {s:?} is unknown; use u8, u16 or f32")))
    }
}

/// The type of an image's values, with the arithmetic that resizing needs.
pub trait Element: Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The type as a value.
    const DEPTH: Depth;
    /// The weight of a tap, and the type of a weighted sum.
    type Weight: Copy + Default + AddAssign;

    /// The value, unscaled.
    fn to_f32(self) -> f32;
    /// The nearest value of the type, clamped to its range.
    fn from_f32(value: f32) -> Self;
    /// ITU-R 601-2 luma of an RGB pixel.
    fn luma(rgb: [Self; 3]) -> Self;
    /// Converts a tap's weight to the type of sums.
    fn weight(weight: f64) -> Self::Weight;
    /// Weight times value.
    fn weigh(self, weight: Self::Weight) -> Self::Weight;
    /// Converts a weighted sum to a value.
    fn round(sum: Self::Weight) -> Self;

    /// Position between black and white, 0 to 1.
    fn unit(self) -> f64 {
        let [low, high] = Self::DEPTH.range();
        f64::from(self.to_f32() - low) / f64::from(high - low)
    }
}

/// Fractional bits of the weights for 8-bit images, as in Pillow.
const FIXED: u32 = 32 - 8 - 2;

impl Element for u8 {
    const DEPTH: Depth = Depth::U8;
    type Weight = i32;

    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(value: f32) -> Self {
        value.round() as u8
    }

    /// Weights of 299, 587 and 114 thousandths in 16-bit fixed point, as PIL's `convert('L')`.
    fn luma(rgb: [Self; 3]) -> Self {
        let [r, g, b] = rgb.map(u32::from);
        ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
    }

    fn weight(weight: f64) -> i32 {
        // Halves round away from zero.
        (weight * f64::from(1 << FIXED)).round() as i32
    }

    #[inline(always)]
    fn weigh(self, weight: i32) -> i32 {
        i32::from(self) * weight
    }

    #[inline(always)]
    fn round(sum: i32) -> Self {
        ((sum + (1 << (FIXED - 1))) >> FIXED).clamp(0, 255) as u8
    }
}

impl Element for u16 {
    const DEPTH: Depth = Depth::U16;
    type Weight = f64;

    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(value: f32) -> Self {
        value.round() as u16
    }

    fn luma(rgb: [Self; 3]) -> Self {
        let [r, g, b] = rgb.map(u64::from);
        ((r * 299 + g * 587 + b * 114 + 500) / 1000) as u16
    }

    fn weight(weight: f64) -> f64 {
        weight
    }

    #[inline(always)]
    fn weigh(self, weight: f64) -> f64 {
        f64::from(self) * weight
    }

    #[inline(always)]
    fn round(sum: f64) -> Self {
        (sum + 0.5).floor() as u16
    }
}

impl Element for f32 {
    const DEPTH: Depth = Depth::F32;
    type Weight = f64;

    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> Self {
        value
    }

    fn luma([r, g, b]: [Self; 3]) -> Self {
        0.299 * r + 0.587 * g + 0.114 * b
    }

    fn weight(weight: f64) -> f64 {
        weight
    }

    #[inline(always)]
    fn weigh(self, weight: f64) -> f64 {
        f64::from(self) * weight
    }

    #[inline(always)]
    fn round(sum: f64) -> Self {
        sum as f32
    }
}
