//! Maps of indices in files: the numbers as they are stored, not what they look like. The index of
//! a palette image counts, not its colour; gray of 1, 2 or 4 bits is not scaled to 8.

use super::IndexMap;
use crate::io::limits;
use crate::io::picture::{AnyPicture, Depth, Header, broken, is_tiff, npy, unopened};
use crate::{Error, Result};
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::{SampleFormat, Tag};

/// What a file's header says about a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHeader {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Values per pixel: 1, or the file holds colours instead of indices.
    pub channels: u32,
    /// Bits of a value: 8, 16, 32 or 64; 8 where there are fewer.
    pub bits: u32,
}

impl IndexHeader {
    /// Reads a file's header, not its pixels.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened, its header is invalid, or its format does
    /// not keep whole numbers (JPEG, floats).
    pub fn read(path: &Path) -> Result<IndexHeader> {
        let mut file = BufReader::new(crate::io::file::open(path).map_err(|e| unopened(path, &e))?);
        let start = file.fill_buf().map_err(|e| unopened(path, &e))?;
        match Format::of(start) {
            Format::Png => {
                let mut decoder = png::Decoder::new(file);
                let info = decoder.read_header_info().map_err(|e| broken(path, e))?;
                Ok(of_png(info))
            }
            Format::Npy => {
                let mut bytes = Vec::new();
                file.take(npy::HEADER).read_to_end(&mut bytes).map_err(|e| unopened(path, &e))?;
                of_npy(&bytes).map_err(|e| broken(path, e))
            }
            Format::Tiff => {
                let mut decoder = Decoder::new(&mut file).map_err(|e| broken(path, e))?;
                of_tiff(&mut decoder).map_err(|e| broken(path, e))
            }
            Format::Jpeg => Err(lossy(path)),
            Format::Other => {
                let header = Header::read(path)?;
                let bits = match header.depth {
                    Depth::U8 => 8,
                    Depth::U16 => 16,
                    Depth::F32 => return Err(Error::file(path, FLOATS)),
                };
                let Header { width, height, channels, .. } = header;
                Ok(IndexHeader { width, height, channels, bits })
            }
        }
    }
}

impl IndexMap {
    /// Decodes a file: PNG of one channel (gray or palette, 1 to 16 bits), TIFF and npy of whole
    /// numbers up to 32 bits (wider ones if the values fit), BMP, PNM and WebP of one channel.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded, or holds colours, floats, numbers
    /// below 0 or above 32 bits.
    pub fn load(path: &Path) -> Result<IndexMap> {
        Self::decode(crate::io::file::read(path).map_err(|e| unopened(path, &e))?, path)
    }

    /// Decodes a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn decode(bytes: Vec<u8>, path: &Path) -> Result<IndexMap> {
        let most = limits::decoded(bytes.len() as u64);
        let (header, data) = match Format::of(&bytes) {
            Format::Png => decode_png(&bytes, most).map_err(|e| broken(path, e))?,
            Format::Tiff => decode_tiff(&bytes, most).map_err(|e| broken(path, e))?,
            Format::Npy => decode_npy(&bytes).map_err(|e| broken(path, e))?,
            Format::Jpeg => return Err(lossy(path)),
            Format::Other => {
                let image = AnyPicture::decode(bytes, path)?;
                return IndexMap::of(&image).map_err(|e| Error::file(path, e.to_string()));
            }
        };
        if header.channels != 1 {
            let message = format!(
                "has {} channels; a map has one, an index per pixel (`pixtape prepare palette` \
                 converts colours to indices)",
                header.channels
            );
            return Err(Error::file(path, message));
        }
        let data = data.ok_or_else(|| {
            let why = "holds numbers below 0 or above 4294967295; an index is neither";
            Error::file(path, why)
        })?;
        IndexMap::new(header.width, header.height, data)
            .map_err(|e| Error::file(path, e.to_string()))
    }
}

const FLOATS: &str = "holds floats; a map holds whole numbers, an index per pixel";

fn lossy(path: &Path) -> Error {
    let why = "is a JPEG, which does not keep an index per pixel exactly; make the map a PNG from \
               its source (`pixtape prepare palette` with `nearest` repairs colours)";
    Error::file(path, why)
}

/// What a file is, by its first bytes.
enum Format {
    Png,
    Tiff,
    Npy,
    Jpeg,
    Other,
}

impl Format {
    fn of(start: &[u8]) -> Format {
        match start {
            _ if start.starts_with(b"\x89PNG\r\n\x1a\n") => Format::Png,
            _ if start.starts_with(npy::MAGIC) => Format::Npy,
            _ if start.starts_with(&[0xFF, 0xD8, 0xFF]) => Format::Jpeg,
            _ if is_tiff(start) => Format::Tiff,
            _ => Format::Other,
        }
    }
}

/// A header, and the indices: none where there are several channels' values, or some are no `u32`.
type Decoded = (IndexHeader, Option<Vec<u32>>);

fn of_png(info: &png::Info<'_>) -> IndexHeader {
    let png::Info { width, height, bit_depth, color_type, .. } = *info;
    let bits = (bit_depth as u32).max(8);
    // A palette's index is one value.
    IndexHeader { width, height, channels: color_type.samples() as u32, bits }
}

fn decode_png(bytes: &[u8], most: u64) -> Result<Decoded, String> {
    let limit = usize::try_from(most).unwrap_or(usize::MAX);
    let limits = png::Limits { bytes: limit };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let (header, depth) = (of_png(reader.info()), reader.info().bit_depth);
    let (w, h) = (header.width as usize, header.height as usize);
    if header.channels != 1 {
        return Ok((header, None));
    }
    // Rows of less than a byte per value grow when they are unpacked.
    let size = reader.output_buffer_size().filter(|size| (*size).max(w * h) <= limit);
    let size = size.ok_or_else(|| format!("{w}x{h}, more than a file of this size can hold"))?;
    let mut raw = vec![0; size];
    let line = reader.next_frame(&mut raw).map_err(|e| e.to_string())?.line_size;
    let data = match depth {
        png::BitDepth::Eight => raw.into_iter().map(u32::from).collect(),
        png::BitDepth::Sixteen => {
            raw.chunks_exact(2).map(|v| u16::from_be_bytes([v[0], v[1]]).into()).collect()
        }
        _ => {
            // The first value of a byte lies in its high bits; a row begins with a byte.
            let bits = depth as usize;
            let value = |row: &[u8], x: usize| {
                let shift = 8 - bits - x * bits % 8;
                u32::from(row[x * bits / 8] >> shift) & ((1 << bits) - 1)
            };
            raw.chunks_exact(line).flat_map(|row| (0..w).map(move |x| value(row, x))).collect()
        }
    };
    Ok((header, Some(data)))
}

fn of_npy(bytes: &[u8]) -> Result<IndexHeader, String> {
    let ([height, width, channels], size) = npy::integers(bytes)?;
    Ok(IndexHeader { width, height, channels, bits: 8 * size })
}

fn decode_npy(bytes: &[u8]) -> Result<Decoded, String> {
    Ok((of_npy(bytes)?, npy::decode_integers(bytes)?))
}

fn of_tiff<R: Read + Seek>(decoder: &mut Decoder<R>) -> Result<IndexHeader, String> {
    let color = decoder.colortype().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().map_err(|e| e.to_string())?;
    let (channels, bits) = (u32::from(color.num_samples()), u32::from(color.bit_depth()));
    let format =
        decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(|e| e.to_string())?;
    if format.and_then(|f| f.first().copied()) == Some(SampleFormat::IEEEFP.to_u16()) {
        return Err(FLOATS.into());
    }
    if matches!(color, ColorType::Gray(_)) && !matches!(bits, 8 | 16 | 32 | 64) {
        return Err(format!("values of {bits} bits; maps have 8, 16 or 32"));
    }
    Ok(IndexHeader { width, height, channels, bits })
}

fn decode_tiff(bytes: &[u8], most: u64) -> Result<Decoded, String> {
    fn whole<T: TryInto<u32>>(values: Vec<T>) -> Option<Vec<u32>> {
        values.into_iter().map(|value| value.try_into().ok()).collect()
    }
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let mut decoder = decoder.with_limits(limits);
    let header = of_tiff(&mut decoder)?;
    if header.channels != 1 {
        return Ok((header, None));
    }
    let data = match decoder.read_image().map_err(|e| e.to_string())? {
        DecodingResult::U8(values) => whole(values),
        DecodingResult::U16(values) => whole(values),
        DecodingResult::U32(values) => whole(values),
        DecodingResult::U64(values) => whole(values),
        DecodingResult::I8(values) => whole(values),
        DecodingResult::I16(values) => whole(values),
        DecodingResult::I32(values) => whole(values),
        DecodingResult::I64(values) => whole(values),
        _ => return Err(FLOATS.into()),
    };
    Ok((header, data))
}
