//! Minimal filtering: transforms to points, a matrix product a point, and back
//! (`shaders/lib/winograd.wgsl`).
//!
//! A k4 s1 layer is filtered as it is, F(2x2, 4x4) or F(3x3, 4x4), and so is a k3 s1 layer, F(3x3,
//! 3x3) or F(4x4, 3x3). A k4 s2 layer falls into 2x2 phases with 2x2 taps each: where it gathers,
//! the phases are more channels to sum over; where it spreads, each phase of the result is a
//! product of its own.

use super::{Method, Of, Problem, Product, Task, Variant, slope};
use crate::ops::{Bind, Dispatch, Operand};

const GEMM: super::tile::Files = [
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

/// Sizes of a filtering.
#[derive(Clone, Copy, Debug)]
struct Filter {
    file: &'static str,
    /// Side of the points of a tile.
    n: u32,
    /// Side of the layer's kernel.
    kernel: u32,
    /// Phases in each direction.
    phases: u32,
    /// Tiles of the map that results are anchored at: the first of this round, and how many.
    first: u32,
    tiles: u32,
    high: u32,
    wide: u32,
}

impl Filter {
    fn new(problem: &Problem, method: Method) -> Filter {
        let s = problem.conv.stride;
        let (file, tile, n) = match (method, s) {
            (Method::Winograd3, _) => ("conv2d_winograd_22", 2, 3),
            (_, 2) => ("conv2d_winograd_42", 4, 5),
            (Method::Winograd6, _) if problem.conv.kernel == 3 => ("conv2d_winograd_43", 4, 6),
            (Method::Winograd6, _) => ("conv2d_winograd_34", 3, 6),
            _ if problem.conv.kernel == 3 => ("conv2d_winograd_33", 3, 5),
            _ => ("conv2d_winograd_24", 2, 5),
        };
        let [images, h, w] = problem.grid();
        let (high, wide) = (h.div_ceil(tile), w.div_ceil(tile));
        Filter {
            file,
            n,
            kernel: problem.conv.kernel,
            phases: s,
            first: 0,
            tiles: images * high * wide,
            high,
            wide,
        }
    }

    fn points(&self) -> u32 {
        self.n * self.n
    }

    /// Phases in both directions.
    fn squared(&self) -> u32 {
        self.phases * self.phases
    }

    /// Tiles of transformed maps: a whole number of steps of 4, the last ones zero.
    fn padded(&self) -> u32 {
        self.tiles.next_multiple_of(4)
    }

    /// Bytes of the three scratch tensors.
    fn scratch(&self, problem: &Problem) -> [u64; 3] {
        let (w, y) = (problem.inputs[1], problem.output);
        let (walked, other, result) = if problem.pass.is_weight() {
            let [anchor, walked] = problem.anchor_and_walked();
            let result = self.squared() * y.w * y.c.vec4s();
            (walked.c, self.padded() * anchor.c.vec4s(), result)
        } else {
            let apart = if problem.pass.gathers() { 1 } else { self.squared() };
            let result = apart * self.tiles * y.c.vec4s();
            (problem.inputs[0].c, self.squared() * w.w * w.c.vec4s(), result)
        };
        [self.squared() * self.padded() * walked.vec4s(), other, result]
            .map(|vec4s| 16 * u64::from(self.points()) * u64::from(vec4s))
    }

    /// The same in rounds of tiles, so that points take no more than [`ROUND`] bytes a tensor, and
    /// at least `least` rounds. The last one may be shorter.
    fn rounds(self, problem: &Problem, least: u32) -> Vec<Filter> {
        let [data, other, result] = self.scratch(problem);
        // What does not grow with the tiles cannot be cut.
        let most = if problem.pass.is_weight() { data.max(other) } else { data.max(result) };
        let count =
            most.div_ceil(ROUND).max(u64::from(least)).min(u64::from(self.tiles.div_ceil(4)))
                as u32;
        let each = self.tiles.div_ceil(count).next_multiple_of(4);
        (0..self.tiles)
            .step_by(each as usize)
            .map(|first| Filter { first, tiles: each.min(self.tiles - first), ..self })
            .collect()
    }

    /// Parameters and grid of a transform: an invocation for each of `width` vec4s of `lines` lines
    /// and of the phases.
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

/// The most bytes of points a round makes of a map. It bounds a plan's scratch memory; layers at
/// batch 1 need one round.
const ROUND: u64 = 32 << 20;

/// Whether what lies in memory between the steps can be bound.
pub(super) fn fits(problem: &Problem, method: Method) -> bool {
    let rounds = Filter::new(problem, method).rounds(problem, 1);
    rounds[0].scratch(problem).iter().all(|bytes| *bytes <= crate::gpu::MAX_BINDING)
}

/// Bytes of points in all, each of which is written once and read once.
pub(super) fn points(problem: &Problem, method: Method) -> u64 {
    Filter::new(problem, method).scratch(problem).iter().sum()
}

/// Sizes of the matrix products, one a point (and phase of the result), over all rounds.
pub(super) fn product(problem: &Problem, method: Method) -> Product {
    Filter::new(problem, method).product(problem)
}

impl Filter {
    fn product(&self, problem: &Problem) -> Product {
        let [a, b] = problem.inputs.map(|s| s.c.vec4s());
        let squared = self.squared();
        let weights = |rows, cols| Product {
            rows,
            cols,
            blocks: self.padded() / 4,
            taps: 1,
            phases: self.points(),
        };
        // Phases of the operand are summed over, phases of the result are products of their own.
        let data = |summed, apart| Product {
            rows: self.tiles,
            cols: problem.output.c.vec4s(),
            blocks: a,
            taps: summed,
            phases: self.points() * apart,
        };
        let pass = problem.pass;
        match (pass.is_weight(), pass.transposed) {
            // Rows are input channels: of x of conv2d with their phases, of x of conv_transpose2d.
            (true, false) => weights(4 * squared * a, b),
            (true, true) => weights(4 * a, squared * b),
            _ if pass.gathers() => data(squared, 1),
            _ => data(1, squared),
        }
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
    let rounds = Filter::new(&task.problem, variant.method).rounds(&task.problem, variant.split);
    let bytes = rounds[0].scratch(&task.problem);
    rounds.iter().flat_map(|round| data_round(task, variant, round, bytes)).collect()
}

/// A round of it: the weight's points are made in the first.
fn data_round(
    task: &Task<'_>,
    variant: Variant,
    filter: &Filter,
    [data_bytes, taps_bytes, result_bytes]: [u64; 3],
) -> Vec<Dispatch> {
    let (problem, pass) = (&task.problem, task.problem.pass);
    let (x, w, y) = (task.input(0), task.input(1), task.output());
    let (gathers, over_co) = (pass.gathers(), pass.of == Of::Input);
    let strided = filter.phases == 2;
    let product = filter.product(problem);
    let (blocks, cols, summed) = (product.blocks, product.cols, product.taps);
    let (ci, co4) = (w.shape.w, w.shape.c.vec4s());
    let apart = product.phases / filter.points();
    let (pad, kernel) = (problem.conv.pad as i32, filter.kernel as i32);

    let line = summed * blocks;
    let phase = if gathers { blocks } else { filter.padded() * blocks };
    let point = filter.squared() * filter.padded() * blocks;
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
    let d = to_points(filter.file, "wino_data", 0, DATA, data_bytes);
    let of_x = without_epilogue(
        task,
        filter.finish(task.border(d), blocks, filter.padded(), filter.phases, &block),
    );

    let taps = match (gathers, strided) {
        (true, false) => [0, 0, 1],
        (true, true) => [0, 1, 2],
        (false, false) => [kernel - 1, 0, -1],
        (false, true) => [kernel - 1, -1, -2],
    };
    let block =
        Block { rows: ci, taps, ..Block::new(w, filter.squared() * ci * co4, ci * co4, co4) };
    let d = to_points(filter.file, "wino_taps", 1, OTHER, taps_bytes);
    let of_w = without_epilogue(task, filter.finish(d, co4, ci, filter.phases, &block));

    let (b_step, b_col) = if over_co { (1, 4 * co4) } else { (4 * co4, 1) };
    let gemm = Gemm {
        product,
        by_k: false,
        trans_b: over_co,
        a: (DATA, data_bytes),
        b: (OTHER, taps_bytes),
        a_z: filter.padded() * line,
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
    let mut block = Block::new(y, apart * filter.tiles * cols, filter.tiles * cols, cols);
    if apart > 1 {
        (block.step, block.shift) = (2, 1);
    }
    let d = task
        .bind_epilogue(Dispatch::new(filter.file, "wino_result").bind("points", points), points)
        .bind("y", Bind::Out(0));
    let phases = if gathers { 1 } else { filter.phases };
    let back = filter.finish(d, cols, filter.tiles, phases, &block);
    let of_w = (filter.first == 0).then_some(of_w);
    [of_x]
        .into_iter()
        .chain(of_w)
        .chain([gemm.dispatch(variant, result_bytes), task.epilogue(back, true)])
        .collect()
}

/// `dw = sum over pixels`; see [`super::direct::weights`] for which map is walked over.
pub(super) fn weights(task: &Task<'_>, variant: Variant) -> Vec<Dispatch> {
    let rounds = Filter::new(&task.problem, variant.method).rounds(&task.problem, variant.split);
    let bytes = rounds[0].scratch(&task.problem);
    rounds.iter().flat_map(|round| weights_round(task, variant, round, bytes)).collect()
}

/// A round of it: what is not the first adds to the ones before, in their order.
fn weights_round(
    task: &Task<'_>,
    variant: Variant,
    filter: &Filter,
    [data_bytes, tile_bytes, result_bytes]: [u64; 3],
) -> Vec<Dispatch> {
    let problem = &task.problem;
    let swap = problem.pass.transposed;
    let (walked, other) = if swap { (1, 0) } else { (0, 1) };
    let (x, g, dw) = (task.input(walked), task.input(other), task.output());
    let (x4, g4) = (x.shape.c.vec4s(), g.shape.c.vec4s());
    let line = filter.squared() * x4;

    let mut block = Block {
        slope: slope(task.fused.load[walked]),
        ..Block::new(x, filter.padded() * line, x4, line)
    };
    (block.step, block.shift, block.pad) = (problem.conv.stride, 1, problem.conv.pad as i32);
    let to_points = |entry, input, at, bytes| {
        Dispatch::new(filter.file, entry)
            .bind("map", Bind::In(input))
            .bind("points_out", Bind::Scratch { at, bytes, write: true })
    };
    let of_x = filter.finish(
        task.border(to_points("wino_data", walked, DATA, data_bytes)),
        x4,
        filter.padded(),
        filter.phases,
        &block,
    );
    let block = Block {
        slope: slope(task.fused.load[other]),
        ..Block::new(g, filter.padded() * g4, 0, g4)
    };
    let of_g = filter.finish(
        to_points("wino_tile", other, OTHER, tile_bytes),
        g4,
        filter.padded(),
        1,
        &block,
    );

    let of = |at, bytes, width: u32| ((at, bytes), filter.padded() * width, width);
    let (a, b) = if swap {
        (of(OTHER, tile_bytes, g4), of(DATA, data_bytes, line))
    } else {
        (of(DATA, data_bytes, line), of(OTHER, tile_bytes, g4))
    };
    let product = filter.product(problem);
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
    let (phase, line) =
        if swap { (width, filter.squared() * width) } else { (rows * width, width) };
    let taps = if filter.phases == 2 { [0, 1, 2] } else { [0, 0, 1] };
    let block = Block { rows, taps, ..Block::new(dw, product.rows * product.cols, phase, line) };
    let d = Dispatch::new(filter.file, "wino_dw")
        .bind("points", Bind::Scratch { at: RESULT, bytes: result_bytes, write: false })
        .bind("dw", Bind::Out(0));
    let back = filter
        .finish(d, width, rows, filter.phases, &block)
        .tune("ACCUMULATE", u32::from(task.accumulate || filter.first > 0));
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

#[cfg(test)]
mod tests {
    use super::super::Pass;
    use super::*;
    use crate::shape::{Conv, Shape};

    #[test]
    fn the_layer_that_takes_a_third_of_a_step_has_a_fraction_of_its_products() {
        let (x, y) = (Shape::new(1, 32, 32, 256), Shape::new(1, 31, 31, 512));
        let problem = Problem::of_layer(Pass::ALL[0], x, y, Conv::new(4, 1, 1));
        let filter = Filter::new(&problem, Method::Winograd5);
        assert_eq!((filter.tiles, filter.points()), (256, 25));
        let products = f64::from(filter.points() * filter.tiles);
        assert!((f64::from(16 * y.pixels()) / products) > 2.3);
    }

    #[test]
    fn rounds_hold_every_tile_once_and_bound_the_points() {
        let (x, y) = (Shape::new(16, 62, 62, 128), Shape::new(16, 61, 61, 256));
        for pass in Pass::of_layer(false) {
            let problem = Problem::of_layer(pass, x, y, Conv::new(4, 1, 1));
            let whole = Filter::new(&problem, Method::Winograd5);
            for least in [1, 7, 100_000] {
                let rounds = whole.rounds(&problem, least);
                assert_eq!(
                    rounds.iter().map(|r| r.tiles).sum::<u32>(),
                    whole.tiles,
                    "{pass:?} {least}"
                );
                assert!(rounds.windows(2).all(|r| r[0].first + r[0].tiles == r[1].first
                    && r[0].tiles >= r[1].tiles
                    && r[0].tiles % 4 == 0));
                assert!(
                    rounds.len() > 3 && rounds[0].scratch(&problem).iter().all(|b| *b <= 2 * ROUND),
                    "{pass:?} {least}: {}",
                    rounds.len()
                );
            }
            assert!(
                fits(&problem, Method::Winograd5)
                    && points(&problem, Method::Winograd5) > crate::gpu::MAX_BINDING
            );
        }
    }
}
