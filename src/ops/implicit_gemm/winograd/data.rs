//! Passes over data: `y = data(x, w) (+ bias)`.

use super::parts::{Block, DATA, Gemm, OTHER, RESULT, Round};
use crate::ops::implicit_gemm::problem::Of;
use crate::ops::implicit_gemm::task::slope;
use crate::ops::implicit_gemm::variant::Variant;
use crate::ops::{Bind, Dispatch};

/// The dispatches of a round. The first one also computes the weight's points.
pub(super) fn dispatches(round: &Round<'_>, variant: Variant) -> Vec<Dispatch> {
    let weight = (round.sizes.first == 0).then(|| points_of_weight(round));
    [points_of_map(round)]
        .into_iter()
        .chain(weight)
        .chain([product(round, variant), result(round)])
        .collect()
}

fn points_of_map(round: &Round<'_>) -> Dispatch {
    let (task, sizes) = (round.task, round.sizes);
    let (conv, gathers) = (task.problem.conv, task.problem.pass.gathers());
    let product = sizes.product(&task.problem);
    let (blocks, line) = (product.blocks, product.taps * product.blocks);
    let phase = if gathers { blocks } else { sizes.padded() * blocks };
    let point = sizes.squared() * sizes.padded() * blocks;
    let mut block =
        Block { slope: slope(task.fused.load[0]), ..Block::new(task.input(0), point, phase, line) };
    let (pad, kernel) = (conv.pad as i32, sizes.kernel as i32);
    (block.step, block.shift, block.pad) = match (gathers, sizes.phases == 2) {
        (true, _) => (conv.stride, 1, pad),
        (false, false) => (1, 0, kernel - 1 - pad),
        (false, true) => (1, 1, pad),
    };
    round.map_to_points(0, [blocks, sizes.padded(), sizes.phases], &block)
}

fn points_of_weight(round: &Round<'_>) -> Dispatch {
    let (w, sizes) = (round.task.input(1), round.sizes);
    let (ci, co4) = (w.shape.w, w.shape.c.vec4s());
    let kernel = sizes.kernel as i32;
    let taps = match (round.task.problem.pass.gathers(), sizes.phases == 2) {
        (true, false) => [0, 0, 1],
        (true, true) => [0, 1, 2],
        (false, false) => [kernel - 1, 0, -1],
        (false, true) => [kernel - 1, -1, -2],
    };
    let block =
        Block { rows: ci, taps, ..Block::new(w, sizes.squared() * ci * co4, ci * co4, co4) };
    round.transform(round.to_points("wino_taps", 1, OTHER), [co4, ci, sizes.phases], &block)
}

fn product(round: &Round<'_>, variant: Variant) -> Dispatch {
    let (problem, sizes) = (&round.task.problem, round.sizes);
    let product = sizes.product(problem);
    let w = round.task.input(1).shape;
    let (ci, co4) = (w.w, w.c.vec4s());
    let (blocks, summed) = (product.blocks, product.taps);
    let over_co = problem.pass.of == Of::Input;
    let (b_step, b_col) = if over_co { (1, 4 * co4) } else { (4 * co4, 1) };
    let gemm = Gemm {
        product,
        by_k: false,
        trans_b: over_co,
        a: DATA,
        b: OTHER,
        a_z: sizes.padded() * summed * blocks,
        a_row: summed * blocks,
        a_tap: blocks,
        a_k: 0,
        b_z: summed * ci * co4,
        b_tap: ci * co4,
        b_step,
        b_col,
        b_row: co4,
    };
    gemm.dispatch(round, variant)
}

fn result(round: &Round<'_>) -> Dispatch {
    let (task, sizes) = (round.task, round.sizes);
    let product = sizes.product(&task.problem);
    let cols = product.cols;
    let apart = product.phases / sizes.points();
    let mut block = Block::new(task.output(), apart * sizes.tiles * cols, sizes.tiles * cols, cols);
    if apart > 1 {
        (block.step, block.shift) = (2, 1);
    }
    let points = round.points(RESULT);
    let d = Dispatch::new(sizes.file, "wino_result").bind("points", points);
    let d = task.bind_epilogue(d, points).bind("y", Bind::Out(0));
    let phases = if task.problem.pass.gathers() { 1 } else { sizes.phases };
    task.epilogue(round.transform_back(d, [cols, sizes.tiles, phases], &block), true)
        .u("rates_at", 0)
}
