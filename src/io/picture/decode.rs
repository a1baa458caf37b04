//! Decoding files. The format is inferred from the content, not the name.

use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::{SampleFormat, Tag};

use super::{AnyPicture, Depth, Kind, Picture, npy};
use crate::io::limits;
use crate::{Error, Result};

/// What a file's header says about the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Channels, alpha included.
    pub channels: u32,
    /// Whether the last channel is alpha.
    pub alpha: bool,
    /// Kind of its values.
    pub depth: Depth,
}

impl Header {
    /// Reads a file's header, not its pixels.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or its header is invalid.
    pub fn read(path: &Path) -> Result<Header> {
        let mut file = BufReader::new(crate::io::file::open(path).map_err(|e| unopened(path, &e))?);
        let start = file.fill_buf().map_err(|e| unopened(path, &e))?;
        let kind = Kind::of(start, path);
        kind.check(path)?;
        if start.starts_with(npy::MAGIC) {
            let mut bytes = Vec::new();
            file.take(npy::HEADER).read_to_end(&mut bytes).map_err(|e| unopened(path, &e))?;
            return npy::header(&bytes).map_err(|e| broken(path, e));
        }
        if is_tiff(start) {
            let own = Bands::of(&mut Decoder::new(&mut file).map_err(|e| broken(path, e))?)
                .map_err(|e| broken(path, e))?;
            if let Some(header) = own {
                return Ok(header);
            }
            file.rewind().map_err(|e| unopened(path, &e))?;
        }
        let mut reader =
            ImageReader::new(file).with_guessed_format().map_err(|e| unopened(path, &e))?;
        if kind == Kind::Read("TGA") {
            reader.set_format(ImageFormat::Tga);
        }
        let decoder = reader.into_decoder().map_err(|e| broken(path, e))?;
        let (width, height) = decoder.dimensions();
        let color = decoder.color_type();
        let depth = match color {
            ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Depth::U8,
            ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => Depth::U16,
            _ => Depth::F32,
        };
        Ok(Header {
            width,
            height,
            channels: u32::from(color.channel_count()),
            alpha: color.has_alpha(),
            depth,
        })
    }

    /// Channels without alpha.
    pub fn colors(&self) -> u32 {
        self.channels - u32::from(self.alpha)
    }
}

impl AnyPicture {
    /// Decodes a file, its depth and channels as they are. EXIF orientation is not applied (the
    /// reference implementation does not either).
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = crate::io::file::read(path).map_err(|e| unopened(path, &e))?;
        Self::decode(bytes, path)
    }

    /// Decodes a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::File`] when they cannot be decoded.
    pub fn decode(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let kind = Kind::of(&bytes, path);
        kind.check(path)?;
        if is_cut_jpeg(&bytes) {
            return Err(broken(path, "the JPEG has no end marker, so it was probably cut off"));
        }
        if bytes.starts_with(npy::MAGIC) {
            return npy::decode(&bytes).map_err(|e| broken(path, e));
        }
        let most = limits::decoded(bytes.len() as u64);
        if is_tiff(&bytes) {
            let mut own = tiff::decoder::Limits::default();
            own.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
            let mut decoder = Decoder::new(Cursor::new(bytes.as_slice()))
                .map_err(|e| broken(path, e))?
                .with_limits(own);
            if let Some(header) = Bands::of(&mut decoder).map_err(|e| broken(path, e))? {
                return Bands::decode(&mut decoder, header).map_err(|e| broken(path, e));
            }
        }
        // The format is guessed from memory here, so no file can be missing.
        let limits = limits::of_image(bytes.len() as u64);
        if let Some((w, h)) =
            webp_frames(&bytes).find(|(w, h)| 3 * u64::from(*w) * u64::from(*h) > most)
        {
            return Err(broken(
                path,
                format!("a frame of {w}x{h}, more than a file of this size can hold"),
            ));
        }
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|e| unopened(path, &e))?;
        if kind == Kind::Read("TGA") {
            reader.set_format(ImageFormat::Tga);
        }
        reader.limits(limits);
        let image = reader.decode().map_err(|e| broken(path, e))?;
        let (w, h, c) = (image.width(), image.height(), u32::from(image.color().channel_count()));
        Ok(match image {
            DynamicImage::ImageLuma8(i) => AnyPicture::U8(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageLumaA8(i) => AnyPicture::U8(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageRgb8(i) => AnyPicture::U8(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageRgba8(i) => AnyPicture::U8(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageLuma16(i) => AnyPicture::U16(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageLumaA16(i) => AnyPicture::U16(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageRgb16(i) => AnyPicture::U16(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageRgba16(i) => AnyPicture::U16(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageRgb32F(i) => AnyPicture::F32(Picture::new(w, h, c, i.into_raw())?),
            DynamicImage::ImageRgba32F(i) => AnyPicture::F32(Picture::new(w, h, c, i.into_raw())?),
            other => return Err(broken(path, format!("pixels of kind {:?}", other.color()))),
        })
    }
}

/// TIFFs that the image library does not read: floats, and bands that are not colours.
struct Bands;

impl Bands {
    /// The header of such a file; `None` for files that the image library reads.
    fn of<R: Read + Seek>(decoder: &mut Decoder<R>) -> Result<Option<Header>, String> {
        let color = decoder.colortype().map_err(|e| e.to_string())?;
        let format =
            decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(|e| e.to_string())?;
        let float = format.and_then(|f| f.first().copied()) == Some(SampleFormat::IEEEFP.to_u16());
        if !float && !matches!(color, tiff::ColorType::Multiband { .. }) {
            return Ok(None);
        }
        let depth = match (color.bit_depth(), float) {
            (8, false) => Depth::U8,
            (16, false) => Depth::U16,
            (16 | 32 | 64, true) => Depth::F32,
            (bits, _) => {
                return Err(format!("values of {bits} bits; 8 and 16 bits and floats are read"));
            }
        };
        let (width, height) = decoder.dimensions().map_err(|e| e.to_string())?;
        let alpha = matches!(color, tiff::ColorType::GrayA(_) | tiff::ColorType::RGBA(_));
        Ok(Some(Header { width, height, channels: u32::from(color.num_samples()), alpha, depth }))
    }

    fn decode<R: Read + Seek>(decoder: &mut Decoder<R>, h: Header) -> Result<AnyPicture, String> {
        fn of<T: super::Element>(h: Header, data: Vec<T>) -> Result<Picture<T>, String> {
            if (data.len() as u64)
                < u64::from(h.width) * u64::from(h.height) * u64::from(h.channels)
            {
                return Err(
                    "its bands are stored one after another (planar); save it with interleaved \
                            samples, or as npy"
                        .into(),
                );
            }
            Picture::new(h.width, h.height, h.channels, data).map_err(|e| e.to_string())
        }
        Ok(match decoder.read_image().map_err(|e| e.to_string())? {
            DecodingResult::U8(data) => AnyPicture::U8(of(h, data)?),
            DecodingResult::U16(data) => AnyPicture::U16(of(h, data)?),
            DecodingResult::F16(data) => {
                AnyPicture::F32(of(h, data.into_iter().map(|v| v.to_f32()).collect())?)
            }
            DecodingResult::F32(data) => AnyPicture::F32(of(h, data)?),
            DecodingResult::F64(data) => {
                AnyPicture::F32(of(h, data.into_iter().map(|v| v as f32).collect())?)
            }
            _ => {
                return Err(
                    "signed or wide integers; unsigned 8 and 16 bits and floats are read".into()
                );
            }
        })
    }
}

pub(in crate::io) fn is_tiff(bytes: &[u8]) -> bool {
    [b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b"]
        .iter()
        .any(|magic| bytes.starts_with(*magic))
}

/// Sizes of the lossy frames in a WebP. The decoder allocates a frame before it checks its size
/// against the image's.
fn webp_frames(bytes: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    const NAME: &[u8] = b"VP8 ";
    const START: &[u8] = &[0x9d, 0x01, 0x2a];
    // Name and length of the chunk, three bytes of flags, the start code of a key frame, two sides
    // of 14 bits.
    let of_webp = bytes.starts_with(b"RIFF");
    let frames = bytes
        .windows(18)
        .filter(move |w| of_webp && w.starts_with(NAME) && w[11..].starts_with(START));
    frames.map(|w| [14, 16].map(|at| u16::from_le_bytes([w[at], w[at + 1]]) & 0x3fff).into())
}

/// Whether these bytes are a JPEG that stops before its end marker. The decoder would silently fill
/// the rest with gray.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return false;
    }
    // Skip the segments up to the first scan: a thumbnail in one of them has its own end marker.
    let mut at = 2;
    while let Some(&[0xFF, kind, high, low]) = bytes.get(at..at + 4) {
        match kind {
            // Fill bytes may precede a marker.
            0xFF => at += 1,
            // Within a scan 0xFF is always followed by 0 or a restart marker.
            0xDA => return !bytes[at..].windows(2).any(|w| w == [0xFF, 0xD9]),
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    // No scan found: the decoder reports that.
    false
}

pub(in crate::io) fn unopened(path: &Path, e: &std::io::Error) -> Error {
    match path.is_dir() {
        true => Error::file(path, "is a folder, where an image is expected"),
        false => {
            Error::file(path, format!("cannot be opened: {e}; check the path and its permissions"))
        }
    }
}

pub(in crate::io) fn broken(path: &Path, reason: impl std::fmt::Display) -> Error {
    let mut reason = reason.to_string().replace('\n', " ");
    // A decoder may list all that a file claims.
    if let Some((end, _)) = reason.char_indices().nth(300) {
        reason.truncate(end);
        reason.push('…');
    }
    Error::file(path, format!("cannot be decoded: {reason}; remove it or repair it"))
}
