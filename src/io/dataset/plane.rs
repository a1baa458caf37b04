//! The planes of a sample: images, maps of labels, instances or masks, and vectors; each cut,
//! scaled and padded as its kind allows.

use std::path::PathBuf;

use super::Frame;
use crate::io::picture::{AnyPicture, Element, Picture};
use crate::picture::{MAX_INDEX, PictureFormat, PlaneValues};
use crate::{Error, Result};

/// A sample, ready for a batch. Its images and maps have the size of the dataset's
/// [`Frame::content`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its planes by name, in the dataset's order.
    pub planes: Vec<(&'static str, PlaneData)>,
    /// The file that it is named after: the first plane's.
    pub path: PathBuf,
}

/// A plane of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaneData {
    /// An image: scaled bicubically, padded by reflection.
    Image(AnyPicture),
    /// An index per pixel: scaled to the nearest, padded by its edge.
    Map(IndexMap),
    /// Numbers of the whole sample.
    Vector(Vec<f32>),
}

/// An index per pixel: a class, an instance, or 0 and 1 of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexMap {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Row by row.
    pub data: Vec<u32>,
}

impl Sample {
    /// A sample of two images.
    pub fn pair(
        names: [&'static str; 2],
        images: [AnyPicture; 2],
        path: impl Into<PathBuf>,
    ) -> Sample {
        let planes = names.into_iter().zip(images.map(PlaneData::Image)).collect();
        Sample { planes, path: path.into() }
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

    /// The first plane of a sample of two images: what the generator sees.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is no image.
    pub fn input(&self) -> Result<&AnyPicture> {
        self.at(0)
    }

    /// The second plane of a sample of two images: what the generator should make of the first.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is no image.
    pub fn target(&self) -> Result<&AnyPicture> {
        self.at(1)
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
            PlaneData::Image(image) => Ok(image),
            _ => Err(Error::Usage("a map or vector was given where an image is expected".into())),
        }
    }

    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            PlaneData::Image(image) => image.bytes(),
            PlaneData::Map(map) => size_of_val(map.data.as_slice()),
            PlaneData::Vector(values) => size_of_val(values.as_slice()),
        }
    }

    /// A part of `w` by `h` pixels from (`x`, `y`) on.
    pub(super) fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<PlaneData> {
        Ok(match self {
            PlaneData::Image(image) => PlaneData::Image(image.crop(x, y, w, h)?),
            PlaneData::Map(map) => PlaneData::Map(map.crop(x, y, w, h)?),
            PlaneData::Vector(_) => self.clone(),
        })
    }

    /// Mirrors left and right.
    pub(super) fn flip_horizontal(&self) -> PlaneData {
        match self {
            PlaneData::Image(image) => PlaneData::Image(image.flip_horizontal()),
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
            PlaneData::Map(map) => PlaneValues::Indices(frame.encode_map(map)?.below(MAX_INDEX)),
            PlaneData::Vector(values) => PlaneValues::Vector(values.clone()),
        })
    }
}

impl IndexMap {
    /// A map from its rows.
    ///
    /// # Errors
    /// [`Error::Usage`] when `data` is not `width * height` indices.
    pub fn new(width: u32, height: u32, data: Vec<u32>) -> Result<IndexMap> {
        if data.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(Error::Usage(format!(
                "{} indices for a map of {width}x{height}",
                data.len()
            )));
        }
        Ok(IndexMap { width, height, data })
    }

    /// The values of an image of one channel, of 8 or 16 bits, as indices.
    ///
    /// # Errors
    /// [`Error::Usage`] for more channels or floats.
    pub fn of(image: &AnyPicture) -> Result<IndexMap> {
        fn indices<T: Element + Into<u32>>(image: &Picture<T>) -> Vec<u32> {
            image.data.iter().map(|v| (*v).into()).collect()
        }
        let data = match image {
            AnyPicture::U8(p) if p.channels == 1 => indices(p),
            AnyPicture::U16(p) if p.channels == 1 => indices(p),
            other => {
                return Err(Error::Usage(format!(
                    "{} where a map of indices is expected: one channel of 8 or 16 bits",
                    other.describe()
                )));
            }
        };
        let (width, height) = image.size();
        Ok(IndexMap { width, height, data })
    }

    /// Picks each pixel of a map of `width` by `height` from a column and a row of this one.
    fn pick(
        &self,
        width: u32,
        height: u32,
        column: impl Fn(u32) -> u32,
        row: impl Fn(u32) -> u32,
    ) -> IndexMap {
        let columns: Vec<usize> = (0..width).map(|x| column(x) as usize).collect();
        let mut data = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            let row = &self.data[row(y) as usize * self.width as usize..][..self.width as usize];
            data.extend(columns.iter().map(|x| row[*x]));
        }
        IndexMap { width, height, data }
    }

    /// A part of `w` by `h` pixels from (`x`, `y`) on.
    ///
    /// # Errors
    /// [`Error::Usage`] when it does not lie within.
    pub fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<IndexMap> {
        let within = |at: u32, part: u32, all: u32| at.checked_add(part).is_some_and(|e| e <= all);
        if !within(x, w, self.width) || !within(y, h, self.height) {
            return Err(Error::Usage(format!(
                "a crop of {w}x{h} at ({x}, {y}) of a map of {}x{}",
                self.width, self.height
            )));
        }
        Ok(self.pick(w, h, |i| x + i, |j| y + j))
    }

    /// Mirrors left and right.
    pub fn flip_horizontal(&self) -> IndexMap {
        self.pick(self.width, self.height, |i| self.width - 1 - i, |j| j)
    }

    /// Scales to the nearest pixel, as Pillow does.
    ///
    /// # Errors
    /// [`Error::Usage`] for an empty size.
    pub fn resize(&self, width: u32, height: u32) -> Result<IndexMap> {
        if width == 0 || height == 0 || self.data.is_empty() {
            return Err(Error::Usage(format!(
                "a map of {}x{} cannot be scaled to {width}x{height}",
                self.width, self.height
            )));
        }
        let nearest = |from: u32, to: u32| {
            move |at: u32| ((2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to))) as u32
        };
        Ok(self.pick(width, height, nearest(self.width, width), nearest(self.height, height)))
    }

    /// Puts the map onto `w` by `h` pixels with its top left corner at (`x`, `y`); its edge is
    /// repeated around it.
    ///
    /// # Errors
    /// [`Error::Usage`] when it does not fit.
    pub fn pad_edge(&self, x: u32, y: u32, w: u32, h: u32) -> Result<IndexMap> {
        let fits = |at: u32, part: u32, all: u32| at.checked_add(part).is_some_and(|e| e <= all);
        if self.data.is_empty() || !fits(x, self.width, w) || !fits(y, self.height, h) {
            return Err(Error::Usage(format!(
                "a map of {}x{} at ({x}, {y}) does not fit {w}x{h}",
                self.width, self.height
            )));
        }
        let inner = |at: u32, offset: u32, size: u32| at.saturating_sub(offset).min(size - 1);
        Ok(self.pick(w, h, |i| inner(i, x, self.width), |j| inner(j, y, self.height)))
    }

    /// Its indices as they are where none is above `most`, else their ranks among the map's own.
    fn below(self, most: u32) -> Vec<u32> {
        if self.data.iter().all(|index| *index <= most) {
            return self.data;
        }
        let mut known = self.data.clone();
        known.sort_unstable();
        known.dedup();
        let rank = |index: &u32| known.binary_search(index).unwrap_or_default() as u32;
        self.data.iter().map(rank).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> IndexMap {
        IndexMap::new(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap()
    }

    #[test]
    fn maps_are_cut_scaled_and_padded_without_new_indices() {
        assert_eq!(map().crop(1, 0, 2, 2).unwrap().data, [2, 3, 5, 6]);
        assert_eq!(map().flip_horizontal().data, [3, 2, 1, 6, 5, 4]);
        let double = map().resize(6, 2).unwrap();
        assert_eq!(double.data, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
        // Pillow: Image.resize((2, 1), NEAREST) of 0 1 2 / 3 4 5 gives 3 5.
        assert_eq!(map().resize(2, 1).unwrap().data, [4, 6]);
        let padded = map().pad_edge(1, 1, 5, 3).unwrap();
        assert_eq!(padded.data, [1, 1, 2, 3, 3, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6]);
        for bad in [map().crop(2, 0, 2, 1), map().resize(0, 1), map().pad_edge(3, 0, 5, 2)] {
            assert!(bad.is_err());
        }
        assert!(IndexMap::new(2, 2, vec![0; 3]).is_err());
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
