//! Parts of the dispatches: transforms and matrix products.

use super::sizes::Sizes;
use crate::gpu::Family;
use crate::ops::dispatch::WORKGROUP;
use crate::ops::implicit_gemm::problem::Product;
use crate::ops::implicit_gemm::task::Task;
use crate::ops::implicit_gemm::tile::Files;
use crate::ops::implicit_gemm::variant::Variant;
use crate::ops::{Bind, Dispatch, Operand};

const GEMM: Files = [
    "conv2d_gemm_subgroup",
    "conv2d_gemm_register",
    "conv2d_gemm_workgroup",
    "conv2d_gemm_workgroup",
];

/// Scratch numbers: the points of the map that the kernel walks over, of the other operand, of the
/// result; and a weight's gradient that several rounds add to before Adam.
pub(super) const DATA: usize = 0;
pub(super) const OTHER: usize = 1;
pub(super) const RESULT: usize = 2;
pub(super) const GRADIENT: usize = 3;

/// What differs between the transforms; see `Params` of the shader.
pub(super) struct Block<'a> {
    pub map: &'a Operand,
    pub step: u32,
    pub shift: u32,
    pub pad: i32,
    pub slope: f32,
    pub point: u32,
    pub phase: u32,
    pub line: u32,
    pub rows: u32,
    pub taps: [i32; 3],
}

impl<'a> Block<'a> {
    pub fn new(map: &'a Operand, point: u32, phase: u32, line: u32) -> Self {
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

/// A round of a pass: what its dispatches have in common.
pub(super) struct Round<'a> {
    pub task: &'a Task<'a>,
    pub sizes: &'a Sizes,
    /// Bytes of the scratch tensors.
    pub bytes: [u64; 3],
    /// Whether it is the only one.
    pub alone: bool,
}

impl Round<'_> {
    /// A scratch tensor of points, as it is read.
    pub fn points(&self, at: usize) -> Bind {
        Bind::Scratch { at, bytes: self.bytes[at], write: false }
    }

    /// The kernel that transforms an input to points.
    pub fn to_points(&self, entry: &'static str, input: usize, at: usize) -> Dispatch {
        Dispatch::new(self.sizes.file, entry)
            .bind("map", Bind::In(input))
            .bind("points_out", Bind::Scratch { at, bytes: self.bytes[at], write: true })
    }

    /// The points of the map that the kernel walks over, which is input number `input`.
    pub fn map_to_points(
        &self,
        input: usize,
        [width, lines, phases]: [u32; 3],
        block: &Block<'_>,
    ) -> Dispatch {
        let d = self.task.border(self.to_points("wino_data", input, DATA));
        let d = self.transform(d, [width, lines, phases], block);
        // On a GPU two invocations share 6 x 6 points; a CPU has memory for registers.
        if self.sizes.n < 6 || self.task.node.tuning.family() != Family::Workgroup {
            return d;
        }
        let workgroups = (width * lines * phases * phases).div_ceil(WORKGROUP);
        d.tune("PARTS", 2).workgroups(2 * u64::from(workgroups))
    }

    /// Parameters and grid of a transform to points: one invocation for each of `width` vec4s of
    /// `lines` lines and of the phases.
    pub fn transform(
        &self,
        d: Dispatch,
        [width, lines, phases]: [u32; 3],
        block: &Block<'_>,
    ) -> Dispatch {
        self.task
            .epilogue(self.transform_back(d, [width, lines, phases], block), false)
            .u("rates_at", 0)
    }

    /// The same of a transform back, whose parameters end with those of the epilogue.
    pub fn transform_back(
        &self,
        d: Dispatch,
        [width, lines, phases]: [u32; 3],
        block: &Block<'_>,
    ) -> Dispatch {
        let sizes = self.sizes;
        let invocations = width * lines * phases * phases;
        let d = d
            .u("invocations", invocations)
            .u("width", width)
            .u("phases", phases)
            .u("first", sizes.first)
            .u("tiles", sizes.tiles)
            .u("tiles_h", sizes.high)
            .u("tiles_w", sizes.wide)
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
            .u("kernel", sizes.kernel)
            .i("tap_first", block.taps[0])
            .i("tap_phase", block.taps[1])
            .i("tap_place", block.taps[2]);
        d.over(u64::from(invocations))
    }
}

/// Parameters and bindings of the matrix products.
pub(super) struct Gemm {
    pub product: Product,
    pub by_k: bool,
    pub trans_b: bool,
    /// The scratch tensors of A and B.
    pub a: usize,
    pub b: usize,
    pub a_z: u32,
    pub a_row: u32,
    pub a_tap: u32,
    pub a_k: u32,
    pub b_z: u32,
    pub b_tap: u32,
    pub b_step: u32,
    pub b_col: u32,
    pub b_row: u32,
}

impl Gemm {
    pub fn dispatch(&self, round: &Round<'_>, variant: Variant) -> Dispatch {
        let product = &self.product;
        variant
            .tile
            .dispatch(GEMM, product, 1)
            .sums(product.sums(product.blocks))
            .tune("A_BY_K", u32::from(self.by_k))
            .tune("TRANS_B", u32::from(self.trans_b))
            .bind("a", round.points(self.a))
            .bind("b", round.points(self.b))
            .bind("c", Bind::Scratch { at: RESULT, bytes: round.bytes[RESULT], write: true })
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
