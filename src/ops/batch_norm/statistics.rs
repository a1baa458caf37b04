//! Mean and `1 / sqrt(var + eps)`, of `x` or from the running statistics.

use super::block::{BatchNorm, Block, bytes};
use crate::error::Result;
use crate::ops::reduce::Reduction;
use crate::ops::{Bind, Cost, Dispatch, Lowering, Op};
use crate::shape::Shape;
use crate::tape::Backward;

/// Statistics of `x`.
///
/// Input: `x` `[n, h, w, c]`. Outputs: with `running` first the running mean and variance, updated
/// (`running += momentum * (new - running)`, the new variance unbiased, group after group); then
/// the statistics `[2 groups, 1, 1, c]`. The number of groups follows from their shape.
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
        let end = |stage: &Reduction| match self.running {
            true => block.reduce_in_order(last, stage),
            false => block.reduce(last, stage),
        };
        if cut.whole() {
            return vec![end(&cut)];
        }
        let first = moments("bn_moments").bind("moments_out", cut.partials(2, true));
        vec![block.reduce(first, &cut), end(&cut.second())]
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
