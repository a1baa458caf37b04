//! An 8-bit picture in memory: load, save, cut, turn, resize, lay out.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageReader};

use crate::io::aside::write_aside;
use crate::io::limits;
use crate::{Error, Result};

/// Extensions of the files that count as pictures, in any case.
pub const EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "png", "ppm", "bmp", "tif", "tiff"];

/// An 8-bit picture, rows from the top, channels interleaved (HWC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// 1 (gray) or 3 (RGB).
    pub channels: u32,
    /// `height * width * channels` values, 0 to 255.
    pub data: Vec<u8>,
}

impl Picture {
    /// Wraps interleaved bytes `[height, width, channels]`.
    ///
    /// # Errors
    /// [`Error::Usage`] when `channels` is neither 1 nor 3, a side is 0, or the length is wrong.
    pub fn new(width: u32, height: u32, channels: u32, data: Vec<u8>) -> Result<Self> {
        check_channels(channels)?;
        let want = width as usize * height as usize * channels as usize;
        if want == 0 || data.len() != want {
            return Err(Error::Usage(format!("a picture of {width}x{height}x{channels} has {want} bytes (more than 0), {} were given", data.len())));
        }
        Ok(Self { width, height, channels, data })
    }

    /// Decodes a file into `channels` channels: 3 for RGB, 1 for gray.
    ///
    /// The format is told by the content, not the name. 16-bit values are scaled to 8 bits, alpha is
    /// dropped, EXIF orientation is not applied (the reference implementation does not either).
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or decoded; [`Error::Usage`] for other
    /// `channels`.
    pub fn load(path: &Path, channels: u32) -> Result<Self> {
        check_channels(channels)?;
        let bytes = std::fs::read(path).map_err(|e| unopened(path, &e))?;
        if is_cut_jpeg(&bytes) {
            return Err(broken(path, "the JPEG has no end marker, so it was probably cut off"));
        }
        let limits = limits::of_image(bytes.len() as u64);
        // Guessing reads from memory here and cannot fail for want of a file.
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| unopened(path, &e))?;
        reader.limits(limits);
        let image = reader.decode().map_err(|e| broken(path, e))?;
        // Gray 16-bit and the like pass through RGB as well, so that there is one way to gray.
        let rgb = match image {
            DynamicImage::ImageRgb8(rgb) => rgb,
            other => other.to_rgb8(),
        };
        let (width, height) = rgb.dimensions();
        Ok(Self::new(width, height, 3, rgb.into_raw())?.into_channels(channels))
    }

    /// Width and height from the file's header, without decoding it.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be opened or its header makes no sense.
    pub fn dimensions(path: &Path) -> Result<(u32, u32)> {
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        reader.map_err(|e| unopened(path, &e))?.into_dimensions().map_err(|e| broken(path, e))
    }

    /// The bytes of a PNG file, 8 bits, gray or RGB.
    ///
    /// # Errors
    /// [`Error::Internal`] when the encoder refuses, which a valid picture does not cause.
    pub fn encode_png(&self) -> Result<Vec<u8>> {
        let color = if self.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        let mut bytes = Cursor::new(Vec::new());
        image::codecs::png::PngEncoder::new(&mut bytes)
            .write_image(&self.data, self.width, self.height, color)
            .map_err(|e| Error::Internal(format!("PNG of {}: {e}", self.describe())))?;
        Ok(bytes.into_inner())
    }

    /// Writes a PNG file; a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        write_aside(path, &self.encode_png()?)
    }

    /// Converts to 1 or 3 channels. Gray is ITU-R 601-2 luma in the reference's rounding, RGB from
    /// gray repeats the value.
    ///
    /// # Panics
    /// When `channels` is neither 1 nor 3: a mistake of the caller.
    pub fn into_channels(self, channels: u32) -> Self {
        assert!(channels == 1 || channels == 3, "a picture has 1 or 3 channels, not {channels}");
        let data = match (self.channels, channels) {
            (1, 3) => self.data.iter().flat_map(|&v| [v; 3]).collect(),
            (3, 1) => self.data.chunks_exact(3).map(luma).collect(),
            _ => return self,
        };
        Self { channels, data, ..self }
    }

    /// The rectangle `w` by `h` pixels whose top left corner is at (`x`, `y`).
    ///
    /// # Errors
    /// [`Error::Usage`] when it is empty or reaches outside.
    pub fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Self> {
        let inside = |from: u32, len: u32, all: u32| len > 0 && from.checked_add(len).is_some_and(|end| end <= all);
        if !inside(x, w, self.width) || !inside(y, h, self.height) {
            return Err(Error::Usage(format!(
                "cannot crop {w}x{h} at ({x}, {y}) from a picture of {}x{}; lower --crop_size or resize first",
                self.width, self.height
            )));
        }
        let c = self.channels as usize;
        let row = self.width as usize * c;
        let (from, len) = (x as usize * c, w as usize * c);
        let rows = self.data.chunks_exact(row).skip(y as usize).take(h as usize);
        let data = rows.flat_map(|r| &r[from..from + len]).copied().collect();
        Self::new(w, h, self.channels, data)
    }

    /// Mirrors left and right.
    pub fn flip_horizontal(&self) -> Self {
        let c = self.channels as usize;
        let rows = self.data.chunks_exact(self.width as usize * c);
        let data = rows.flat_map(|r| r.chunks_exact(c).rev().flatten()).copied().collect();
        Self { data, ..*self }
    }

    /// Bicubic (a = -0.5), widened when shrinking so that it does not alias: Pillow
    /// 10's BICUBIC, within two levels. A picture that has the size already comes back unchanged.
    ///
    /// # Errors
    /// [`Error::Usage`] when a side is 0.
    pub fn resize(self, width: u32, height: u32) -> Result<Self> {
        // Across first, then down, as Pillow does it (13 turns this round for some very flat shapes).
        // Pillow rounds and clips to 8 bits in between; in one call the library does not, which shows where values overshoot.
        let down = self.height;
        self.resize_once(width, down)?.resize_once(width, height)
    }

    fn resize_once(self, width: u32, height: u32) -> Result<Self> {
        if (self.width, self.height) == (width, height) {
            return Ok(self);
        }
        let refused = |e: &dyn std::fmt::Display| Error::Usage(format!("cannot resize {} to {width}x{height}: {e}", self.describe()));
        if width == 0 || height == 0 {
            return Err(refused(&"a side is 0; give positive sizes"));
        }
        // The buffer has the size that its sides say, or the picture could not have been made.
        let broken = || refused(&"its bytes do not match its size");
        let bicubic = image::imageops::FilterType::CatmullRom;
        let data = if self.channels == 1 {
            let from = image::GrayImage::from_raw(self.width, self.height, self.data.clone()).ok_or_else(broken)?;
            image::imageops::resize(&from, width, height, bicubic).into_raw()
        } else {
            let from = image::RgbImage::from_raw(self.width, self.height, self.data.clone()).ok_or_else(broken)?;
            image::imageops::resize(&from, width, height, bicubic).into_raw()
        };
        Self::new(width, height, self.channels, data)
    }

    /// Splits an A|B picture: A is columns `0..w/2`, B the rest (one wider when `w` is odd).
    ///
    /// # Errors
    /// [`Error::Usage`] when the picture is one pixel wide.
    pub fn split_pair(&self) -> Result<(Self, Self)> {
        let half = self.width / 2;
        let a = self.crop(0, 0, half, self.height)?;
        Ok((a, self.crop(half, 0, self.width - half, self.height)?))
    }

    /// Lays pictures out in rows on white with `gap` white pixels between neighbours; none around.
    ///
    /// The result is RGB. A column is as wide as its widest picture, a row as high as its highest.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no picture.
    pub fn grid(rows: &[Vec<Picture>], gap: u32) -> Result<Self> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if columns == 0 {
            return Err(Error::Usage("a grid needs at least one picture".into()));
        }
        let width_of = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|p| p.width).max();
        let widths: Vec<u32> = (0..columns).map(|c| width_of(c).unwrap_or(0)).collect();
        let height_of = |r: &Vec<Picture>| r.iter().map(|p| p.height).max().unwrap_or(0);
        let heights: Vec<u32> = rows.iter().map(height_of).collect();
        let total = |sides: &[u32]| sides.iter().sum::<u32>() + gap * (sides.len() as u32 - 1);
        let (width, height) = (total(&widths), total(&heights));
        let mut data = vec![255; width as usize * height as usize * 3];
        let mut y = 0;
        for (row, row_height) in rows.iter().zip(&heights) {
            let mut x = 0;
            for (picture, column_width) in row.iter().zip(&widths) {
                picture.paste_rgb(&mut data, width, x, y);
                x += column_width + gap;
            }
            y += row_height + gap;
        }
        Self::new(width, height, 3, data)
    }

    /// `WIDTHxHEIGHTxCHANNELS`, for messages.
    pub fn describe(&self) -> String {
        format!("{}x{}x{}", self.width, self.height, self.channels)
    }

    /// Copies into an RGB canvas `canvas_width` wide; the caller made room.
    fn paste_rgb(&self, canvas: &mut [u8], canvas_width: u32, x: u32, y: u32) {
        let c = self.channels as usize;
        for (i, row) in self.data.chunks_exact(self.width as usize * c).enumerate() {
            let at = ((y as usize + i) * canvas_width as usize + x as usize) * 3;
            let to = &mut canvas[at..at + self.width as usize * 3];
            for (pixel, value) in to.chunks_exact_mut(3).zip(row.chunks_exact(c)) {
                // One gray value goes to all three.
                pixel.copy_from_slice(&[value[0], value[1 % c], value[2 % c]]);
            }
        }
    }
}

/// Every picture file in `dir` and its subfolders, sorted by path. Links are followed.
///
/// # Errors
/// [`Error::File`] when a folder cannot be read.
pub fn list_pictures(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(dir, &mut Vec::new(), &mut found)?;
    // By bytes, as the reference sorts strings: Path's own order would put a/b before a-b.
    found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    Ok(found)
}

/// `above` holds the real paths from the root down to here, so that a link cannot make a circle.
fn walk(dir: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |e: std::io::Error| Error::file(dir, format!("cannot be read: {e}; check the path and its permissions"));
    let real = dir.canonicalize().map_err(unreadable)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            walk(&path, above, found)?;
        } else if is_picture(&path) {
            found.push(path);
        }
    }
    above.pop();
    Ok(())
}

/// Whether the file's name ends in one of [`EXTENSIONS`], in any case.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

/// Weights of 299, 587 and 114 thousandths in 16-bit fixed point, as PIL's `convert('L')`.
fn luma(rgb: &[u8]) -> u8 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

fn check_channels(channels: u32) -> Result<()> {
    match channels {
        1 | 3 => Ok(()),
        n => Err(Error::Usage(format!("a picture of {n} channels: only 1 (gray) and 3 (RGB) are supported; set --input_nc and --output_nc to 1 or 3"))),
    }
}

/// Whether these bytes are a JPEG that stops before its end marker. The decoder fills what is missing
/// with gray and says nothing.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return false;
    }
    // Step over the segments up to the first scan: a thumbnail in one of them has an end of its own.
    let mut at = 2;
    while let Some(&[0xFF, kind, high, low]) = bytes.get(at..at + 4) {
        match kind {
            // Fill bytes may stand before a marker.
            0xFF => at += 1,
            // Within a scan 0xFF is always followed by 0 or a restart marker.
            0xDA => return !bytes[at..].windows(2).any(|w| w == [0xFF, 0xD9]),
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    // No scan found: the decoder has words for that.
    false
}

fn unopened(path: &Path, e: &std::io::Error) -> Error {
    Error::file(path, format!("cannot be opened: {e}; check the path and its permissions"))
}

fn broken(path: &Path, reason: impl std::fmt::Display) -> Error {
    let reason = reason.to_string().replace('\n', " ");
    Error::file(path, format!("cannot be decoded: {reason}; remove it or repair it"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A picture by integer formula, the same in Rust and in the script that made the references.
    pub(crate) fn formula(width: u32, height: u32, channels: u32, k: u32) -> Picture {
        let value = |i: u32| {
            let (x, y, c) = (i / channels % width, i / channels / width, i % channels);
            ((x * 7 + y * 13 + c * 31 + x * y * k) % 256) as u8
        };
        let data = (0..width * height * channels).map(value).collect();
        Picture::new(width, height, channels, data).unwrap()
    }

    #[test]
    fn png_round_trip_in_gray_and_rgb() {
        let dir = tempfile::tempdir().unwrap();
        for channels in [1, 3] {
            let path = dir.path().join(format!("{channels}.png"));
            let picture = formula(9, 5, channels, 1);
            picture.save_png(&path).unwrap();
            assert_eq!(Picture::load(&path, channels).unwrap(), picture);
            assert_eq!(Picture::dimensions(&path).unwrap(), (9, 5));
        }
        let gray = Picture::load(&dir.path().join("1.png"), 3).unwrap();
        assert_eq!(gray, formula(9, 5, 1, 1).into_channels(3));
    }

    #[test]
    fn sixteen_bits_are_scaled_and_alpha_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep.png");
        let deep = image::ImageBuffer::<image::Rgba<u16>, _>::from_raw(2, 1, vec![0u16, 257, 65535, 0, 257 * 100, 257 * 200, 40000, 65535]);
        deep.unwrap().save(&path).unwrap();
        assert_eq!(Picture::load(&path, 3).unwrap().data, [0, 1, 255, 100, 200, 156]);
        let gray = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 1, vec![257u16 * 9, 65535]);
        gray.unwrap().save(&path).unwrap();
        assert_eq!(Picture::load(&path, 1).unwrap().data, [9, 255]);
    }

    /// First values of Pillow 13.0.0's convert('L').
    #[test]
    fn luma_matches_pil() {
        let want = [25, 32, 39, 46, 53, 60, 67, 74, 81, 88, 95, 102, 38, 46, 54, 62, 70, 78, 86, 94, 102, 110, 118, 126];
        assert_eq!(formula(12, 10, 3, 1).into_channels(1).data[..24], want);
    }

    /// Pillow 13.0.0's BICUBIC, shrinking 12x10 to 5x4, and a corner of growing to 17x13 where an
    /// overshoot is clipped between the passes.
    #[test]
    fn resize_matches_pil_within_a_level() {
        #[rustfmt::skip]
        let want = [
            16, 47, 78, 34, 65, 96, 54, 85, 116, 73, 104, 135, 90, 121, 154, 49, 80, 111, 73, 104, 135,
            98, 129, 160, 123, 154, 191, 147, 183, 209, 85, 116, 147, 115, 146, 177, 146, 178, 216, 179,
            213, 177, 212, 192, 78, 118, 149, 180, 153, 186, 217, 193, 213, 122, 207, 142, 41, 130, 42, 57u8,
        ];
        let got = formula(12, 10, 3, 1).resize(5, 4).unwrap();
        for (g, w) in got.data.iter().zip(want) {
            assert!(g.abs_diff(w) <= 1, "{:?}", got.data);
        }
        #[rustfmt::skip]
        let want = [
            183, 214, 185, 194, 231, 72, 205, 222, 0, 216, 166, 3, 232, 172, 26, 213, 128, 45, 161, 3, 54,
            174, 25, 65, 99, 47, 77, 0, 55, 86, 117, 148, 179, 126, 157, 188, 138, 169,
            200, 150, 181, 212, 161, 192, 223, 172, 203, 246, 183, 214, 230, 195, 226, 29, 206, 254, 0, 217,
            206, 23, 229, 6, 35, 255, 0, 46, 174, 17, 57, 0, 37, 68, 0, 49, 80, 23, 61, 92, 40, 70,
            101u8,
        ];
        let got = formula(12, 10, 3, 1).resize(17, 13).unwrap();
        for (g, w) in got.data[12 * 51 - 30..].iter().zip(want) {
            assert!(g.abs_diff(w) <= 1, "{:?}", &got.data[12 * 51 - 30..]);
        }
        let same = formula(12, 10, 1, 1);
        assert_eq!(same.clone().resize(12, 10).unwrap(), same);
        assert!(same.resize(0, 4).is_err());
    }

    #[test]
    fn crop_flip_and_odd_split() {
        let p = formula(7, 3, 3, 1);
        let c = p.crop(2, 1, 3, 2).unwrap();
        assert_eq!((c.width, c.height), (3, 2));
        assert_eq!(c.data[..9], p.data[(7 + 2) * 3..(7 + 5) * 3]);
        assert!(p.crop(5, 0, 3, 1).unwrap_err().to_string().contains("7x3"));
        assert!(p.crop(u32::MAX, 0, 2, 1).is_err());
        assert_eq!(p.flip_horizontal().data[..3], p.data[18..21]);
        assert_eq!(p.flip_horizontal().flip_horizontal(), p);
        let (a, b) = p.split_pair().unwrap();
        assert_eq!((a.width, b.width), (3, 4));
        assert_eq!(b, p.crop(3, 0, 4, 3).unwrap());
        assert!(formula(1, 3, 1, 0).split_pair().is_err());
    }

    #[test]
    fn grid_has_white_gaps_and_takes_gray() {
        let gray = Picture::new(2, 1, 1, vec![1, 2]).unwrap();
        let rgb = Picture::new(1, 2, 3, vec![3, 4, 5, 6, 7, 8]).unwrap();
        let grid = Picture::grid(&[vec![gray, rgb.clone()], vec![rgb]], 1).unwrap();
        assert_eq!((grid.width, grid.height, grid.channels), (4, 5, 3));
        assert_eq!(grid.data[..12], [1, 1, 1, 2, 2, 2, 255, 255, 255, 3, 4, 5]);
        assert_eq!(grid.data[2 * 12..3 * 12], [255; 12]);
        assert_eq!(grid.data[3 * 12..3 * 12 + 6], [3, 4, 5, 255, 255, 255]);
        assert!(Picture::grid(&[], 1).is_err());
    }

    #[test]
    fn list_is_recursive_sorted_and_ignores_other_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        for name in ["b.JPG", "a/z.png", "a-1.tiff", "notes.txt", "c.jpg.part"] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("..", dir.path().join("a/circle")).unwrap();
        let want = ["a-1.tiff", "a/z.png", "b.JPG"].map(|n| dir.path().join(n));
        assert_eq!(list_pictures(dir.path()).unwrap(), want);
        assert!(list_pictures(&dir.path().join("none")).is_err());
    }

    #[test]
    fn broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.png");
        let bytes = formula(64, 64, 3, 1).encode_png().unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(Picture::dimensions(&path).unwrap(), (64, 64));
        let message = Picture::load(&path, 3).unwrap_err().to_string();
        assert!(message.contains("cut.png: cannot be decoded"), "{message}");
        assert!(message.contains("remove it or repair it") && !message.contains('\n'), "{message}");
        let message = Picture::load(&dir.path().join("none.png"), 3).unwrap_err().to_string();
        assert!(message.contains("none.png: cannot be opened"), "{message}");
    }

    #[test]
    fn cut_jpeg_is_an_error_and_not_a_gray_picture() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.jpg");
        let p = formula(64, 48, 3, 1);
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
        encoder.write_image(&p.data, 64, 48, ExtendedColorType::Rgb8).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Picture::load(&path, 3).unwrap().describe(), "64x48x3");
        for len in [bytes.len() / 2, bytes.len() - 2] {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let message = Picture::load(&path, 3).unwrap_err().to_string();
            assert!(message.contains("cut.jpg: cannot be decoded"), "{message}");
        }
    }
}
