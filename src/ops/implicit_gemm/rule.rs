//! The built-in choice of a variant, for devices that nobody has measured (and for runs that must
//! not depend on a measurement).
//!
//! A method costs its multiply-adds and its traffic; what a byte costs in FLOP is a fact of the
//! kind of device. The constants were fitted to measured layers of pix2pix-256 (docs/decisions.md);
//! what they decide is which of the methods is least.

use super::problem::{Problem, Product};
use super::variant::{Method, Tile, Variant};
use super::winograd::sizes;
use crate::gpu::Family;

/// FLOP that a device does in the time of moving a byte, and of starting a dispatch.
fn price(family: Family) -> (f64, f64) {
    match family {
        Family::Subgroup(_) => (7.5, 2e6),
        Family::Register => (2.5, 1e6),
        // Tens of TFLOP/s against one or two TB/s and a few microseconds: guessed, and what the
        // tuner is for.
        Family::Workgroup => (12.0, 5e7),
    }
}

/// vec4s of channels from which Winograd's methods pay.
const THIN: u32 = 4;
/// Workgroups that fill a large GPU.
const FILL: u32 = 256;
/// Steps of 4 k that a slice of a sum should have at least.
const SLICE: u32 = 32;

/// The choice.
pub(super) fn choose(family: Family, problem: &Problem) -> Variant {
    // Maps of a few channels (RGB, one logit) are all transform and no product.
    let thin = problem.inputs.iter().chain([&problem.output]).any(|s| s.c.vec4s() < THIN);
    let fits = |m: &Method| {
        *m == Method::Direct || !thin && problem.allows(*m) && sizes::fits(problem, *m)
    };
    let method = Method::ALL
        .into_iter()
        .filter(fits)
        .min_by(|a, b| cost(family, problem, *a).total_cmp(&cost(family, problem, *b)));
    let method = method.expect("the direct one is always there");
    let product = product(problem, method);
    let tile = tile(family, problem, method, &product);
    let split = if method == Method::Direct && family == Family::Workgroup {
        split(tile, &product)
    } else {
        1
    };
    Variant { method, tile, split }
}

/// Sizes of a method's matrix products.
fn product(problem: &Problem, method: Method) -> Product {
    if method == Method::Direct { problem.direct() } else { sizes::product(problem, method) }
}

/// Estimated cost, in FLOP.
fn cost(family: Family, problem: &Problem, method: Method) -> f64 {
    let (byte, dispatch) = price(family);
    let product = product(problem, method);
    // Tiles are computed whole: narrow results and few rows cost as much as a tile.
    let (high, wide) = match family {
        Family::Subgroup(lanes) => (16, lanes),
        Family::Register => (8, 4),
        Family::Workgroup => (64, 16),
    };
    let (high, wide) = if product.cols < 2 { (8, 1) } else { (high, wide) };
    let whole = f64::from(product.rows.next_multiple_of(high))
        * f64::from(4 * product.cols.next_multiple_of(wide));
    let flop =
        2.0 * whole * f64::from(4 * product.blocks * product.taps) * f64::from(product.phases);
    let own: u64 = problem.inputs.iter().chain([&problem.output]).map(|s| s.bytes()).sum();
    let (points, dispatches) =
        if method == Method::Direct { (0, 1.0) } else { (sizes::points(problem, method), 4.0) };
    // Points are written once and read once.
    flop + byte * (own as f64 + 2.0 * points as f64) + dispatch * dispatches
}

/// The tile for a product, and the one to fall back on.
pub(super) fn tile(family: Family, problem: &Problem, method: Method, product: &Product) -> Tile {
    let Product { rows, cols, phases, .. } = *product;
    // Thin outputs (RGB, one logit) would leave most lanes or columns of the wide tiles idle.
    if cols < 2 {
        return Tile::Register { columns: 1 };
    }
    match family {
        // Weight gradients have short sums and many results: the high tile is worth its longer
        // compilation.
        Family::Subgroup(lanes) if problem.pass.is_weight() && rows >= 64 => {
            Tile::Subgroup { lanes, rows: 32 }
        }
        Family::Subgroup(lanes) => {
            Tile::Subgroup { lanes, rows: if rows <= 8 { lanes.max(8) } else { 16 } }
        }
        Family::Register => Tile::Register { columns: if cols < 4 { 2 } else { 4 } },
        Family::Workgroup if method == Method::Direct && !problem.pass.is_weight() && rows <= 8 => {
            Tile::Gemv { rows: if rows <= 4 { 4 } else { 8 } }
        }
        Family::Workgroup if rows <= 32 => Tile::Workgroup { rows: 32, columns: 32 },
        // The large tile does twice the arithmetic per load, if there are still enough tiles to
        // fill a GPU.
        Family::Workgroup if rows.div_ceil(128) * cols.div_ceil(32) * phases >= 128 => {
            Tile::Workgroup { rows: 128, columns: 128 }
        }
        Family::Workgroup => Tile::Workgroup { rows: 64, columns: 64 },
    }
}

/// Slices of the sum, so that a GPU has something to do on all its cores.
fn split(tile: Tile, product: &Product) -> u32 {
    let (high, wide) = match tile {
        Tile::Workgroup { rows, columns } => (rows, columns / 4),
        Tile::Gemv { rows } => (rows, 32),
        Tile::Narrow => (64, 1),
        Tile::Subgroup { rows, lanes } => (rows, lanes),
        Tile::Register { columns } => (8 * 64, columns),
    };
    let workgroups = product.rows.div_ceil(high) * product.cols.div_ceil(wide) * product.phases;
    let most = (product.blocks * product.taps / SLICE).min(product.blocks).min(32);
    // Powers of two: a slice more or less is no matter, an uneven last one is.
    let filling = FILL.div_ceil(workgroups).next_power_of_two();
    filling.min(most.max(1).next_power_of_two()).min(product.blocks.max(1))
}
