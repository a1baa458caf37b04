//! Ways of computing one convolution pass.
//!
//! A [`Variant`] is a method (direct, or one of Winograd's), a tile, and a number of slices that
//! the sum is cut into. All give the same result up to rounding. A variant prints and parses.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How the products are formed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// Every product of the definition.
    Direct,
    /// Winograd on 3 points: F(2x2, 2x2), for k4 s2 layers; 1.78 times fewer products, as exact as
    /// the direct sum.
    Winograd3,
    /// Winograd on 5 points: F(4x4, 2x2) for k4 s2 layers, F(2x2, 4x4) for k4 s1 layers,
    /// 2.56 times fewer products; F(3x3, 3x3) for k3 s1 layers, 3.24 times fewer.
    Winograd5,
    /// Winograd on 6 points: F(4x4, 3x3) for k3 s1 layers and F(3x3, 4x4) for k4 s1
    /// layers, 4 times fewer products, with errors no larger than those of 5 points.
    Winograd6,
}

impl Method {
    /// Every method, direct first.
    pub const ALL: [Method; 4] =
        [Method::Direct, Method::Winograd3, Method::Winograd5, Method::Winograd6];

    /// Whether small integers come out exactly: its factors are sums of powers of two.
    pub fn is_exact(self) -> bool {
        matches!(self, Method::Direct | Method::Winograd3)
    }

    /// The factor of the bound on its rounding errors: a sum of `K` products is off by at most
    /// `factor 2^-24 sqrt(K)` times the larger of its value and the root mean square of all. Five
    /// and six points have factors up to 8 and sixths in their transforms, which lose two bits.
    pub fn rounding(self) -> f64 {
        if self.is_exact() { 8.0 } else { 24.0 }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Direct => "direct",
            Method::Winograd3 => "winograd3",
            Method::Winograd5 => "winograd5",
            Method::Winograd6 => "winograd6",
        })
    }
}

/// A tile of a matrix product: the loops of a kernel and their sizes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tile {
    /// Rows shared by `subgroupBroadcast`: 4 columns per lane. CPU drivers.
    Subgroup {
        /// Lanes of a subgroup, a property of the device: 4, 8 or 16.
        lanes: u32,
        /// Rows of the tile: 8, 16 or 32.
        rows: u32,
    },
    /// 8 rows by this many vec4s of columns per invocation. CPU drivers without subgroups, thin
    /// results.
    Register {
        /// vec4s of columns per invocation: 1, 2 or 4.
        columns: u32,
    },
    /// Staged in workgroup memory: this many rows and columns. GPUs.
    Workgroup {
        /// Rows of the tile: 32, 64 or 128.
        rows: u32,
        /// Its columns: as many, or 64 of a tile of 128 rows.
        columns: u32,
    },
    /// This many rows (4 or 8), k shared out in the workgroup: products of few rows on GPUs.
    Gemv {
        /// Rows of the tile: 4 or 8.
        rows: u32,
    },
    /// 64 rows by one vec4 of columns, k shared out in the workgroup: thin results on GPUs.
    Narrow,
}

impl Tile {
    /// Every tile that is staged in workgroup memory, small ones first.
    pub const WORKGROUP: [Tile; 4] = [
        Tile::Workgroup { rows: 32, columns: 32 },
        Tile::Workgroup { rows: 64, columns: 64 },
        Tile::Workgroup { rows: 128, columns: 64 },
        Tile::Workgroup { rows: 128, columns: 128 },
    ];
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tile::Subgroup { lanes, rows } => write!(f, "subgroup{lanes}x{rows}"),
            Tile::Register { columns } => write!(f, "register{columns}"),
            Tile::Workgroup { rows, columns } if rows == columns => write!(f, "workgroup{rows}"),
            Tile::Workgroup { rows, columns } => write!(f, "workgroup{rows}x{columns}"),
            Tile::Gemv { rows } => write!(f, "gemv{rows}"),
            Tile::Narrow => f.write_str("narrow"),
        }
    }
}

/// One way of computing a pass. Prints and parses as `winograd5 subgroup8x16`,
/// `direct workgroup64 split4`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Variant {
    /// The method: how products are formed.
    pub method: Method,
    /// The tile: the loops of the kernel.
    pub tile: Tile,
    /// Slices of the sum, added up in order by a second pass; 1: no second pass. Of a Winograd
    /// method: the least number of rounds of tiles; memory may require more.
    pub split: u32,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.tile)?;
        if self.split > 1 { write!(f, " split{}", self.split) } else { Ok(()) }
    }
}

/// Parts of a variant, as they are forced or parsed; what is `None` is left to the rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartialVariant {
    pub(super) method: Option<Method>,
    pub(super) tile: Option<Tile>,
    pub(super) split: Option<u32>,
}

impl FromStr for PartialVariant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = PartialVariant::default();
        for word in text.split_whitespace() {
            let number =
                |prefix: &str| word.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
            let pair = word
                .strip_prefix("subgroup")
                .and_then(|n| n.split_once('x'))
                .and_then(|(l, r)| Some((l.parse().ok()?, r.parse().ok()?)));
            let staged = Tile::WORKGROUP.into_iter().find(|t| t.to_string() == word);
            let tile = match (pair, number("register"), number("gemv")) {
                (Some((lanes @ (4 | 8 | 16), rows @ (8 | 16 | 32))), ..) if rows >= lanes => {
                    Some(Tile::Subgroup { lanes, rows })
                }
                (_, Some(columns @ (1 | 2 | 4)), _) => Some(Tile::Register { columns }),
                (.., Some(rows @ (4 | 8))) => Some(Tile::Gemv { rows }),
                _ if word == Tile::Narrow.to_string() => Some(Tile::Narrow),
                _ => staged,
            };
            let method = Method::ALL.into_iter().find(|m| m.to_string() == word);
            match (method, tile, number("split")) {
                (Some(method), ..) => parts.method = Some(method),
                (_, Some(tile), _) => parts.tile = Some(tile),
                (_, _, Some(split @ 1..=64)) => parts.split = Some(split),
                _ => {
                    return Err(Error::Usage(format!(
                        "{word:?} in variant {text:?}: choose a method (direct, winograd3, \
                         winograd5, winograd6), a tile (subgroup8x16, register4, workgroup64, \
                         gemv4, narrow) and split1 to split64"
                    )));
                }
            }
        }
        Ok(parts)
    }
}

impl FromStr for Variant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse()? {
            PartialVariant { method: Some(method), tile: Some(tile), split } => {
                Ok(Variant { method, tile, split: split.unwrap_or(1) })
            }
            _ => Err(Error::Usage(format!(
                "variant {text:?}: expected a method and a tile, as in \"direct workgroup64 \
                 split4\""
            ))),
        }
    }
}
