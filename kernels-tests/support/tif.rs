//! TIFF files of every kind that people have, for tests: what no encoder at hand writes.

// Not every test file uses all of it.
#![allow(dead_code)]

/// A file to be written. Samples are given pixel by pixel, as the bits that are stored.
#[derive(Clone)]
pub struct Tif {
    pub width: u32,
    pub height: u32,
    /// Of a pixel.
    pub samples: u32,
    /// Of a sample.
    pub bits: u32,
    /// 1 whole, 2 with a sign, 3 float.
    pub format: u16,
    pub photometric: u16,
    /// What the last samples are: 0 unknown, 1 premultiplied alpha, 2 alpha.
    pub extra: Vec<u16>,
    /// Bands one after another.
    pub planar: bool,
    pub orientation: Option<u16>,
    pub nodata: Option<&'static str>,
    pub palette: Vec<u16>,
    /// Rows of a strip.
    pub rows: u32,
    /// High bytes first.
    pub motorola: bool,
    /// BigTIFF, with offsets of 64 bits.
    pub big: bool,
    pub values: Vec<u64>,
}

impl Tif {
    /// Gray or bands of whole numbers; other fields can be changed.
    pub fn new(width: u32, height: u32, samples: u32, bits: u32, values: Vec<u64>) -> Tif {
        assert_eq!(values.len() as u32, width * height * samples);
        Tif {
            width,
            height,
            samples,
            bits,
            format: 1,
            photometric: 1,
            extra: Vec::new(),
            planar: false,
            orientation: None,
            nodata: None,
            palette: Vec::new(),
            rows: 2,
            motorola: false,
            big: false,
            values,
        }
    }

    /// Values that differ in every sample.
    pub fn formula(width: u32, height: u32, samples: u32, bits: u32) -> Tif {
        let most = u64::MAX >> (64 - bits);
        let value = |i: u32| (u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7) & most;
        Tif::new(width, height, samples, bits, (0..width * height * samples).map(value).collect())
    }

    fn number(&self, value: u64, size: usize) -> Vec<u8> {
        match self.motorola {
            true => value.to_be_bytes()[8 - size..].to_vec(),
            false => value.to_le_bytes()[..size].to_vec(),
        }
    }

    /// Some samples in a row; it begins with a byte.
    fn packed(&self, values: &[u64]) -> Vec<u8> {
        if self.bits >= 8 {
            return values.iter().flat_map(|v| self.number(*v, self.bits as usize / 8)).collect();
        }
        let mut row = vec![0; (values.len() * self.bits as usize).div_ceil(8)];
        for (i, value) in values.iter().enumerate() {
            let at = i * self.bits as usize;
            row[at / 8] |= (*value as u8) << (8 - self.bits as usize - at % 8);
        }
        row
    }

    /// The strips, each the rows of all samples, or of a band.
    fn strips(&self) -> Vec<Vec<u8>> {
        let (w, n) = (self.width as usize, self.samples as usize);
        let bands: Vec<(Vec<u64>, usize)> = match self.planar {
            false => vec![(self.values.clone(), w * n)],
            true => (0..n)
                .map(|band| (self.values.iter().skip(band).step_by(n).copied().collect(), w))
                .collect(),
        };
        let strip = |rows: &[u64], line: usize| -> Vec<u8> {
            rows.chunks(line).flat_map(|row| self.packed(row)).collect()
        };
        let of_band = |(values, line): &(Vec<u64>, usize)| -> Vec<Vec<u8>> {
            values.chunks(line * self.rows as usize).map(|rows| strip(rows, *line)).collect()
        };
        bands.iter().flat_map(of_band).collect()
    }

    /// The file: header, values, what does not fit the directory's entries, directory.
    pub fn bytes(&self) -> Vec<u8> {
        let wide = if self.big { 8 } else { 4 };
        let mut bytes = if self.motorola { b"MM".to_vec() } else { b"II".to_vec() };
        bytes.extend(self.number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            bytes.extend(self.number(8, 2));
            bytes.extend(self.number(0, 2));
        }
        let pointer = bytes.len();
        bytes.extend(vec![0; wide]);
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for strip in self.strips() {
            offsets.push(bytes.len() as u64);
            counts.push(strip.len() as u64);
            bytes.extend(strip);
        }
        let short = |v: u64| vec![v];
        let mut entries: Vec<(u16, u16, Vec<u64>)> = vec![
            (256, 4, short(self.width.into())),
            (257, 4, short(self.height.into())),
            (258, 3, vec![self.bits.into(); self.samples as usize]),
            (259, 3, short(1)),
            (262, 3, short(self.photometric.into())),
            (273, 4, offsets),
            (277, 3, short(self.samples.into())),
            (278, 4, short(self.rows.into())),
            (279, 4, counts),
            (284, 3, short(if self.planar { 2 } else { 1 })),
            (339, 3, vec![self.format.into(); self.samples as usize]),
        ];
        let list = |values: &[u16]| values.iter().map(|v| u64::from(*v)).collect::<Vec<u64>>();
        if let Some(orientation) = self.orientation {
            entries.push((274, 3, short(orientation.into())));
        }
        if !self.palette.is_empty() {
            entries.push((320, 3, list(&self.palette)));
        }
        if !self.extra.is_empty() {
            entries.push((338, 3, list(&self.extra)));
        }
        if let Some(text) = self.nodata {
            entries.push((42113, 2, text.bytes().chain([0]).map(u64::from).collect()));
        }
        entries.sort();
        let mut directory = Vec::new();
        for (tag, kind, values) in &entries {
            directory.extend(self.number((*tag).into(), 2));
            directory.extend(self.number((*kind).into(), 2));
            directory.extend(self.number(values.len() as u64, wide));
            let size = match kind {
                2 => 1,
                3 => 2,
                _ => 4,
            };
            let mut field: Vec<u8> = values.iter().flat_map(|v| self.number(*v, size)).collect();
            if field.len() > wide {
                let at = self.number(bytes.len() as u64, wide);
                bytes.append(&mut field);
                directory.extend(at);
            } else {
                field.resize(wide, 0);
                directory.extend(field);
            }
        }
        let at = self.number(bytes.len() as u64, wide);
        bytes[pointer..pointer + wide].copy_from_slice(&at);
        bytes.extend(self.number(entries.len() as u64, if self.big { 8 } else { 2 }));
        bytes.extend(directory);
        bytes.extend(vec![0; wide]);
        bytes
    }
}

/// An EXIF block that says how its image is to be turned.
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut exif = b"II\x2a\0\x08\0\0\0\x01\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0]);
    exif.extend(orientation.to_le_bytes());
    exif.extend([0; 6]);
    exif
}

/// A JPEG's bytes with an EXIF block behind its start.
pub fn jpeg_with_exif(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let block = [b"Exif\0\0".as_slice(), &exif(orientation)].concat();
    let length = (block.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &block, &jpeg[2..]].concat()
}

/// A PNG's bytes with an EXIF chunk: before its pixels, or behind them.
pub fn png_with_exif(png: &[u8], orientation: u16, behind: bool) -> Vec<u8> {
    let block = exif(orientation);
    let named = [b"eXIf".as_slice(), &block].concat();
    let mut crc = u32::MAX;
    for byte in &named {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()));
    }
    let chunk =
        [&(block.len() as u32).to_be_bytes(), named.as_slice(), &(!crc).to_be_bytes()].concat();
    // The header is 33 bytes, the end 12.
    let at = if behind { png.len() - 12 } else { 33 };
    [&png[..at], &chunk, &png[at..]].concat()
}

/// A lossless WebP's bytes with an EXIF chunk; `prefix`: with JPEG's name before it, as some
/// programs write it.
pub fn webp_with_exif(webp: &[u8], (w, h): (u32, u32), orientation: u16, prefix: bool) -> Vec<u8> {
    let mut block = exif(orientation);
    if prefix {
        block.splice(0..0, *b"Exif\0\0");
    }
    let chunk = |name: &[u8], data: &[u8]| {
        let pad = vec![0; data.len() % 2];
        [name, &(data.len() as u32).to_le_bytes(), data, &pad].concat()
    };
    // Flags of the extended header: EXIF follows. Sides are stored less one, in 24 bits.
    let sides = [w - 1, h - 1].map(|side| side.to_le_bytes()[..3].to_vec()).concat();
    let head = chunk(b"VP8X", &[&[8, 0, 0, 0], sides.as_slice()].concat());
    let body = [b"WEBP".as_slice(), &head, &webp[12..], &chunk(b"EXIF", &block)].concat();
    [b"RIFF".as_slice(), &(body.len() as u32).to_le_bytes(), &body].concat()
}
