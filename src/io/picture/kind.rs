//! What a file is, by its first bytes. Names lie: photographs are called `.jfif`, failed downloads
//! `.jpg`.

use std::io::Read;
use std::path::Path;

use super::fault::unopened;
use super::npy;
use crate::{Error, Result};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An image of a kind that is read, by its name: `PNG`.
    Read(&'static str),
    /// An image, or a video, of a kind that is not read: `AVIF`.
    Unread(&'static str),
    /// Something else, with its article: `a PDF document`.
    Other(&'static str),
    /// A file of 0 bytes.
    Empty,
    /// None of these.
    Unknown,
}

/// The kinds that are read, as a message lists them.
pub(in crate::io) const KINDS: &str =
    "PNG, JPEG, TIFF, WebP, BMP, GIF, PNM, TGA, QOI, EXR, Radiance HDR, farbfeld and npy";

/// Bytes of a file's start that [`Kind::of`] looks at.
pub const START: usize = 1024;

/// First bytes of images that are read.
const READ: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II\x2a\0", "TIFF"),
    (b"MM\0\x2a", "TIFF"),
    (b"II\x2b\0", "TIFF"),
    (b"MM\0\x2b", "TIFF"),
    (b"\x76\x2f\x31\x01", "EXR"),
    (b"#?RADIANCE", "HDR"),
    (b"qoif", "QOI"),
    (b"farbfeld", "farbfeld"),
    (npy::MAGIC, "npy"),
];

/// First bytes of images that are not.
const UNREAD: &[(&[u8], &str)] = &[
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"8BPS", "Photoshop"),
    (b"gimp xcf", "GIMP"),
    (b"DDS ", "DDS"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIRS", "camera raw"),
    (b"MMOR", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"II\x1a\0\0\0HEAPCCDR", "camera raw"),
    (b"FOVb", "camera raw"),
    (b"\0MRM", "camera raw"),
    (b"\0\0\x01\0", "icon"),
    (b"\0\0\x02\0", "cursor"),
    (b"\x0a\x05\x01", "PCX"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"AT&TFORM", "DjVu"),
    (b"SIMPLE  =", "FITS"),
    (b"PF\n", "PFM"),
    (b"Pf\n", "PFM"),
    (b"/* XPM */", "XPM"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x1a\x45\xdf\xa3", "Matroska video"),
];

/// First bytes of what is no image.
const OTHER: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"CDF\x01", "a netCDF file"),
    (b"CDF\x02", "a netCDF file"),
    (b"PK\x03\x04", "a ZIP archive (npz among them)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of Microsoft Office or Windows' thumbnails"),
    (b"\0\x05\x16\x07", "macOS's notes on another file (AppleDouble)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the image (`git lfs pull` fetches it)"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
];

impl Kind {
    /// What a file is that begins with these bytes; the first [`START`] are looked at. `path`
    /// distinguishes cameras' raw files, which begin as TIFFs do.
    pub fn of(start: &[u8], path: &Path) -> Kind {
        let start = &start[..start.len().min(START)];
        let first = |table: &[(&[u8], &'static str)]| {
            table.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name)
        };
        if start.is_empty() {
            return Kind::Empty;
        }
        if let Some(name) = first(READ) {
            return if name == "TIFF" && is_raw(start, path) {
                Kind::Unread("camera raw")
            } else {
                Kind::Read(name)
            };
        }
        match start {
            [0xff, 0xd8, 0xff, 0xf7, ..] => return Kind::Unread("JPEG-LS"),
            [0xff, 0xd8, 0xff, ..] => return Kind::Read("JPEG"),
            [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] => match form {
                [b'W', b'E', b'B', b'P', ..] => return Kind::Read("WebP"),
                [b'A', b'V', b'I', b' ', ..] => return Kind::Unread("AVI video"),
                _ => {}
            },
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => return of_brands(start),
            [b'P', b'1'..=b'7', b'\t'..=b'\r' | b' ' | b'#', ..] => return Kind::Read("PNM"),
            // The size of the second header follows the file's.
            [b'B', b'M', ..] if start.get(15..18).is_none_or(|b| b == [0; 3]) => {
                return Kind::Read("BMP");
            }
            // Before cursors, which begin alike.
            _ if is_tga(start) => return Kind::Read("TGA"),
            _ if start.get(128..132) == Some(b"DICM") => return Kind::Unread("DICOM"),
            _ => {}
        }
        if let Some(name) = first(UNREAD) {
            return Kind::Unread(name);
        }
        if let Some(name) = first(OTHER) {
            return Kind::Other(name);
        }
        of_text(start)
    }

    /// Of a file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be opened, or is a folder.
    pub fn of_file(path: &Path) -> Result<Kind> {
        let mut start = Vec::with_capacity(START);
        let file = crate::io::file::open(path).map_err(|e| unopened(path, &e))?;
        file.take(START as u64).read_to_end(&mut start).map_err(|e| unopened(path, &e))?;
        Ok(Kind::of(&start, path))
    }

    /// Refuses what is not read.
    ///
    /// # Errors
    /// [`Error::File`] that names the kind and what to do.
    pub(in crate::io) fn check(self, path: &Path) -> Result<()> {
        let message = match self {
            Kind::Read(_) => return Ok(()),
            Kind::Unread(name) if name.ends_with("video") => {
                format!("is an {name}, which is not read; save its frames as PNG")
            }
            Kind::Unread(name) => {
                format!(
                    "is an image of the kind {name}, which is not read; convert it to PNG or TIFF"
                )
            }
            Kind::Other(name) => format!("is {name}; images are read of the kinds {KINDS}"),
            Kind::Empty => "is empty: 0 bytes; copy it again or remove it".into(),
            Kind::Unknown => format!("is of no known kind; images are read of the kinds {KINDS}"),
        };
        Err(Error::file(path, message))
    }
}

/// ISO media files: `ftyp`, the major brand, its version, the brands that it goes with.
fn of_brands(start: &[u8]) -> Kind {
    let length = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) as usize;
    let brands = &start[8..length.clamp(8, start.len())];
    let any = |names: &[&[u8]]| brands.chunks_exact(4).any(|brand| names.contains(&brand));
    Kind::Unread(match brands.get(..4) {
        Some(b"crx ") => "camera raw",
        _ if any(&[b"avif", b"avis"]) => "AVIF",
        _ if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) => {
            "HEIC"
        }
        _ => "MP4 video",
    })
}

/// Whether a TIFF holds what a camera's sensor saw. Such files begin with a small preview, which
/// would be taken for the photograph.
fn is_raw(start: &[u8], path: &Path) -> bool {
    const NAMES: [&str; 12] =
        ["cr2", "nef", "nrw", "arw", "srf", "sr2", "dng", "pef", "3fr", "iiq", "erf", "rwl"];
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    start.get(8..10) == Some(b"CR") || NAMES.iter().any(|n| n.eq_ignore_ascii_case(extension))
}

/// TGA has no first bytes of its own, but a header in which little is free.
fn is_tga(start: &[u8]) -> bool {
    let Some(&[_, map, kind, ref colors @ .., bits, flags]) = start.get(..18) else {
        return false;
    };
    let (spec, sides) = (&colors[..5], &colors[9..]);
    let colored = match map {
        0 => matches!(kind, 2 | 3 | 10 | 11) && spec == [0; 5],
        1 => matches!(kind, 1 | 9) && bits == 8 && matches!(spec[4], 15 | 16 | 24 | 32),
        _ => false,
    };
    let side = |at: usize| u16::from_le_bytes([sides[at], sides[at + 1]]);
    colored
        && matches!(bits, 8 | 15 | 16 | 24 | 32)
        && flags >> 6 == 0
        && side(0) > 0
        && side(2) > 0
}

/// Text of some sort, or nothing known.
fn of_text(start: &[u8]) -> Kind {
    // The last character may be cut off.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() && start.len() >= START => {
            std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Kind::Unknown,
    };
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if text.is_empty() || !text.chars().all(plain) {
        return Kind::Unknown;
    }
    let lower = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    let lower = lower.to_ascii_lowercase();
    if lower.starts_with("<svg") || lower.starts_with("<?xml") && lower.contains("<svg") {
        Kind::Unread("SVG")
    } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        Kind::Other("a web page, so a download may have failed")
    } else {
        Kind::Other("text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(start: &[u8]) -> Kind {
        Kind::of(start, Path::new("x"))
    }

    #[test]
    fn files_are_what_their_first_bytes_say() {
        let tga = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 64, 0, 24, 0, 3, 255];
        let brands = |major: &[u8], other: &[u8]| {
            [&[0, 0, 0, 20], b"ftyp".as_slice(), major, &[0; 4], other].concat()
        };
        let cases: &[(&[u8], Kind)] = &[
            (b"", Kind::Empty),
            (b"\x89PNG\r\n\x1a\n\0", Kind::Read("PNG")),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Kind::Read("JPEG")),
            (b"\xff\xd8\xff\xf7\0\x0b", Kind::Unread("JPEG-LS")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Kind::Read("WebP")),
            (b"RIFF\0\0\0\0AVI LIST", Kind::Unread("AVI video")),
            (b"P5 3 2 255 ", Kind::Read("PNM")),
            (b"P5pper", Kind::Other("text")),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Kind::Read("BMP")),
            (b"BMW is not a bitmap, it is text", Kind::Other("text")),
            (&tga, Kind::Read("TGA")),
            (&tga[..3], Kind::Unknown),
            (b"\0\0\x02\0\x01\0\x20\x20\0\0\x01\0\x01\0\x30\x03\0\0\x16\0", Kind::Unread("cursor")),
            (&[0; 64], Kind::Unknown),
            (&brands(b"heic", b"mif1"), Kind::Unread("HEIC")),
            (&brands(b"mif1", b"avif"), Kind::Unread("AVIF")),
            (&brands(b"isom", b"mp42"), Kind::Unread("MP4 video")),
            (b"<?xml version=\"1.0\"?>\n<svg/>", Kind::Unread("SVG")),
            (b"\n<!DOCTYPE html>", Kind::Other("a web page, so a download may have failed")),
            (b"a\0b", Kind::Unknown),
        ];
        for (start, kind) in cases {
            assert_eq!(of(start), *kind, "{:?}", String::from_utf8_lossy(start));
        }
        let tiff = b"II\x2a\0\x08\0\0\0";
        assert_eq!(of(tiff), Kind::Read("TIFF"));
        assert_eq!(Kind::of(tiff, Path::new("a.NEF")), Kind::Unread("camera raw"));
        // A character may be cut in two where the start ends.
        let long = "é".repeat(START);
        assert_eq!(of(&long.as_bytes()[..START]), Kind::Other("text"));
        assert_eq!(of(&format!("a{long}").as_bytes()[..START]), Kind::Other("text"));
    }
}
