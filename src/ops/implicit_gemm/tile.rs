//! Tiles as dispatches: which shader file, which constants, which grid.

use super::problem::Product;
use super::variant::Tile;
use crate::ops::Dispatch;

/// Rows of an output tile of the register family.
const REGISTER_ROWS: u32 = 8;
/// Invocations of a workgroup of the subgroup and register families.
const INVOCATIONS: u32 = 64;
/// Columns of a workgroup of the gemv tile.
const GEMV_COLUMNS: u32 = 32;
/// Invocations of a workgroup of either that share a sum.
const GEMV_GROUPS: u32 = 8;
/// Rows of a workgroup of the narrow tile, and how many of them lie side by side.
const NARROW_ROWS: u32 = 64;
const NARROW_LANES: u32 = 8;

/// Shader files of one kind of operands: subgroup, register, workgroup, gemv.
pub(super) type Files = [&'static str; 4];

/// Quarters of the sides of what an invocation of the workgroup tile computes: 8 x 8 results, of
/// the small tile 4 x 4.
fn per_invocation(rows: u32) -> u32 {
    if rows >= 64 { 2 } else { 1 }
}

/// What a workgroup of a tile computes, and with how many invocations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block {
    pub rows: u32,
    /// vec4s.
    pub cols: u32,
    pub invocations: u32,
}

impl Tile {
    /// Of a subgroup's tile that of one subgroup: how many lie beside each other is a matter of
    /// the product.
    pub(super) fn block(self) -> Block {
        let (rows, cols, invocations) = match self {
            Tile::Subgroup { lanes, rows } => (rows, lanes, lanes),
            Tile::Register { columns } => (INVOCATIONS * REGISTER_ROWS, columns, INVOCATIONS),
            Tile::Workgroup { rows, columns } => {
                let side = 4 * per_invocation(rows);
                (rows, columns / 4, rows / side * (columns / side))
            }
            Tile::Gemv { rows } => (rows, GEMV_COLUMNS, GEMV_GROUPS * GEMV_COLUMNS),
            Tile::Narrow => (NARROW_ROWS, 1, GEMV_GROUPS * NARROW_LANES),
        };
        Block { rows, cols, invocations }
    }

    /// The kernel with its grid; `slices` of the sum lie in z beside the phases.
    pub(super) fn dispatch(self, files: Files, product: &Product, slices: u32) -> Dispatch {
        let Product { rows, cols, phases, .. } = *product;
        let z = phases * slices;
        match self {
            Tile::Subgroup { lanes, rows: high } => {
                let row_groups = self.row_groups(rows);
                let column_groups = INVOCATIONS / lanes / row_groups;
                let x = cols.div_ceil(lanes).div_ceil(column_groups);
                let y = rows.div_ceil(high).div_ceil(row_groups);
                Dispatch::new(files[0], "main")
                    .tune("SG", lanes)
                    .tune("ROWS", high)
                    .groups([x, y, z])
            }
            Tile::Register { columns } => {
                let y = rows.div_ceil(INVOCATIONS * REGISTER_ROWS);
                Dispatch::new(files[1], "main").tune("TN", columns).groups([
                    cols.div_ceil(columns),
                    y,
                    z,
                ])
            }
            Tile::Workgroup { rows: high, columns: wide } => {
                let t = per_invocation(high);
                let d = Dispatch::new(files[2], "main")
                    .tune("HIGH", high / (4 * t))
                    .tune("WIDE", wide / (4 * t))
                    .tune("TM", t)
                    .tune("TN", t)
                    .tune("KB", self.blocks_a_step());
                d.groups([cols.div_ceil(wide / 4), rows.div_ceil(high), z])
            }
            Tile::Gemv { rows: high } => Dispatch::new(files[3], "main")
                .tune("ROWS", high)
                .groups([cols.div_ceil(GEMV_COLUMNS), rows.div_ceil(high), z]),
            Tile::Narrow => Dispatch::new(files[3], "main")
                .tune("ROWS", NARROW_ROWS / NARROW_LANES)
                .tune("COLS", 1)
                .tune("LANES", NARROW_LANES)
                .tune("PART", NARROW_ROWS / NARROW_LANES)
                .groups([cols, rows.div_ceil(NARROW_ROWS), z]),
        }
    }

    /// How many subgroups of a workgroup lie along the rows; the others lie along the columns.
    pub(super) fn row_groups(self, rows: u32) -> u32 {
        match self {
            Tile::Subgroup { lanes, rows: high } => {
                rows.div_ceil(high).next_power_of_two().min(INVOCATIONS / lanes)
            }
            _ => 1,
        }
    }

    /// Steps of 4 k that are staged together, which the weight side advances by.
    pub(super) fn blocks_a_step(self) -> u32 {
        match self {
            Tile::Workgroup { rows: 32, .. } => 4,
            Tile::Workgroup { .. } => 2,
            _ => 1,
        }
    }
}
