//! Constants: a fill times a number is a fill, and equal fills are one.

use super::graph::Graph;
use super::kind::Kind;
use crate::ops::Fill;
use crate::tape::{Tape, Tensor};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Up to here equal fills are one: it lives as long as all of them, and a dispatch costs more than
/// the memory is worth.
const SMALL: u64 = 64 << 10;

/// Applies the rules.
pub(super) fn fold(tape: &Tape, graph: &mut Graph<'_>) {
    // In order, since what is scaled may have been a product itself.
    for at in 0..graph.nodes().len() {
        let node = &graph.nodes()[at];
        let Kind::Scale(by) = Kind::of(&*node.op) else { continue };
        if let Some(value) = graph.maker(node.inputs[0]).and_then(|maker| fill(graph, maker)) {
            graph.change(at, |node| {
                node.op = Arc::new(Fill(value * by));
                node.inputs.clear();
            });
        }
    }
    let mut known = HashMap::new();
    for at in 0..graph.nodes().len() {
        let (Some(value), made) = (fill(graph, at), graph.nodes()[at].outputs[0]) else { continue };
        let shape = tape.shape(made);
        if shape.bytes() <= SMALL && graph.readers(made).is_some() {
            let one = *known.entry((value.to_bits(), shape)).or_insert(made);
            read_instead(graph, made, one);
        }
    }
    let unread = |at: &usize| {
        let of = |tensor: &Tensor| graph.readers(*tensor).is_some_and(<[usize]>::is_empty);
        fill(graph, *at).is_some() && graph.nodes()[*at].outputs.iter().all(of)
    };
    let gone: HashSet<usize> = (0..graph.nodes().len()).filter(unread).collect();
    graph.remove(&gone);
}

/// The value of the fill at a place, if there is one.
fn fill(graph: &Graph<'_>, at: usize) -> Option<f32> {
    match Kind::of(&*graph.nodes()[at].op) {
        Kind::Fill(value) => Some(value),
        _ => None,
    }
}

/// Lets all that reads a tensor read another one.
fn read_instead(graph: &mut Graph<'_>, tensor: Tensor, other: Tensor) {
    let readers = graph.readers(tensor).map(<[usize]>::to_vec);
    for at in readers.into_iter().flatten().filter(|_| tensor != other) {
        graph.change(at, |node| {
            node.inputs.iter_mut().filter(|t| **t == tensor).for_each(|t| *t = other);
        });
    }
}
