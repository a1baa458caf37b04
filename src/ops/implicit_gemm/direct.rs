//! Every product of the definition.

use super::problem::Of;
use super::task::{Task, slope};
use super::variant::Variant;
use crate::ops::{Bind, Dispatch};

const DATA: super::tile::Files =
    ["conv2d_subgroup", "conv2d_register", "conv2d_workgroup", "conv2d_gemv"];
const WEIGHTS: super::tile::Files = [
    "conv2d_bwd_w_subgroup",
    "conv2d_bwd_w_register",
    "conv2d_bwd_w_workgroup",
    "conv2d_bwd_w_workgroup",
];
/// The same with Adam behind.
const WEIGHTS_ADAM: super::tile::Files = [
    "conv2d_bwd_w_adam_subgroup",
    "conv2d_bwd_w_adam_register",
    "conv2d_bwd_w_adam_workgroup",
    "conv2d_bwd_w_adam_workgroup",
];

/// Scratch number of the slices' partial results.
const PARTIAL: usize = 0;

/// `y = data(x, w) (+ bias)`.
pub(super) fn data(task: &Task<'_>, variant: Variant) -> Vec<Dispatch> {
    let (problem, conv) = (&task.problem, task.problem.conv);
    let (x, w, y) = (task.input(0), task.input(1), task.output());
    let (gathers, over_co) = (problem.pass.gathers(), problem.pass.of == Of::Input);
    let product = problem.direct();
    let (ci, co4) = (w.shape.w, w.shape.c.vec4s());
    let (stride_in, stride_out) = if gathers { (conv.stride, 1) } else { (1, conv.stride) };
    let (b_step, b_col) = if over_co { (1, 4 * co4) } else { (4 * co4, 1) };
    let slice = product.blocks.div_ceil(variant.split);
    let slices = product.blocks.div_ceil(slice);
    let partial = slices > 1;
    let (y_off, y_stride) = if partial { (0, product.cols) } else { (y.offset, y.stride) };
    let d = task
        .border(variant.tile.dispatch(DATA, &product, slices))
        .tune("TRANS_B", u32::from(over_co))
        .sums(product.sums(slice));
    let d = task.bind_epilogue(d.bind("x", Bind::In(0)).bind("w", Bind::In(1)), Bind::In(1));
    let d = d
        .bind("y", if partial { scratch(task, slices, true) } else { Bind::Out(0) })
        .u("rows", product.rows)
        .u("cols", product.cols)
        .u("blocks", product.blocks)
        .u("hi", x.shape.h)
        .u("wi", x.shape.w)
        .u("ho", y.shape.h)
        .u("wo", y.shape.w)
        .u("qh", y.shape.h.div_ceil(stride_out))
        .u("qw", y.shape.w.div_ceil(stride_out))
        .u("kernel", conv.kernel)
        .u("stride_in", stride_in)
        .u("stride_out", stride_out)
        .u("pad", conv.pad)
        .i("dir", if gathers { 1 } else { -1 })
        .u("b_tap", ci * co4)
        .u("b_step", b_step)
        .u("b_col", b_col)
        .u("b_row", co4)
        .view("x", x)
        .u("y_off", y_off)
        .u("y_stride", y_stride)
        .u("y_slice", y.shape.vec4s() as u32)
        .u("phases", product.phases)
        .u("slice", slice)
        .f("x_slope", slope(task.fused.load[0]));
    let d = task.epilogue(d, !partial).u("row_groups", variant.tile.row_groups(product.rows));
    if partial { vec![d, sum(task, slices)] } else { vec![d] }
}

/// `dw = sum over pixels`: the kernel walks over one map (x of conv2d, dy of conv_transpose2d) and
/// is anchored at the pixels of the other. For conv_transpose2d rows are co and columns ci.
pub(super) fn weights(task: &Task<'_>, variant: Variant) -> Vec<Dispatch> {
    let (problem, conv) = (&task.problem, task.problem.conv);
    let swap = problem.pass.transposed;
    let (gathered, other) = if swap { (1, 0) } else { (0, 1) };
    let (x, g, dw) = (task.input(gathered), task.input(other), task.output());
    let product = problem.direct();
    let (ho, wo) = (g.shape.h, g.shape.w);
    let step = 4 * variant.tile.blocks_a_step();
    let slice = product.blocks.div_ceil(variant.split);
    let slices = product.blocks.div_ceil(slice);
    let partial = slices > 1;
    let adam = task.fused.adam.filter(|_| !partial);
    let files = if adam.is_some() { WEIGHTS_ADAM } else { WEIGHTS };
    let d = task
        .border(variant.tile.dispatch(files, &product, slices))
        .tune("TRANS_OUT", u32::from(swap))
        .sums(product.sums(slice))
        .bind("x", Bind::In(gathered))
        .bind("g", Bind::In(other));
    let d = match adam {
        Some(_) => task.bind_adam(d),
        None => d.bind("dw", if partial { scratch(task, slices, true) } else { Bind::Out(0) }),
    };
    let d = d
        .u("rows", product.rows)
        .u("cols", product.cols)
        .u("groups", x.shape.c.vec4s())
        .u("pixels", g.shape.pixels())
        .u("hi", x.shape.h)
        .u("wi", x.shape.w)
        .u("ho", ho)
        .u("wo", wo)
        .u("kernel", conv.kernel)
        .u("stride", conv.stride)
        .u("pad", conv.pad)
        .u("next_x", step % wo)
        .u("next_y", step / wo % ho)
        .u("next_n", step / (wo * ho))
        .u("dw_tap", dw.shape.w * dw.shape.c.vec4s())
        .u("dw_width", dw.shape.c.vec4s())
        .view("x", x)
        .view("g", g)
        .u("dw_slice", dw.shape.vec4s() as u32)
        .u("slice", slice)
        .f("x_slope", slope(task.fused.load[gathered]))
        .f("g_slope", slope(task.fused.load[other]))
        .u("row_groups", variant.tile.row_groups(product.rows))
        .u("rates_at", task.rates_at());
    let d = match adam {
        Some(_) => d,
        None => d.tune("ACCUMULATE", u32::from(task.accumulate && !partial)),
    };
    if partial { vec![d, sum(task, slices)] } else { vec![d] }
}

/// The partial results of the slices, one whole result after another.
fn scratch(task: &Task<'_>, slices: u32, write: bool) -> Bind {
    Bind::Scratch { at: PARTIAL, bytes: u64::from(slices) * task.output().shape.bytes(), write }
}

/// Adds the slices up in order.
fn sum(task: &Task<'_>, slices: u32) -> Dispatch {
    let y = task.output();
    let partial = scratch(task, slices, false);
    let of = |entry| Dispatch::new("conv2d_split_sum", entry).bind("partial", partial);
    let d = match task.fused.adam {
        Some(_) => task.bind_adam(of("split_sum_adam")),
        None => task.bind_epilogue(of("split_sum"), partial).bind("y", Bind::Out(0)),
    };
    let d = d
        .u("vec4s", y.shape.vec4s() as u32)
        .u("width", y.shape.c.vec4s())
        .u("slices", slices)
        .view("y", y)
        .u("accumulate", u32::from(task.accumulate));
    task.epilogue(d, true).u("rates_at", task.rates_at()).over(y.shape.vec4s())
}
