//! Maps of indices in files: the numbers as they are stored, not what they look like. The index of
//! a palette image counts, not its colour; gray of 1, 2 or 4 bits is not scaled to 8.

use super::IndexMap;
use crate::io::limits;
use crate::io::picture::orient::{self, turned, turned_size};
use crate::io::picture::tif::{self, Tags};
use crate::io::picture::{Depth, Fault, Header, Kind, Loaded, Reading, npy, unopened};
use crate::{Error, Result};
use image::metadata::Orientation;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use tiff::decoder::{Decoder, DecodingResult};

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
    /// Reads a file's header, not its pixels; width and height are those of the map turned as the
    /// file says.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened, its header is invalid, or its format does
    /// not keep whole numbers (JPEG, floats).
    pub fn read(path: &Path) -> Result<IndexHeader> {
        Self::read_as(path, Reading::default())
    }

    /// The same, read as `how` says.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_as(path: &Path, how: Reading) -> Result<IndexHeader> {
        let mut file = BufReader::new(crate::io::file::open(path).map_err(|e| unopened(path, &e))?);
        let start = file.fill_buf().map_err(|e| unopened(path, &e))?;
        let kind = Kind::of(start, path);
        kind.check(path)?;
        match kind {
            Kind::Read("JPEG") => return Err(lossy(path)),
            Kind::Read("PNG" | "npy" | "TIFF") => {}
            _ => {
                let header = Header::read_as(path, how)?;
                let bits = match header.depth {
                    Depth::U8 => 8,
                    Depth::U16 => 16,
                    Depth::F32 => return Err(Error::file(path, FLOATS)),
                };
                let Header { width, height, channels, .. } = header;
                return Ok(IndexHeader { width, height, channels, bits });
            }
        }
        let (mut header, orientation) =
            Self::of_file(file, kind).map_err(|fault| fault.at(path))?;
        if !how.ignore_orientation {
            let size = (header.width, header.height);
            (header.width, header.height) = turned_size(size, orientation);
        }
        Ok(header)
    }

    /// As it is stored, and how it is to be turned.
    fn of_file(mut file: BufReader<File>, kind: Kind) -> Result<(IndexHeader, Orientation), Fault> {
        let unread = |e: std::io::Error| Fault::Broken(e.to_string());
        Ok(match kind {
            Kind::Read("PNG") => {
                let orientation = orient::of_png(&mut file);
                file.rewind().map_err(unread)?;
                let mut decoder = png::Decoder::new(file);
                let info = decoder.read_header_info().map_err(|e| Fault::Broken(e.to_string()))?;
                (of_png(info), orientation)
            }
            Kind::Read("npy") => {
                let mut bytes = Vec::new();
                file.take(npy::HEADER).read_to_end(&mut bytes).map_err(unread)?;
                (of_npy(&bytes)?, Orientation::NoTransforms)
            }
            _ => {
                let tags = Tags::of(&mut Decoder::new(&mut file)?, None)?;
                (of_tiff(&tags)?, tags.orientation)
            }
        })
    }
}

impl IndexMap {
    /// Decodes a file: PNG of one channel (gray or palette, 1 to 16 bits), TIFF and npy of whole
    /// numbers up to 32 bits (wider ones if the values fit), BMP, PNM and WebP of one channel. It
    /// is turned as the file says.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded, or holds colours, floats, numbers
    /// below 0 or above 32 bits.
    pub fn load(path: &Path) -> Result<IndexMap> {
        Self::load_as(path, Reading::default())
    }

    /// The same, read as `how` says.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_as(path: &Path, how: Reading) -> Result<IndexMap> {
        Self::decode_as(crate::io::file::read(path).map_err(|e| unopened(path, &e))?, path, how)
    }

    /// Decodes a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn decode(bytes: Vec<u8>, path: &Path) -> Result<IndexMap> {
        Self::decode_as(bytes, path, Reading::default())
    }

    fn decode_as(bytes: Vec<u8>, path: &Path, how: Reading) -> Result<IndexMap> {
        let most = limits::decoded(bytes.len() as u64);
        let kind = Kind::of(&bytes, path);
        kind.check(path)?;
        let decoded = match kind {
            Kind::Read("PNG") => decode_png(&bytes, most),
            Kind::Read("TIFF") => decode_tiff(bytes, most),
            Kind::Read("npy") => decode_npy(&bytes),
            Kind::Read("JPEG") => return Err(lossy(path)),
            _ => {
                let image = Loaded::decode(bytes, path, how)?.picture;
                return IndexMap::of(&image).map_err(|e| Error::file(path, e.to_string()));
            }
        };
        let Decoded { header, data, orientation } = decoded.map_err(|fault| fault.at(path))?;
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
        let stored = IndexMap::new(header.width, header.height, data)
            .map_err(|e| Error::file(path, e.to_string()))?;
        Ok(if how.ignore_orientation { stored } else { stored.turned(orientation) })
    }

    fn turned(self, orientation: Orientation) -> IndexMap {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        let size = (self.width, self.height);
        let (width, height) = turned_size(size, orientation);
        IndexMap { width, height, data: turned(&self.data, size, 1, orientation) }
    }
}

const FLOATS: &str = "holds floats; a map holds whole numbers, an index per pixel";

fn lossy(path: &Path) -> Error {
    let why = "is a JPEG, which does not keep an index per pixel exactly; make the map a PNG from \
               its source (`pixtape prepare palette` with `nearest` repairs colours)";
    Error::file(path, why)
}

/// What a file holds.
struct Decoded {
    header: IndexHeader,
    /// The indices; none where there are several channels' values, or some are no `u32`.
    data: Option<Vec<u32>>,
    orientation: Orientation,
}

fn of_png(info: &png::Info<'_>) -> IndexHeader {
    let png::Info { width, height, bit_depth, color_type, .. } = *info;
    let bits = (bit_depth as u32).max(8);
    // A palette's index is one value.
    IndexHeader { width, height, channels: color_type.samples() as u32, bits }
}

fn decode_png(bytes: &[u8], most: u64) -> Result<Decoded, Fault> {
    let orientation = orient::of_png(Cursor::new(bytes));
    let (header, data) = png_values(bytes, most)?;
    Ok(Decoded { header, data, orientation })
}

fn png_values(bytes: &[u8], most: u64) -> Result<(IndexHeader, Option<Vec<u32>>), String> {
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

fn of_npy(bytes: &[u8]) -> Result<IndexHeader, Fault> {
    let ([height, width, channels], size) = npy::integers(bytes)?;
    Ok(IndexHeader { width, height, channels, bits: 8 * size })
}

fn decode_npy(bytes: &[u8]) -> Result<Decoded, Fault> {
    let (header, data) = (of_npy(bytes)?, npy::decode_integers(bytes)?);
    Ok(Decoded { header, data, orientation: Orientation::NoTransforms })
}

fn of_tiff(tags: &Tags) -> Result<IndexHeader, Fault> {
    let Tags { width, height, samples, bits, .. } = *tags;
    if tags.format == 3 {
        return Err(Fault::Unread(FLOATS.into()));
    }
    if !matches!(bits, 1 | 2 | 4 | 8 | 16 | 32 | 64) {
        let what = format!("its values have {bits} bits; save the map with 8, 16 or 32");
        return Err(Fault::Unread(what));
    }
    Ok(IndexHeader { width, height, channels: samples, bits: bits.max(8) })
}

fn decode_tiff(bytes: Vec<u8>, most: u64) -> Result<Decoded, Fault> {
    fn whole<T: TryInto<u64>>(values: Vec<T>, white: Option<u64>) -> Option<Vec<u32>> {
        // Where white is stored as 0, indices are counted from it.
        let index = |value: T| -> Option<u32> {
            let value = value.try_into().ok()?;
            white.map_or(Some(value), |white| white.checked_sub(value))?.try_into().ok()
        };
        values.into_iter().map(index).collect()
    }
    // What is refused by its header is not decoded.
    let tags = Tags::of(&mut Decoder::new(Cursor::new(bytes.as_slice()))?, None)?;
    let (header, orientation) = (of_tiff(&tags)?, tags.orientation);
    if header.channels != 1 {
        return Ok(Decoded { header, data: None, orientation });
    }
    let white = tags.inverted().then(|| u64::MAX >> (64 - tags.bits));
    let data = match tif::samples(bytes, most)?.values {
        DecodingResult::U8(values) => whole(values, white),
        DecodingResult::U16(values) => whole(values, white),
        DecodingResult::U32(values) => whole(values, white),
        DecodingResult::U64(values) => whole(values, white),
        DecodingResult::I8(values) => whole(values, white),
        DecodingResult::I16(values) => whole(values, white),
        DecodingResult::I32(values) => whole(values, white),
        DecodingResult::I64(values) => whole(values, white),
        _ => return Err(Fault::Unread(FLOATS.into())),
    };
    Ok(Decoded { header, data, orientation })
}
