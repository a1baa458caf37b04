//! Writing maps of indices.

use super::IndexMap;
use crate::io::aside::write_aside;
use crate::io::picture::{AnyPicture, Picture, npy};
use crate::{Error, Result};
use std::io::Cursor;
use std::path::Path;
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype::Gray32};

impl IndexMap {
    /// The fewest bits that hold its indices: 8, 16 or 32.
    pub fn bits(&self) -> u32 {
        match self.data.iter().max() {
            Some(most) if *most > u32::from(u16::MAX) => 32,
            Some(most) if *most > u32::from(u8::MAX) => 16,
            _ => 8,
        }
    }

    /// The bytes of a file with `bits` (8, 16 or 32) per index, whose format `extension` names:
    /// `png` (up to 16 bits), `tif`/`tiff` or `npy`.
    ///
    /// # Errors
    /// [`Error::Usage`] for indices that do not fit, and formats that cannot store them.
    pub fn encode(&self, extension: &str, bits: u32) -> Result<Vec<u8>> {
        if bits < self.bits() || !matches!(bits, 8 | 16 | 32) {
            let most = self.data.iter().max().copied().unwrap_or(0);
            let why = format!("index {most} does not fit {bits} bits; use 16 or 32");
            return Err(Error::Usage(why));
        }
        let (width, height) = (self.width, self.height);
        match (bits, extension.to_ascii_lowercase().as_str()) {
            (8, _) => {
                let data = self.data.iter().map(|index| *index as u8).collect();
                AnyPicture::U8(Picture::new(width, height, 1, data)?).encode(extension)
            }
            (16, _) => {
                let data = self.data.iter().map(|index| *index as u16).collect();
                AnyPicture::U16(Picture::new(width, height, 1, data)?).encode(extension)
            }
            (_, "tif" | "tiff") => {
                let failed = |e| Error::Internal(format!("TIFF of {width}x{height}: {e}"));
                let mut bytes = Cursor::new(Vec::new());
                TiffEncoder::new(&mut bytes)
                    .map_err(failed)?
                    .with_compression(Compression::Deflate(DeflateLevel::Balanced))
                    .write_image::<Gray32>(width, height, &self.data)
                    .map_err(failed)?;
                Ok(bytes.into_inner())
            }
            (_, "npy") => Ok(npy::encode_integers(width, height, &self.data)),
            (_, other) => Err(Error::Usage(format!(
                "{other:?} cannot store indices of 32 bits; use tiff or npy"
            ))),
        }
    }

    /// Writes a file in the format that its extension names (see [`encode`](Self::encode)); a crash
    /// leaves the old file or the new one.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written, and as [`encode`](Self::encode).
    pub fn save(&self, path: &Path, bits: u32) -> Result<()> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        write_aside(path, &self.encode(extension, bits)?)
    }
}
