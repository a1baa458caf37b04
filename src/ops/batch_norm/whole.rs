//! A norm, or its derivative, in one dispatch: where a group has few enough pixels that one
//! workgroup reduces them, it also applies what it found. Plans put these in place of two nodes;
//! the results have the same bits.

use super::block::{Block, bytes};
use super::{BatchNormApply, BatchNormBackward, BatchNormStats, BatchNormSums};
use crate::error::Result;
use crate::gpu::Family;
use crate::ops::{Bind, Cost, Dispatch, Lowering, Op};
use crate::shape::Shape;
use crate::tape::Backward;

/// Whether a device's family reduces groups of this size in one stage.
pub(crate) fn is_whole(family: Family, x: &Shape, groups: u32) -> bool {
    Block::new(&crate::ops::Operand::dense(*x, 0), groups).cut(family).whole()
}

/// [`BatchNormStats`], and [`BatchNormApply`] of them.
///
/// Inputs: `x`, `gamma`, `beta`. Outputs: those of [`BatchNormStats`], then `y`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNormWhole {
    /// The statistics.
    pub stats: BatchNormStats,
    /// What is done with them.
    pub apply: BatchNormApply,
}

impl Op for BatchNormWhole {
    fn name(&self) -> &'static str {
        "batch_norm_whole"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let BatchNormStats { config, running } = self.stats;
        let (x, gamma, beta) = (node.inputs[0], node.inputs[1], node.inputs[2]);
        let at = if running { 2 } else { 0 };
        let (stats, y) = (node.outputs[at], node.outputs[at + 1]);
        let mut block = Block {
            stats,
            gamma,
            beta,
            y,
            eps: config.eps,
            momentum: config.momentum,
            ..Block::new(&x, stats.shape.n / 2)
        };
        if running {
            (block.mean, block.var) = (node.outputs[0], node.outputs[1]);
        }
        let cut = block.cut(node.tuning.family());
        debug_assert!(cut.whole(), "plans look first");
        let entry = if running { "bn_whole_update" } else { "bn_whole" };
        let mut d = Dispatch::new("batch_norm", entry)
            .bind("x", Bind::In(0))
            .bind("stats_out", Bind::Out(at))
            .bind("whole_gamma", Bind::In(1))
            .bind("whole_beta", Bind::In(2))
            .bind("whole_y", Bind::Out(at + 1));
        if running {
            d = d.bind("whole_mean", Bind::Out(0)).bind("whole_var", Bind::Out(1));
            return vec![block.reduce_in_order(d, &cut)];
        }
        vec![block.reduce(d, &cut)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(self.name(), "it was fused for a plan; differentiate what was recorded")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let (last, stats) = outputs.split_last().expect("y comes last");
        let first = self.stats.cost(&inputs[..1], stats);
        let second = 3 * inputs[0].elements();
        Cost {
            flop: first.flop + second,
            bytes: first.bytes + bytes(&inputs[1..]) + inputs[0].bytes() + last.bytes(),
        }
    }

    fn in_place(&self) -> bool {
        self.stats.in_place()
    }
}

/// [`BatchNormSums`], and the [`BatchNormBackward`] that reads them alone.
///
/// Inputs: `x`, statistics, `dy`, `gamma`. Outputs: with `parameters` the gradients of `gamma` and
/// `beta`; then `dx`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormWholeBackward {
    /// The sums.
    pub sums: BatchNormSums,
    /// What is done with them.
    pub bwd: BatchNormBackward,
}

impl Op for BatchNormWholeBackward {
    fn name(&self) -> &'static str {
        "batch_norm_whole_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, dy, gamma) =
            (node.inputs[0], node.inputs[1], node.inputs[2], node.inputs[3]);
        let parameters = self.sums.parameters;
        let at = if parameters.is_some() { 2 } else { 0 };
        let mut block =
            Block { stats, dy, gamma, y: node.outputs[at], ..Block::new(&x, stats.shape.n / 2) };
        self.bwd.set(&mut block);
        if let Some([add_gamma, add_beta]) = parameters {
            // The gradients lie where the vectors do in their own page.
            (block.mean, block.var) = (node.outputs[0], node.outputs[1]);
            block.update = u32::from(add_gamma) + 2 * u32::from(add_beta);
        }
        let cut = block.cut(node.tuning.family());
        debug_assert!(cut.whole(), "plans look first");
        let entry = if parameters.is_some() { "bn_whole_bwd_parameters" } else { "bn_whole_bwd" };
        let mut d = Dispatch::new("batch_norm", entry)
            .bind("x", Bind::In(0))
            .bind("stats", Bind::In(1))
            .bind("dy", Bind::In(2))
            .bind("gamma", Bind::In(3))
            .bind("whole_dx", Bind::Out(at));
        if parameters.is_some() {
            d = d.bind("own_dgamma", Bind::Out(0)).bind("own_dbeta", Bind::Out(1));
            return vec![block.reduce_in_order(d, &cut)];
        }
        vec![block.reduce(d, &cut)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(self.name(), "it was fused for a plan; differentiate what was recorded")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let (dx, parameters) = outputs.split_last().expect("dx comes last");
        let first = self.sums.cost(&inputs[..3], parameters);
        let second = 5 * inputs[0].elements();
        Cost { flop: first.flop + second, bytes: first.bytes + bytes(inputs) + dx.bytes() }
    }

    fn in_place(&self) -> bool {
        self.sums.in_place()
    }
}
