//! Normalisation over pixels: `y = (x - mean) / sqrt(var + eps) * gamma + beta`, channel by
//! channel.
//!
//! Statistics are taken over a group of pixels: the batch is one group, or every image is one
//! (instance normalisation). They lie in a tensor `[2 groups, 1, 1, c]`: row `2g` the mean, row
//! `2g + 1` `1 / sqrt(var + eps)` with the biased variance.
//!
//! Derivative, `xhat = (x - mean) rstd`, `N` pixels per group:
//!
//! ```text
//! dgamma = sum of dy xhat          dbeta = sum of dy
//! dx     = gamma rstd (dy - mean of dy - xhat * mean of dy xhat)
//! dx     = gamma rstd dy           where statistics are given
//! ```

use super::reduce::Reduction;
use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::gpu::Family;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};
use std::fmt;

/// Where the statistics come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NormMode {
    /// The whole batch, as in training.
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

/// Constants of a normalisation. Default: `eps` 1e-5, `momentum` 0.1, as in PyTorch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNorm {
    /// Added to the variance before the root.
    pub eps: f32,
    /// Share of the new value in the running statistics.
    pub momentum: f32,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { eps: 1e-5, momentum: 0.1 }
    }
}

/// Running statistics, stored tensors `[1, 1, 1, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    /// Running mean, one per channel.
    pub mean: Tensor,
    /// Running variance, unbiased, one per channel.
    pub var: Tensor,
}

/// Pixels that an invocation of an element-wise kernel takes: what belongs to the column is read
/// once for them.
const TURN: u32 = 4;

/// The parameter block that all kernels share; what a kernel does not use stays as [`Block::new`]
/// sets it.
struct Block {
    groups: u32,
    row: u32,
    update: u32,
    eps: f32,
    momentum: f32,
    inv_count: f32,
    inv_unbiased: f32,
    gamma: Operand,
    beta: Operand,
    mean: Operand,
    var: Operand,
    x: Operand,
    dy: Operand,
    y: Operand,
    stats: Operand,
    sums: Operand,
    partials: Operand,
    chunks: u32,
    length: u32,
}

impl Block {
    fn new(x: &Operand, groups: u32) -> Self {
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
    fn cut(&mut self, family: Family) -> Reduction {
        let cut = Reduction::new(family, self.groups, self.width(), self.pixels());
        (self.chunks, self.length) = (cut.chunks, cut.length);
        self.partials =
            Operand::dense(Shape::new(2 * self.groups * cut.chunks, 1, 1, self.x.shape.c), 0);
        cut
    }

    fn pixels(&self) -> u32 {
        self.x.shape.pixels() / self.groups
    }

    fn width(&self) -> u32 {
        self.x.shape.c.vec4s()
    }

    /// One column per chunk and vec4, or in the second stage per group and vec4.
    fn reduce(&self, d: Dispatch, stage: &Reduction) -> Dispatch {
        stage.dispatch(self.params(d, stage.tasks()))
    }

    /// One invocation per vec4 of channels.
    fn by_column(&self, d: Dispatch) -> Dispatch {
        self.finish(d, self.width())
    }

    /// One invocation per [`TURN`] pixels of a vec4.
    fn by_pixels(&self, d: Dispatch) -> Dispatch {
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
pub(super) fn two_rows(x: Shape, groups: u32) -> Shape {
    Shape::new(2 * groups, 1, 1, x.c)
}

pub(super) fn bytes(shapes: &[Shape]) -> u64 {
    shapes.iter().map(Shape::bytes).sum()
}

/// Statistics of `x`.
///
/// Input: `x` `[n, h, w, c]`. Outputs: with `running` first the running mean and variance, updated
/// (`running += momentum * (new - running)`, the new variance unbiased); then the statistics
/// `[2 groups, 1, 1, c]`. The number of groups follows from the shape of the statistics; with
/// `running` it is one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNormStats {
    /// `eps` and `momentum`.
    pub config: BatchNorm,
    /// Whether the first two outputs are running statistics to update.
    pub running: bool,
}

impl Op for BatchNormStats {
    fn name(&self) -> &'static str {
        "batch_norm_stats"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let x = &node.inputs[0];
        let at = if self.running { 2 } else { 0 };
        let stats = node.outputs[at];
        let mut block = Block {
            stats,
            eps: self.config.eps,
            momentum: self.config.momentum,
            ..Block::new(x, stats.shape.n / 2)
        };
        if self.running {
            (block.mean, block.var) = (node.outputs[0], node.outputs[1]);
        }
        let cut = block.cut(node.tuning.family());
        let moments = |entry| Dispatch::new("batch_norm", entry).bind("x", Bind::In(0));
        let joined =
            |entry| Dispatch::new("batch_norm", entry).bind("partials", cut.partials(2, false));
        let last = match (cut.whole(), self.running) {
            (true, false) => moments("bn_whole_stats"),
            (true, true) => moments("bn_whole_stats_update"),
            (false, false) => joined("bn_stats"),
            (false, true) => joined("bn_stats_update"),
        };
        let mut last = last.bind("stats_out", Bind::Out(at));
        if self.running {
            // The two lie in one page, but their ranges do not overlap: they may be written
            // together.
            last = last.bind("mean_out", Bind::Out(0)).bind("var_out", Bind::Out(1));
        }
        if cut.whole() {
            return vec![block.reduce(last, &cut)];
        }
        let first = moments("bn_moments").bind("moments_out", cut.partials(2, true));
        vec![block.reduce(first, &cut), block.reduce(last, &cut.second())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "batch_norm_stats",
            "statistics have no derivative of their own: that of batch_norm covers them",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let results = if self.running {
            2 * bytes(&outputs[..2]) + outputs[2].bytes()
        } else {
            outputs[0].bytes()
        };
        Cost { flop: 4 * inputs[0].elements(), bytes: inputs[0].bytes() + results }
    }

    fn in_place(&self) -> bool {
        self.running
    }
}

/// Statistics `[2, 1, 1, c]` from running mean and variance (inputs, `[1, 1, 1, c]` each).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNormRunning {
    /// Added to the variance before the root.
    pub eps: f32,
}

impl Op for BatchNormRunning {
    fn name(&self) -> &'static str {
        "batch_norm_running"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (mean, var, stats) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let d = Dispatch::new("batch_norm", "bn_stats_running")
            .bind("running_mean", Bind::In(0))
            .bind("running_var", Bind::In(1));
        let block = Block { mean, var, stats, eps: self.eps, ..Block::new(&mean, 1) };
        vec![block.by_column(d.bind("stats_running", Bind::Out(0)))]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("batch_norm_running", "running statistics are not trained: keep them out of wrt")
    }
}

/// `y = (x - mean) rstd gamma + beta`: inputs `x`, statistics, `gamma`, `beta` (`[1, 1, 1, c]`);
/// output as `x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormApply {
    /// Where the statistics came from: it decides the derivative.
    pub mode: NormMode,
}

impl Op for BatchNormApply {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, gamma, beta, y) =
            (node.inputs[0], node.inputs[1], node.inputs[2], node.inputs[3], node.outputs[0]);
        let d = Dispatch::new("batch_norm", "bn_apply")
            .bind("x", Bind::In(0))
            .bind("stats", Bind::In(1))
            .bind("beta", Bind::In(3))
            .bind("gamma", Bind::In(2))
            .bind("y", Bind::Out(0));
        vec![Block { stats, gamma, beta, y, ..Block::new(&x, stats.shape.n / 2) }.by_pixels(d)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        // The statistics get no gradient: dx covers what x does through them.
        let (x, stats, gamma, dy) = (b.inputs[0], b.inputs[1], b.inputs[2], b.dy());
        let shape = b.tape.shape(x);
        let groups = b.tape.shape(stats).n / 2;
        let fresh = [two_rows(shape, groups)];
        let targets =
            [2, 3].map(|input| if b.needs(input) { b.parameter_gradient(input) } else { None });
        let sums = if let (1, [Some((dgamma, add_gamma)), Some((dbeta, add_beta))]) =
            (groups, targets)
            && add_gamma == add_beta
        {
            // The usual case: the kernel that ends the sums writes both. (A gradient of second
            // order reaches gamma alone.)
            b.tape.push_into(
                BatchNormSums { parameters: Some([add_gamma, add_beta]) },
                &[x, stats, dy],
                &[dgamma, dbeta],
                &fresh,
            )[2]
        } else {
            let sums = b.tape.push(BatchNormSums { parameters: None }, &[x, stats, dy], &fresh)[0];
            for ((input, row), target) in [(2, 1), (3, 0)].into_iter().zip(targets) {
                if let Some((target, accumulate)) = target {
                    b.tape.push_into(
                        BatchNormParameter { row, accumulate },
                        &[sums],
                        &[target],
                        &[],
                    );
                } else if b.needs(input) {
                    let made = b.tape.push_one(
                        BatchNormParameter { row, accumulate: false },
                        &[sums],
                        Shape::vector(shape.c),
                    );
                    b.give(input, made);
                }
            }
            sums
        };
        if b.needs(0) {
            let dx = b.tape.push_one(
                BatchNormBackward { mode: self.mode },
                &[x, stats, dy, gamma, sums],
                shape,
            );
            b.give(0, dx);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 3 * inputs[0].elements(), bytes: bytes(inputs) + bytes(outputs) }
    }
}

/// Sums of `dy` (row `2g`) and of `dy xhat` (row `2g + 1`) over the pixels of each group.
///
/// Inputs: `x`, statistics, `dy`. Outputs: with `parameters` the gradients of `gamma` and `beta`
/// `[1, 1, 1, c]` (there is one group then, and they are its sums); the sums `[2 groups, 1, 1, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormSums {
    /// Whether the first two outputs are the gradients of `gamma` and `beta`, and if so, which are
    /// added to what is there.
    pub parameters: Option<[bool; 2]>,
}

impl Op for BatchNormSums {
    fn name(&self) -> &'static str {
        "batch_norm_sums"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, dy) = (node.inputs[0], node.inputs[1], node.inputs[2]);
        let at = if self.parameters.is_some() { 2 } else { 0 };
        let sums = node.outputs[at];
        let mut block = Block { stats, dy, sums, ..Block::new(&x, stats.shape.n / 2) };
        if let Some([add_gamma, add_beta]) = self.parameters {
            (block.gamma, block.beta, block.update) =
                (node.outputs[0], node.outputs[1], u32::from(add_gamma) + 2 * u32::from(add_beta));
        }
        let cut = block.cut(node.tuning.family());
        let products = |entry, to| {
            let d = Dispatch::new("batch_norm", entry)
                .bind("x", Bind::In(0))
                .bind("stats", Bind::In(1))
                .bind("dy", Bind::In(2));
            d.bind("products_out", to)
        };
        if cut.whole() {
            // The sums lie as the partial results of one chunk do.
            block.partials = sums;
            let d = match self.parameters {
                None => products("bn_products", Bind::Out(at)),
                Some(_) => products("bn_whole_sums_parameters", Bind::Out(at))
                    .bind("dgamma_whole", Bind::Out(0))
                    .bind("dbeta_whole", Bind::Out(1)),
            };
            return vec![block.reduce(d, &cut)];
        }
        let joined = |entry| {
            Dispatch::new("batch_norm", entry)
                .bind("partials", cut.partials(2, false))
                .bind("sums_out", Bind::Out(at))
        };
        let last = match self.parameters {
            None => joined("bn_sums"),
            Some(_) => joined("bn_sums_parameters")
                .bind("dgamma", Bind::Out(0))
                .bind("dbeta", Bind::Out(1)),
        };
        vec![
            block.reduce(products("bn_products", cut.partials(2, true)), &cut),
            block.reduce(last, &cut.second()),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "batch_norm_sums",
            "sums and gradients of gamma and beta have no derivative of \
                                     their own: keep gamma and beta out of the first wrt",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let written = bytes(outputs);
        let read: u64 = self
            .parameters
            .iter()
            .flatten()
            .zip(outputs)
            .filter(|(add, _)| **add)
            .map(|(_, o)| o.bytes())
            .sum();
        Cost { flop: 4 * inputs[0].elements(), bytes: bytes(inputs) + written + read }
    }

    fn in_place(&self) -> bool {
        self.parameters.is_some_and(|p| p.contains(&true))
    }
}

/// The gradient of `gamma` or `beta`, `[1, 1, 1, c]`, from the sums of `BatchNormSums` (input),
/// groups added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormParameter {
    /// 1 for `gamma`, 0 for `beta`.
    pub row: u32,
    /// Whether to add to what the output holds.
    pub accumulate: bool,
}

impl Op for BatchNormParameter {
    fn name(&self) -> &'static str {
        "batch_norm_parameter"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (sums, y) = (node.inputs[0], node.outputs[0]);
        let d = Dispatch::new("batch_norm", "bn_parameter")
            .bind("sums_in", Bind::In(0))
            .bind("gradient", Bind::Out(0));
        let block = Block {
            y,
            sums,
            row: self.row,
            update: u32::from(self.accumulate),
            ..Block::new(&sums, sums.shape.n / 2)
        };
        vec![block.by_column(d)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("batch_norm_parameter", "sums and gradients of gamma and beta have no derivative of their own: keep gamma and beta out of the first wrt")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let y = outputs[0].bytes() * (1 + u64::from(self.accumulate));
        Cost { flop: inputs[0].elements() / 2, bytes: inputs[0].bytes() / 2 + y }
    }

    fn in_place(&self) -> bool {
        self.accumulate
    }
}

/// `dx` of [`BatchNormApply`]. Inputs: `x`, statistics, `dy`, `gamma`, the sums of `BatchNormSums`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormBackward {
    /// Where the statistics came from: given ones do not depend on `x`.
    pub mode: NormMode,
}

impl Op for BatchNormBackward {
    fn name(&self) -> &'static str {
        "batch_norm_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, dy, gamma, sums, y) = (
            node.inputs[0],
            node.inputs[1],
            node.inputs[2],
            node.inputs[3],
            node.inputs[4],
            node.outputs[0],
        );
        let d = Dispatch::new("batch_norm", "bn_bwd")
            .bind("x", Bind::In(0))
            .bind("stats", Bind::In(1))
            .bind("dy", Bind::In(2))
            .bind("gamma", Bind::In(3))
            .bind("sums", Bind::In(4))
            .bind("dx", Bind::Out(0));
        let mut block = Block { stats, dy, gamma, sums, y, ..Block::new(&x, stats.shape.n / 2) };
        if self.mode == NormMode::Running {
            // No mean terms.
            block.inv_count = 0.0;
        }
        vec![block.by_pixels(d)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        super::batch_norm_second::record(b, self.mode)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 5 * inputs[0].elements(), bytes: bytes(inputs) + bytes(outputs) }
    }
}

impl Tape {
    /// Normalises `x` `[n, h, w, c]` by the statistics that `mode` names, then scales by `gamma`
    /// and shifts by `beta`, both `[1, 1, 1, c]` with the channels of `x`: same shape as `x`.
    ///
    /// [`NormMode::Batch`] also updates `running`, if given; [`NormMode::Instance`] leaves it
    /// alone; [`NormMode::Running`] needs it.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if channels do not match, if running statistics are missing, or if
    /// they were to be updated from one value a channel.
    pub fn batch_norm(
        &mut self,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        running: Option<Running>,
        mode: NormMode,
        config: BatchNorm,
    ) -> Result<Tensor> {
        const OP: &str = "batch_norm";
        let shape = self.shape(x);
        let vector = Shape::vector(shape.c);
        let named = [
            ("gamma", Some(gamma)),
            ("beta", Some(beta)),
            ("running mean", running.map(|r| r.mean)),
            ("running variance", running.map(|r| r.var)),
        ];
        for (name, tensor) in named {
            if let Some(found) = tensor.map(|t| self.shape(t)).filter(|&s| s != vector) {
                return Err(self.shape_error(
                    OP,
                    format!(
                        "x is {shape}, {name} is {found}; it must \
                                                         be {vector}, with the channels of x laid \
                                                         out the same way"
                    ),
                ));
            }
        }
        let stats = match (mode, running) {
            (NormMode::Running, None) => {
                let why = "running statistics are asked for and none are given; give them, or use \
                           the statistics of the batch or of each image";
                return Err(self.shape_error(OP, why.into()));
            }
            (NormMode::Running, Some(Running { mean, var })) => self.push_one(
                BatchNormRunning { eps: config.eps },
                &[mean, var],
                two_rows(shape, 1),
            ),
            (NormMode::Batch, Some(Running { mean, var })) => {
                if shape.pixels() == 1 {
                    let why = "one value per channel has no variance to keep; use a larger \
                               `crop_size` or `batch_size`, or no norm in this layer";
                    return Err(self.shape_error(OP, format!("x is {shape}: {why}")));
                }
                self.push_into(
                    BatchNormStats { config, running: true },
                    &[x],
                    &[mean, var],
                    &[two_rows(shape, 1)],
                )[2]
            }
            (NormMode::Batch | NormMode::Instance, _) => {
                let groups = if mode == NormMode::Batch { 1 } else { shape.n };
                self.push_one(
                    BatchNormStats { config, running: false },
                    &[x],
                    two_rows(shape, groups),
                )
            }
        };
        Ok(self.push_one(BatchNormApply { mode }, &[x, stats, gamma, beta], shape))
    }
}
