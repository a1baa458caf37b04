//! Tensors of files, packed as the files have them.

use crate::store::Packed;
use std::borrow::Cow;

/// A tensor in a file: its shape, and its values in public order. Those of 16 or 8 bits stay packed
/// until they are changed. Two are equal if shapes and values are, packed or not.
#[derive(Clone, Debug)]
pub struct Values {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    numbers: Numbers,
}

#[derive(Clone, Debug)]
pub(super) enum Numbers {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Bf16(Vec<u16>),
    /// As in [`Packed::I8`].
    I8 {
        codes: Vec<i8>,
        scale: Vec<f32>,
        run: usize,
    },
}

impl Values {
    pub(super) fn new(shape: Vec<usize>, numbers: Numbers) -> Values {
        Values { shape, numbers }
    }

    /// The values as the file has them: what [`Store::write_packed`](crate::Store::write_packed)
    /// takes.
    pub fn packed(&self) -> Packed<'_> {
        match &self.numbers {
            Numbers::F32(values) => Packed::F32(values),
            Numbers::F16(halves) => Packed::F16(halves),
            Numbers::Bf16(halves) => Packed::Bf16(halves),
            Numbers::I8 { codes, scale, run } => Packed::I8 { codes, scale, run: *run },
        }
    }

    /// The values; a copy if they are packed.
    pub fn f32s(&self) -> Cow<'_, [f32]> {
        self.packed().to_f32s()
    }

    /// The values, to be changed: from now on they are f32.
    pub fn f32s_mut(&mut self) -> &mut [f32] {
        if !matches!(self.numbers, Numbers::F32(_)) {
            self.numbers = Numbers::F32(self.f32s().into_owned());
        }
        match &mut self.numbers {
            Numbers::F32(values) => values,
            _ => unreachable!("they have just been made f32"),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.packed().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<(Vec<usize>, Vec<f32>)> for Values {
    fn from((shape, values): (Vec<usize>, Vec<f32>)) -> Values {
        Values { shape, numbers: Numbers::F32(values) }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        self.shape == other.shape && self.f32s() == other.f32s()
    }
}
