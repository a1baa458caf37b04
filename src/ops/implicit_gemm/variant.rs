//! Ways of computing one convolution pass, and which one a device takes for which sizes.
//!
//! A [`Variant`] is a method (directly, or by minimal filtering), a tile, and a number of slices that the sum is cut into. All give
//! the same result up to rounding. [`Tuning`] knows the choice: forced, from a table that was measured, or by the built-in rule.

use super::rule;
use crate::error::{Error, Result};
use crate::gpu::Family;
use crate::shape::{Conv, Shape};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How the products are formed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// Every product of the definition.
    Direct,
    /// Minimal filtering on 3 points: F(2x2, 2x2), for k4 s2 layers; 1.78 times fewer products, as exact as the direct sum.
    Winograd3,
    /// Minimal filtering on 5 points: F(4x4, 2x2) for k4 s2 layers, F(2x2, 4x4) for k4 s1 layers; 2.56 times fewer products.
    Winograd5,
}

/// A tile of a matrix product: the loops of a kernel and their sizes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tile {
    /// Rows shared by `subgroupBroadcast`: 4 columns a lane. CPU drivers.
    Subgroup {
        /// Lanes of a subgroup.
        lanes: u32,
        /// Rows of the tile: 8, 16 or 32.
        rows: u32,
    },
    /// 8 rows by this many vec4s of columns an invocation. CPU drivers without subgroups, thin results.
    Register {
        /// 1, 2 or 4.
        columns: u32,
    },
    /// Staged in workgroup memory: this many rows and columns. GPUs.
    Workgroup {
        /// 32, 64 or 128.
        side: u32,
    },
    /// This many rows (4 or 8), k shared out in the workgroup: products of few rows on GPUs.
    Gemv {
        /// Rows of the tile.
        rows: u32,
    },
}

/// One way of computing a pass. Prints and parses as `winograd5 subgroup8x16`, `direct workgroup64 split4`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Variant {
    /// How the products are formed.
    pub method: Method,
    /// The tile.
    pub tile: Tile,
    /// Slices of the sum, added up in order by a second pass; 1: no second pass.
    pub split: u32,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.method {
            Method::Direct => "direct ",
            Method::Winograd3 => "winograd3 ",
            Method::Winograd5 => "winograd5 ",
        })?;
        match self.tile {
            Tile::Subgroup { lanes, rows } => write!(f, "subgroup{lanes}x{rows}"),
            Tile::Register { columns } => write!(f, "register{columns}"),
            Tile::Workgroup { side } => write!(f, "workgroup{side}"),
            Tile::Gemv { rows } => write!(f, "gemv{rows}"),
        }?;
        if self.split > 1 { write!(f, " split{}", self.split) } else { Ok(()) }
    }
}

/// Parts of a variant, as they are forced or parsed; what is `None` is left to the rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    method: Option<Method>,
    tile: Option<Tile>,
    split: Option<u32>,
}

impl FromStr for Wish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut wish = Wish::default();
        for word in text.split_whitespace() {
            let number = |prefix: &str| word.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
            let pair = word.strip_prefix("subgroup").and_then(|n| n.split_once('x')).and_then(|(l, r)| Some((l.parse().ok()?, r.parse().ok()?)));
            let tile = match (pair, number("register"), number("workgroup"), number("gemv")) {
                (Some((lanes @ (4 | 8 | 16), rows @ (8 | 16 | 32))), ..) if rows >= lanes => Some(Tile::Subgroup { lanes, rows }),
                (_, Some(columns @ (1 | 2 | 4)), ..) => Some(Tile::Register { columns }),
                (_, _, Some(side @ (32 | 64 | 128)), _) => Some(Tile::Workgroup { side }),
                (.., Some(rows @ (4 | 8))) => Some(Tile::Gemv { rows }),
                _ => None,
            };
            match (word, tile, number("split")) {
                ("direct", ..) => wish.method = Some(Method::Direct),
                ("winograd3", ..) => wish.method = Some(Method::Winograd3),
                ("winograd5", ..) => wish.method = Some(Method::Winograd5),
                (_, Some(tile), _) => wish.tile = Some(tile),
                (_, _, Some(split @ 1..=64)) => wish.split = Some(split),
                _ => {
                    return Err(Error::Usage(format!(
                        "{word:?} in variant {text:?}: choose a method (direct, winograd3, winograd5), a tile (subgroup8x16, register4, workgroup64, gemv4) and split1 to split64"
                    )));
                }
            }
        }
        Ok(wish)
    }
}

impl FromStr for Variant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse()? {
            Wish { method: Some(method), tile: Some(tile), split } => Ok(Variant { method, tile, split: split.unwrap_or(1) }),
            _ => Err(Error::Usage(format!("variant {text:?}: a method and a tile are wanted, as in \"direct workgroup64 split4\""))),
        }
    }
}

/// A pass of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pass {
    /// `conv2d`
    Conv,
    /// `conv2d_bwd_x`
    ConvX,
    /// `conv2d_bwd_w`
    ConvW,
    /// `conv_transpose2d`
    Transposed,
    /// `conv_transpose2d_bwd_x`
    TransposedX,
    /// `conv_transpose2d_bwd_w`
    TransposedW,
}

impl Pass {
    /// All of them.
    pub const ALL: [Pass; 6] = [Pass::Conv, Pass::ConvX, Pass::ConvW, Pass::Transposed, Pass::TransposedX, Pass::TransposedW];

    /// Name of the operation.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Conv => "conv2d",
            Pass::ConvX => "conv2d_bwd_x",
            Pass::ConvW => "conv2d_bwd_w",
            Pass::Transposed => "conv_transpose2d",
            Pass::TransposedX => "conv_transpose2d_bwd_x",
            Pass::TransposedW => "conv_transpose2d_bwd_w",
        }
    }

    /// Whether it makes a weight's gradient.
    pub fn is_weights(self) -> bool {
        matches!(self, Pass::ConvW | Pass::TransposedW)
    }
}

/// What is to be computed: the pass and its exact shapes. Prints as the key of tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Problem {
    /// The pass.
    pub pass: Pass,
    /// The two operands in the operation's order.
    pub inputs: [Shape; 2],
    /// The result.
    pub output: Shape,
    /// Kernel, stride, padding.
    pub conv: Conv,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, y] = [self.inputs[0], self.inputs[1], self.output].map(|s| s.to_string().replace(' ', ""));
        write!(f, "{} {a} {b} -> {y} {}", self.pass.name(), self.conv)
    }
}

/// Sizes of the matrix product that a problem is, once for each of `phases`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Product {
    pub rows: u32,
    /// vec4s.
    pub cols: u32,
    /// Steps of 4 in a run of the sum; the sum has `taps` runs.
    pub blocks: u32,
    pub taps: u32,
    pub phases: u32,
}

impl Problem {
    /// Sizes of the direct product.
    pub(super) fn direct(&self) -> Product {
        let (conv, y) = (self.conv, self.output);
        let taps = conv.taps();
        match self.pass {
            Pass::Conv | Pass::TransposedX => {
                let blocks = self.inputs[0].c.vec4s();
                Product { rows: y.pixels(), cols: y.c.vec4s(), blocks, taps, phases: 1 }
            }
            Pass::ConvX | Pass::Transposed => {
                let s = conv.stride;
                let rows = y.n * y.h.div_ceil(s) * y.w.div_ceil(s);
                Product { rows, cols: y.c.vec4s(), blocks: self.inputs[0].c.vec4s(), taps: taps.div_ceil(s * s), phases: s * s }
            }
            Pass::ConvW | Pass::TransposedW => {
                let (gathered, anchor) = if self.pass == Pass::ConvW { (0, 1) } else { (1, 0) };
                let anchor = self.inputs[anchor];
                Product { rows: taps * self.inputs[gathered].c.physical(), cols: anchor.c.vec4s(), blocks: anchor.pixels().div_ceil(4), taps: 1, phases: 1 }
            }
        }
    }

    /// Terms of the sum that an element of the result is, at most.
    pub fn terms(&self) -> u64 {
        let Product { blocks, taps, .. } = self.direct();
        4 * u64::from(blocks) * u64::from(taps)
    }

    /// Whether a method applies.
    pub fn allows(&self, method: Method) -> bool {
        let Conv { kernel, stride, pad, .. } = self.conv;
        match method {
            Method::Direct => true,
            Method::Winograd3 => kernel == 4 && stride == 2 && pad == 1,
            Method::Winograd5 => kernel == 4 && (stride == 2 && pad == 1 || stride == 1 && pad <= 3),
        }
    }
}

/// Which variant each problem takes.
#[derive(Clone, PartialEq, Debug)]
pub struct Tuning {
    family: Family,
    forced: Wish,
    table: BTreeMap<String, Variant>,
}

impl Tuning {
    /// The built-in rule for a family of tiles. `PIXTAPE_VARIANT` forces parts of every choice where they apply (for tests: a
    /// method, a tile, a split, as [`Variant`] prints them).
    ///
    /// # Errors
    /// [`Error::Usage`] if `PIXTAPE_VARIANT` is no variant.
    pub fn new(family: Family) -> Result<Self> {
        let forced = match std::env::var("PIXTAPE_VARIANT") {
            Ok(text) => text.parse().map_err(|e| Error::Usage(format!("PIXTAPE_VARIANT: {e}")))?,
            Err(_) => Wish::default(),
        };
        Ok(Tuning { family, forced, table: BTreeMap::new() })
    }

    /// The rule alone, whatever the environment says.
    pub fn rule(family: Family) -> Self {
        Tuning { family, forced: Wish::default(), table: BTreeMap::new() }
    }

    /// Tunings that between them use every kernel: for tests of all of them.
    pub fn samples() -> Vec<Tuning> {
        let mut all = Vec::new();
        for family in [Family::Subgroup(4), Family::Subgroup(8), Family::Subgroup(16), Family::Register, Family::Workgroup] {
            let tiles: &[&str] = match family {
                Family::Subgroup(4) => &["subgroup4x8", "subgroup4x16", "subgroup4x32"],
                Family::Subgroup(8) => &["subgroup8x8", "subgroup8x16", "subgroup8x32"],
                Family::Subgroup(_) => &["subgroup16x16", "subgroup16x32"],
                Family::Register => &["register1", "register2", "register4"],
                Family::Workgroup => &["workgroup32", "workgroup64", "workgroup128", "gemv4", "gemv8"],
            };
            all.push(Tuning::rule(family));
            for tile in tiles {
                for method in ["direct", "direct split4", "winograd3", "winograd5"] {
                    let wish = format!("{method} {tile}").parse().expect("a variant");
                    all.push(Tuning::rule(family).force(wish));
                }
            }
        }
        all
    }

    /// Forces parts of every choice where they apply.
    #[must_use]
    pub fn force(mut self, wish: Wish) -> Self {
        self.forced = wish;
        self
    }

    /// Sets the choice for a problem.
    pub fn set(&mut self, problem: &Problem, variant: Variant) {
        self.table.insert(problem.to_string(), variant);
    }

    /// The family of tiles.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether parts of every choice are forced, so that a table says little.
    pub fn is_forced(&self) -> bool {
        self.forced != Wish::default()
    }

    /// The choice for a problem.
    pub fn choose(&self, problem: &Problem) -> Variant {
        let listed = self.table.get(&problem.to_string()).copied();
        let mut variant = listed.unwrap_or_else(|| rule::choose(self.family, problem));
        let Wish { method, tile, split } = self.forced;
        if let Some(method) = method.filter(|m| problem.allows(*m)) {
            variant.method = method;
        }
        if let Some(tile) = tile {
            variant.tile = tile;
        }
        if let Some(split) = split {
            variant.split = split;
        }
        variant.valid_for(problem, self.family)
    }
}

impl Variant {
    /// Whether the problem and the device's family allow it as it stands.
    pub fn fits(self, problem: &Problem, family: Family) -> bool {
        self.valid_for(problem, family) == self
    }

    /// The nearest variant that the problem and the device's family allow.
    fn valid_for(mut self, problem: &Problem, family: Family) -> Variant {
        if !problem.allows(self.method)
            || (self.method != Method::Direct && super::winograd::scratch(problem, self.method).iter().any(|b| *b > crate::gpu::MAX_BINDING))
        {
            self.method = Method::Direct;
        }
        let product = problem.direct();
        let gemv_fits = self.method == Method::Direct && !problem.pass.is_weights();
        match (self.tile, family) {
            // A subgroup's size is a fact of the device.
            (Tile::Subgroup { rows, .. }, Family::Subgroup(lanes)) => self.tile = Tile::Subgroup { lanes, rows: rows.max(lanes) },
            (Tile::Subgroup { .. }, _) => self.tile = rule::tile(family, problem, self.method, &product),
            (Tile::Gemv { .. }, _) if !gemv_fits => self.tile = rule::tile(family, problem, self.method, &product),
            _ => {}
        }
        if self.method != Method::Direct {
            self.split = 1;
        }
        let partial = u64::from(self.split) * problem.output.bytes();
        if partial > crate::gpu::MAX_BINDING {
            self.split = 1;
        }
        self.split = self.split.clamp(1, product.blocks.max(1));
        self
    }

    /// Every variant worth measuring for a problem on a device of a family.
    pub fn candidates(problem: &Problem, family: Family) -> Vec<Variant> {
        let product = problem.direct();
        let mut tiles = match family {
            Family::Subgroup(lanes) => [8, 16, 32].into_iter().filter(|r| *r >= lanes).map(|rows| Tile::Subgroup { lanes, rows }).collect(),
            Family::Register => vec![Tile::Register { columns: 2 }, Tile::Register { columns: 4 }],
            Family::Workgroup => vec![Tile::Workgroup { side: 32 }, Tile::Workgroup { side: 64 }, Tile::Workgroup { side: 128 }],
        };
        if product.cols < 4 {
            tiles.push(Tile::Register { columns: 1 });
        }
        if family == Family::Workgroup && product.rows <= 32 {
            tiles.extend([Tile::Gemv { rows: 4 }, Tile::Gemv { rows: 8 }]);
        }
        let splits: &[u32] = if family == Family::Workgroup { &[1, 2, 4, 8, 16, 32] } else { &[1, 2] };
        let mut all = Vec::new();
        for method in [Method::Direct, Method::Winograd3, Method::Winograd5].into_iter().filter(|m| problem.allows(*m)) {
            for &tile in &tiles {
                for &split in splits {
                    let variant = Variant { method, tile, split };
                    // What validity would change is another candidate, or none.
                    if variant.valid_for(problem, family) == variant {
                        all.push(variant);
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Problem {
        let conv = Conv::new(4, 2, 1);
        let (x, y) = (Shape::new(1, 128, 128, 64), Shape::new(1, 64, 64, 128));
        Problem { pass: Pass::Conv, inputs: [x, Shape::new(16, 1, 64, 128)], output: y, conv }
    }

    #[test]
    fn variants_print_and_parse() {
        for family in [Family::Subgroup(8), Family::Register, Family::Workgroup] {
            let all = Variant::candidates(&layer(), family);
            assert!(all.len() >= 6, "{family}: {all:?}");
            for variant in all {
                assert_eq!(variant.to_string().parse::<Variant>().unwrap(), variant);
            }
        }
        for wrong in ["fast", "subgroup8", "workgroup65", "split0", "direct"] {
            assert!(wrong.parse::<Variant>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_forced_holds_where_it_applies() {
        let tuning = |text: &str| Tuning::rule(Family::Workgroup).force(text.parse().unwrap());
        assert_eq!(tuning("winograd5 split4").choose(&layer()).to_string(), "winograd5 workgroup64");
        assert_eq!(tuning("direct split4").choose(&layer()).split, 4);
        let seven = Problem { conv: Conv::new(7, 1, 3), ..layer() };
        assert_eq!(tuning("winograd3").choose(&seven).method, Method::Direct);
        // A table's choice is taken as it is.
        let mut listed = Tuning::rule(Family::Workgroup);
        listed.set(&layer(), "direct workgroup32 split2".parse().unwrap());
        assert_eq!(listed.choose(&layer()).to_string(), "direct workgroup32 split2");
    }
}
