//! Pictures on their way to and from the device: as bytes, or as values.

use crate::error::{Error, Result};
use crate::plan::Program;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor};

/// How pictures go up to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureFormat {
    /// 8-bit values, packed; the device makes -1 to 1 of 0 to 255. A quarter of the traffic.
    #[default]
    Bytes,
    /// Values from -1 to 1, for pictures of more than 8 bits or with a range of their own.
    Floats,
}

/// Pictures `[n, h, w, c]` in one of the two formats.
#[derive(Clone, Debug, PartialEq)]
pub enum PictureValues {
    /// 0 to 255.
    Bytes(Vec<u8>),
    /// -1 to 1.
    Floats(Vec<f32>),
}

impl PictureValues {
    /// No picture yet.
    pub fn empty(format: PictureFormat) -> Self {
        match format {
            PictureFormat::Bytes => PictureValues::Bytes(Vec::new()),
            PictureFormat::Floats => PictureValues::Floats(Vec::new()),
        }
    }

    /// How many values there are.
    #[expect(clippy::len_without_is_empty, reason = "only compared with what a plan wants")]
    pub fn len(&self) -> usize {
        match self {
            PictureValues::Bytes(v) => v.len(),
            PictureValues::Floats(v) => v.len(),
        }
    }

    /// Adds the pictures of another, which must be of the same format.
    ///
    /// # Panics
    /// If it is not.
    pub fn append(&mut self, other: &PictureValues) {
        match (self, other) {
            (PictureValues::Bytes(to), PictureValues::Bytes(from)) => to.extend_from_slice(from),
            (PictureValues::Floats(to), PictureValues::Floats(from)) => to.extend_from_slice(from),
            _ => panic!("bytes and floats in one batch"),
        }
    }
}

/// Borrowed [`PictureValues`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// 0 to 255.
    Bytes(&'a [u8]),
    /// -1 to 1.
    Floats(&'a [f32]),
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Values::Bytes(all) => all.len(),
            Values::Floats(all) => all.len(),
        }
    }

    /// Part `at` of `parts` of one length.
    pub(super) fn part(&self, at: usize, parts: usize) -> Self {
        fn of<T>(all: &[T], at: usize, parts: usize) -> &[T] {
            let length = all.len() / parts;
            &all[at * length..(at + 1) * length]
        }
        match self {
            Values::Bytes(all) => Values::Bytes(of(all, at, parts)),
            Values::Floats(all) => Values::Floats(of(all, at, parts)),
        }
    }
}

impl<'a> From<&'a PictureValues> for Values<'a> {
    fn from(values: &'a PictureValues) -> Self {
        match values {
            PictureValues::Bytes(v) => Values::Bytes(v),
            PictureValues::Floats(v) => Values::Floats(v),
        }
    }
}

impl<'a> From<&'a [u8]> for Values<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Values::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Values<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Values::Bytes(bytes)
    }
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Values::Floats(values)
    }
}

impl<'a> From<&'a Vec<f32>> for Values<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Values::Floats(values)
    }
}

/// What the host writes, and the tensor with values from -1 to 1 made of it.
pub(super) fn record_input(
    tape: &mut Tape,
    label: &str,
    shape: Shape,
    format: PictureFormat,
) -> Result<(Tensor, Tensor)> {
    match format {
        PictureFormat::Bytes => {
            let raw = tape.picture_input(label, shape.n, shape.h, shape.w, shape.c.logical());
            Ok((raw, tape.picture_to_tensor(raw, shape)?))
        }
        PictureFormat::Floats => {
            let values = tape.input(label, shape);
            Ok((values, values))
        }
    }
}

impl Program {
    /// Writes what [`record_input`] recorded.
    pub(super) fn write_picture(
        &self,
        tensor: Tensor,
        format: PictureFormat,
        values: Values<'_>,
    ) -> Result<()> {
        match (format, values) {
            (PictureFormat::Bytes, Values::Bytes(bytes)) => self.write_bytes(tensor, bytes),
            (PictureFormat::Floats, Values::Floats(values)) => self.write(tensor, values),
            (format, _) => Err(Error::Usage(format!(
                "pictures go up as {format:?} here, and others were given"
            ))),
        }
    }
}
