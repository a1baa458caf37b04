//! What a variant costs on a GPU, estimated: the built-in rule takes the one that costs least.
//!
//! The unit is the FLOP: what else takes time counts as the arithmetic that the GPU could have done
//! in it. A workgroup computes its tile whole, so what lies beyond the product counts as well.

use super::problem::{Problem, Product};
use super::variant::{Method, Tile, Variant};
use super::winograd::sizes;
use crate::gpu::Facts;

/// Share of the arithmetic on a GPU's data sheet at which the time of a byte or of a dispatch is
/// counted: what kernels come to.
const REAL: f64 = 0.5;
/// Seconds that a dispatch takes besides its work: the GPU drains and fills again.
const DISPATCH: f64 = 4e-6;
/// How many times cheaper than a byte of memory a byte of a GPU's cache is.
const CACHE: f64 = 4.0;
/// Invocations that keep a core busy, of 8 x 8 results and of fewer: fewer invocations leave it
/// waiting for memory.
const BUSY: [f64; 2] = [192.0, 384.0];
/// Dispatches of a Winograd method: three transforms and the products.
const WINOGRAD: f64 = 4.0;
/// What such a method costs besides: memory, kernels to compile.
const BESIDES: f64 = 1.1;
/// Steps of 4 k that a slice of a sum should have at least.
const SLICE: u32 = 32;
/// Most slices.
const SLICES: u32 = 32;
/// Padding up to which a tile fits: elements that are computed for each of the product.
const FITS: f64 = 1.3;

/// Share of a core's arithmetic that a tile's inner loop comes to: multiply-adds of all
/// instructions, as `benches/static` counts them. The small tile reads 16 bytes from workgroup
/// memory for each 8 multiply-adds, which keeps any GPU at half of its rate.
fn rate(tile: Tile) -> f64 {
    match tile {
        Tile::Workgroup { rows: 128, columns: 128 } => 0.8,
        Tile::Workgroup { rows: 128, .. } => 0.78,
        Tile::Workgroup { rows: 64, .. } => 0.75,
        Tile::Workgroup { .. } => 0.45,
        Tile::Narrow => 0.4,
        Tile::Register { .. } | Tile::Gemv { .. } | Tile::Subgroup { .. } => 0.3,
    }
}

/// Whether an invocation has 8 x 8 results.
fn is_large(tile: Tile) -> bool {
    matches!(tile, Tile::Workgroup { rows: 64.., .. })
}

/// Sizes of a method's matrix products.
pub(super) fn product(problem: &Problem, method: Method) -> Product {
    if method == Method::Direct { problem.direct() } else { sizes::product(problem, method) }
}

/// Rows and columns of whole tiles, over those of the product.
pub(super) fn waste(tile: Tile, product: &Product) -> f64 {
    let [rows, cols] = whole(tile, product);
    rows * cols / (f64::from(product.rows) * f64::from(product.cols))
}

/// Rows and vec4s of columns that are computed.
fn whole(tile: Tile, product: &Product) -> [f64; 2] {
    let block = tile.block();
    let rows = match tile {
        // Subgroups of 32 without rows end at once.
        Tile::Register { .. } => block.rows / 2,
        _ => block.rows,
    };
    [product.rows.next_multiple_of(rows), product.cols.next_multiple_of(block.cols)].map(f64::from)
}

/// The cheapest of some variants of a problem, of those of each method whose tiles fit best or
/// well.
pub(super) fn cheapest(
    facts: Facts,
    problem: &Problem,
    variants: impl IntoIterator<Item = Variant>,
) -> Option<Variant> {
    let all: Vec<Variant> = variants.into_iter().collect();
    let mut kept = Vec::new();
    // Method by method: that one fits is no reason against another with far fewer products.
    for method in Method::ALL {
        let product = product(problem, method);
        let worth = |v: &&Variant| v.method == method && v.split <= slices(&product);
        let of_method = || all.iter().filter(worth);
        let waste = |v: &Variant| waste(v.tile, &product);
        let most = of_method().map(waste).fold(f64::INFINITY, f64::min).max(FITS);
        let fitting = of_method().filter(|v| waste(v) <= most);
        kept.extend(fitting.map(|v| (cost(facts, problem, *v, &product), *v)));
    }
    kept.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, variant)| variant)
}

/// Most slices that a sum is worth.
fn slices(product: &Product) -> u32 {
    let most = product.blocks * product.taps / SLICE;
    most.min(product.blocks).clamp(1, SLICES).next_power_of_two()
}

/// Estimated cost.
fn cost(facts: Facts, problem: &Problem, variant: Variant, product: &Product) -> f64 {
    let Variant { method, tile, split } = variant;
    let [cores, flops, bandwidth] =
        [facts.cores, facts.gflops, facts.bandwidth].map(|n| f64::from(n.max(1)));
    let block = tile.block();
    let (high, wide) = (product.rows.div_ceil(block.rows), product.cols.div_ceil(block.cols));
    let [phases, terms] = [product.phases, 4 * product.blocks * product.taps].map(f64::from);
    let workgroups = f64::from(high * wide) * phases * f64::from(split);
    let busy =
        workgroups * f64::from(block.invocations) / (BUSY[usize::from(!is_large(tile))] * cores);
    let busy = busy.min(workgroups / cores).min(1.0);
    let [rows, cols] = whole(tile, product);
    let arithmetic = 2.0 * rows * 4.0 * cols * terms * phases / (rate(tile) * busy);
    // Every tile reads its rows and its columns; those of others lie in a cache by then.
    let read = 4.0 * terms * phases * (rows * f64::from(wide) + 4.0 * cols * f64::from(high));
    let own: u64 = problem.inputs.iter().chain([&problem.output]).map(|s| s.bytes()).sum();
    // Points and partial sums are written once and read once.
    let (twice, dispatches) = match method {
        Method::Direct if split > 1 => (u64::from(split) * problem.output.bytes(), 2.0),
        Method::Direct => (0, 1.0),
        _ => (sizes::points(problem, method), WINOGRAD),
    };
    let byte = REAL * flops / bandwidth;
    let dispatch = DISPATCH * REAL * flops * 1e9;
    let traffic = byte * (own as f64 + 2.0 * twice as f64 + read / CACHE);
    let besides = if method == Method::Direct { 1.0 } else { BESIDES };
    besides * (arithmetic + traffic + dispatch * dispatches)
}
