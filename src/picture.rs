//! Samples on their way to and from the device: named planes, each with its channels and encoding.
//!
//! A model records an [`Input`] for every plane that its step reads ([`Plane`]); a dataset delivers
//! the values of each ([`PlaneValues`]). Images go up as bytes or as floats; indices of labels and
//! instances as floats that hold them exactly.

use crate::error::{Error, Result};
use crate::plan::Program;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor};
use std::borrow::Cow;

/// A named part of a sample: an image, a map of labels, a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plane {
    /// Its name: `input`, `label`.
    pub name: &'static str,
    /// Values per pixel; 1 for indices and masks.
    pub channels: u32,
    /// What its values are.
    pub encoding: Encoding,
}

/// What the values of a plane are, and how they go up to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// An image, with values from -1 to 1 on the device.
    Image(PictureFormat),
    /// The index of a class per pixel, 8 or 16 bits in files: on the device the index itself.
    Labels,
    /// The number of an instance per pixel, 16 or 32 bits in files: on the device the number
    /// itself, below [`MAX_INDEX`]; only whether numbers are equal means anything.
    Instances,
    /// 0 or 1 per pixel.
    Mask,
    /// Numbers of a whole sample, `[n, 1, 1, channels]`, with any values: a caption's embedding.
    Vector,
}

/// The largest index that a plane holds: floats tell all whole numbers up to here apart.
pub const MAX_INDEX: u32 = 1 << 24;

/// How images go up to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureFormat {
    /// 8-bit values, packed; the device maps 0 to 255 to -1 to 1. A quarter of the traffic.
    #[default]
    Bytes,
    /// Values from -1 to 1, for images of more than 8 bits or with a range of their own.
    Floats,
}

/// Images `[n, h, w, c]` in one of the two formats.
#[derive(Clone, Debug, PartialEq)]
pub enum PictureValues {
    /// 0 to 255.
    Bytes(Vec<u8>),
    /// -1 to 1.
    Floats(Vec<f32>),
}

/// The values of a plane of one or several samples.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaneValues {
    /// Of [`Encoding::Image`], `[n, h, w, c]`.
    Image(PictureValues),
    /// Of [`Encoding::Labels`], [`Encoding::Instances`] and [`Encoding::Mask`], `[n, h, w]`.
    Indices(Vec<u32>),
    /// Of [`Encoding::Vector`], `[n, c]`.
    Vector(Vec<f32>),
}

/// Borrowed values of a plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// Of an image in [`PictureFormat::Bytes`].
    Bytes(&'a [u8]),
    /// Of an image in [`PictureFormat::Floats`], or of a vector.
    Floats(&'a [f32]),
    /// Of labels, instances or a mask.
    Indices(&'a [u32]),
}

/// A plane of a batch on a tape: the tensor that the host writes before a step.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// What it holds.
    pub plane: Plane,
    /// What the host writes.
    pub tensor: Tensor,
    /// Shape of the values.
    pub shape: Shape,
}

impl Plane {
    /// An image.
    pub fn image(name: &'static str, channels: u32, format: PictureFormat) -> Plane {
        Plane { name, channels, encoding: Encoding::Image(format) }
    }

    /// A plane of one channel.
    pub fn map(name: &'static str, encoding: Encoding) -> Plane {
        Plane { name, channels: 1, encoding }
    }

    /// Shape of its values on the device, for `n` samples of a height and width.
    pub fn shape(&self, [n, height, width]: [u32; 3]) -> Shape {
        match self.encoding {
            Encoding::Vector => Shape::new(n, 1, 1, self.channels),
            _ => Shape::new(n, height, width, self.channels),
        }
    }

    /// Values of this plane as they are on the device, where all of a batch are of a shape.
    ///
    /// # Errors
    /// [`Error::Usage`] for another number or kind of values, or an index above [`MAX_INDEX`].
    pub(crate) fn numbers<'a>(&self, values: &Values<'a>, shape: &Shape) -> Result<Cow<'a, [f32]>> {
        self.check(values, shape)?;
        let name = self.name;
        Ok(match (self.encoding, *values) {
            (Encoding::Image(PictureFormat::Bytes), Values::Bytes(bytes)) => {
                // As `picture_to_tensor` does it.
                bytes.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect()
            }
            (Encoding::Image(PictureFormat::Floats) | Encoding::Vector, Values::Floats(values)) => {
                values.into()
            }
            (Encoding::Labels | Encoding::Instances | Encoding::Mask, Values::Indices(values)) => {
                let most = if self.encoding == Encoding::Mask { 1 } else { MAX_INDEX };
                if let Some((at, value)) = values.iter().enumerate().find(|(_, v)| **v > most) {
                    return Err(Error::Usage(format!(
                        "{name}: {value} at place {at}, where {:?} go up to {most}; renumber them",
                        self.encoding
                    )));
                }
                values.iter().map(|v| *v as f32).collect()
            }
            (encoding, values) => {
                return Err(Error::Usage(format!(
                    "{name}: {} given, where {encoding:?} is expected",
                    values.kind()
                )));
            }
        })
    }

    /// Refuses another number of values than a shape has.
    fn check(&self, values: &Values<'_>, shape: &Shape) -> Result<()> {
        if values.len() as u64 == shape.elements() {
            return Ok(());
        }
        let (name, given, taken) = (self.name, values.len(), shape.elements());
        Err(Error::Usage(format!("{name}: {given} values, where {shape} take {taken}")))
    }

    /// No values yet, in the form that its encoding has.
    pub fn empty(&self) -> PlaneValues {
        match self.encoding {
            Encoding::Image(format) => PlaneValues::Image(PictureValues::empty(format)),
            Encoding::Vector => PlaneValues::Vector(Vec::new()),
            Encoding::Labels | Encoding::Instances | Encoding::Mask => {
                PlaneValues::Indices(Vec::new())
            }
        }
    }
}

impl Input {
    /// Records the tensor that the host writes for a plane of `n` samples of a height and width,
    /// and the one with its values: from -1 to 1 for images, the numbers themselves for others.
    ///
    /// # Errors
    /// [`Error::Shape`] if the tape does not take the shape.
    pub fn record(tape: &mut Tape, plane: Plane, size: [u32; 3]) -> Result<(Input, Tensor)> {
        let shape = plane.shape(size);
        let (tensor, values) = match plane.encoding {
            Encoding::Image(PictureFormat::Bytes) => {
                let Shape { n, h, w, c } = shape;
                let raw = tape.picture_input(plane.name, n, h, w, c.logical());
                (raw, tape.picture_to_tensor(raw, shape)?)
            }
            _ => {
                let values = tape.input(plane.name, shape);
                (values, values)
            }
        };
        Ok((Input { plane, tensor, shape }, values))
    }

    /// How many values the host writes.
    #[expect(clippy::len_without_is_empty, reason = "no shape is empty")]
    pub fn len(&self) -> usize {
        self.shape.elements() as usize
    }

    /// Writes the values of the coming step.
    ///
    /// # Errors
    /// [`Error::Usage`] for another number or kind of values, or an index above [`MAX_INDEX`].
    pub fn write(&self, program: &Program, values: Values<'_>) -> Result<()> {
        match (self.plane.encoding, values) {
            (Encoding::Image(PictureFormat::Bytes), Values::Bytes(bytes)) => {
                self.plane.check(&values, &self.shape)?;
                program.write_bytes(self.tensor, bytes)
            }
            _ => program.write(self.tensor, &self.plane.numbers(&values, &self.shape)?),
        }
    }
}

impl PictureValues {
    /// No image yet.
    pub fn empty(format: PictureFormat) -> Self {
        match format {
            PictureFormat::Bytes => PictureValues::Bytes(Vec::new()),
            PictureFormat::Floats => PictureValues::Floats(Vec::new()),
        }
    }

    /// How many values there are.
    #[expect(clippy::len_without_is_empty, reason = "only compared with what a plan expects")]
    pub fn len(&self) -> usize {
        match self {
            PictureValues::Bytes(v) => v.len(),
            PictureValues::Floats(v) => v.len(),
        }
    }

    /// Adds the images of another, which must be of the same format.
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

impl PlaneValues {
    /// Adds the values of another sample of the same plane.
    ///
    /// # Panics
    /// If they are of another kind.
    pub fn append(&mut self, other: &PlaneValues) {
        match (self, other) {
            (PlaneValues::Image(to), PlaneValues::Image(from)) => to.append(from),
            (PlaneValues::Indices(to), PlaneValues::Indices(from)) => to.extend_from_slice(from),
            (PlaneValues::Vector(to), PlaneValues::Vector(from)) => to.extend_from_slice(from),
            _ => panic!("planes of two encodings in one batch"),
        }
    }
}

/// The values of a plane among those given.
pub(crate) fn named<'a>(name: &str, planes: &[(&str, Values<'a>)]) -> Result<Values<'a>> {
    let found = planes.iter().find(|(given, _)| *given == name);
    found.map(|(_, values)| *values).ok_or_else(|| {
        let given: Vec<_> = planes.iter().map(|(name, _)| *name).collect();
        Error::Usage(format!("no plane {name:?} among those given ({})", given.join(", ")))
    })
}

/// Planes by name, as a training step takes them.
pub fn borrowed<'a>(planes: &'a [(&'static str, PlaneValues)]) -> Vec<(&'static str, Values<'a>)> {
    planes.iter().map(|(name, values)| (*name, values.into())).collect()
}

impl Values<'_> {
    /// How many values there are.
    #[expect(clippy::len_without_is_empty, reason = "only compared with what a plan expects")]
    pub fn len(&self) -> usize {
        match self {
            Values::Bytes(all) => all.len(),
            Values::Floats(all) => all.len(),
            Values::Indices(all) => all.len(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Values::Bytes(_) => "bytes",
            Values::Floats(_) => "floats",
            Values::Indices(_) => "indices",
        }
    }

    /// Part `at` of `parts` of one length.
    pub(crate) fn part(&self, at: usize, parts: usize) -> Self {
        fn of<T>(all: &[T], at: usize, parts: usize) -> &[T] {
            let length = all.len() / parts;
            &all[at * length..(at + 1) * length]
        }
        match self {
            Values::Bytes(all) => Values::Bytes(of(all, at, parts)),
            Values::Floats(all) => Values::Floats(of(all, at, parts)),
            Values::Indices(all) => Values::Indices(of(all, at, parts)),
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

impl<'a> From<&'a PlaneValues> for Values<'a> {
    fn from(values: &'a PlaneValues) -> Self {
        match values {
            PlaneValues::Image(values) => values.into(),
            PlaneValues::Indices(values) => Values::Indices(values),
            PlaneValues::Vector(values) => Values::Floats(values),
        }
    }
}

macro_rules! values_from {
    ($($values:ident: $element:ty),*) => {$(
        impl<'a> From<&'a [$element]> for Values<'a> {
            fn from(values: &'a [$element]) -> Self {
                Values::$values(values)
            }
        }

        impl<'a> From<&'a Vec<$element>> for Values<'a> {
            fn from(values: &'a Vec<$element>) -> Self {
                Values::$values(values)
            }
        }
    )*};
}

values_from!(Bytes: u8, Floats: f32, Indices: u32);
