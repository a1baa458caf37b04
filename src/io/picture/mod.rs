//! An image in memory: load, save, crop, flip, resize, arrange in grids.

mod any;
mod decode;
mod element;
mod encode;
mod fault;
mod kind;
mod list;
mod loaded;
pub(in crate::io) mod npy;
pub(in crate::io) mod orient;
mod resize;
#[cfg(test)]
mod strange_tests;
#[cfg(test)]
pub(crate) mod tests;
pub(in crate::io) mod tif;

pub use any::AnyPicture;
pub use decode::Header;
pub use element::{Depth, Element};
pub(in crate::io) use fault::{Fault, unopened};
pub use kind::{Kind, START};
pub use list::{
    EXTENSIONS, LeftOut, Listing, is_picture, list_pictures, name_key, without_extension,
};
pub use loaded::{Loaded, NoData, Reading};

use std::path::Path;

use crate::{Error, Result};

/// An image, rows from the top, channels interleaved (HWC), 8-bit by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture<T: Element = u8> {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// 1 (gray), 3 (RGB), 4 (RGB and alpha), or any other number of bands.
    pub channels: u32,
    /// `height * width * channels` values.
    pub data: Vec<T>,
}

impl<T: Element> Picture<T> {
    /// Wraps interleaved values `[height, width, channels]`.
    ///
    /// # Errors
    /// [`Error::Usage`] when a side or `channels` is 0, or the length is wrong.
    pub fn new(width: u32, height: u32, channels: u32, data: Vec<T>) -> Result<Self> {
        let want = u128::from(width) * u128::from(height) * u128::from(channels);
        if want == 0 || data.len() as u128 != want {
            return Err(Error::Usage(format!(
                "an image of {width}x{height}x{channels} has {want} values (more than 0), {} \
                 were given",
                data.len()
            )));
        }
        Ok(Self { width, height, channels, data })
    }

    /// Converts the channels where that is possible: gray (1) to RGB (3) by repeating, RGB to gray
    /// by ITU-R 601-2 luma in the reference's rounding, alpha (2 or 4) dropped or added as opaque.
    /// `None` for other pairs of counts.
    pub fn converted(self, channels: u32) -> Option<Self> {
        let [_, high] = T::DEPTH.range();
        let opaque = T::from_f32(high);
        let data = match (self.channels, channels) {
            (a, b) if a == b => return Some(self),
            (1, 3) => self.data.iter().flat_map(|&v| [v; 3]).collect(),
            (1, 4) => self.data.iter().flat_map(|&v| [v, v, v, opaque]).collect(),
            (2, 1) => self.data.chunks_exact(2).map(|p| p[0]).collect(),
            (2, 3) => self.data.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
            (2, 4) => self.data.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
            (3, 4) => self.data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], opaque]).collect(),
            (4, 3) => self.data.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
            (c @ (3 | 4), 1) => {
                self.data.chunks_exact(c as usize).map(|p| T::luma([p[0], p[1], p[2]])).collect()
            }
            _ => return None,
        };
        Some(Self { channels, data, ..self })
    }

    /// [`converted`](Self::converted) between gray and RGB.
    ///
    /// # Panics
    /// If there is no such conversion.
    pub fn into_channels(self, channels: u32) -> Self {
        let described = self.describe();
        self.converted(channels)
            .unwrap_or_else(|| panic!("{described} has no conversion to {channels} channels"))
    }

    /// One channel as a gray image.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn channel(&self, channel: u32) -> Self {
        assert!(channel < self.channels, "{} has no channel {channel}", self.describe());
        let data = self
            .data
            .iter()
            .skip(channel as usize)
            .step_by(self.channels as usize)
            .copied()
            .collect();
        Self { channels: 1, data, ..*self }
    }

    /// The first channels.
    ///
    /// # Panics
    /// If there are fewer, or none is asked for.
    pub fn first(&self, channels: u32) -> Self {
        assert!((1..=self.channels).contains(&channels), "{channels} of {}", self.describe());
        let pixels = self.data.chunks_exact(self.channels as usize);
        let data = pixels.flat_map(|p| &p[..channels as usize]).copied().collect();
        Self { channels, data, ..*self }
    }

    /// Concatenates the channels of several images; `None` when their sizes differ or there are
    /// none.
    pub fn stack(all: &[&Self]) -> Option<Self> {
        let first = *all.first()?;
        if all.iter().any(|p| (p.width, p.height) != (first.width, first.height)) {
            return None;
        }
        let channels: u32 = all.iter().map(|p| p.channels).sum();
        let mut data =
            Vec::with_capacity(first.width as usize * first.height as usize * channels as usize);
        for pixel in 0..first.width as usize * first.height as usize {
            for p in all {
                let c = p.channels as usize;
                data.extend_from_slice(&p.data[pixel * c..][..c]);
            }
        }
        Some(Self { width: first.width, height: first.height, channels, data })
    }

    /// The rectangle `w` by `h` pixels whose top left corner is at (`x`, `y`).
    ///
    /// # Errors
    /// [`Error::Usage`] when it is empty or reaches outside.
    pub fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        let inside = |from: u32, len: u32, all: u32| {
            len > 0 && from.checked_add(len).is_some_and(|end| end <= all)
        };
        if !inside(x, w, self.width) || !inside(y, h, self.height) {
            return Err(Error::Usage(format!(
                "cannot crop {w}x{h} at ({x}, {y}) from an image of {}x{}; lower `crop_size` or \
                 resize first",
                self.width, self.height
            )));
        }
        let c = self.channels as usize;
        let row = self.width as usize * c;
        let (from, len) = (x as usize * c, w as usize * c);
        let mut data = Vec::with_capacity(len * h as usize);
        for r in self.data.chunks_exact(row).skip(y as usize).take(h as usize) {
            data.extend_from_slice(&r[from..from + len]);
        }
        Self::new(w, h, self.channels, data)
    }

    /// Pads the image to `w` by `h` pixels by reflection, with its top left corner at (`x`, `y`);
    /// the edge itself is not repeated.
    ///
    /// # Errors
    /// [`Error::Usage`] when it does not fit.
    pub fn pad_reflect(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        self.pad(x, y, w, h, reflected)
    }

    /// Pads the image like [`pad_reflect`](Self::pad_reflect), but repeats its edge.
    ///
    /// # Errors
    /// As there.
    pub fn pad_edge(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        self.pad(x, y, w, h, |i, side| i.clamp(0, i64::from(side) - 1) as usize)
    }

    /// Pads the image; `within` gives the place in the image of one beside it.
    fn pad(
        &self,
        x: u32,
        y: u32,
        w: u32,
        h: u32,
        within: impl Fn(i64, u32) -> usize,
    ) -> Result<Self> {
        if x.checked_add(self.width).is_none_or(|end| end > w)
            || y.checked_add(self.height).is_none_or(|end| end > h)
        {
            return Err(Error::Usage(format!(
                "{} at ({x}, {y}) does not fit {w}x{h}",
                self.describe()
            )));
        }
        let columns: Vec<usize> =
            (0..w).map(|i| within(i64::from(i) - i64::from(x), self.width)).collect();
        let rows = (0..h).map(|j| within(i64::from(j) - i64::from(y), self.height));
        self.pick(&columns, rows)
    }

    /// Scales to the nearest pixel, as Pillow does.
    ///
    /// # Errors
    /// [`Error::Usage`] for an empty size.
    pub fn resize_nearest(&self, width: u32, height: u32) -> Result<Self> {
        let columns: Vec<usize> =
            (0..width).map(|x| nearest(x, self.width, width) as usize).collect();
        self.pick(&columns, (0..height).map(|y| nearest(y, self.height, height) as usize))
    }

    /// The pixels of some columns and rows of this one.
    fn pick(&self, columns: &[usize], rows: impl Iterator<Item = usize>) -> Result<Self> {
        let c = self.channels as usize;
        let values = rows.size_hint().0 * columns.len() * c;
        let (mut data, mut height) = (Vec::with_capacity(values), 0);
        for row in rows {
            let from = &self.data[row * self.width as usize * c..][..self.width as usize * c];
            columns.iter().for_each(|&at| data.extend_from_slice(&from[at * c..][..c]));
            height += 1;
        }
        Self::new(columns.len() as u32, height, self.channels, data)
    }

    /// Mirrors left and right.
    pub fn flip_horizontal(&self) -> Self {
        let c = self.channels as usize;
        let mut data = Vec::with_capacity(self.data.len());
        for row in self.data.chunks_exact(self.width as usize * c) {
            row.chunks_exact(c).rev().for_each(|pixel| data.extend_from_slice(pixel));
        }
        Self { data, ..*self }
    }

    /// Splits an A|B image: A is columns `0..w/2`, B the rest (one wider when `w` is odd).
    ///
    /// # Errors
    /// [`Error::Usage`] when the image is one pixel wide.
    pub fn split_pair(&self) -> Result<(Self, Self)> {
        let half = self.width / 2;
        let a = self.crop(0, 0, half, self.height)?;
        Ok((a, self.crop(half, 0, self.width - half, self.height)?))
    }

    /// `WIDTHxHEIGHTxCHANNELS`, for messages.
    pub fn describe(&self) -> String {
        format!("{}x{}x{}", self.width, self.height, self.channels)
    }
}

impl Picture {
    /// Decodes a file into `channels` channels: 3 for RGB, 1 for gray, 4 with alpha.
    ///
    /// The format is inferred from the content, not the name. 16-bit values and floats (0 to 1) are
    /// scaled to 8 bits, alpha is dropped unless asked for, the image is turned as the file says
    /// (EXIF).
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded, has pixels without data, or bands
    /// that are not colours.
    pub fn load(path: &Path, channels: u32) -> Result<Self> {
        Self::load_as(path, channels, Reading::default())
    }

    /// The same, read as `how` says.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_as(path: &Path, channels: u32, how: Reading) -> Result<Self> {
        // To 8 bits first, so that there is one conversion to gray.
        let Loaded { picture, alpha, .. } = Loaded::read(path, how)?.filled(None);
        let (had, picture) = (picture.channels(), picture.to_8bit(None).into());
        let converted = Loaded { picture, alpha, missing: None }.converted(channels);
        converted.map(|picture| picture.to_8bit(None)).ok_or_else(|| {
            Error::file(
                path,
                format!(
                    "has {had} channels, {channels} were asked for; give `input_nc` and `output_nc`"
                ),
            )
        })
    }

    /// Width and height from the file's header, without decoding it.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or its header is invalid.
    pub fn dimensions(path: &Path) -> Result<(u32, u32)> {
        Header::read(path).map(|h| (h.width, h.height))
    }

    /// Arranges images in rows on white, with `gap` white pixels between neighbours and none
    /// around.
    ///
    /// The result is RGB. A column is as wide as its widest image, a row as high as its highest.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no image.
    pub fn grid(rows: &[Vec<Picture>], gap: u32) -> Result<Self> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if columns == 0 {
            return Err(Error::Usage("a grid needs at least one image".into()));
        }
        let width_of = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|p| p.width).max();
        let widths: Vec<u32> = (0..columns).map(|c| width_of(c).unwrap_or(0)).collect();
        let height_of = |r: &Vec<Picture>| r.iter().map(|p| p.height).max().unwrap_or(0);
        let heights: Vec<u32> = rows.iter().map(height_of).collect();
        let total = |sides: &[u32]| sides.iter().sum::<u32>() + gap * (sides.len() as u32 - 1);
        let (width, height) = (total(&widths), total(&heights));
        let mut data = vec![255; width as usize * height as usize * 3];
        let mut y = 0;
        for (row, row_height) in rows.iter().zip(&heights) {
            let mut x = 0;
            for (picture, column_width) in row.iter().zip(&widths) {
                picture.paste_rgb(&mut data, width, x, y);
                x += column_width + gap;
            }
            y += row_height + gap;
        }
        Self::new(width, height, 3, data)
    }

    /// The first three bands as RGB, or the first one as gray if there are fewer, for viewing.
    pub fn visible(self) -> Self {
        match self.channels {
            1 | 3 => self,
            2 => self.channel(0),
            c => {
                let data =
                    self.data.chunks_exact(c as usize).flat_map(|p| [p[0], p[1], p[2]]).collect();
                Self { channels: 3, data, ..self }
            }
        }
    }

    /// Copies into an RGB canvas of width `canvas_width`, which must be large enough.
    fn paste_rgb(&self, canvas: &mut [u8], canvas_width: u32, x: u32, y: u32) {
        let c = self.channels as usize;
        for (i, row) in self.data.chunks_exact(self.width as usize * c).enumerate() {
            let at = ((y as usize + i) * canvas_width as usize + x as usize) * 3;
            let to = &mut canvas[at..at + self.width as usize * 3];
            for (pixel, value) in to.chunks_exact_mut(3).zip(row.chunks_exact(c)) {
                // One gray value goes to all three.
                pixel.copy_from_slice(&[value[0], value[1 % c], value[2 % c]]);
            }
        }
    }
}

/// Which of `from` pixels lies under the middle of pixel `at` of `to`.
pub(in crate::io) fn nearest(at: u32, from: u32, to: u32) -> u32 {
    ((2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to))) as u32
}

/// The index in `0..side` that index `i` maps to under reflection: -1 gives 1, `side` gives
/// `side - 2`.
fn reflected(i: i64, side: u32) -> usize {
    let last = i64::from(side) - 1;
    if last == 0 {
        return 0;
    }
    let within = i.rem_euclid(2 * last);
    within.min(2 * last - within) as usize
}
