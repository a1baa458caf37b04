//! A decoded file, and what becomes of its alpha and of pixels without data.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{AnyPicture, Depth, Element, Picture};
use crate::{Error, Result};

/// How files of images are read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Leave images as they are stored, where the file says how to turn them (EXIF and TIFF's tag).
    pub ignore_orientation: bool,
    /// What becomes of pixels without data.
    pub nodata: NoData,
}

/// Pixels without data: a value that is not finite in any channel, or the value that a GeoTIFF
/// (`GDAL_NODATA`) names in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum NoData {
    /// Files that have such pixels are refused.
    #[default]
    Refuse,
    /// The values that files name are values like others; what is not finite is refused.
    Keep,
    /// Such pixels, and those that have this value in all channels (NaN for none besides), are read
    /// as the middle of the range.
    Is(f32),
}

impl fmt::Display for NoData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoData::Refuse => f.write_str("refuse"),
            NoData::Keep => f.write_str("keep"),
            NoData::Is(value) if value.is_nan() => f.write_str("nan"),
            NoData::Is(value) => value.fmt(f),
        }
    }
}

impl FromStr for NoData {
    type Err = String;

    fn from_str(s: &str) -> std::result::Result<Self, String> {
        match s {
            "refuse" => Ok(NoData::Refuse),
            "keep" => Ok(NoData::Keep),
            "nan" | "NaN" => Ok(NoData::Is(f32::NAN)),
            _ => match s.parse::<f32>() {
                Ok(value) if value.is_finite() => Ok(NoData::Is(value)),
                _ => Err("expected refuse, keep, nan or a number, as -9999".into()),
            },
        }
    }
}

/// An image as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// All its channels.
    pub picture: AnyPicture,
    /// Whether the last of them is alpha.
    pub alpha: bool,
    /// Of each pixel whether it has no data; none where all have.
    pub missing: Option<Vec<bool>>,
}

impl Loaded {
    /// A decoded image, its pixels without data found; `named` is the value that the file gives
    /// them.
    pub(super) fn new(
        picture: AnyPicture,
        alpha: bool,
        named: Option<f64>,
        nodata: NoData,
        path: &Path,
    ) -> Result<Loaded> {
        let named = named.map(|v| v as f32).filter(|_| nodata != NoData::Keep);
        let given = match nodata {
            NoData::Is(value) => Some(value),
            _ => None,
        };
        let values = [named, given].into_iter().flatten().filter(|v| v.is_finite());
        let values: Vec<f32> = values.collect();
        let missing = match &picture {
            AnyPicture::U8(p) => missing(p, alpha, &values),
            AnyPicture::U16(p) => missing(p, alpha, &values),
            AnyPicture::F32(p) => missing(p, alpha, &values),
        };
        match (&missing, nodata) {
            (Some(missing), NoData::Refuse | NoData::Keep) => {
                Err(Error::file(path, refusal(&picture, missing)))
            }
            _ => Ok(Loaded { picture, alpha, missing }),
        }
    }

    /// Pixels without data become the middle of `range` (by default the depth's own).
    pub fn filled(mut self, range: Option<[f32; 2]>) -> Loaded {
        fn fill<T: Element>(p: &mut Picture<T>, missing: &[bool], [low, high]: [f32; 2]) {
            let middle = T::from_f32(low + (high - low) * 0.5);
            let pixels = p.data.chunks_exact_mut(p.channels as usize).zip(missing);
            pixels.filter(|(_, missing)| **missing).for_each(|(pixel, _)| pixel.fill(middle));
        }
        if let Some(missing) = self.missing.take() {
            let missing = &missing;
            let range = range.unwrap_or_else(|| self.picture.depth().range());
            match &mut self.picture {
                AnyPicture::U8(p) => fill(p, missing, range),
                AnyPicture::U16(p) => fill(p, missing, range),
                AnyPicture::F32(p) => fill(p, missing, range),
            }
        }
        self
    }

    /// Converts the channels: alpha is kept where it is asked for, and dropped or added as opaque
    /// where it is not; gray and RGB become each other. `None` for other bands.
    pub fn converted(self, channels: u32) -> Option<AnyPicture> {
        let had = self.picture.channels();
        let colors = had - u32::from(self.alpha);
        if had == channels {
            return Some(self.picture);
        }
        let colored = match self.alpha {
            // Opaque gray or RGB that becomes RGBA, or the other way round.
            true if matches!((colors, channels), (1 | 3, 4)) => self.picture,
            true => self.picture.first(colors),
            false => self.picture,
        };
        let known = colors == channels || matches!((colors, channels), (1 | 3, 1 | 3 | 4));
        if known { colored.converted(channels) } else { None }
    }
}

/// Which pixels have no data, if any.
fn missing<T: Element>(p: &Picture<T>, alpha: bool, values: &[f32]) -> Option<Vec<bool>> {
    if T::DEPTH != Depth::F32 && values.is_empty() {
        return None;
    }
    let channels = p.channels as usize;
    let colors = channels - usize::from(alpha && channels > 1);
    let none = |pixel: &[T]| {
        pixel.iter().any(|v| !v.to_f32().is_finite())
            || values.iter().any(|none| pixel[..colors].iter().all(|v| v.to_f32() == *none))
    };
    let any = p.data.chunks_exact(channels).any(none);
    any.then(|| p.data.chunks_exact(channels).map(none).collect())
}

/// Says how many pixels have no data, and where the first is.
fn refusal(picture: &AnyPicture, missing: &[bool]) -> String {
    fn first<T: Element>(p: &Picture<T>, at: usize) -> f32 {
        let pixel = &p.data[at * p.channels as usize..][..p.channels as usize];
        let odd = pixel.iter().find(|v| !v.to_f32().is_finite()).unwrap_or(&pixel[0]);
        odd.to_f32()
    }
    let count = missing.iter().filter(|missing| **missing).count();
    let at = missing.iter().position(|missing| *missing).unwrap_or(0);
    let value = match picture {
        AnyPicture::U8(p) => first(p, at),
        AnyPicture::U16(p) => first(p, at),
        AnyPicture::F32(p) => first(p, at),
    };
    let width = picture.size().0 as usize;
    let (x, y) = (at % width, at / width);
    let advice = match value.is_finite() {
        true => ", which the file calls no data); `nodata` keep takes it as it is, `nodata` nan",
        false => "); fill them, or give `nodata` nan, which",
    };
    format!(
        "{count} of {} pixels have no data (the first at ({x}, {y}): {value}{advice} reads them as \
         the middle of the range",
        missing.len()
    )
}
