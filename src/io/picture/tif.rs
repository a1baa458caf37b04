//! TIFF: every sample of a pixel is a channel; only what the file calls alpha is alpha.
//!
//! The library hands out the samples that its kinds of colour have names for, and drops or refuses
//! others: a near infrared band beside RGB, palettes, bands one after another. Of a file that says
//! "gray" it gives all. So the copy in memory says so, and colours are made here.

use std::io::{Cursor, Read, Seek};

use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::fault::Fault;
use super::{AnyPicture, Depth, Element, Header, Picture};

/// Values of the tag `PhotometricInterpretation`.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const PALETTE: u16 = 3;
const MASK: u16 = 4;
const CMYK: u16 = 5;
const YCBCR: u16 = 6;

/// What the tags say of an image.
#[derive(Clone, Debug)]
pub(in crate::io) struct Tags {
    pub width: u32,
    pub height: u32,
    /// Of a pixel.
    pub samples: u32,
    /// Of a sample.
    pub bits: u32,
    /// 1 for whole numbers, 2 for such with a sign, 3 for floats.
    pub format: u16,
    photometric: u16,
    /// Which of the samples is alpha.
    alpha: Option<u32>,
    /// Whether the bands are stored one after another.
    planar: bool,
    /// Whether colour has fewer pixels than lightness.
    subsampled: bool,
    pub orientation: Orientation,
    /// The value of pixels that have none, as GDAL notes it.
    pub nodata: Option<f64>,
}

impl Tags {
    /// Of the first image of a file; `photometric` is what it said before it was changed.
    pub(in crate::io) fn of<R: Read + Seek>(
        decoder: &mut Decoder<R>,
        photometric: Option<u16>,
    ) -> Result<Tags, Fault> {
        let (width, height) = decoder.dimensions()?;
        let mut all = |tag: Tag| decoder.find_tag_unsigned_vec::<u16>(tag);
        let mut one = |tag: Tag, default: u16| -> Result<u16, Fault> {
            Ok(all(tag)?.and_then(|values| values.first().copied()).unwrap_or(default))
        };
        let samples = u32::from(one(Tag::SamplesPerPixel, 1)?);
        let bits = u32::from(one(Tag::BitsPerSample, 1)?);
        let format = one(Tag::SampleFormat, 1)?;
        let photometric = match photometric {
            Some(known) => known,
            None => one(Tag::PhotometricInterpretation, BLACK_IS_ZERO)?,
        };
        let planar = one(Tag::PlanarConfiguration, 1)? == 2;
        let orientation = u8::try_from(one(Tag::Orientation, 1)?).ok();
        let orientation = orientation.and_then(Orientation::from_exif);
        let jpeg = one(Tag::Compression, 1)? == 7;
        // The library scales the colours of JPEGs up.
        let scale = all(Tag::ChromaSubsampling)?.unwrap_or(vec![2, 2]);
        let subsampled = !jpeg && scale != [1, 1];
        let extra = all(Tag::ExtraSamples)?.unwrap_or_default();
        let first = samples.saturating_sub(extra.len() as u32);
        let alpha = extra.iter().position(|kind| matches!(kind, 1 | 2));
        // Many programs write RGBA without saying what the fourth sample is.
        let alpha = match extra.is_empty() && photometric == RGB && samples == 4 {
            true => Some(3),
            false => alpha.map(|place| first + place as u32),
        };
        let nodata = decoder
            .find_tag(Tag::GdalNodata)
            .ok()
            .flatten()
            .and_then(|value| value.into_string().ok());
        let nodata = nodata.and_then(|text| text.trim_matches(['\0', ' ']).parse::<f64>().ok());
        Ok(Tags {
            width,
            height,
            samples,
            bits,
            format,
            photometric,
            alpha,
            planar,
            subsampled,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
            // Of an index or an ink it would say nothing about colours.
            nodata: nodata.filter(|_| matches!(photometric, BLACK_IS_ZERO | RGB)),
        })
    }

    /// The header of the image that [`decode`] makes, before it is turned.
    pub(super) fn header(&self) -> Result<Header, Fault> {
        let (bits, samples) = (self.bits, self.samples);
        let depth = match (bits, self.format) {
            (1 | 2 | 4 | 8, 1 | 4) => Depth::U8,
            (16, 1 | 4) => Depth::U16,
            (16 | 32 | 64, 3) => Depth::F32,
            _ => return Err(self.refused()),
        };
        let colors = match self.photometric {
            WHITE_IS_ZERO | BLACK_IS_ZERO | MASK => 1,
            RGB | YCBCR => 3,
            PALETTE => 1,
            CMYK => 4,
            8..=10 => return Err(unread("its colours are CIE Lab", "convert it to RGB")),
            other => {
                let what = format!("its colours are of kind {other} (PhotometricInterpretation)");
                return Err(unread(&what, "convert it to RGB"));
            }
        };
        if samples < colors || self.alpha.is_some_and(|alpha| alpha < colors) {
            return Err(format!("{samples} samples per pixel, too few for its colours").into());
        }
        if self.photometric == YCBCR && self.subsampled {
            return Err(unread("its colours are YCbCr, subsampled", "convert it to RGB"));
        }
        let whole = bits >= 8 && depth != Depth::F32;
        let channels = match self.photometric {
            PALETTE if samples == 1 && bits <= 8 => 3,
            PALETTE => return Err(unread("a palette of more than 8 bits", "convert it to RGB")),
            YCBCR if bits != 8 => return Err(unread("YCbCr of 16 bits", "convert it to RGB")),
            CMYK if !whole => return Err(unread("CMYK of floats", "convert it to RGB")),
            CMYK => samples - 1,
            _ => samples,
        };
        let depth = if self.photometric == PALETTE { Depth::U8 } else { depth };
        let (width, height, alpha) = (self.width, self.height, self.alpha.is_some());
        Ok(Header { width, height, channels, alpha, depth })
    }

    /// Whether white is stored as 0.
    pub(in crate::io) fn inverted(&self) -> bool {
        self.photometric == WHITE_IS_ZERO
    }

    /// Values that are not read, by their name.
    fn refused(&self) -> Fault {
        let bits = self.bits;
        let kind = match self.format {
            1 | 4 => format!("whole numbers of {bits} bits (uint{bits})"),
            2 => format!("signed whole numbers of {bits} bits (int{bits})"),
            3 => format!("floats of {bits} bits"),
            5 | 6 => "complex numbers".into(),
            other => format!("of an unknown kind ({other}, {bits} bits)"),
        };
        let what = format!("its values are {kind}; unsigned ones of up to 16 bits and floats are");
        unread(&what, "convert it to uint8, uint16 or float32")
    }

    /// Samples of a pixel within a row of what the library gives.
    fn together(&self) -> u32 {
        if self.planar { 1 } else { self.samples }
    }
}

fn unread(what: &str, advice: &str) -> Fault {
    Fault::Unread(format!("{what}; {advice}"))
}

/// The samples of a file as they are stored, bands together, of at least 8 bits.
pub(in crate::io) struct Samples {
    pub tags: Tags,
    pub values: DecodingResult,
    /// Red, green and blue of all indices, one after another; empty where there is no palette.
    palette: Vec<u16>,
}

/// Reads all samples of a file, whatever they mean.
pub(in crate::io) fn samples(mut bytes: Vec<u8>, most: u64) -> Result<Samples, Fault> {
    let photometric = say_gray(&mut bytes);
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.ifd_value_size = limits.ifd_value_size.max(bytes.len());
    (limits.decoding_buffer_size, limits.intermediate_buffer_size) = (size(most), size(most));
    let mut decoder = Decoder::new(Cursor::new(bytes))?.with_limits(limits);
    let tags = Tags::of(&mut decoder, photometric)?;
    let palette = match tags.photometric {
        PALETTE => decoder.find_tag_unsigned_vec::<u16>(Tag::ColorMap)?.unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut values = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut values)?;
    macro_rules! all {
        ($($kind:ident),+) => {
            match values {
                DecodingResult::U8(packed) => {
                    let values = if tags.bits < 8 { unpacked(packed, &tags, most)? } else { packed };
                    DecodingResult::U8(together(values, &tags)?)
                }
                $(DecodingResult::$kind(values) => DecodingResult::$kind(together(values, &tags)?)),+
            }
        };
    }
    let values = all!(U16, U32, U64, F16, F32, F64, I8, I16, I32, I64);
    Ok(Samples { tags, values, palette })
}

/// Values of less than a byte, one in each: rows begin with a byte, high bits first.
fn unpacked(packed: Vec<u8>, tags: &Tags, most: u64) -> Result<Vec<u8>, Fault> {
    let (across, bits) = (tags.width as usize * tags.together() as usize, tags.bits as usize);
    if bits == 0 || 8 % bits != 0 {
        return Err(tags.refused());
    }
    let line = (across * bits).div_ceil(8);
    if (packed.len() / line).saturating_mul(across) as u64 > most {
        return Err("more than a file of this size can hold".into());
    }
    let value = |row: &[u8], x: usize| {
        (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & ((1u16 << bits) - 1) as u8
    };
    Ok(packed.chunks_exact(line).flat_map(|row| (0..across).map(move |x| value(row, x))).collect())
}

/// The samples of each pixel beside each other.
fn together<T: Copy>(values: Vec<T>, tags: &Tags) -> Result<Vec<T>, Fault> {
    let (pixels, samples) = (u64::from(tags.width) * u64::from(tags.height), tags.samples as usize);
    if values.len() as u64 != pixels * samples as u64 {
        return Err("more than a file of this size can hold".into());
    }
    if !tags.planar || samples == 1 {
        return Ok(values);
    }
    let pixels = values.len() / samples;
    Ok((0..values.len()).map(|i| values[i % samples * pixels + i / samples]).collect())
}

/// Decodes a file: the image as it is stored, not turned, and what its tags say.
pub(super) fn decode(bytes: Vec<u8>, most: u64) -> Result<(AnyPicture, Header, Tags), Fault> {
    // What is refused by its header is not decoded.
    Tags::of(&mut Decoder::new(Cursor::new(bytes.as_slice()))?, None)?.header()?;
    let Samples { tags, values, palette } = samples(bytes, most)?;
    let header = tags.header()?;
    let inverted = tags.inverted();
    let float = |v: f64| if inverted { 1.0 - v } else { v } as f32;
    let picture = match values {
        DecodingResult::U8(values) if tags.photometric == PALETTE => {
            AnyPicture::U8(image(&tags, &header, of_palette(&values, &palette, tags.bits)?)?)
        }
        DecodingResult::U8(mut values) => {
            let scale = 255 / ((1u16 << tags.bits) - 1) as u8;
            values.iter_mut().for_each(|v| *v *= scale);
            if inverted {
                values.iter_mut().for_each(|v| *v = 255 - *v);
            }
            let values = match tags.photometric {
                YCBCR => of_ycbcr(values, tags.samples as usize),
                CMYK => of_cmyk(values, tags.samples as usize),
                _ => values,
            };
            AnyPicture::U8(image(&tags, &header, values)?)
        }
        DecodingResult::U16(mut values) => {
            if inverted {
                values.iter_mut().for_each(|v| *v = 65535 - *v);
            }
            let cmyk = tags.photometric == CMYK;
            let values = if cmyk { of_cmyk(values, tags.samples as usize) } else { values };
            AnyPicture::U16(image(&tags, &header, values)?)
        }
        DecodingResult::F32(mut values) => {
            if inverted {
                values.iter_mut().for_each(|v| *v = 1.0 - *v);
            }
            AnyPicture::F32(image(&tags, &header, values)?)
        }
        DecodingResult::F16(values) => {
            let values = values.into_iter().map(|v| float(v.to_f64())).collect();
            AnyPicture::F32(image(&tags, &header, values)?)
        }
        DecodingResult::F64(values) => {
            AnyPicture::F32(image(&tags, &header, values.into_iter().map(float).collect())?)
        }
        _ => return Err(tags.refused()),
    };
    Ok((picture, header, tags))
}

/// The image, its alpha behind the other channels.
fn image<T: Element>(tags: &Tags, header: &Header, mut data: Vec<T>) -> Result<Picture<T>, Fault> {
    let channels = header.channels as usize;
    // Where colours took more samples than they have channels, what follows has moved.
    let alpha = tags.alpha.map(|alpha| (alpha + header.channels).saturating_sub(tags.samples));
    if let Some(alpha) = alpha.map(|alpha| alpha as usize).filter(|alpha| alpha + 1 < channels) {
        data.chunks_exact_mut(channels).for_each(|pixel| pixel[alpha..].rotate_left(1));
    }
    Picture::new(header.width, header.height, header.channels, data)
        .map_err(|e| Fault::Broken(e.to_string()))
}

/// The high bytes of a palette's colours.
fn of_palette(values: &[u8], palette: &[u16], bits: u32) -> Result<Vec<u8>, Fault> {
    let count = 1usize << bits;
    if palette.len() != 3 * count {
        return Err(
            format!("a palette of {} values where {} belong", palette.len(), 3 * count).into()
        );
    }
    let color = |value: u8, c: usize| (palette[c * count + usize::from(value)] >> 8) as u8;
    Ok(values.iter().flat_map(|v| [0, 1, 2].map(|c| color(*v, c))).collect())
}

/// Red, green and blue of cyan, magenta, yellow and black, as the image library makes them; further
/// samples stay.
fn of_cmyk<T: Element>(values: Vec<T>, samples: usize) -> Vec<T> {
    let [_, high] = T::DEPTH.range();
    let mut data = Vec::with_capacity(values.len() / samples * (samples - 1));
    for pixel in values.chunks_exact(samples) {
        let light = 1. - pixel[3].to_f32() / high;
        data.extend(
            pixel[..3].iter().map(|ink| T::from_f32(((high - ink.to_f32()) * light).floor())),
        );
        data.extend_from_slice(&pixel[4..]);
    }
    data
}

/// Red, green and blue of lightness and two colour differences, as JPEG defines them (ITU-R 601,
/// full range); further samples stay.
fn of_ycbcr(mut values: Vec<u8>, samples: usize) -> Vec<u8> {
    for pixel in values.chunks_exact_mut(samples) {
        let [y, b, r] =
            [f32::from(pixel[0]), f32::from(pixel[1]) - 128., f32::from(pixel[2]) - 128.];
        let rgb = [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b];
        pixel.iter_mut().zip(rgb).for_each(|(v, color)| *v = u8::from_f32(color));
    }
    values
}

/// Makes the first image of a file say that it is gray, and gives what it said; `None` where there
/// is nothing to change.
fn say_gray(bytes: &mut [u8]) -> Option<u16> {
    let (motorola, big) = (bytes.first()? == &b'M', bytes.get(2..4)?.contains(&43));
    let number = |bytes: &[u8], at: u64, size: usize| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let digits = bytes.get(at..at.checked_add(size)?)?;
        let fold = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        Some(if motorola { digits.iter().fold(0, fold) } else { digits.iter().rev().fold(0, fold) })
    };
    let (start, wide, entry) = if big { (8, 8, 20) } else { (4, 4, 12) };
    let directory = number(bytes, start, wide)?;
    let counted = if big { 8 } else { 2 };
    let count = number(bytes, directory, counted)?.min(1 << 16);
    let mut before = None;
    for place in 0..count {
        let at = directory.checked_add(counted as u64 + entry * place)?;
        let Some(tag) = number(bytes, at, 2) else { break };
        if tag != u64::from(Tag::PhotometricInterpretation.to_u16()) {
            continue;
        }
        // A number of 16 or 32 bits lies in the entry itself.
        let size = match number(bytes, at + 2, 2)? {
            3 => 2,
            4 => 4,
            _ => return before,
        };
        let value = at + 4 + wide as u64;
        let said = u16::try_from(number(bytes, value, size)?).ok()?;
        before.get_or_insert(said);
        let field = bytes.get_mut(value as usize..value as usize + size)?;
        field.fill(0);
        let low = if motorola { size - 1 } else { 0 };
        field[low] = BLACK_IS_ZERO as u8;
    }
    before
}
