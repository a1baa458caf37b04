//! Gradients of weights go straight into Adam: what computes them updates the weight and its
//! moments as it stores.
//!
//! For whole pages, so that no memory is needed for their gradients: every weight of the page has
//! its gradient from one pass of a convolution that adds to nothing, and between that pass and the
//! step of Adam no other node touches the weight, its gradient or its moments.

use super::graph::Graph;
use super::kind::Kind;
use crate::ops::Adam;
use crate::store::{Store, StoreId};
use crate::tape::{Source, Tape, Tensor};
use std::collections::HashSet;
use std::sync::Arc;

/// Applies the rule to every step of Adam.
pub(super) fn fuse(store: &Store, tape: &mut Tape, graph: &mut Graph<'_>) {
    let mut gone = HashSet::new();
    for at in 0..graph.nodes().len() {
        let Kind::Adam(adam) = Kind::of(&*graph.nodes()[at].op) else { continue };
        let Some(passes) = passes(store, tape, graph, at) else { continue };
        passes.into_iter().for_each(|pass| take_over(store, tape, graph, pass, adam));
        gone.insert(at);
    }
    graph.remove(&gone);
}

fn stored(tape: &Tape, tensor: Tensor) -> Option<StoreId> {
    if let Source::Stored(id) = tape.info(tensor).source { Some(id) } else { None }
}

/// The passes that make the gradients which the step of Adam at `at` reads, if all of them can take
/// it over.
fn passes(store: &Store, tape: &Tape, graph: &Graph<'_>, at: usize) -> Option<Vec<usize>> {
    let page = stored(tape, graph.nodes()[at].inputs[0])?;
    let (buffer, whole) = store.range(page);
    let (mut found, mut bytes) = (Vec::new(), 0);
    for (place, node) in graph.nodes()[..at].iter().enumerate() {
        let of_page = |t: &&Tensor| stored(tape, **t).is_some_and(|id| store.range(id).0 == buffer);
        let Some(gradient) = node.outputs.iter().find(of_page) else { continue };
        let pass = Kind::of(&*node.op).convolution()?;
        let id = stored(tape, *gradient)?;
        if pass.accumulate
            || pass.fused.adam.is_some()
            || touched(store, tape, graph, id, place, at)
        {
            return None;
        }
        let (_, range) = store.range(id);
        bytes += range.end - range.start;
        found.push(place);
    }
    // Nothing is written twice: two that lie upon each other touch each other.
    (bytes == whole.end - whole.start).then_some(found)
}

/// Whether a node besides the pass at `pass` and the step of Adam at `adam` reads or writes a
/// gradient, or touches its weight and moments between the two.
fn touched(
    store: &Store,
    tape: &Tape,
    graph: &Graph<'_>,
    gradient: StoreId,
    pass: usize,
    adam: usize,
) -> bool {
    let Some(updated) = store.of_gradient(gradient) else { return true };
    let of = |id: StoreId, others: &[StoreId]| {
        let (buffer, range) = store.range(id);
        others.iter().any(|other| {
            let (theirs, other) = store.range(*other);
            theirs == buffer && other.start < range.end && range.start < other.end
        })
    };
    let kept = graph.keep().iter().filter_map(|t| stored(tape, *t));
    if { kept }.any(|id| of(id, &[gradient])) {
        return true;
    }
    graph.nodes().iter().enumerate().any(|(at, node)| {
        let mut ids = node.inputs.iter().chain(&node.outputs).filter_map(|t| stored(tape, *t));
        let between = pass < at && at < adam;
        at != pass && at != adam && ids.any(|id| of(id, &[gradient]) || between && of(id, &updated))
    })
}

/// Lets the pass at `at` do the step of Adam for its weight.
fn take_over(store: &Store, tape: &mut Tape, graph: &mut Graph<'_>, at: usize, adam: Adam) {
    let node = &graph.nodes()[at];
    let gradient = stored(tape, node.outputs[0]);
    let updated = gradient.and_then(|id| store.of_gradient(id)).expect("passes() has looked");
    let mut pass = Kind::of(&*node.op).convolution().expect("passes() has looked");
    pass.fused.adam = Some(adam.group);
    let label = tape.info(node.outputs[0]).label.clone();
    let label = label.strip_suffix(".gradient").unwrap_or(&label);
    let names = [label.to_string(), format!("{label}.moment1"), format!("{label}.moment2")];
    let outputs =
        updated.iter().zip(names).map(|(id, name)| tape.stored_again(store, *id, &name)).collect();
    graph.change(at, |node| {
        node.outputs = outputs;
        node.op = Arc::new(pass);
    });
}
