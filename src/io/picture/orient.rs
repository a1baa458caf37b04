//! How a file says that its image is to be turned, and turning it.

use std::io::{Read, Seek, SeekFrom};

use image::ImageDecoder;
use image::metadata::Orientation;

use super::{AnyPicture, Element, Picture};

/// Whether width and height change places.
pub(in crate::io) fn swaps(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Width and height of an image once it is turned.
pub(in crate::io) fn turned_size((w, h): (u32, u32), orientation: Orientation) -> (u32, u32) {
    if swaps(orientation) { (h, w) } else { (w, h) }
}

/// Of a file of any other kind, what its decoder knows.
pub(super) fn of_decoder(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    exif.map_or(Orientation::NoTransforms, |exif| of_exif(&exif))
}

/// Of an EXIF block; some programs leave JPEG's name before it.
fn of_exif(exif: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms)
}

/// Of a WebP: its chunk `EXIF`, which the library would make room for whatever length it claims.
pub(super) fn of_webp(mut file: impl Read + Seek) -> Orientation {
    let mut find = || -> std::io::Result<Orientation> {
        // Behind the names of container and format.
        let mut at = 12;
        loop {
            file.seek(SeekFrom::Start(at))?;
            let mut head = [0; 8];
            file.read_exact(&mut head)?;
            let [name @ .., a, b, c, d] = head;
            let length = u64::from(u32::from_le_bytes([a, b, c, d]));
            if &name == b"EXIF" {
                let mut exif = Vec::new();
                file.by_ref().take(length.min(TAIL)).read_to_end(&mut exif)?;
                return Ok(of_exif(&exif));
            }
            at += 8 + length.next_multiple_of(2);
        }
    };
    // Without such a chunk the file ends first.
    find().unwrap_or(Orientation::NoTransforms)
}

/// Bytes at the end of a PNG in which its chunk `eXIf` is looked for: blocks of EXIF are no longer.
const TAIL: u64 = 1 << 16;

/// Of a PNG: its chunk `eXIf` may come before the pixels or after them, where a decoder that stops
/// at the pixels does not see it. What is damaged has none.
pub(in crate::io) fn of_png(mut file: impl Read + Seek) -> Orientation {
    let mut find = || -> std::io::Result<Option<Orientation>> {
        let mut at = 8;
        let pixels = loop {
            file.seek(SeekFrom::Start(at))?;
            let mut head = [0; 8];
            file.read_exact(&mut head)?;
            let (length, name) = chunk(head);
            match &name {
                b"eXIf" if u64::from(length) <= TAIL => {
                    let mut exif = vec![0; length as usize];
                    file.read_exact(&mut exif)?;
                    return Ok(Some(of_exif(&exif)));
                }
                b"IDAT" => break at,
                b"IEND" => return Ok(None),
                _ => at += 12 + u64::from(length),
            }
        };
        // Behind the pixels it is looked for from the end: they would take long to walk over.
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(TAIL + 64).max(pixels)))?;
        let mut tail = Vec::new();
        file.by_ref().take(TAIL + 64).read_to_end(&mut tail)?;
        Ok(of_tail(&tail))
    };
    find().ok().flatten().unwrap_or(Orientation::NoTransforms)
}

/// Length of a chunk's data, and its name.
fn chunk(head: [u8; 8]) -> (u32, [u8; 4]) {
    let [a, b, c, d, name @ ..] = head;
    (u32::from_be_bytes([a, b, c, d]), name)
}

/// Of the end of a PNG: a chunk `eXIf` from which chunks lead to the last one.
fn of_tail(tail: &[u8]) -> Option<Orientation> {
    let head = |at: usize| tail.get(at..at.checked_add(8)?)?.try_into().ok().map(chunk);
    let leads_to_end = |mut at: usize| loop {
        match head(at) {
            Some((0, name)) if &name == b"IEND" => return true,
            Some((length, _)) => at = at.saturating_add(12).saturating_add(length as usize),
            None => return false,
        }
    };
    let starts = tail.windows(8).enumerate().filter(|(_, bytes)| bytes.ends_with(b"eXIf"));
    let (at, _) = { starts }.find(|(at, _)| leads_to_end(*at))?;
    let (length, _) = head(at)?;
    tail.get(at + 8..at + 8 + length as usize).map(of_exif)
}

/// Interleaved values `[h, w, c]`, turned as `orientation` says.
pub(in crate::io) fn turned<T: Copy>(
    data: &[T],
    (w, h): (u32, u32),
    c: usize,
    orientation: Orientation,
) -> Vec<T> {
    use Orientation::*;
    let (w, h) = (w as usize, h as usize);
    // From a place in the result to the one in the file.
    let from = |x: usize, y: usize| match orientation {
        NoTransforms => (x, y),
        FlipHorizontal => (w - 1 - x, y),
        Rotate180 => (w - 1 - x, h - 1 - y),
        FlipVertical => (x, h - 1 - y),
        Rotate90FlipH => (y, x),
        Rotate90 => (y, h - 1 - x),
        Rotate270FlipH => (w - 1 - y, h - 1 - x),
        Rotate270 => (w - 1 - y, x),
    };
    let (across, down) = if swaps(orientation) { (h, w) } else { (w, h) };
    let mut result = Vec::with_capacity(data.len());
    for y in 0..down {
        for x in 0..across {
            let (x, y) = from(x, y);
            result.extend_from_slice(&data[(y * w + x) * c..][..c]);
        }
    }
    result
}

impl AnyPicture {
    /// Turned as `orientation` says.
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        fn of<T: Element>(p: Picture<T>, orientation: Orientation) -> Picture<T> {
            let size = (p.width, p.height);
            let data = turned(&p.data, size, p.channels as usize, orientation);
            let (width, height) = turned_size(size, orientation);
            Picture { width, height, channels: p.channels, data }
        }
        if orientation == Orientation::NoTransforms {
            return self;
        }
        match self {
            AnyPicture::U8(p) => AnyPicture::U8(of(p, orientation)),
            AnyPicture::U16(p) => AnyPicture::U16(of(p, orientation)),
            AnyPicture::F32(p) => AnyPicture::F32(of(p, orientation)),
        }
    }
}
