//! Convolutions take over the (leaky) ReLUs beside them.
//!
//! Three rules:
//! 1. An operand of a convolution pass that is `f(x)`: the pass reads `x` and applies `f` as it
//!    loads.
//! 2. The derivative of `f` behind an input gradient that nothing else reads: the pass multiplies
//!    by it as it stores.
//! 3. An activation whose result nobody reads any more is dropped.

use super::graph::Graph;
use super::kind::Kind;
use crate::ops::Act;
use crate::tape::{Tape, Tensor};
use std::sync::Arc;

/// Applies the rules.
pub(super) fn fuse(tape: &Tape, graph: &mut Graph<'_>) {
    for at in 0..graph.nodes().len() {
        load(graph, at);
    }
    let gone = (0..graph.nodes().len()).filter(|at| mask(tape, graph, *at)).collect();
    graph.remove(&gone);
    let unread = |(at, node): (usize, &super::GraphNode<'_>)| {
        let activation = matches!(Kind::of(&*node.op), Kind::Activation(_));
        let unread = graph.readers(node.outputs[0]).is_some_and(<[usize]>::is_empty);
        (activation && unread).then_some(at)
    };
    let gone = graph.nodes().iter().enumerate().filter_map(unread).collect();
    graph.remove(&gone);
}

/// Rule 1, for the convolution at `at`, if there is one.
fn load(graph: &mut Graph<'_>, at: usize) {
    let node = &graph.nodes()[at];
    let Some(mut pass) = Kind::of(&*node.op).convolution() else { return };
    let mut inputs = node.inputs.clone();
    // The weight of a data pass is no map.
    let maps = if pass.pass.is_weight() { 2 } else { 1 };
    for (input, load) in inputs.iter_mut().zip(&mut pass.fused.load).take(maps) {
        if let Some((act, x)) = rectified(graph, *input).filter(|_| load.is_none()) {
            (*input, *load) = (x, Some(act));
        }
    }
    if inputs != node.inputs {
        graph.change(at, |node| {
            node.inputs = inputs;
            node.op = Arc::new(pass);
        });
    }
}

/// The (leaky) ReLU that a tensor is the result of, if a convolution can load through it, and its
/// operand.
fn rectified(graph: &Graph<'_>, tensor: Tensor) -> Option<(Act, Tensor)> {
    let node = &graph.nodes()[graph.maker(tensor)?];
    match Kind::of(&*node.op) {
        Kind::Activation(act) if act.is_loadable() => Some((act, node.inputs[0])),
        _ => None,
    }
}

/// Rule 2, for the derivative at `at`, if there is one. Whether it is not needed any more.
fn mask(tape: &Tape, graph: &mut Graph<'_>, at: usize) -> bool {
    let node = &graph.nodes()[at];
    let Kind::Derivative(act) = Kind::of(&*node.op) else { return false };
    let (saved, dy, dx) = (node.inputs[0], node.inputs[1], node.outputs[0]);
    let Some(maker) = graph.maker(dy) else { return false };
    let Some(mut pass) = Kind::of(&*graph.nodes()[maker].op).convolution() else { return false };
    // The derivative takes the place of the gradient, whose shape it has; what it looks at must be
    // there by then.
    if !act.is_rectifier()
        || graph.readers(dy) != Some(&[at][..])
        || pass.pass.is_weight()
        || pass.fused.mask.is_some()
        || pass.accumulate
        || graph.maker(saved).is_some_and(|m| m > maker)
        || tape.shape(saved) != tape.shape(dx)
    {
        return false;
    }
    pass.fused.mask = Some(act);
    // Two nodes make `dx` until the derivative is removed: nobody asks in between.
    graph.change(maker, |node| {
        node.inputs.push(saved);
        node.outputs[0] = dx;
        node.op = Arc::new(pass);
    });
    true
}
