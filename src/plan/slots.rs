//! Lifetimes coloured onto whole buffers ("slots").

use super::layout::Layout;
use super::{Root, TemporaryRoot};
use crate::tape::{Tape, Tensor};
use std::collections::HashSet;

/// First and last use of every temporary root.
pub(super) fn lifetimes(tape: &Tape, live: &[usize], layout: &Layout, kept: &HashSet<Tensor>) -> Vec<TemporaryRoot> {
    let fresh = |(shape, label): &(crate::Shape, String)| TemporaryRoot {
        bytes: shape.bytes(),
        label: format!("{label} {shape}"),
        life: (usize::MAX, 0),
        kept: false,
        slot: usize::MAX,
    };
    let mut roots: Vec<TemporaryRoot> = layout.roots.iter().map(fresh).collect();
    for (at, &number) in live.iter().enumerate() {
        let node = &tape.nodes()[number];
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

/// The most bytes of roots alive at one node. What the host reads after the step lives until its end.
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
        let mut roots = vec![root(10, (0, 1), false), root(20, (1, 2), false), root(5, (2, 2), true)];
        assert_eq!(lower_bound(&roots, 4), 30);
        // Kept ones stay, whatever their last node.
        roots.push(root(28, (3, 3), false));
        assert_eq!(lower_bound(&roots, 4), 33);
        let slots = assign(&mut roots, 4, true);
        assert!(slots.iter().sum::<u64>() >= 33);
        assert_eq!(lower_bound(&[], 0), 0);
    }
}
