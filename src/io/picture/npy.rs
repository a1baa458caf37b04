//! NumPy's array files (format versions 1 to 3): images with any number of channels. Our own code,
//! since every reader on crates.io brings a grammar of Python literals and a C compiler for a
//! header of three fields.

use super::fault::Fault;
use super::{AnyPicture, Depth, Header, Picture};

pub(in crate::io) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read; NumPy's own are 128 bytes.
const MOST: usize = 1 << 14;

/// A parsed header.
struct Npy {
    descr: String,
    /// Height, width, channels.
    shape: [u64; 3],
    /// Whether rows come fastest and channels slowest (Fortran's order).
    fortran: bool,
    /// Byte offset of the values.
    data: usize,
}

/// A sound file of a kind that is not read.
fn unread(what: &str, advice: &str) -> Fault {
    Fault::Unread(format!("{what}; {advice}"))
}

impl Npy {
    fn parse(bytes: &[u8]) -> Result<Npy, Fault> {
        let short = || Fault::from("the header is cut off");
        let (length, start) = match bytes.get(6).ok_or_else(short)? {
            1 => (bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))), 10),
            2 | 3 => (
                bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize),
                12,
            ),
            v => return Err(format!("npy version {v} is unknown").into()),
        };
        let length = length.ok_or_else(short)?;
        if length > MOST {
            return Err(format!("a header of {length} bytes").into());
        }
        let text = std::str::from_utf8(bytes.get(start..start + length).ok_or_else(short)?)
            .map_err(|_| "the header is not text")?;
        let field = |name: &str| -> Result<&str, Fault> {
            let quoted = [format!("'{name}'"), format!("\"{name}\"")];
            let at = quoted
                .iter()
                .find_map(|q| text.find(q.as_str()).map(|at| at + q.len()))
                .ok_or_else(|| format!("the header has no {name}"))?;
            Ok(text[at..]
                .trim_start()
                .strip_prefix(':')
                .ok_or("the header is invalid")?
                .trim_start())
        };
        let descr = field("descr")?;
        let quote = descr
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))
            .ok_or_else(|| unread("its values are records", "save an array of numbers"))?;
        let descr = descr[1..].split(quote).next().unwrap_or_default().to_string();
        let fortran = field("fortran_order")?.starts_with("True");
        let inside = field("shape")?
            .strip_prefix('(')
            .and_then(|s| s.split(')').next())
            .ok_or("the header's shape is invalid")?;
        let sides = inside
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| s.parse::<u64>().map_err(|_| format!("a side of {s:?}")));
        let shape = match *sides.collect::<Result<Vec<_>, _>>()? {
            [h, w] => [h, w, 1],
            [h, w, c] => [h, w, c],
            ref other => {
                let what = format!("it is an array of {} dimensions", other.len());
                return Err(unread(
                    &what,
                    "an image is (height, width) or (height, width, channels)",
                ));
            }
        };
        if shape.iter().any(|side| *side == 0 || *side > u64::from(u32::MAX)) {
            return Err(format!("an image of {}x{}x{}", shape[1], shape[0], shape[2]).into());
        }
        if shape[0] <= 8 && shape[1] > 16 && shape[2] > 16 {
            let [c, h, w] = shape;
            let what = format!("an array of ({c}, {h}, {w}) has its channels first");
            return Err(unread(
                &what,
                "an image is (height, width, channels): numpy.moveaxis(a, 0, 2)",
            ));
        }
        Ok(Npy { descr, shape, fortran, data: start + length })
    }

    /// Of whole numbers: whether the high byte comes first, whether there is a sign, bytes of one.
    fn integer(&self) -> Result<(bool, bool, usize), Fault> {
        let (order, kind) = self.descr.split_at_checked(1).unwrap_or_default();
        let (signed, size) = match kind {
            "b1" | "u1" => (false, 1),
            "i1" => (true, 1),
            "u2" => (false, 2),
            "i2" => (true, 2),
            "u4" => (false, 4),
            "i4" => (true, 4),
            "u8" => (false, 8),
            "i8" => (true, 8),
            _ => {
                let what = format!("its values are of type {:?}", self.descr);
                return Err(unread(&what, "a map holds whole numbers"));
            }
        };
        Ok((order == ">", signed, size))
    }

    /// The values of a whole file, `size` bytes each.
    fn values<'a>(&self, bytes: &'a [u8], size: u64) -> Result<&'a [u8], Fault> {
        let data = &bytes[self.data..];
        let wanted = self
            .shape
            .iter()
            .try_fold(size, |all, side| all.checked_mul(*side))
            .ok_or("the shape is too large")?;
        if data.len() as u64 != wanted {
            let (found, cut) = (data.len(), "bytes of values where its header says");
            return Err(format!("{found} {cut} {wanted}").into());
        }
        Ok(data)
    }

    /// Values in the order of rows, columns and channels.
    fn ordered<T: Copy>(&self, values: impl Iterator<Item = T>) -> Vec<T> {
        let values: Vec<T> = values.collect();
        if !self.fortran {
            return values;
        }
        let [h, w, c] = self.shape.map(|side| side as usize);
        let place = |i: usize| (i / (w * c)) + h * (i / c % w) + h * w * (i % c);
        (0..values.len()).map(|i| values[place(i)]).collect()
    }

    fn depth(&self) -> Result<Depth, Fault> {
        match self.descr.as_str() {
            "|u1" | "|b1" => Ok(Depth::U8),
            "<u2" | ">u2" => Ok(Depth::U16),
            "<f2" | ">f2" | "<f4" | ">f4" | "<f8" | ">f8" => Ok(Depth::F32),
            other => {
                let what = format!("its values are of type {other:?}");
                Err(unread(&what, "convert it to uint8, uint16 or float32"))
            }
        }
    }
}

/// The image's properties from the start of a file (at least its header).
pub(super) fn header(bytes: &[u8]) -> Result<Header, Fault> {
    let npy = Npy::parse(bytes)?;
    let [height, width, channels] = npy.shape.map(|side| side as u32);
    Ok(Header { width, height, channels, alpha: false, depth: npy.depth()? })
}

/// The most bytes that [`header`] needs.
pub(in crate::io) const HEADER: u64 = MOST as u64 + 12;

pub(super) fn decode(bytes: &[u8]) -> Result<AnyPicture, Fault> {
    let npy = Npy::parse(bytes)?;
    let depth = npy.depth()?;
    let size = npy.descr[2..].parse::<u64>().unwrap_or(1);
    let data = npy.values(bytes, size)?;
    let big = npy.descr.starts_with('>');
    let [h, w, c] = npy.shape.map(|side| side as u32);
    macro_rules! numbers {
        ($t:ty) => {
            data.chunks_exact(size_of::<$t>()).map(|b| {
                let b = b.try_into().expect("a chunk's size");
                if big { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) }
            })
        };
    }
    let made = match (depth, size) {
        (Depth::U8, _) => {
            let bits = npy.descr == "|b1";
            let value = |b: &u8| if bits && *b != 0 { 255 } else { *b };
            Picture::new(w, h, c, npy.ordered(data.iter().map(value))).map(AnyPicture::U8)
        }
        (Depth::U16, _) => Picture::new(w, h, c, npy.ordered(numbers!(u16))).map(AnyPicture::U16),
        (Depth::F32, size) => {
            let values = match size {
                2 => npy.ordered(numbers!(u16).map(|v| half::f16::from_bits(v).to_f32())),
                4 => npy.ordered(numbers!(f32)),
                _ => npy.ordered(numbers!(f64).map(|v| v as f32)),
            };
            Picture::new(w, h, c, values).map(AnyPicture::F32)
        }
    };
    made.map_err(|e| Fault::Broken(e.to_string()))
}

/// Height, width and channels of an array of whole numbers, and the bytes of one, from the start of
/// a file (at least its header).
pub(in crate::io) fn integers(bytes: &[u8]) -> Result<([u32; 3], u32), Fault> {
    let npy = Npy::parse(bytes)?;
    let (_, _, size) = npy.integer()?;
    Ok((npy.shape.map(|side| side as u32), size as u32))
}

/// The values of an array of whole numbers; `None` if one is no `u32`.
pub(in crate::io) fn decode_integers(bytes: &[u8]) -> Result<Option<Vec<u32>>, Fault> {
    let npy = Npy::parse(bytes)?;
    let (big, signed, size) = npy.integer()?;
    let data = npy.values(bytes, size as u64)?;
    let value = |bytes: &[u8]| -> Option<u32> {
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(bytes);
        if big {
            wide[..size].reverse();
        }
        let negative = signed && wide[size - 1] & 0x80 != 0;
        u32::try_from(u64::from_le_bytes(wide)).ok().filter(|_| !negative)
    };
    Ok(npy.ordered(data.chunks_exact(size)).into_iter().map(value).collect())
}

pub(super) fn encode(picture: &AnyPicture) -> Vec<u8> {
    let (w, h) = picture.size();
    let (descr, values): (&str, Vec<u8>) = match picture {
        AnyPicture::U8(p) => ("|u1", p.data.clone()),
        AnyPicture::U16(p) => ("<u2", p.data.iter().flat_map(|v| v.to_le_bytes()).collect()),
        AnyPicture::F32(p) => ("<f4", p.data.iter().flat_map(|v| v.to_le_bytes()).collect()),
    };
    let shape = match picture.channels() {
        1 => format!("({h}, {w})"),
        c => format!("({h}, {w}, {c})"),
    };
    file(descr, &shape, &values)
}

/// A file of whole numbers of 32 bits.
pub(in crate::io) fn encode_integers(width: u32, height: u32, values: &[u32]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    file("<u4", &format!("({height}, {width})"), &values)
}

fn file(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // With its newline, the whole header is a multiple of 64.
    let whole = (10 + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', whole - 11 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(values);
    bytes
}
