//! Lifetimes coloured onto whole buffers ("slots").

use super::graph::GraphNode;
use super::layout::Layout;
use super::{Root, TemporaryRoot};
use crate::ops::{Bind, Dispatch};
use crate::tape::Tensor;
use std::collections::{BTreeMap, HashSet};

/// First and last use of every temporary root.
pub(super) fn lifetimes(live: &[GraphNode<'_>], layout: &Layout, kept: &HashSet<Tensor>) -> Vec<TemporaryRoot> {
    let fresh = |(shape, label): &(crate::Shape, String)| TemporaryRoot {
        bytes: shape.bytes(),
        label: format!("{label} {shape}"),
        life: (usize::MAX, 0),
        kept: false,
        slot: usize::MAX,
    };
    let mut roots: Vec<TemporaryRoot> = layout.roots.iter().map(fresh).collect();
    for (at, node) in live.iter().enumerate() {
        for tensor in node.inputs.iter().chain(&node.outputs) {
            if let Root::Temporary(root) = layout.place(*tensor).root {
                let root = &mut roots[root];
                root.life = (root.life.0.min(at), root.life.1.max(at));
                root.kept |= kept.contains(tensor);
            }
        }
    }
    roots
}

/// Adds roots for the scratch tensors of a node at place `at`, in the order of their numbers.
pub(super) fn scratch(roots: &mut Vec<TemporaryRoot>, at: usize, label: &str, dispatches: &[Dispatch]) -> Vec<usize> {
    let mut sizes = BTreeMap::new();
    for bind in dispatches.iter().flat_map(|d| &d.binds) {
        if let Bind::Scratch { at, bytes, .. } = *bind {
            assert_eq!(*sizes.entry(at).or_insert(bytes), bytes, "{label}: one scratch tensor, two sizes");
        }
    }
    assert!(sizes.keys().copied().eq(0..sizes.len()), "{label}: scratch tensors are numbered from 0");
    let first = roots.len();
    roots.extend(sizes.iter().map(|(number, &bytes)| TemporaryRoot {
        bytes,
        label: format!("{label} scratch {number}"),
        life: (at, at),
        kept: false,
        slot: usize::MAX,
    }));
    (first..roots.len()).collect()
}

/// Gives every root a slot and returns the slots' sizes in bytes. With `reuse` off every root has one of its own.
pub(super) fn assign(roots: &mut [TemporaryRoot], nodes: usize, reuse: bool) -> Vec<u64> {
    let mut slots: Vec<u64> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut begin = vec![Vec::new(); nodes];
    let mut end = vec![Vec::new(); nodes];
    for (at, root) in roots.iter().enumerate() {
        begin[root.life.0].push(at);
        if !root.kept && reuse {
            end[root.life.1].push(at);
        }
    }
    for node in 0..nodes {
        for &at in &begin[node] {
            let need = roots[at].bytes;
            // Best fit; else the largest free slot grows, which costs less than another slot. What the host reads shares nothing.
            let fits = |slot: &&usize| slots[**slot] >= need;
            let best = free.iter().filter(fits).min_by_key(|s| slots[**s]).or_else(|| free.iter().max_by_key(|s| slots[**s])).copied();
            let slot = match best.filter(|_| !roots[at].kept) {
                Some(slot) => {
                    free.retain(|s| *s != slot);
                    slots[slot] = slots[slot].max(need);
                    slot
                }
                None => {
                    slots.push(need);
                    slots.len() - 1
                }
            };
            roots[at].slot = slot;
        }
        // Freed only now: what a node reads is never what it writes.
        free.extend(end[node].iter().map(|&at| roots[at].slot));
    }
    slots
}
