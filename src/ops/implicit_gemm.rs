//! Convolutions as matrix products: one family of kernels for conv2d, conv_transpose2d and all their gradients.
//!
//! Data side: rows are output pixels, columns output channels, summed over taps and input channels; the adjoint of a strided
//! layer runs by phases (see `shaders/lib/conv_operands.wgsl`). Weight side: rows are taps and channels of one map, columns
//! channels of the other, summed over pixels (`shaders/lib/wgrad_operands.wgsl`). The tile is chosen by [`Family`].

use super::{Bind, Cost, Dispatch, Lowering};
use crate::gpu::Family;
use crate::shape::{Channels, Conv, Shape};

/// How the data side walks the kernel, and which of the weight's channels it sums over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Data {
    /// Gathers like a convolution, sums over ci: conv2d.
    Convolve,
    /// Gathers like a convolution, sums over co: input gradient of conv_transpose2d.
    ConvolveTransposed,
    /// Runs by phases, sums over ci: conv_transpose2d.
    Spread,
    /// Runs by phases, sums over co: input gradient of conv2d.
    SpreadTransposed,
}

/// Rows of an output tile of the subgroup and register families.
const SUBGROUP_ROWS: u32 = 16;
const REGISTER_ROWS: u32 = 8;

/// `y = data(x, w) (+ bias)`: inputs x, w and perhaps a bias.
pub(super) fn data(node: &Lowering<'_>, conv: Conv, pass: Data) -> Vec<Dispatch> {
    let (x, w, y) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
    let bias = node.inputs.len() > 2;
    let direct = matches!(pass, Data::Convolve | Data::ConvolveTransposed);
    let transposed = matches!(pass, Data::ConvolveTransposed | Data::SpreadTransposed);
    let (ci, co4) = (w.shape.w, w.shape.c.vec4s());
    let (stride_in, stride_out) = if direct { (conv.stride, 1) } else { (1, conv.stride) };
    let (qh, qw) = (y.shape.h.div_ceil(stride_out), y.shape.w.div_ceil(stride_out));
    let rows = y.shape.n * qh * qw;
    let (blocks, cols, b_step, b_col) = if transposed { (co4, ci / 4, 1, 4 * co4) } else { (ci / 4, co4, 4 * co4, 1) };
    let tile = Tile::choose(node.family, rows, cols);
    let d = tile
        .dispatch(["conv2d_subgroup", "conv2d_register", "conv2d_workgroup"], rows, cols, stride_out * stride_out)
        .tune("TRANS_B", u32::from(transposed))
        .bind("x", Bind::In(0))
        .bind("w", Bind::In(1))
        // Without a bias something must be bound; it is not read.
        .bind("bias", Bind::In(if bias { 2 } else { 1 }))
        .bind("y", Bind::Out(0))
        .u("rows", rows)
        .u("cols", cols)
        .u("blocks", blocks)
        .u("hi", x.shape.h)
        .u("wi", x.shape.w)
        .u("ho", y.shape.h)
        .u("wo", y.shape.w)
        .u("qh", qh)
        .u("qw", qw)
        .u("kernel", conv.kernel)
        .u("stride_in", stride_in)
        .u("stride_out", stride_out)
        .u("pad", conv.pad)
        .i("dir", if direct { 1 } else { -1 })
        .u("b_tap", ci * co4)
        .u("b_step", b_step)
        .u("b_col", b_col)
        .u("b_row", co4)
        .view("x", x)
        .view("y", y)
        .u("has_bias", u32::from(bias))
        .u("row_groups", tile.row_groups(rows));
    vec![d]
}

/// `dw = sum over pixels`: `gathered` is the map that the kernel walks over (x of conv2d, dy of conv_transpose2d), `other` the one
/// whose pixels it is anchored at. `swap`: rows are co and columns ci.
pub(super) fn weights(node: &Lowering<'_>, conv: Conv, gathered: usize, other: usize, swap: bool, accumulate: bool) -> Vec<Dispatch> {
    let (x, g, dw) = (&node.inputs[gathered], &node.inputs[other], &node.outputs[0]);
    let groups = x.shape.c.vec4s();
    let (rows, cols) = (conv.taps() * 4 * groups, g.shape.c.vec4s());
    let tile = Tile::choose(node.family, rows, cols);
    let (ho, wo) = (g.shape.h, g.shape.w);
    let step = tile.pixels_a_step();
    let d = tile
        .dispatch(["conv2d_bwd_w_subgroup", "conv2d_bwd_w_register", "conv2d_bwd_w_workgroup"], rows, cols, 1)
        .tune("TRANS_OUT", u32::from(swap))
        .bind("x", Bind::In(gathered))
        .bind("g", Bind::In(other))
        .bind("dw", Bind::Out(0))
        .u("rows", rows)
        .u("cols", cols)
        .u("groups", groups)
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
        .u("accumulate", u32::from(accumulate))
        .u("row_groups", tile.row_groups(rows));
    vec![d]
}

/// Multiply-adds counted at the pixels of the strided side's smaller map: what the layer really needs.
pub(super) fn cost(anchor: &Shape, ci: u32, co: u32, conv: Conv, touched: &[&Shape]) -> Cost {
    Cost { flop: 2 * u64::from(anchor.pixels()) * u64::from(ci) * u64::from(co) * u64::from(conv.taps()), bytes: touched.iter().map(|s| s.bytes()).sum() }
}

/// A tile with its size.
#[derive(Clone, Copy, Debug)]
enum Tile {
    Subgroup { lanes: u32 },
    Register { columns: u32 },
    Workgroup { rows4: u32, columns: u32, blocks: u32 },
}

impl Tile {
    fn choose(family: Family, rows: u32, cols: u32) -> Tile {
        // Thin outputs (RGB, one logit) would leave most lanes or columns of the wide tiles idle.
        if cols < 2 {
            return Tile::Register { columns: 1 };
        }
        match family {
            Family::Subgroup(lanes) => Tile::Subgroup { lanes },
            Family::Register => Tile::Register { columns: if cols < 4 { 2 } else { 4 } },
            // The large tile does twice the arithmetic a load; it wants enough tiles to fill a GPU all the same.
            Family::Workgroup if rows.div_ceil(128) * cols.div_ceil(32) >= 128 => Tile::Workgroup { rows4: 2, columns: 2, blocks: 2 },
            Family::Workgroup => Tile::Workgroup { rows4: 1, columns: 1, blocks: 4 },
        }
    }

    fn dispatch(self, files: [&'static str; 3], rows: u32, cols: u32, phases: u32) -> Dispatch {
        match self {
            Tile::Subgroup { lanes } => {
                let row_groups = self.row_groups(rows);
                let column_groups = 64 / lanes / row_groups;
                let x = cols.div_ceil(lanes).div_ceil(column_groups);
                let y = rows.div_ceil(SUBGROUP_ROWS).div_ceil(row_groups);
                Dispatch::new(files[0], "main").tune("SG", lanes).groups([x, y, phases])
            }
            Tile::Register { columns } => {
                Dispatch::new(files[1], "main").tune("TN", columns).groups([cols.div_ceil(columns), rows.div_ceil(64 * REGISTER_ROWS), phases])
            }
            Tile::Workgroup { rows4, columns, blocks } => Dispatch::new(files[2], "main").tune("TM", rows4).tune("TN", columns).tune("KB", blocks).groups([
                cols.div_ceil(16 * columns),
                rows.div_ceil(64 * rows4),
                phases,
            ]),
        }
    }

    /// How many subgroups of a workgroup lie along the rows; the others lie along the columns.
    fn row_groups(self, rows: u32) -> u32 {
        match self {
            Tile::Subgroup { lanes } => rows.div_ceil(SUBGROUP_ROWS).next_power_of_two().min(64 / lanes),
            _ => 1,
        }
    }

    /// Pixels that the weight side advances by.
    fn pixels_a_step(self) -> u32 {
        match self {
            Tile::Workgroup { blocks, .. } => 4 * blocks,
            _ => 4,
        }
    }
}

/// The operand that a data pass reads must have the channels that the weight was laid out for.
pub(super) fn check_weight(x: &Shape, w: &Shape, rows: Option<Channels>, conv: Conv, bias: Option<&Shape>) -> Result<(), String> {
    if w.n != conv.taps() {
        return Err(format!("w has {} taps, the kernel {}x{} has {} (w {w})", w.n, conv.kernel, conv.kernel, conv.taps()));
    }
    if w.w != x.c.physical() {
        return Err(format!(
            "x has {} channels in {} places but w expects {} (x {x} NHWC, w {w} [tap, 1, ci, co]); a weight is laid out by the channels of its input",
            x.c.logical(),
            x.c.physical(),
            w.w
        ));
    }
    if let Some(rows) = rows.filter(|rows| *rows != x.c) {
        return Err(format!("x has channels {} and w was laid out for {rows} (x {x} NHWC); make the weight with the Channels of its input", x.c));
    }
    match bias {
        Some(bias) if bias.c != w.c => Err(format!("the bias {bias} does not match the output channels of w {w}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::store::Layout;
    use crate::{Conv, Shape, Store, Tape};

    #[test]
    fn a_weight_laid_out_for_other_parts_is_refused() {
        // 6 channels and 3|3 both take 8 places, but not the same ones.
        let mut store = Store::new();
        let param = store.param("net", "w", Layout::Conv { ci: 6.into(), co: 4, kernel: 1 });
        let mut tape = Tape::new();
        let (a, b) = (tape.input("a", Shape::new(1, 2, 2, 3)), tape.input("b", Shape::new(1, 2, 2, 3)));
        let pair = tape.concat(&[a, b]).unwrap();
        let w = tape.param(&store, &param);
        let error = tape.conv2d(pair, w, None, Conv::new(1, 1, 0)).unwrap_err().to_string();
        assert!(error.contains("3|3") && error.contains("laid out for 6"), "{error}");
        let whole = tape.input("x", Shape::new(1, 2, 2, 6));
        assert!(tape.conv2d(whole, w, None, Conv::new(1, 1, 0)).is_ok());
    }
}
