//! Rewriting: convolutions take over what stands beside them, padding (`border.rs`) and (leaky)
//! ReLUs.
//!
//! For the latter three rules, each exact (the same numbers are multiplied and added in the same
//! order):
//! 1. An operand of a convolution pass that is `f(x)`: the pass reads `x` and applies `f` as it
//!    loads.
//! 2. The derivative of `f` behind an input gradient that nothing else reads: the pass multiplies
//!    by it as it stores.
//! 3. An activation whose result nobody reads any more is dropped.

use super::border::paddings;
use super::graph::{GraphNode, PlanOp};
use crate::ops::{Act, ActPass};
use crate::tape::{Tape, Tensor};
use std::collections::{HashMap, HashSet};

/// All of it. `keep` is read by the host and therefore stays.
pub(super) fn neighbours(tape: &Tape, live: &mut Vec<GraphNode<'_>>, keep: &[Tensor]) {
    paddings(live, keep);
    activations(tape, live, keep);
}

fn activations(tape: &Tape, live: &mut Vec<GraphNode<'_>>, keep: &[Tensor]) {
    // What each rectifier's result is made from.
    let made: HashMap<Tensor, (Act, Tensor)> = live
        .iter()
        .filter_map(|n| match n.op.activation() {
            Some(ActPass::Forward(act)) if act.is_rectifier() => {
                Some((n.outputs[0], (act, n.inputs[0])))
            }
            _ => None,
        })
        .collect();
    for node in live.iter_mut() {
        let Some(mut pass) = node.op.convolution() else { continue };
        let mut changed = false;
        // The weight of a data pass is no map.
        let maps = if pass.pass.is_weight() { 2 } else { 1 };
        for (input, load) in pass.fused.load.iter_mut().enumerate().take(maps) {
            if let Some(&(act, x)) = made.get(&node.inputs[input]).filter(|_| load.is_none()) {
                *load = Some(act);
                node.inputs[input] = x;
                changed = true;
            }
        }
        if changed {
            node.op = PlanOp::Rewritten(Box::new(pass));
        }
    }
    derivatives(tape, live, keep);
    let read: HashSet<Tensor> =
        live.iter().flat_map(|n| n.inputs.iter().copied()).chain(keep.iter().copied()).collect();
    live.retain(|n| {
        !matches!(n.op.activation(), Some(ActPass::Forward(_))) || read.contains(&n.outputs[0])
    });
}

fn derivatives(tape: &Tape, live: &mut Vec<GraphNode<'_>>, keep: &[Tensor]) {
    let mut readers: HashMap<Tensor, usize> = HashMap::new();
    for tensor in live.iter().flat_map(|n| &n.inputs).chain(keep) {
        *readers.entry(*tensor).or_default() += 1;
    }
    let makers: HashMap<Tensor, usize> = live
        .iter()
        .enumerate()
        .flat_map(|(at, n)| n.outputs.iter().map(move |o| (*o, at)))
        .collect();
    let mut gone = HashSet::new();
    for at in 0..live.len() {
        let Some(ActPass::Backward(act)) = live[at]
            .op
            .activation()
            .filter(|a| matches!(a, ActPass::Backward(act) if act.is_rectifier()))
        else {
            continue;
        };
        let (saved, dy, dx) = (live[at].inputs[0], live[at].inputs[1], live[at].outputs[0]);
        let Some(&maker) = makers.get(&dy).filter(|_| readers[&dy] == 1) else { continue };
        let Some(mut pass) = live[maker].op.convolution() else { continue };
        // The derivative's place is that of the gradient, whose shape it has; what it looks at must
        // be there by then.
        if pass.pass.is_weight()
            || pass.fused.mask.is_some()
            || pass.accumulate
            || makers.get(&saved).is_some_and(|m| *m > maker)
            || tape.shape(saved) != tape.shape(dx)
        {
            continue;
        }
        pass.fused.mask = Some(act);
        live[maker].inputs.push(saved);
        live[maker].outputs[0] = dx;
        live[maker].op = PlanOp::Rewritten(Box::new(pass));
        gone.insert(at);
    }
    let mut at = 0;
    live.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}
