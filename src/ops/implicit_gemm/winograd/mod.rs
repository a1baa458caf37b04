//! Winograd's method: transforms to points, one matrix product per point, and back
//! (`shaders/lib/winograd.wgsl`).
//!
//! A k4 s1 layer is computed as it is, F(2x2, 4x4) or F(3x3, 4x4), and so is a k3 s1 layer, F(3x3,
//! 3x3) or F(4x4, 3x3). A k4 s2 layer falls into 2x2 phases with 2x2 taps each: where it gathers,
//! the phases are more channels to sum over; where it spreads, each phase of the result is a
//! product of its own.

pub(super) mod sizes;

use super::problem::{Of, Product};
use super::task::{Task, slope};
use super::tile::Files;
use super::variant::Variant;
use crate::ops::{Bind, Dispatch, Operand};
use sizes::Sizes;

const GEMM: Files = [
    "conv2d_gemm_subgroup",
    "conv2d_gemm_register",
    "conv2d_gemm_workgroup",
    "conv2d_gemm_workgroup",
];

/// Scratch numbers: the points of the map that the kernel walks over, of the other operand, of the
/// result.
const DATA: usize = 0;
const OTHER: usize = 1;
const RESULT: usize = 2;

/// What differs between the transforms; see `Params` of the shader.
struct Block<'a> {
    map: &'a Operand,
    step: u32,
    shift: u32,
    pad: i32,
    slope: f32,
    point: u32,
    phase: u32,
    line: u32,
    rows: u32,
    taps: [i32; 3],
}

impl<'a> Block<'a> {
    fn new(map: &'a Operand, point: u32, phase: u32, line: u32) -> Self {
        Block {
            map,
            step: 1,
            shift: 0,
            pad: 0,
            slope: 1.0,
            point,
            phase,
            line,
            rows: 0,
            taps: [0; 3],
        }
    }
}

impl Sizes {
    /// Parameters and grid of a transform: one invocation for each of `width` vec4s of `lines`
    /// lines and of the phases.
    fn finish(
        &self,
        d: Dispatch,
        width: u32,
        lines: u32,
        phases: u32,
        block: &Block<'_>,
    ) -> Dispatch {
        let invocations = width * lines * phases * phases;
        let d = d
            .u("invocations", invocations)
            .u("width", width)
            .u("phases", phases)
            .u("first", self.first)
            .u("tiles", self.tiles)
            .u("tiles_h", self.high)
            .u("tiles_w", self.wide)
            .u("h", block.map.shape.h)
            .u("w", block.map.shape.w)
            .u("step", block.step)
            .u("shift", block.shift)
            .i("pad", block.pad)
            .view("map", block.map)
            .f("slope", block.slope)
            .u("point", block.point)
            .u("phase", block.phase)
            .u("line", block.line)
            .u("rows", block.rows)
            .u("kernel", self.kernel)
            .i("tap_first", block.taps[0])
            .i("tap_phase", block.taps[1])
            .i("tap_place", block.taps[2]);
        d.over(u64::from(invocations))
    }
}

/// Parameters and bindings of the matrix products.
struct Gemm {
    product: Product,
    by_k: bool,
    trans_b: bool,
    a: (usize, u64),
    b: (usize, u64),
    a_z: u32,
    a_row: u32,
    a_tap: u32,
    a_k: u32,
    b_z: u32,
    b_tap: u32,
    b_step: u32,
    b_col: u32,
    b_row: u32,
}

impl Gemm {
    fn dispatch(&self, variant: Variant, result: u64) -> Dispatch {
        let product = &self.product;
        let read = |(at, bytes)| Bind::Scratch { at, bytes, write: false };
        variant
            .tile
            .dispatch(GEMM, product, 1)
            .tune("A_BY_K", u32::from(self.by_k))
            .tune("TRANS_B", u32::from(self.trans_b))
            .bind("a", read(self.a))
            .bind("b", read(self.b))
            .bind("c", Bind::Scratch { at: RESULT, bytes: result, write: true })
            .u("rows", product.rows)
            .u("cols", product.cols)
            .u("blocks", product.blocks)
            .u("taps", product.taps)
            .u("a_z", self.a_z)
            .u("a_row", self.a_row)
            .u("a_tap", self.a_tap)
            .u("a_k", self.a_k)
            .u("b_z", self.b_z)
            .u("b_tap", self.b_tap)
            .u("b_step", self.b_step)
            .u("b_col", self.b_col)
            .u("b_row", self.b_row)
            .u("c_z", product.rows * product.cols)
            .u("c_row", product.cols)
            .u("row_groups", variant.tile.row_groups(product.rows))
    }
}

/// `y = data(x, w) (+ bias)`.
pub(super) fn data(task: &Task<'_>, variant: Variant) -> Vec<Dispatch> {
    let rounds = Sizes::new(&task.problem, variant.method).rounds(&task.problem, variant.split);
    let bytes = rounds[0].scratch(&task.problem);
    rounds.iter().flat_map(|round| data_round(task, variant, round, bytes)).collect()
}

/// A round of it: the first one computes the weight's points.
fn data_round(
    task: &Task<'_>,
    variant: Variant,
    sizes: &Sizes,
    [data_bytes, taps_bytes, result_bytes]: [u64; 3],
) -> Vec<Dispatch> {
    let (problem, pass) = (&task.problem, task.problem.pass);
    let (x, w, y) = (task.input(0), task.input(1), task.output());
    let (gathers, over_co) = (pass.gathers(), pass.of == Of::Input);
    let strided = sizes.phases == 2;
    let product = sizes.product(problem);
    let (blocks, cols, summed) = (product.blocks, product.cols, product.taps);
    let (ci, co4) = (w.shape.w, w.shape.c.vec4s());
    let apart = product.phases / sizes.points();
    let (pad, kernel) = (problem.conv.pad as i32, sizes.kernel as i32);

    let line = summed * blocks;
    let phase = if gathers { blocks } else { sizes.padded() * blocks };
    let point = sizes.squared() * sizes.padded() * blocks;
    let mut block = Block { slope: slope(task.fused.load[0]), ..Block::new(x, point, phase, line) };
    (block.step, block.shift, block.pad) = match (gathers, strided) {
        (true, _) => (problem.conv.stride, 1, pad),
        (false, false) => (1, 0, kernel - 1 - pad),
        (false, true) => (1, 1, pad),
    };
    let to_points = |file, entry, input, at, bytes| {
        Dispatch::new(file, entry)
            .bind("map", Bind::In(input))
            .bind("points_out", Bind::Scratch { at, bytes, write: true })
    };
    let d = to_points(sizes.file, "wino_data", 0, DATA, data_bytes);
    let of_x = without_epilogue(
        task,
        sizes.finish(task.border(d), blocks, sizes.padded(), sizes.phases, &block),
    );

    let taps = match (gathers, strided) {
        (true, false) => [0, 0, 1],
        (true, true) => [0, 1, 2],
        (false, false) => [kernel - 1, 0, -1],
        (false, true) => [kernel - 1, -1, -2],
    };
    let block =
        Block { rows: ci, taps, ..Block::new(w, sizes.squared() * ci * co4, ci * co4, co4) };
    let d = to_points(sizes.file, "wino_taps", 1, OTHER, taps_bytes);
    let of_w = without_epilogue(task, sizes.finish(d, co4, ci, sizes.phases, &block));

    let (b_step, b_col) = if over_co { (1, 4 * co4) } else { (4 * co4, 1) };
    let gemm = Gemm {
        product,
        by_k: false,
        trans_b: over_co,
        a: (DATA, data_bytes),
        b: (OTHER, taps_bytes),
        a_z: sizes.padded() * line,
        a_row: line,
        a_tap: blocks,
        a_k: 0,
        b_z: summed * ci * co4,
        b_tap: ci * co4,
        b_step,
        b_col,
        b_row: co4,
    };

    let points = Bind::Scratch { at: RESULT, bytes: result_bytes, write: false };
    let mut block = Block::new(y, apart * sizes.tiles * cols, sizes.tiles * cols, cols);
    if apart > 1 {
        (block.step, block.shift) = (2, 1);
    }
    let d = task
        .bind_epilogue(Dispatch::new(sizes.file, "wino_result").bind("points", points), points)
        .bind("y", Bind::Out(0));
    let phases = if gathers { 1 } else { sizes.phases };
    let back = sizes.finish(d, cols, sizes.tiles, phases, &block);
    let of_w = (sizes.first == 0).then_some(of_w);
    [of_x]
        .into_iter()
        .chain(of_w)
        .chain([gemm.dispatch(variant, result_bytes), task.epilogue(back, true)])
        .collect()
}

/// `dw = sum over pixels`; see [`super::direct::weights`] for which map is walked over.
pub(super) fn weights(task: &Task<'_>, variant: Variant) -> Vec<Dispatch> {
    let rounds = Sizes::new(&task.problem, variant.method).rounds(&task.problem, variant.split);
    let bytes = rounds[0].scratch(&task.problem);
    rounds.iter().flat_map(|round| weights_round(task, variant, round, bytes)).collect()
}

/// A round of it: all but the first add to those before, in order.
fn weights_round(
    task: &Task<'_>,
    variant: Variant,
    sizes: &Sizes,
    [data_bytes, tile_bytes, result_bytes]: [u64; 3],
) -> Vec<Dispatch> {
    let problem = &task.problem;
    let swap = problem.pass.transposed;
    let (walked, other) = if swap { (1, 0) } else { (0, 1) };
    let (x, g, dw) = (task.input(walked), task.input(other), task.output());
    let (x4, g4) = (x.shape.c.vec4s(), g.shape.c.vec4s());
    let line = sizes.squared() * x4;

    let mut block = Block {
        slope: slope(task.fused.load[walked]),
        ..Block::new(x, sizes.padded() * line, x4, line)
    };
    (block.step, block.shift, block.pad) = (problem.conv.stride, 1, problem.conv.pad as i32);
    let to_points = |entry, input, at, bytes| {
        Dispatch::new(sizes.file, entry)
            .bind("map", Bind::In(input))
            .bind("points_out", Bind::Scratch { at, bytes, write: true })
    };
    let of_x = sizes.finish(
        task.border(to_points("wino_data", walked, DATA, data_bytes)),
        x4,
        sizes.padded(),
        sizes.phases,
        &block,
    );
    let block =
        Block { slope: slope(task.fused.load[other]), ..Block::new(g, sizes.padded() * g4, 0, g4) };
    let of_g = sizes.finish(
        to_points("wino_tile", other, OTHER, tile_bytes),
        g4,
        sizes.padded(),
        1,
        &block,
    );

    let of = |at, bytes, width: u32| ((at, bytes), sizes.padded() * width, width);
    let (a, b) = if swap {
        (of(OTHER, tile_bytes, g4), of(DATA, data_bytes, line))
    } else {
        (of(DATA, data_bytes, line), of(OTHER, tile_bytes, g4))
    };
    let product = sizes.product(problem);
    let gemm = Gemm {
        product,
        by_k: true,
        trans_b: false,
        a: a.0,
        b: b.0,
        a_z: a.1,
        a_row: 1,
        a_tap: 0,
        a_k: a.2,
        b_z: b.1,
        b_tap: 0,
        b_step: 4 * b.2,
        b_col: 1,
        b_row: b.2,
    };

    let (rows, width) = (dw.shape.w, dw.shape.c.vec4s());
    let (phase, line) = if swap { (width, sizes.squared() * width) } else { (rows * width, width) };
    let taps = if sizes.phases == 2 { [0, 1, 2] } else { [0, 0, 1] };
    let block = Block { rows, taps, ..Block::new(dw, product.rows * product.cols, phase, line) };
    let d = Dispatch::new(sizes.file, "wino_dw")
        .bind("points", Bind::Scratch { at: RESULT, bytes: result_bytes, write: false })
        .bind("dw", Bind::Out(0));
    let back = sizes
        .finish(d, width, rows, sizes.phases, &block)
        .tune("ACCUMULATE", u32::from(task.accumulate || sizes.first > 0));
    vec![
        without_epilogue(task, of_x),
        without_epilogue(task, of_g),
        gemm.dispatch(variant, result_bytes),
        task.epilogue(back, false),
    ]
}

/// The end of the parameter block of transforms that write points.
fn without_epilogue(task: &Task<'_>, d: Dispatch) -> Dispatch {
    task.epilogue(d, false)
}
