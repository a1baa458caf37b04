//! Lifetimes coloured onto whole buffers ("slots").

use super::layout::{Layout, Root};
use super::rewrite::GraphNode;
use crate::ops::{Bind, Dispatch};
use crate::tape::Tensor;
use std::collections::{BTreeMap, HashSet};

/// A run of memory with a lifetime: one tensor, or a concatenation with its parts.
#[derive(Clone, Debug)]
pub(crate) struct TemporaryRoot {
    pub bytes: u64,
    pub label: String,
    /// First and last node (places in [`Plan::nodes`]) that touch it.
    pub life: (usize, usize),
    /// Read by the host after the step: never shared.
    pub kept: bool,
    pub slot: usize,
}

/// First and last use of every temporary root.
pub(super) fn lifetimes(
    live: &[GraphNode<'_>],
    layout: &Layout,
    kept: &HashSet<Tensor>,
) -> Vec<TemporaryRoot> {
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
pub(super) fn scratch(
    roots: &mut Vec<TemporaryRoot>,
    at: usize,
    label: &str,
    dispatches: &[Dispatch],
) -> Vec<usize> {
    let mut sizes = BTreeMap::new();
    for bind in dispatches.iter().flat_map(|d| &d.binds) {
        if let Bind::Scratch { at, bytes, .. } = *bind {
            assert_eq!(
                *sizes.entry(at).or_insert(bytes),
                bytes,
                "{label}: one scratch tensor, two sizes"
            );
        }
    }
    assert!(
        sizes.keys().copied().eq(0..sizes.len()),
        "{label}: scratch tensors are numbered from 0"
    );
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

/// Gives every root a slot and returns the slots' sizes in bytes. With `reuse` off every root has
/// one of its own.
///
/// The largest first, each into the first slot where nothing else lives at the same time: a slot is
/// as large as the first that went in, so none is larger than it must be. Lives are closed
/// intervals of nodes: what a node reads is never what it writes.
pub(super) fn assign(roots: &mut [TemporaryRoot], reuse: bool) -> Vec<u64> {
    let mut order: Vec<usize> = (0..roots.len()).collect();
    // Ties by first use, so that the order does not hang on how roots were numbered.
    order.sort_by_key(|&at| (std::cmp::Reverse(roots[at].bytes), roots[at].life));
    let mut slots: Vec<u64> = Vec::new();
    // Lives by slot; `None` for slots that are not shared.
    let mut lives: Vec<Option<Vec<(usize, usize)>>> = Vec::new();
    for at in order {
        let TemporaryRoot { bytes, life, kept, .. } = roots[at];
        let shared = reuse && !kept;
        let apart = |other: &(usize, usize)| other.1 < life.0 || life.1 < other.0;
        let found = lives
            .iter()
            .position(|of| shared && of.as_ref().is_some_and(|of| of.iter().all(apart)));
        let slot = found.unwrap_or_else(|| {
            slots.push(bytes);
            lives.push(shared.then(Vec::new));
            slots.len() - 1
        });
        if let Some(of) = &mut lives[slot] {
            of.push(life);
        }
        roots[at].slot = slot;
    }
    slots
}

/// The most bytes of roots alive at one node. What the host reads after the step lives until its
/// end.
pub(super) fn lower_bound(roots: &[TemporaryRoot], nodes: usize) -> u64 {
    let (mut begin, mut end) = (vec![0u64; nodes], vec![0u64; nodes]);
    for root in roots.iter().filter(|r| r.life.0 < nodes) {
        begin[root.life.0] += root.bytes;
        if !root.kept {
            end[root.life.1] += root.bytes;
        }
    }
    let (mut alive, mut most) = (0, 0);
    for (begin, end) in begin.iter().zip(&end) {
        alive += begin;
        most = most.max(alive);
        alive -= end;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(bytes: u64, life: (usize, usize), kept: bool) -> TemporaryRoot {
        TemporaryRoot { bytes, label: String::new(), life, kept, slot: usize::MAX }
    }

    #[test]
    fn the_lower_bound_is_what_is_alive_at_the_fullest_node() {
        // A chain 10, 20, 5: two at a time. The last is read by the host.
        let mut roots =
            vec![root(10, (0, 1), false), root(20, (1, 2), false), root(5, (2, 2), true)];
        assert_eq!(lower_bound(&roots, 4), 30);
        // Kept ones stay, whatever their last node.
        roots.push(root(28, (3, 3), false));
        assert_eq!(lower_bound(&roots, 4), 33);
        let slots = assign(&mut roots, true);
        assert!(slots.iter().sum::<u64>() >= 33);
        assert_eq!(lower_bound(&[], 0), 0);
    }
}
