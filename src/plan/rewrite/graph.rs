//! The nodes of a plan before they have a place, and who makes and who reads each tensor.

use crate::ops::Op;
use crate::tape::{Source, Tape, Tensor};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A node on its way into a plan.
#[derive(Clone)]
pub(in crate::plan) struct GraphNode<'t> {
    pub op: Arc<dyn Op>,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    pub label: &'t str,
    /// The number it was recorded under.
    pub number: usize,
}

/// Nodes in the order they run, indexed by tensor. A node's place is its index.
pub(in crate::plan) struct Graph<'t> {
    nodes: Vec<GraphNode<'t>>,
    /// Tensors that the host reads, which therefore stay.
    keep: HashSet<Tensor>,
    makers: HashMap<Tensor, usize>,
    /// Places of the nodes that read a tensor, once per operand.
    readers: HashMap<Tensor, Vec<usize>>,
}

impl<'t> Graph<'t> {
    pub fn new(nodes: Vec<GraphNode<'t>>, keep: HashSet<Tensor>) -> Self {
        let mut graph = Graph { nodes, keep, makers: HashMap::new(), readers: HashMap::new() };
        graph.index();
        graph
    }

    /// The nodes of a tape that `keep` or a stored tensor depend on, in recorded order.
    pub fn live(tape: &'t Tape, keep: &[Tensor]) -> Self {
        let mut needed: HashSet<Tensor> = keep.iter().copied().collect();
        let mut live = Vec::new();
        for (number, node) in tape.nodes().iter().enumerate().rev() {
            let stored = |t: &Tensor| matches!(tape.info(*t).source, Source::Stored(_));
            if node.outputs.iter().any(|o| stored(o) || needed.contains(o)) {
                needed.extend(&node.inputs);
                live.push(GraphNode {
                    op: node.op.clone(),
                    inputs: node.inputs.clone(),
                    outputs: node.outputs.clone(),
                    label: &node.label,
                    number,
                });
            }
        }
        live.reverse();
        Graph::new(live, keep.iter().copied().collect())
    }

    pub fn nodes(&self) -> &[GraphNode<'t>] {
        &self.nodes
    }

    pub fn keep(&self) -> &HashSet<Tensor> {
        &self.keep
    }

    /// The place of the last node that writes a tensor.
    pub fn maker(&self, tensor: Tensor) -> Option<usize> {
        self.makers.get(&tensor).copied()
    }

    /// Who reads a tensor, once per operand; `None` if the host reads it as well.
    pub fn readers(&self, tensor: Tensor) -> Option<&[usize]> {
        let readers = self.readers.get(&tensor).map_or(&[][..], Vec::as_slice);
        (!self.keep.contains(&tensor)).then_some(readers)
    }

    /// Lets a node do something else at its place.
    pub fn change(&mut self, at: usize, change: impl FnOnce(&mut GraphNode<'t>)) {
        let node = &mut self.nodes[at];
        for tensor in &node.inputs {
            self.readers.entry(*tensor).or_default().retain(|reader| *reader != at);
        }
        for tensor in &node.outputs {
            self.makers.remove(tensor);
        }
        change(node);
        for tensor in &node.inputs {
            self.readers.entry(*tensor).or_default().push(at);
        }
        self.makers.extend(node.outputs.iter().map(|t| (*t, at)));
    }

    /// Removes the nodes at these places; the others move up.
    pub fn remove(&mut self, gone: &HashSet<usize>) {
        let mut at = 0;
        self.nodes.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        self.index();
    }

    fn index(&mut self) {
        (self.makers, self.readers) = (HashMap::new(), HashMap::new());
        for (at, node) in self.nodes.iter().enumerate() {
            self.makers.extend(node.outputs.iter().map(|t| (*t, at)));
            for tensor in &node.inputs {
                self.readers.entry(*tensor).or_default().push(at);
            }
        }
    }
}
