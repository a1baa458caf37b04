//! Rewriting: what runs in place of what was recorded. Every rule is exact: the same numbers are
//! multiplied and added in the same order, so that results agree bit by bit with and without it.
//!
//! The passes, in order, each over one indexed graph:
//! 1. [`recompute`]: activations are computed a second time instead of being kept.
//! 2. [`constant`]: constants are made once.
//! 3. [`padding`]: convolutions read maps through their padding.
//! 4. [`activation`]: convolutions take over the (leaky) ReLUs beside them.
//! 5. [`norm`]: small norms take one node each way.
//! 6. [`optimizer`]: gradients of weights go straight into Adam.

mod activation;
mod constant;
mod graph;
mod kind;
mod norm;
mod optimizer;
mod padding;
mod recompute;

pub(super) use graph::GraphNode;
pub(super) use kind::Kind;

use super::{PlanOptions, layout, slots};
use crate::gpu::Family;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use graph::Graph;

/// Plans that need this much more than the least may be chosen for having less to compute.
const SLACK: f64 = 1.03;

/// A rewritten tape.
pub(super) struct Rewritten<'t> {
    /// The tape's tensors and those that are recomputed; no nodes.
    pub tensors: Tape,
    graph: Graph<'t>,
}

impl<'t> Rewritten<'t> {
    /// Nodes in the order they run.
    pub fn nodes(&self) -> &[GraphNode<'t>] {
        self.graph.nodes()
    }

    /// Lets convolutions take over their neighbours, and joins norms.
    fn fuse(mut self, family: Family) -> Self {
        constant::fold(&self.tensors, &mut self.graph);
        padding::fuse(&mut self.graph);
        activation::fuse(&self.tensors, &mut self.graph);
        norm::fuse(family, &self.tensors, &mut self.graph);
        self
    }

    /// The most bytes of activations alive at a time.
    fn peak(&self) -> u64 {
        let layout = layout::lay_out(&self.tensors, self.nodes());
        let roots = slots::lifetimes(self.nodes(), &layout, self.graph.keep());
        slots::lower_bound(&roots, self.nodes().len())
    }
}

/// The nodes that `keep` and the stored tensors of a tape depend on, rewritten as options say, for
/// a device of a family.
pub(super) fn rewrite<'t>(
    tape: &'t Tape,
    store: &Store,
    keep: &[Tensor],
    family: Family,
    options: &PlanOptions,
) -> Rewritten<'t> {
    let mut made = neighbours(tape, store, keep, family, options);
    if options.fuse_adam == Some(true) {
        optimizer::fuse(store, &mut made.tensors, &mut made.graph);
    }
    made
}

/// Rewritten but for the optimizer.
fn neighbours<'t>(
    tape: &'t Tape,
    store: &Store,
    keep: &[Tensor],
    family: Family,
    options: &PlanOptions,
) -> Rewritten<'t> {
    let graph = Graph::live(tape, keep);
    let fused = |made: Rewritten<'t>| if options.fuse { made.fuse(family) } else { made };
    if !options.recompute {
        return fused(Rewritten { tensors: tape.without_nodes(), graph });
    }
    // Several numbers of segments are laid out, and of those that need the least memory, within a
    // few percent, the one with the least arithmetic is taken.
    let tried: Vec<_> = recompute::candidates(tape, store, &graph)
        .into_iter()
        .map(|candidate| {
            let recompute::Candidate { tensors, graph, flop } = candidate;
            let made = fused(Rewritten { tensors, graph });
            (made.peak(), flop, made)
        })
        .collect();
    let least = tried.iter().map(|(bytes, ..)| *bytes).min().unwrap_or(0);
    let near = tried.into_iter().filter(|(bytes, ..)| *bytes as f64 <= SLACK * least as f64);
    near.min_by_key(|(_, flop, _)| *flop).expect("the least is among them").2
}
