//! What a plan costs, and how it prints itself.

use super::layout::Root;
use super::memory::{Memory, mib};
use super::{Plan, slots};
use crate::store::{Role, Store};
use std::collections::BTreeSet;
use std::fmt;

/// Planned bytes of a plan.
pub(super) fn memory(plan: &Plan, store: &Store) -> Memory {
    let mut memory = Memory {
        activations: plan.slots.iter().sum(),
        activations_without_reuse: plan.roots.iter().map(|r| r.bytes).sum(),
        activations_lower_bound: slots::lower_bound(&plan.roots, plan.nodes.len()),
        inputs: plan.hosts.iter().map(|t| plan.shapes[t.index()].bytes()).sum(),
        uniforms: 256 * (plan.dispatches() as u64 + 1),
        ..Memory::default()
    };
    let ids = plan.places.iter().flatten().filter_map(|p| {
        if let Root::Stored(id) = p.root { Some(store.buffer_index(id)) } else { None }
    });
    for buffer in ids.collect::<BTreeSet<_>>() {
        let (bytes, role, _) = store.buffer_info(buffer);
        match role {
            Role::Weight => memory.parameters += bytes,
            Role::Gradient => memory.gradients += bytes,
            Role::Moment => memory.moments += bytes,
            Role::Running => memory.running += bytes,
        }
    }
    memory
}

impl Plan {
    /// Bytes and label of the largest tensor that is bound.
    pub fn largest(&self) -> (u64, &str) {
        let roots = self.roots.iter().map(|root| (root.bytes, root.label.as_str()));
        roots.max().unwrap_or_default()
    }
}

/// The three largest tensors with their bytes.
pub(super) fn largest(plan: &Plan) -> String {
    let mut all: Vec<(u64, &str)> =
        plan.roots.iter().map(|r| (r.bytes, r.label.as_str())).collect();
    // Not what Adam runs over: pages whole, which are no tensors that anybody chose the size of.
    let of_nets = plan
        .nodes
        .iter()
        .filter(|n| n.op != "adam")
        .flat_map(|n| n.inputs.iter().chain(&n.outputs));
    for tensor in of_nets.copied().collect::<BTreeSet<_>>() {
        if let Some(Root::Stored(_)) = plan.places[tensor.index()].map(|p| p.root) {
            all.push((plan.shapes[tensor.index()].bytes(), plan.label(tensor)));
        }
    }
    all.sort_by(|a, b| b.cmp(a));
    all.iter()
        .take(3)
        .map(|(bytes, label)| format!("{label} ({bytes})"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cost = self.cost();
        writeln!(
            f,
            "{} nodes, {} dispatches, {:.3} GFLOP, {:.1} MB touched",
            self.nodes.len(),
            self.dispatches(),
            cost.flop as f64 / 1e9,
            cost.bytes as f64 / 1e6
        )?;
        writeln!(f, "{}", self.memory)?;
        writeln!(
            f,
            "{:>5}  {:<44} {:<24} {:>10}  {:>10}  {:>5}  variant",
            "node", "label", "output", "MFLOP", "dispatches", "slot"
        )?;
        for node in &self.nodes {
            let output = node.outputs.first();
            let shape = output.map(|t| self.shapes[t.index()].to_string()).unwrap_or_default();
            let slot = match output.and_then(|t| self.places[t.index()]).map(|p| p.root) {
                Some(Root::Temporary(root)) => self.roots[root].slot.to_string(),
                Some(Root::Stored(_)) => "store".into(),
                _ => "host".into(),
            };
            let variant = match node.variant() {
                Some(variant) => format!("  {variant}"),
                None if node.dispatches.is_empty() => "  (planned away)".into(),
                None => String::new(),
            };
            writeln!(
                f,
                "{:>5}  {:<44} {:<24} {:>10.2}  {:>10}  {:>5}{variant}",
                node.number,
                node.label,
                shape,
                node.cost.flop as f64 / 1e6,
                node.dispatches.len(),
                slot
            )?;
        }
        write!(
            f,
            "{} slots, {:.1} MiB; re-use saved {:.1} MiB",
            self.slots.len(),
            mib(self.memory.activations),
            mib(self.memory.activations_without_reuse.saturating_sub(self.memory.activations))
        )
    }
}
