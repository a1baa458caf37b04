//! A norm whose groups are reduced in one stage is one node, and so is its derivative.
//!
//! 1. Statistics, and right behind them their application.
//! 2. The sums of the derivative, and right behind them the derivative that alone reads them.

use super::graph::{Graph, GraphNode};
use super::kind::Kind;
use crate::gpu::Family;
use crate::ops::{BatchNormWhole, BatchNormWholeBackward, Op, is_whole};
use crate::tape::{Tape, Tensor};
use std::collections::HashSet;
use std::sync::Arc;

/// Applies the rules.
pub(super) fn fuse(family: Family, tape: &Tape, graph: &mut Graph<'_>) {
    let mut gone = HashSet::new();
    for at in 1..graph.nodes().len() {
        let [first, second] = [&graph.nodes()[at - 1], &graph.nodes()[at]];
        if let Some((op, inputs, outputs)) = whole(family, tape, graph, first, second) {
            graph.change(at, |node| {
                node.op = op;
                (node.inputs, node.outputs) = (inputs, outputs);
            });
            gone.insert(at - 1);
        }
    }
    graph.remove(&gone);
}

/// What takes the place of two nodes: operation, inputs, outputs.
type Whole = (Arc<dyn Op>, Vec<Tensor>, Vec<Tensor>);

fn whole(
    family: Family,
    tape: &Tape,
    graph: &Graph<'_>,
    first: &GraphNode<'_>,
    second: &GraphNode<'_>,
) -> Option<Whole> {
    let (x, result) = (*first.inputs.first()?, *first.outputs.last()?);
    let join = |outputs: &[Tensor]| [outputs, &second.outputs[..]].concat();
    let fits = |rows: Tensor| is_whole(family, &tape.shape(x), tape.shape(rows).n / 2);
    match (Kind::of(&*first.op), Kind::of(&*second.op)) {
        (Kind::Statistics(stats), Kind::Norm(apply)) => {
            let [of, statistics, gamma, beta] = second.inputs[..] else { return None };
            ((of, statistics) == (x, result) && fits(result)).then(|| {
                let op: Arc<dyn Op> = Arc::new(BatchNormWhole { stats, apply });
                (op, vec![x, gamma, beta], join(&first.outputs))
            })
        }
        (Kind::Sums(sums), Kind::NormDerivative(bwd)) => {
            let [of, statistics, dy, gamma, read] = second.inputs[..] else { return None };
            let same = [of, statistics, dy] == first.inputs[..] && read == result;
            let alone = graph.readers(result).is_some_and(|readers| readers.len() == 1);
            (same && alone && fits(result)).then(|| {
                let op: Arc<dyn Op> = Arc::new(BatchNormWholeBackward { sums, bwd });
                let parameters = &first.outputs[..first.outputs.len() - 1];
                (op, vec![x, statistics, dy, gamma], join(parameters))
            })
        }
        _ => None,
    }
}
