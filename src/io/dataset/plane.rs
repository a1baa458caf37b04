//! The planes of a sample: images, maps of labels, instances or masks, and vectors; each cut,
//! scaled and padded as its kind allows.

use std::path::PathBuf;

use super::Frame;
use crate::io::IndexMap;
use crate::io::picture::AnyPicture;
use crate::picture::{MAX_INDEX, PictureFormat, PlaneValues};
use crate::{Error, Result};

/// A sample, ready for a batch. Its images and maps have the size of the dataset's
/// [`Frame::content`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its planes by name, in the dataset's order.
    pub planes: Vec<(&'static str, PlaneData)>,
    /// Which of them is the image that a generator should make.
    pub target: usize,
    /// The file that it is named after: the first plane's.
    pub path: PathBuf,
}

/// A plane of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaneData {
    /// An image: scaled bicubically, padded by reflection.
    Image(AnyPicture),
    /// An image that is constant within regions (features of instances): scaled to the nearest
    /// pixel, padded by its edge, as the maps beside it. Floats are -1 to 1.
    Regions(AnyPicture),
    /// An index per pixel: scaled to the nearest, padded by its edge.
    Map(IndexMap),
    /// Numbers of the whole sample.
    Vector(Vec<f32>),
}

impl Sample {
    /// A sample of two images.
    pub fn pair(
        names: [&'static str; 2],
        images: [AnyPicture; 2],
        path: impl Into<PathBuf>,
    ) -> Sample {
        let planes = names.into_iter().zip(images.map(PlaneData::Image)).collect();
        Sample { planes, target: 1, path: path.into() }
    }

    /// A plane by name.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none of the name.
    pub fn plane(&self, name: &str) -> Result<&PlaneData> {
        let found = self.planes.iter().find(|(given, _)| *given == name);
        found.map(|(_, data)| data).ok_or_else(|| {
            Error::Usage(format!("{}: the sample has no plane {name:?}", self.path.display()))
        })
    }

    /// An image by its plane's name.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no image of the name.
    pub fn image(&self, name: &str) -> Result<&AnyPicture> {
        self.plane(name)?.as_image()
    }

    /// The image that the generator sees first.
    ///
    /// # Errors
    /// [`Error::Usage`] if the first plane is no image.
    pub fn input(&self) -> Result<&AnyPicture> {
        self.at(0)
    }

    /// The image that the generator should make.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is no image.
    pub fn target(&self) -> Result<&AnyPicture> {
        self.at(self.target)
    }

    fn at(&self, place: usize) -> Result<&AnyPicture> {
        match self.planes.get(place) {
            Some((_, data)) => data.as_image(),
            None => Err(Error::Usage(format!("{}: too few planes", self.path.display()))),
        }
    }
}

impl PlaneData {
    /// The image that it is.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is none.
    pub fn as_image(&self) -> Result<&AnyPicture> {
        match self {
            PlaneData::Image(image) | PlaneData::Regions(image) => Ok(image),
            _ => Err(Error::Usage("a map or vector was given where an image is expected".into())),
        }
    }

    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            PlaneData::Image(image) | PlaneData::Regions(image) => image.bytes(),
            PlaneData::Map(map) => size_of_val(map.data.as_slice()),
            PlaneData::Vector(values) => size_of_val(values.as_slice()),
        }
    }

    /// A part of `w` by `h` pixels from (`x`, `y`) on.
    pub(super) fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<PlaneData> {
        Ok(match self {
            PlaneData::Image(image) => PlaneData::Image(image.crop(x, y, w, h)?),
            PlaneData::Regions(image) => PlaneData::Regions(image.crop(x, y, w, h)?),
            PlaneData::Map(map) => PlaneData::Map(map.crop(x, y, w, h)?),
            PlaneData::Vector(_) => self.clone(),
        })
    }

    /// Mirrors left and right.
    pub(super) fn flip_horizontal(&self) -> PlaneData {
        match self {
            PlaneData::Image(image) => PlaneData::Image(image.flip_horizontal()),
            PlaneData::Regions(image) => PlaneData::Regions(image.flip_horizontal()),
            PlaneData::Map(map) => PlaneData::Map(map.flip_horizontal()),
            PlaneData::Vector(_) => self.clone(),
        }
    }

    /// Its values as they go up to the device, padded to the frame: images in `format` with
    /// `range` (of their depth where there is none) as -1 to 1. Numbers of instances above
    /// [`MAX_INDEX`], which floats could not tell apart, are replaced by their ranks.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not of the frame's size.
    pub fn encode(
        &self,
        frame: &Frame,
        format: PictureFormat,
        range: Option<[f32; 2]>,
    ) -> Result<PlaneValues> {
        Ok(match self {
            PlaneData::Image(image) => PlaneValues::Image(frame.encode(image, format, range)?),
            PlaneData::Regions(image) => PlaneValues::Image(frame.encode_regions(image, format)?),
            PlaneData::Map(map) => PlaneValues::Indices(frame.encode_map(map)?.below(MAX_INDEX)),
            PlaneData::Vector(values) => PlaneValues::Vector(values.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::picture::Picture;

    fn map() -> IndexMap {
        IndexMap::new(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap()
    }

    #[test]
    fn numbers_that_floats_cannot_hold_become_ranks() {
        let encode = |data: Vec<u32>| {
            let plane = PlaneData::Map(IndexMap::new(2, 2, data).unwrap());
            plane.encode(&Frame::new((2, 2), 1), PictureFormat::Bytes, None).unwrap()
        };
        let small = vec![0, MAX_INDEX, 7, 7];
        assert_eq!(encode(small.clone()), PlaneValues::Indices(small));
        let large = vec![u32::MAX, 7, u32::MAX - 1, u32::MAX];
        assert_eq!(encode(large), PlaneValues::Indices(vec![2, 0, 1, 2]));
    }

    #[test]
    fn every_kind_of_plane_is_encoded_and_padded_as_its_kind_allows() {
        let frame = Frame::new((3, 2), 4);
        let encode = |plane: PlaneData| plane.encode(&frame, PictureFormat::Bytes, None).unwrap();
        let PlaneValues::Indices(values) = encode(PlaneData::Map(map())) else { panic!() };
        assert_eq!(values[..8], [1, 2, 3, 3, 1, 2, 3, 3]);
        let vector = PlaneData::Vector(vec![0.5, -7.0]);
        assert_eq!(encode(vector), PlaneValues::Vector(vec![0.5, -7.0]));
        let image = AnyPicture::U8(Picture::new(3, 2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap());
        assert_eq!(IndexMap::of(&image).unwrap(), map());
        assert!(IndexMap::of(&AnyPicture::F32(image.to_unit(None))).is_err());
        let PlaneValues::Image(image) = encode(PlaneData::Image(image)) else { panic!() };
        assert_eq!(image.len(), 16);
        assert!(PlaneData::Map(map()).as_image().is_err());
    }
}
