//! What a normalisation is configured by; the parameter block and the grids of its kernels.

use crate::gpu::Family;
use crate::ops::reduce::Reduction;
use crate::ops::{Dispatch, Operand};
use crate::shape::Shape;
use std::fmt;

/// Where the statistics come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NormMode {
    /// The whole batch, as in training ([`BatchNorm::batches`]: each of them).
    Batch,
    /// Statistics of each image by itself.
    Instance,
    /// The running statistics, gathered in training.
    Running,
}

impl fmt::Display for NormMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NormMode::Batch => "batch",
            NormMode::Instance => "instance",
            NormMode::Running => "running",
        })
    }
}

/// Constants of a normalisation. Default: `eps` 1e-5, `momentum` 0.1, as in PyTorch; one batch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNorm {
    /// Added to the variance before the root.
    pub eps: f32,
    /// Share of the new value in the running statistics.
    pub momentum: f32,
    /// Batches of equal size that lie one after another in `x`, each with statistics of its own
    /// in [`NormMode::Batch`]; running statistics take them in order. The results are those of as
    /// many calls.
    pub batches: u32,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { eps: 1e-5, momentum: 0.1, batches: 1 }
    }
}

/// Pixels that an invocation of an element-wise kernel takes: what belongs to the column is read
/// once for them.
const TURN: u32 = 4;

/// The parameter block that all kernels share; what a kernel does not use stays as [`Block::new`]
/// sets it.
pub(super) struct Block {
    pub groups: u32,
    pub row: u32,
    pub update: u32,
    pub eps: f32,
    pub momentum: f32,
    pub inv_count: f32,
    pub inv_unbiased: f32,
    pub gamma: Operand,
    pub beta: Operand,
    pub mean: Operand,
    pub var: Operand,
    pub x: Operand,
    pub dy: Operand,
    pub y: Operand,
    pub stats: Operand,
    pub sums: Operand,
    pub partials: Operand,
    pub chunks: u32,
    pub length: u32,
}

impl Block {
    pub fn new(x: &Operand, groups: u32) -> Self {
        let x = *x;
        let count = f64::from(x.shape.pixels() / groups);
        Block {
            groups,
            row: 0,
            update: 0,
            eps: 0.0,
            momentum: 0.0,
            inv_count: (1.0 / count) as f32,
            inv_unbiased: (1.0 / (count - 1.0).max(1.0)) as f32,
            gamma: x,
            beta: x,
            mean: x,
            var: x,
            x,
            dy: x,
            y: x,
            stats: x,
            sums: x,
            partials: x,
            chunks: 1,
            length: 1,
        }
    }

    /// Shares out the reduction of each group, and says so to its kernels.
    pub fn cut(&mut self, family: Family) -> Reduction {
        let cut = Reduction::new(family, self.groups, self.width(), self.pixels());
        (self.chunks, self.length) = (cut.chunks, cut.length);
        self.partials =
            Operand::dense(Shape::new(2 * self.groups * cut.chunks, 1, 1, self.x.shape.c), 0);
        cut
    }

    pub fn pixels(&self) -> u32 {
        self.x.shape.pixels() / self.groups
    }

    pub fn width(&self) -> u32 {
        self.x.shape.c.vec4s()
    }

    /// One column per chunk and vec4, or in the second stage per group and vec4.
    pub fn reduce(&self, d: Dispatch, stage: &Reduction) -> Dispatch {
        stage.dispatch(self.params(d, stage.tasks()))
    }

    /// One column per vec4, which takes the groups one after another: it alone writes what they
    /// share.
    pub fn reduce_in_order(&self, d: Dispatch, stage: &Reduction) -> Dispatch {
        self.reduce(d, &stage.in_order(self.groups))
    }

    /// One invocation per vec4 of channels.
    pub fn by_column(&self, d: Dispatch) -> Dispatch {
        self.finish(d, self.width())
    }

    /// One invocation per [`TURN`] pixels of a vec4.
    pub fn by_pixels(&self, d: Dispatch) -> Dispatch {
        self.finish(d, self.groups * self.rows() * self.width())
    }

    fn rows(&self) -> u32 {
        self.pixels().div_ceil(TURN)
    }

    fn finish(&self, d: Dispatch, invocations: u32) -> Dispatch {
        self.params(d, invocations).over(u64::from(invocations))
    }

    fn params(&self, d: Dispatch, tasks: u32) -> Dispatch {
        d.u("tasks", tasks)
            .u("width", self.width())
            .u("groups", self.groups)
            .u("pixels", self.pixels())
            .u("chunks", self.chunks)
            .u("length", self.length)
            .u("rows", self.rows())
            .u("row", self.row)
            .u("update", self.update)
            .f("eps", self.eps)
            .f("momentum", self.momentum)
            .f("inv_count", self.inv_count)
            .f("inv_unbiased", self.inv_unbiased)
            .u("gamma_off", self.gamma.offset)
            .u("beta_off", self.beta.offset)
            .u("mean_off", self.mean.offset)
            .u("var_off", self.var.offset)
            .view("x", &self.x)
            .view("dy", &self.dy)
            .view("y", &self.y)
            .view("stats", &self.stats)
            .view("sums", &self.sums)
            .view("partials", &self.partials)
            .parts(&self.x.shape)
    }
}

/// Shape of statistics and of the sums of the derivative: two rows per group.
pub(in crate::ops) fn two_rows(x: Shape, groups: u32) -> Shape {
    Shape::new(2 * groups, 1, 1, x.c)
}

pub(in crate::ops) fn bytes(shapes: &[Shape]) -> u64 {
    shapes.iter().map(Shape::bytes).sum()
}
