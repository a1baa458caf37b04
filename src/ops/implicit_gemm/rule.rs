//! The built-in choice of a variant, for devices that nobody has measured (and for runs that must
//! not depend on a measurement).
//!
//! On a GPU every candidate is estimated (`estimate.rs`). On a CPU a method costs its multiply-adds
//! and its traffic; what a byte costs in FLOP was fitted to measured layers of pix2pix-256
//! (docs/decisions.md), and what it decides is which of the methods is least.

use super::estimate::{self, product};
use super::problem::{Problem, Product};
use super::variant::{Method, Tile, Variant};
use super::winograd::sizes;
use crate::gpu::{Facts, Family};

/// FLOP that a driver on a CPU does in the time of moving a byte, and of starting a dispatch.
const SUBGROUP: (f64, f64) = (7.5, 2e6);
const REGISTER: (f64, f64) = (2.5, 1e6);

/// vec4s of channels from which Winograd's methods pay.
const THIN: u32 = 4;

/// The choice.
pub(super) fn choose(family: Family, facts: Facts, problem: &Problem) -> Variant {
    // Maps of a few channels (RGB, one logit) are all transform and no product.
    let thin = problem.inputs.iter().chain([&problem.output]).any(|s| s.c.vec4s() < THIN);
    let fits =
        |m: Method| m == Method::Direct || !thin && problem.allows(m) && sizes::fits(problem, m);
    if family == Family::Workgroup {
        let all = Variant::candidates(problem, family).into_iter().filter(|v| fits(v.method));
        return estimate::cheapest(facts, problem, all).expect("the direct one is always there");
    }
    let method = Method::ALL
        .into_iter()
        .filter(|m| fits(*m))
        .min_by(|a, b| cost(family, problem, *a).total_cmp(&cost(family, problem, *b)));
    let method = method.expect("the direct one is always there");
    let tile = tile(family, facts, problem, method, &product(problem, method));
    Variant { method, tile, split: 1 }
}

/// Estimated cost on a CPU, in FLOP.
fn cost(family: Family, problem: &Problem, method: Method) -> f64 {
    let (byte, dispatch) = if family == Family::Register { REGISTER } else { SUBGROUP };
    let product = product(problem, method);
    // Tiles are computed whole: narrow results and few rows cost as much as a tile.
    let (high, wide) = match family {
        Family::Subgroup(lanes) => (16, lanes),
        _ => (8, 4),
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
pub(super) fn tile(
    family: Family,
    facts: Facts,
    problem: &Problem,
    method: Method,
    product: &Product,
) -> Tile {
    let Product { rows, cols, .. } = *product;
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
        Family::Workgroup => {
            let all = Variant::candidates(problem, family).into_iter();
            let whole = all.filter(|v| v.method == method && v.split == 1);
            let best = estimate::cheapest(facts, problem, whole);
            best.map_or(Tile::WORKGROUP[1], |v| v.tile)
        }
    }
}
