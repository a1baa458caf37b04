//! Weight gradients: `dw = sum over pixels`. The kernel walks over one map, `x` of conv2d or `dy`
//! of conv_transpose2d, and is anchored at the pixels of the other.

use super::parts::{Block, DATA, GRADIENT, Gemm, OTHER, RESULT, Round};
use crate::ops::implicit_gemm::task::{Task, slope};
use crate::ops::implicit_gemm::variant::Variant;
use crate::ops::{Bind, Dispatch};

/// The dispatches of a round. All but the first add to those before, in order.
pub(super) fn dispatches(round: &Round<'_>, variant: Variant) -> Vec<Dispatch> {
    vec![points_of_map(round), points_of_anchor(round), product(round, variant), result(round)]
}

/// Numbers of the inputs: the map that the kernel walks over, and the other one.
fn maps(round: &Round<'_>) -> [usize; 2] {
    if round.task.problem.pass.transposed { [1, 0] } else { [0, 1] }
}

fn points_of_map(round: &Round<'_>) -> Dispatch {
    let (task, sizes, [walked, _]) = (round.task, round.sizes, maps(round));
    let x = task.input(walked);
    let x4 = x.shape.c.vec4s();
    let line = sizes.squared() * x4;
    let block = Block {
        slope: slope(task.fused.load[walked]),
        step: task.problem.conv.stride,
        shift: 1,
        pad: task.problem.conv.pad as i32,
        ..Block::new(x, sizes.padded() * line, x4, line)
    };
    round.map_to_points(walked, [x4, sizes.padded(), sizes.phases], &block)
}

fn points_of_anchor(round: &Round<'_>) -> Dispatch {
    let (task, sizes, [_, other]) = (round.task, round.sizes, maps(round));
    let g = task.input(other);
    let g4 = g.shape.c.vec4s();
    let block =
        Block { slope: slope(task.fused.load[other]), ..Block::new(g, sizes.padded() * g4, 0, g4) };
    round.transform(round.to_points("wino_tile", other, OTHER), [g4, sizes.padded(), 1], &block)
}

fn product(round: &Round<'_>, variant: Variant) -> Dispatch {
    let (task, sizes, [walked, other]) = (round.task, round.sizes, maps(round));
    let width = |input: usize| task.input(input).shape.c.vec4s();
    let walked = (DATA, sizes.squared() * width(walked));
    let other = (OTHER, width(other));
    let swap = task.problem.pass.transposed;
    let ((a, a_width), (b, b_width)) = if swap { (other, walked) } else { (walked, other) };
    let gemm = Gemm {
        product: sizes.product(&task.problem),
        by_k: true,
        trans_b: false,
        a,
        b,
        a_z: sizes.padded() * a_width,
        a_row: 1,
        a_tap: 0,
        a_k: a_width,
        b_z: sizes.padded() * b_width,
        b_tap: 0,
        b_step: 4 * b_width,
        b_col: 1,
        b_row: b_width,
    };
    gemm.dispatch(round, variant)
}

fn result(round: &Round<'_>) -> Dispatch {
    let (task, sizes, dw) = (round.task, round.sizes, round.task.output());
    let product = sizes.product(&task.problem);
    let (rows, width) = (dw.shape.w, dw.shape.c.vec4s());
    let swap = task.problem.pass.transposed;
    let (phase, line) = if swap { (width, sizes.squared() * width) } else { (rows * width, width) };
    let taps = if sizes.phases == 2 { [0, 1, 2] } else { [0, 0, 1] };
    let block = Block { rows, taps, ..Block::new(dw, product.rows * product.cols, phase, line) };
    let of = |entry| Dispatch::new(sizes.file, entry).bind("points", round.points(RESULT));
    let d = match task.fused.adam {
        Some(_) if round.alone => task.bind_adam(of("wino_dw_adam")),
        Some(_) => of("wino_dw").bind("dw", gradient(task, true)),
        None => of("wino_dw").bind("dw", Bind::Out(0)),
    };
    let back = round
        .transform_back(d, [width, rows, sizes.phases], &block)
        .tune("ACCUMULATE", u32::from(task.accumulate || sizes.first > 0));
    task.epilogue(back, false).u("rates_at", task.rates_at())
}

/// The gradient that several rounds add up for Adam.
pub(super) fn gradient(task: &Task<'_>, write: bool) -> Bind {
    Bind::Scratch { at: GRADIENT, bytes: task.output().shape.bytes(), write }
}
