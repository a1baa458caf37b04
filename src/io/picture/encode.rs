//! Encoding files.

use std::io::Cursor;
use std::path::Path;

use image::{ExtendedColorType, ImageEncoder};
use tiff::encoder::{TiffEncoder, colortype};

use super::{AnyPicture, Picture, npy};
use crate::io::aside::write_aside;
use crate::{Error, Result};

impl Picture {
    /// The bytes of a PNG file, 8 bits, gray, RGB or RGBA.
    ///
    /// # Errors
    /// [`Error::Usage`] for other channel counts.
    pub fn encode_png(&self) -> Result<Vec<u8>> {
        let color = match self.channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            4 => ExtendedColorType::Rgba8,
            n => return Err(not_for("PNG", n)),
        };
        png(&self.data, self.width, self.height, color)
    }

    /// Writes a PNG file; a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        write_aside(path, &self.encode_png()?)
    }
}

impl AnyPicture {
    /// The bytes of a file whose format `extension` names: `png` (8 or 16 bits), `tif`/`tiff` (all
    /// depths), `exr` (floats) or `npy` (all depths, any number of channels). Nothing is converted:
    /// an image that the format cannot store is refused.
    ///
    /// # Errors
    /// [`Error::Usage`] for unknown formats, and those that cannot store this depth or number of
    /// channels.
    pub fn encode(&self, extension: &str) -> Result<Vec<u8>> {
        let c = self.channels();
        match extension.to_ascii_lowercase().as_str() {
            "npy" => Ok(npy::encode(self)),
            "png" => match self {
                AnyPicture::U8(p) => p.encode_png(),
                AnyPicture::U16(p) => {
                    let color = match c {
                        1 => ExtendedColorType::L16,
                        3 => ExtendedColorType::Rgb16,
                        4 => ExtendedColorType::Rgba16,
                        n => return Err(not_for("PNG", n)),
                    };
                    png(bytemuck::cast_slice(&p.data), p.width, p.height, color)
                }
                AnyPicture::F32(_) => {
                    Err(Error::Usage("PNG cannot store floats; write tiff, exr or npy".into()))
                }
            },
            "tif" | "tiff" => self.encode_tiff(),
            "exr" => {
                let AnyPicture::F32(p) = self else {
                    return Err(Error::Usage("EXR stores floats only; write png or tiff".into()));
                };
                let color = match c {
                    3 => ExtendedColorType::Rgb32F,
                    4 => ExtendedColorType::Rgba32F,
                    n => return Err(not_for("EXR", n)),
                };
                let mut bytes = Cursor::new(Vec::new());
                let encoder = image::codecs::openexr::OpenExrEncoder::new(&mut bytes);
                encoder
                    .write_image(bytemuck::cast_slice(&p.data), p.width, p.height, color)
                    .map_err(|e| internal("EXR", self, &e))?;
                Ok(bytes.into_inner())
            }
            other => Err(Error::Usage(format!(
                "unknown image format {other:?}; use png, tiff, exr or npy"
            ))),
        }
    }

    fn encode_tiff(&self) -> Result<Vec<u8>> {
        let (w, h) = self.size();
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).map_err(|e| internal("TIFF", self, &e))?;
        let written = match (self, self.channels()) {
            (AnyPicture::U8(p), 1) => encoder.write_image::<colortype::Gray8>(w, h, &p.data),
            (AnyPicture::U8(p), 3) => encoder.write_image::<colortype::RGB8>(w, h, &p.data),
            (AnyPicture::U8(p), 4) => encoder.write_image::<colortype::RGBA8>(w, h, &p.data),
            (AnyPicture::U16(p), 1) => encoder.write_image::<colortype::Gray16>(w, h, &p.data),
            (AnyPicture::U16(p), 3) => encoder.write_image::<colortype::RGB16>(w, h, &p.data),
            (AnyPicture::U16(p), 4) => encoder.write_image::<colortype::RGBA16>(w, h, &p.data),
            (AnyPicture::F32(p), 1) => encoder.write_image::<colortype::Gray32Float>(w, h, &p.data),
            (AnyPicture::F32(p), 3) => encoder.write_image::<colortype::RGB32Float>(w, h, &p.data),
            (AnyPicture::F32(p), 4) => encoder.write_image::<colortype::RGBA32Float>(w, h, &p.data),
            (_, n) => return Err(not_for("TIFF", n)),
        };
        written.map_err(|e| internal("TIFF", self, &e))?;
        Ok(bytes.into_inner())
    }

    /// Writes a file in the format that its extension names (see [`encode`](Self::encode)); a crash
    /// leaves the old file or the new one.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written, [`Error::Usage`] when the format cannot store
    /// such an image.
    pub fn save(&self, path: &Path) -> Result<()> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        write_aside(path, &self.encode(extension)?)
    }
}

fn png(data: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(data, width, height, color)
        .map_err(|e| Error::Internal(format!("PNG of {width}x{height}: {e}")))?;
    Ok(bytes.into_inner())
}

fn not_for(format: &str, channels: u32) -> Error {
    Error::Usage(format!(
        "a {format} is written with 1, 3 or 4 channels, not {channels}; write npy"
    ))
}

fn internal(format: &str, picture: &AnyPicture, e: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("{format} of {}: {e}", picture.describe()))
}
