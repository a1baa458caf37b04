//! Values as files hold them: f32, or packed in 16 or 8 bits.

use std::borrow::Cow;

/// Values of a tensor in public order, as files hold them.
#[derive(Clone, Copy, Debug)]
pub enum Packed<'a> {
    /// As they are.
    F32(&'a [f32]),
    /// Bits of half-precision floats (binary16).
    F16(&'a [u16]),
    /// The upper halves of f32.
    Bf16(&'a [u16]),
    /// Integers with scales: a value is `codes[i] * scale[i / run % scale.len()]`.
    I8 {
        /// The integers.
        codes: &'a [i8],
        /// One scale per channel.
        scale: &'a [f32],
        /// How many consecutive values share a scale: the product of the dimensions behind the
        /// channels'.
        run: usize,
    },
}

impl<'a> Packed<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Packed::F32(values) => values.len(),
            Packed::F16(halves) | Packed::Bf16(halves) => halves.len(),
            Packed::I8 { codes, .. } => codes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as f32, exactly (a product of a code and a scale is rounded once). NaN becomes
    /// quiet and keeps the rest of its bits.
    pub fn to_f32s(&self) -> Cow<'a, [f32]> {
        match *self {
            Packed::F32(values) => values.into(),
            Packed::F16(halves) => halves.iter().map(|half| from_f16(*half)).collect(),
            Packed::Bf16(halves) => halves.iter().map(|half| from_bf16(*half)).collect(),
            Packed::I8 { codes, scale, run } => {
                let of = |i: usize| scale[i / run % scale.len()];
                codes.iter().enumerate().map(|(i, code)| f32::from(*code) * of(i)).collect()
            }
        }
    }
}

/// What a half stands for, as in `shaders/unpack.wgsl`.
fn from_f16(half: u16) -> f32 {
    let (sign, mantissa) = (u32::from(half & 0x8000) << 16, u32::from(half & 0x3ff));
    let bits = match half & 0x7c00 {
        // Subnormal: whole multiples of 2^-24, which are normal in f32.
        0 => (mantissa as f32 * 2f32.powi(-24)).to_bits(),
        0x7c00 if mantissa > 0 => 0x7fc0_0000 | (mantissa << 13),
        0x7c00 => 0x7f80_0000,
        // Biases 15 and 127.
        _ => (u32::from(half & 0x7fff) << 13) + (112 << 23),
    };
    f32::from_bits(sign | bits)
}

fn from_bf16(half: u16) -> f32 {
    let quiet = if half & 0x7fff > 0x7f80 { 0x40 } else { 0 };
    f32::from_bits(u32::from(half | quiet) << 16)
}

#[cfg(all(test, feature = "io"))]
mod tests {
    use super::*;

    #[test]
    fn halves_have_the_bits_of_the_half_crate() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let [f16, bf16] = [Packed::F16(&all), Packed::Bf16(&all)].map(|packed| packed.to_f32s());
        for (i, half) in all.iter().enumerate() {
            let wanted = half::f16::from_bits(*half).to_f32();
            assert_eq!(f16[i].to_bits(), wanted.to_bits(), "f16 {half:#x}");
            let wanted = half::bf16::from_bits(*half).to_f32();
            assert_eq!(bf16[i].to_bits(), wanted.to_bits(), "bf16 {half:#x}");
        }
    }
}
