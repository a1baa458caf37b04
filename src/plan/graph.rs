//! The nodes of a plan before they have a place: what was recorded and is needed, perhaps
//! rewritten.

use crate::ops::Op;
use crate::tape::{Source, Tape, Tensor};
use std::collections::HashSet;

/// An operation as recorded, or what took its place.
pub(super) enum PlanOp<'t> {
    Recorded(&'t dyn Op),
    Rewritten(Box<dyn Op>),
}

impl<'t> std::ops::Deref for PlanOp<'t> {
    type Target = dyn Op + 't;

    fn deref(&self) -> &Self::Target {
        match self {
            PlanOp::Recorded(op) => *op,
            PlanOp::Rewritten(op) => op.as_ref(),
        }
    }
}

/// A node on its way into a plan.
pub(super) struct GraphNode<'t> {
    pub op: PlanOp<'t>,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    pub label: &'t str,
    /// The number it was recorded under.
    pub number: usize,
}

impl<'t> GraphNode<'t> {
    /// The same operation on other tensors, with the same random numbers; `None` for what has been
    /// rewritten.
    pub fn again(&self, inputs: Vec<Tensor>, outputs: Vec<Tensor>) -> Option<GraphNode<'t>> {
        let PlanOp::Recorded(op) = self.op else { return None };
        Some(GraphNode {
            op: PlanOp::Recorded(op),
            inputs,
            outputs,
            label: self.label,
            number: self.number,
        })
    }
}

/// The nodes that `keep` or a stored tensor depend on, in recorded order.
pub(super) fn live<'t>(tape: &'t Tape, keep: &[Tensor]) -> Vec<GraphNode<'t>> {
    let mut wanted: HashSet<Tensor> = keep.iter().copied().collect();
    let mut live = Vec::new();
    for (number, node) in tape.nodes().iter().enumerate().rev() {
        let writes_store =
            node.outputs.iter().any(|o| matches!(tape.info(*o).source, Source::Stored(_)));
        if writes_store || node.outputs.iter().any(|o| wanted.contains(o)) {
            wanted.extend(&node.inputs);
            let op = PlanOp::Recorded(node.op.as_ref());
            live.push(GraphNode {
                op,
                inputs: node.inputs.clone(),
                outputs: node.outputs.clone(),
                label: &node.label,
                number,
            });
        }
    }
    live.reverse();
    live
}
