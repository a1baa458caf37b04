//! Decoding files. The format is inferred from the content, not the name.

use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use tiff::decoder::Decoder;

use super::fault::{Fault, unopened};
use super::{AnyPicture, Depth, Kind, Loaded, Picture, Reading, npy, orient, tif};
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
    /// Reads a file's header, not its pixels; width and height are those of the image as it is to
    /// be looked at, turned as the file says.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened, its header is invalid or its kind is not
    /// read.
    pub fn read(path: &Path) -> Result<Header> {
        Self::read_as(path, Reading::default())
    }

    /// The same, read as `how` says.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_as(path: &Path, how: Reading) -> Result<Header> {
        let mut file = BufReader::new(crate::io::file::open(path).map_err(|e| unopened(path, &e))?);
        let start = file.fill_buf().map_err(|e| unopened(path, &e))?;
        let kind = Kind::of(start, path);
        kind.check(path)?;
        let (mut header, orientation) =
            Self::of_file(file, kind).map_err(|fault| fault.at(path))?;
        if !how.ignore_orientation {
            let size = (header.width, header.height);
            (header.width, header.height) = orient::turned_size(size, orientation);
        }
        Ok(header)
    }

    /// As it is stored, and how it is to be turned.
    fn of_file(mut file: impl BufRead + Seek, kind: Kind) -> Result<(Header, Orientation), Fault> {
        let unread = |e: std::io::Error| Fault::Broken(e.to_string());
        if kind == Kind::Read("npy") {
            let mut bytes = Vec::new();
            file.take(npy::HEADER).read_to_end(&mut bytes).map_err(unread)?;
            return Ok((npy::header(&bytes)?, Orientation::NoTransforms));
        }
        if kind == Kind::Read("TIFF") {
            let tags = tif::Tags::of(&mut Decoder::new(&mut file)?, None)?;
            return Ok((tags.header()?, tags.orientation));
        }
        let known = own_orientation(&mut file, kind);
        file.rewind().map_err(unread)?;
        let mut decoder = reader(file, kind)?.into_decoder()?;
        let orientation = known.unwrap_or_else(|| orient::of_decoder(&mut decoder));
        let (width, height) = decoder.dimensions();
        let color = decoder.color_type();
        let depth = match color {
            ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Depth::U8,
            ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => Depth::U16,
            _ => Depth::F32,
        };
        let (channels, alpha) = (u32::from(color.channel_count()), color.has_alpha());
        Ok((Header { width, height, channels, alpha, depth }, orientation))
    }

    /// Channels without alpha.
    pub fn colors(&self) -> u32 {
        self.channels - u32::from(self.alpha)
    }
}

/// How a file is to be turned, where its decoder does not say that well.
fn own_orientation(file: impl Read + Seek, kind: Kind) -> Option<Orientation> {
    match kind {
        Kind::Read("PNG") => Some(orient::of_png(file)),
        Kind::Read("WebP") => Some(orient::of_webp(file)),
        _ => None,
    }
}

/// The image library's reader of a file of this kind.
fn reader<R: BufRead + Seek>(file: R, kind: Kind) -> Result<ImageReader<R>, Fault> {
    let reader = ImageReader::new(file).with_guessed_format();
    let mut reader = reader.map_err(|e| Fault::Broken(e.to_string()))?;
    if kind == Kind::Read("TGA") {
        // Nothing at its start names it.
        reader.set_format(ImageFormat::Tga);
    }
    Ok(reader)
}

impl AnyPicture {
    /// Decodes a file, its depth and channels as they are, turned as the file says (EXIF).
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded, its kind is not read, or it has
    /// pixels without data.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Loaded::read(path, Reading::default())?.picture)
    }

    /// Decodes a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn decode(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        Ok(Loaded::decode(bytes, path, Reading::default())?.picture)
    }
}

impl Loaded {
    /// Decodes a file.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded, its kind is not read, or it has
    /// pixels without data and `how` refuses them.
    pub fn read(path: &Path, how: Reading) -> Result<Loaded> {
        let bytes = crate::io::file::read(path).map_err(|e| unopened(path, &e))?;
        Self::decode(bytes, path, how)
    }

    /// Decodes a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn decode(bytes: Vec<u8>, path: &Path, how: Reading) -> Result<Loaded> {
        let kind = Kind::of(&bytes, path);
        kind.check(path)?;
        let Stored { picture, alpha, orientation, nodata } =
            stored(bytes, kind).map_err(|fault| fault.at(path))?;
        let turned = match how.ignore_orientation {
            true => picture,
            false => picture.turned(orientation),
        };
        Loaded::new(turned, alpha, nodata, how.nodata, path)
    }
}

/// An image as a file stores it.
struct Stored {
    picture: AnyPicture,
    /// Whether its last channel is alpha.
    alpha: bool,
    /// How it is to be turned.
    orientation: Orientation,
    /// The value of pixels without data.
    nodata: Option<f64>,
}

fn stored(bytes: Vec<u8>, kind: Kind) -> Result<Stored, Fault> {
    let most = limits::decoded(bytes.len() as u64);
    let upright = |picture, alpha| Stored {
        picture,
        alpha,
        orientation: Orientation::NoTransforms,
        nodata: None,
    };
    match kind {
        Kind::Read("npy") => return Ok(upright(npy::decode(&bytes)?, false)),
        Kind::Read("TIFF") => {
            let (picture, header, tags) = tif::decode(bytes, most)?;
            let (alpha, orientation, nodata) = (header.alpha, tags.orientation, tags.nodata);
            return Ok(Stored { picture, alpha, orientation, nodata });
        }
        _ if is_cut_jpeg(&bytes) => {
            return Err("the JPEG has no end marker, so it was probably cut off".into());
        }
        _ => {}
    }
    if let Some((w, h)) =
        webp_frames(&bytes).find(|(w, h)| 3 * u64::from(*w) * u64::from(*h) > most)
    {
        return Err(format!("a frame of {w}x{h}, more than a file of this size can hold").into());
    }
    let known = own_orientation(Cursor::new(&bytes), kind);
    let mut limits = limits::of_image(bytes.len() as u64);
    let mut reader = reader(Cursor::new(bytes), kind)?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    let orientation = known.unwrap_or_else(|| orient::of_decoder(&mut decoder));
    let alpha = decoder.color_type().has_alpha();
    let picture = of_image(DynamicImage::from_decoder(decoder)?)?;
    Ok(Stored { orientation, ..upright(picture, alpha) })
}

fn of_image(image: DynamicImage) -> Result<AnyPicture, Fault> {
    let (w, h, c) = (image.width(), image.height(), u32::from(image.color().channel_count()));
    let made = match image {
        DynamicImage::ImageLuma8(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U8),
        DynamicImage::ImageLumaA8(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U8),
        DynamicImage::ImageRgb8(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U8),
        DynamicImage::ImageRgba8(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U8),
        DynamicImage::ImageLuma16(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U16),
        DynamicImage::ImageLumaA16(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U16),
        DynamicImage::ImageRgb16(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U16),
        DynamicImage::ImageRgba16(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::U16),
        DynamicImage::ImageRgb32F(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::F32),
        DynamicImage::ImageRgba32F(i) => Picture::new(w, h, c, i.into_raw()).map(AnyPicture::F32),
        other => return Err(Fault::Broken(format!("pixels of kind {:?}", other.color()))),
    };
    made.map_err(|e: Error| Fault::Broken(e.to_string()))
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
