//! An image of any depth, and its conversion to the values of a network and back.

use super::{Depth, Element, Picture};
use crate::{Error, Result};

/// An image of any depth.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyPicture {
    /// 8-bit.
    U8(Picture<u8>),
    /// 16-bit.
    U16(Picture<u16>),
    /// Floats.
    F32(Picture<f32>),
}

/// Evaluates an expression on the image inside.
macro_rules! each {
    ($any:expr, $p:ident => $body:expr) => {
        match $any {
            AnyPicture::U8($p) => $body,
            AnyPicture::U16($p) => $body,
            AnyPicture::F32($p) => $body,
        }
    };
}

/// Evaluates an expression that gives another image of the same depth.
macro_rules! map {
    ($any:expr, $p:ident => $body:expr) => {
        match $any {
            AnyPicture::U8($p) => AnyPicture::U8($body),
            AnyPicture::U16($p) => AnyPicture::U16($body),
            AnyPicture::F32($p) => AnyPicture::F32($body),
        }
    };
}

impl From<Picture> for AnyPicture {
    fn from(picture: Picture) -> Self {
        AnyPicture::U8(picture)
    }
}

impl AnyPicture {
    /// Kind of its values.
    pub fn depth(&self) -> Depth {
        match self {
            AnyPicture::U8(_) => Depth::U8,
            AnyPicture::U16(_) => Depth::U16,
            AnyPicture::F32(_) => Depth::F32,
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        each!(self, p => (p.width, p.height))
    }

    /// Number of channels.
    pub fn channels(&self) -> u32 {
        each!(self, p => p.channels)
    }

    /// Bytes that its values take in memory.
    pub fn bytes(&self) -> usize {
        each!(self, p => std::mem::size_of_val(p.data.as_slice()))
    }

    /// See [`Picture::describe`].
    pub fn describe(&self) -> String {
        each!(self, p => p.describe())
    }

    /// See [`Picture::converted`].
    pub fn converted(self, channels: u32) -> Option<Self> {
        Some(map!(self, p => p.converted(channels)?))
    }

    /// See [`Picture::first`].
    ///
    /// # Panics
    /// As there.
    pub fn first(&self, channels: u32) -> Self {
        map!(self, p => p.first(channels))
    }

    /// See [`Picture::stack`]; also `None` when their depths differ.
    pub fn stack(all: &[AnyPicture]) -> Option<Self> {
        fn same<T: Element>(
            all: &[AnyPicture],
            of: fn(&AnyPicture) -> Option<&Picture<T>>,
        ) -> Option<Picture<T>> {
            Picture::stack(&all.iter().map(of).collect::<Option<Vec<_>>>()?)
        }
        Some(match all.first()? {
            AnyPicture::U8(_) => {
                AnyPicture::U8(same(
                    all,
                    |p| if let AnyPicture::U8(p) = p { Some(p) } else { None },
                )?)
            }
            AnyPicture::U16(_) => {
                AnyPicture::U16(same(
                    all,
                    |p| if let AnyPicture::U16(p) = p { Some(p) } else { None },
                )?)
            }
            AnyPicture::F32(_) => {
                AnyPicture::F32(same(
                    all,
                    |p| if let AnyPicture::F32(p) = p { Some(p) } else { None },
                )?)
            }
        })
    }

    /// See [`Picture::crop`].
    ///
    /// # Errors
    /// As there.
    pub fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        Ok(map!(self, p => p.crop(x, y, w, h)?))
    }

    /// See [`Picture::pad_reflect`].
    ///
    /// # Errors
    /// As there.
    pub fn pad_reflect(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        Ok(map!(self, p => p.pad_reflect(x, y, w, h)?))
    }

    /// See [`Picture::pad_edge`].
    ///
    /// # Errors
    /// As there.
    pub fn pad_edge(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        Ok(map!(self, p => p.pad_edge(x, y, w, h)?))
    }

    /// See [`Picture::resize_nearest`].
    ///
    /// # Errors
    /// As there.
    pub fn resize_nearest(&self, width: u32, height: u32) -> Result<Self> {
        Ok(map!(self, p => p.resize_nearest(width, height)?))
    }

    /// See [`Picture::flip_horizontal`].
    pub fn flip_horizontal(&self) -> Self {
        map!(self, p => p.flip_horizontal())
    }

    /// See [`Picture::resize`].
    ///
    /// # Errors
    /// As there.
    pub fn resize(self, width: u32, height: u32) -> Result<Self> {
        Ok(map!(self, p => p.resize(width, height)?))
    }

    /// See [`Picture::split_pair`].
    ///
    /// # Errors
    /// As there.
    pub fn split_pair(&self) -> Result<(Self, Self)> {
        Ok(match self {
            AnyPicture::U8(p) => {
                p.split_pair().map(|(a, b)| (AnyPicture::U8(a), AnyPicture::U8(b)))?
            }
            AnyPicture::U16(p) => {
                p.split_pair().map(|(a, b)| (AnyPicture::U16(a), AnyPicture::U16(b)))?
            }
            AnyPicture::F32(p) => {
                p.split_pair().map(|(a, b)| (AnyPicture::F32(a), AnyPicture::F32(b)))?
            }
        })
    }

    /// Values for a network, `[height, width, channels]`: `range` (by default the depth's own) maps
    /// to -1 to 1, values outside are clamped. 8-bit values of the full range give what the kernel
    /// `picture_to_tensor` gives: `(v / 255 - 0.5) * 2`.
    pub fn to_values(&self, range: Option<[f32; 2]>) -> Vec<f32> {
        let [low, high] = range.unwrap_or_else(|| self.depth().range());
        let value = |v: f32| (((v - low) / (high - low) - 0.5) * 2.0).clamp(-1.0, 1.0);
        each!(self, p => p.data.iter().map(|v| value(v.to_f32())).collect())
    }

    /// Converts a network's values back: -1 becomes the low end of `range`, 1 the high end.
    ///
    /// # Errors
    /// [`Error::Usage`] when `values` is not `[height, width, channels]`.
    pub fn from_values(
        values: &[f32],
        size: (u32, u32),
        channels: u32,
        depth: Depth,
        range: Option<[f32; 2]>,
    ) -> Result<Self> {
        fn of<T: Element>(
            values: &[f32],
            (w, h): (u32, u32),
            channels: u32,
            [low, high]: [f32; 2],
        ) -> Result<Picture<T>> {
            // NaN becomes black in integers, and stays NaN in floats.
            let data = values
                .iter()
                .map(|v| T::from_f32((v.clamp(-1.0, 1.0) * 0.5 + 0.5) * (high - low) + low))
                .collect();
            Picture::new(w, h, channels, data)
        }
        let range = range.unwrap_or_else(|| depth.range());
        Ok(match depth {
            Depth::U8 => AnyPicture::U8(of(values, size, channels, range)?),
            Depth::U16 => AnyPicture::U16(of(values, size, channels, range)?),
            Depth::F32 => AnyPicture::F32(of(values, size, channels, range)?),
        })
    }

    /// Converts to 8 bits: `range` (by default the depth's own) maps to 0 to 255. 8-bit images are
    /// unchanged without a range.
    pub fn to_8bit(self, range: Option<[f32; 2]>) -> Picture {
        let any = match (self, range) {
            (AnyPicture::U8(p), None) => return p,
            (any, _) => any,
        };
        let [low, high] = range.unwrap_or_else(|| any.depth().range());
        let byte = |v: f32| u8::from_f32((v - low) / (high - low) * 255.0);
        each!(any, p => {
            let data = p.data.iter().map(|v| byte(v.to_f32())).collect();
            Picture { width: p.width, height: p.height, channels: p.channels, data }
        })
    }

    /// Converts to floats: `range` (by default the depth's own) maps to 0 to 1, values outside are
    /// clamped.
    pub fn to_unit(&self, range: Option<[f32; 2]>) -> Picture<f32> {
        let data = self.to_values(range).into_iter().map(|v| v * 0.5 + 0.5).collect();
        let (width, height) = self.size();
        Picture { width, height, channels: self.channels(), data }
    }

    /// Whether any value is NaN.
    pub fn has_nan(&self) -> bool {
        matches!(self, AnyPicture::F32(p) if p.data.iter().any(|v| v.is_nan()))
    }

    /// The image inside, if it has 8 bits.
    ///
    /// # Errors
    /// [`Error::Usage`] for other depths.
    pub fn as_8bit(&self) -> Result<&Picture> {
        match self {
            AnyPicture::U8(p) => Ok(p),
            other => {
                Err(Error::Usage(format!("an image of {} values; expected 8 bits", other.depth())))
            }
        }
    }
}
