//! Maps of indices: labels, instances, masks.

mod file;
mod instances;
mod regions;
#[cfg(test)]
mod tests;
mod write;

pub use file::IndexHeader;
pub use instances::{Component, Connectivity, PER_CLASS, instance_number};
pub use regions::Region;

use crate::io::picture::{AnyPicture, Element, Picture, nearest};
use crate::{Error, Result};

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
        let (w, h) = (self.width, self.height);
        Ok(self.pick(width, height, |x| nearest(x, w, width), |y| nearest(y, h, height)))
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

    /// A colour for each index, to be looked at: the PASCAL VOC colour map, where 0 is black, 1 is
    /// red, 2 is green and 3 is yellow.
    pub fn visible(&self) -> Picture {
        // Bit 3 j + c of an index is bit 7 - j of channel c.
        let channel = |index: u32, c: u32| {
            (0..8).fold(0, |value, j| value | (((index >> (3 * j + c) & 1) as u8) << (7 - j)))
        };
        let data = self.data.iter().flat_map(|index| [0, 1, 2].map(|c| channel(*index, c)));
        Picture { width: self.width, height: self.height, channels: 3, data: data.collect() }
    }

    /// Its indices as they are where none is above `most`, else their ranks among the map's own.
    pub(in crate::io) fn below(self, most: u32) -> Vec<u32> {
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
