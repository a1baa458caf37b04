//! Recomputing (gradient checkpointing: Chen et al., arXiv 1604.06174): what gradients read of a
//! forward pass is computed again shortly before, one segment at a time, instead of being kept.
//!
//! Only what crosses from one segment into a later one is kept. A step then needs the crossings and
//! one segment's activations at a time, and up to one more forward pass of arithmetic. Where to cut
//! follows from the plan's own counts.
//!
//! The values are the same, bit by bit: the same operations on the same operands, with the same
//! random numbers. What writes to the store is never done twice; what it makes besides (the
//! statistics of a batch norm) is kept.

use super::graph::{Graph, GraphNode};
use crate::store::Store;
use crate::tape::{Source, Tape, Tensor};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

/// Numbers of segments that are tried.
const COUNTS: [u64; 9] = [2, 4, 6, 9, 12, 18, 24, 36, 54];
/// Derivatives that read less than this share of what the greediest reads keep it all.
const WORTH: f64 = 0.25;
/// What is this much smaller than the largest operand (statistics, sums) is kept: computing it
/// again would cost a pass over that operand.
const SMALL: u64 = 16;

/// A graph that recomputes activations.
pub(super) struct Candidate<'t> {
    /// The tape's tensors and those that are recomputed.
    pub tensors: Tape,
    pub graph: Graph<'t>,
    /// Arithmetic of the nodes that run again.
    pub flop: u64,
}

/// The graph as it is, and with several numbers of segments.
pub(super) fn candidates<'t>(
    tape: &'t Tape,
    store: &Store,
    graph: &Graph<'t>,
) -> Vec<Candidate<'t>> {
    let step = Step::new(tape, store, graph);
    let plain = Candidate {
        tensors: tape.without_nodes(),
        graph: Graph::new(graph.nodes().to_vec(), graph.keep().clone()),
        flop: 0,
    };
    std::iter::once(plain).chain(COUNTS.map(|count| step.with_segments(count))).collect()
}

/// What is known of the nodes of a step. Places are places among them.
struct Step<'a, 't> {
    tape: &'t Tape,
    graph: &'a Graph<'t>,
    nodes: &'a [GraphNode<'t>],
    /// Whether a node belongs to a derivative.
    gradient: Vec<bool>,
    /// Places at which pages of the store are written, by page.
    writes: HashMap<usize, BTreeSet<usize>>,
    /// Page of each stored tensor.
    pages: HashMap<Tensor, usize>,
    /// Ranges of derivatives that are worth it.
    ranges: Vec<Range<usize>>,
}

impl<'a, 't> Step<'a, 't> {
    fn new(tape: &'t Tape, store: &Store, graph: &'a Graph<'t>) -> Self {
        let nodes = graph.nodes();
        let place = |number: usize| nodes.partition_point(|n| n.number < number);
        let all: Vec<Range<usize>> =
            tape.gradients().iter().map(|r| place(r.start)..place(r.end)).collect();
        let mut gradient = vec![false; nodes.len()];
        all.iter().cloned().flatten().for_each(|at| gradient[at] = true);
        let page = |t: &Tensor| match tape.info(*t).source {
            Source::Stored(id) => Some(store.buffer_index(id)),
            _ => None,
        };
        let (mut writes, mut pages) = (HashMap::<usize, BTreeSet<usize>>::new(), HashMap::new());
        for (at, node) in nodes.iter().enumerate() {
            pages.extend(
                node.inputs.iter().chain(&node.outputs).filter_map(|t| Some((*t, page(t)?))),
            );
            for page in node.outputs.iter().filter_map(page) {
                writes.entry(page).or_default().insert(at);
            }
        }
        let mut step = Step { tape, graph, nodes, gradient, writes, pages, ranges: Vec::new() };
        let greed: Vec<u64> =
            all.iter().map(|r| step.read_by(r).into_iter().map(|t| step.bytes(t)).sum()).collect();
        let most = greed.iter().copied().max().unwrap_or(0);
        step.ranges = all
            .into_iter()
            .zip(greed)
            .filter(|(_, bytes)| *bytes as f64 >= WORTH * most as f64 && *bytes > 0)
            .map(|(r, _)| r)
            .collect();
        step
    }

    /// The place of the node that makes a tensor of the step; `None` for what is stored.
    fn maker(&self, tensor: Tensor) -> Option<usize> {
        self.graph.maker(tensor).filter(|_| !self.pages.contains_key(&tensor))
    }

    fn bytes(&self, tensor: Tensor) -> u64 {
        self.tape.shape(tensor).bytes()
    }

    /// What a derivative reads of what was made before it, but not by other derivatives.
    fn read_by(&self, range: &Range<usize>) -> BTreeSet<Tensor> {
        let read = self.nodes[range.clone()].iter().flat_map(|n| &n.inputs).copied();
        read.filter(|t| self.maker(*t).is_some_and(|m| m < range.start && !self.gradient[m]))
            .collect()
    }

    /// Whether the node at `at` may run again at `later`, with the same result and no other effect.
    fn repeats(&self, at: usize, later: usize) -> bool {
        let node = &self.nodes[at];
        let untouched = |t: &Tensor| {
            let writes = self.pages.get(t).and_then(|page| self.writes.get(page));
            writes.is_none_or(|w| w.range(at..later).next().is_none())
        };
        let largest = node.inputs.iter().map(|t| self.bytes(*t)).max().unwrap_or(0);
        let small = node.outputs.iter().all(|t| self.bytes(*t) * SMALL <= largest);
        !small
            && !node.op.in_place()
            && !self.gradient[at]
            && node.outputs.iter().all(|t| self.maker(*t).is_some())
            && node.inputs.iter().all(untouched)
    }

    /// The step with what each derivative reads cut into about `count` segments.
    fn with_segments(&self, count: u64) -> Candidate<'t> {
        let mut tensors = self.tape.without_nodes();
        // Nodes to insert before a place, and what derivatives read instead.
        let mut inserted: BTreeMap<usize, Vec<GraphNode<'t>>> = BTreeMap::new();
        let mut instead: Vec<(Range<usize>, HashMap<Tensor, Tensor>)> = Vec::new();
        let mut flop = 0;
        for range in &self.ranges {
            let read = self.read_by(range);
            let mut renamed = HashMap::new();
            for segment in self.cut(range, &read, count) {
                let Some((first, again)) =
                    self.again(range, &read, &segment, &mut tensors, &mut renamed)
                else {
                    continue;
                };
                for node in &again {
                    let shapes =
                        |all: &[Tensor]| all.iter().map(|t| tensors.shape(*t)).collect::<Vec<_>>();
                    flop += node.op.cost(&shapes(&node.inputs), &shapes(&node.outputs)).flop;
                }
                inserted.entry(first).or_default().extend(again);
            }
            instead.push((range.clone(), renamed));
        }
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (at, node) in self.nodes.iter().enumerate() {
            nodes.extend(inserted.remove(&at).into_iter().flatten());
            let renamed =
                instead.iter().find(|(range, _)| range.contains(&at)).map(|(_, renamed)| renamed);
            let inputs = node
                .inputs
                .iter()
                .map(|t| renamed.and_then(|r| r.get(t)).copied().unwrap_or(*t))
                .collect();
            nodes.push(GraphNode { inputs, ..node.clone() });
        }
        Candidate { tensors, graph: Graph::new(nodes, self.graph.keep().clone()), flop }
    }

    /// Cuts the nodes before a derivative into segments of about the same bytes of what it reads,
    /// where little crosses.
    fn cut(&self, range: &Range<usize>, read: &BTreeSet<Tensor>, count: u64) -> Vec<Range<usize>> {
        // Bytes that each node adds to what is kept, and bytes that cross behind it.
        let mut adds = vec![0u64; range.start];
        for tensor in read {
            adds[self.maker(*tensor).expect("made before")] += self.bytes(*tensor);
        }
        let mut last_use: HashMap<Tensor, usize> = HashMap::new();
        for at in (0..range.start).filter(|at| !self.gradient[*at]) {
            last_use.extend(self.nodes[at].inputs.iter().map(|t| (*t, at)));
        }
        let (mut crossing, mut change) = (vec![0u64; range.start], vec![0i64; range.start + 1]);
        for (tensor, last) in last_use {
            if let Some(made) = self.maker(tensor).filter(|m| *m < last) {
                change[made] += self.bytes(tensor) as i64;
                change[last] -= self.bytes(tensor) as i64;
            }
        }
        let mut sum = 0;
        for (crossing, change) in crossing.iter_mut().zip(change) {
            sum += change;
            *crossing = sum as u64;
        }
        let each = adds.iter().sum::<u64>() / count + 1;
        let (mut segments, mut start) = (Vec::new(), 0);
        while start < range.start {
            let (mut bytes, mut best, mut at) = (0, range.start, start);
            // From half of the size on, the narrowest place before one and a half.
            while at < range.start {
                bytes += adds[at];
                if 2 * bytes > 3 * each && best < range.start {
                    break;
                }
                if 2 * bytes >= each && (best == range.start || crossing[at] <= crossing[best - 1])
                {
                    best = at + 1;
                }
                at += 1;
            }
            let end = if at == range.start && 2 * bytes <= 3 * each { range.start } else { best };
            segments.push(start..end);
            start = end;
        }
        segments
    }

    /// The nodes of a segment that make what the derivative reads, on tensors of their own, and
    /// where they are to run. None for the last segment before the derivative: it would be
    /// recomputed at once.
    fn again(
        &self,
        range: &Range<usize>,
        read: &BTreeSet<Tensor>,
        segment: &Range<usize>,
        tensors: &mut Tape,
        renamed: &mut HashMap<Tensor, Tensor>,
    ) -> Option<(usize, Vec<GraphNode<'t>>)> {
        if segment.end == range.start {
            return None;
        }
        let mine = |t: &Tensor| self.maker(*t).is_some_and(|m| segment.contains(&m));
        let first = range
            .clone()
            .find(|at| self.nodes[*at].inputs.iter().any(|t| read.contains(t) && mine(t)))?;
        // What later segments need is kept anyway.
        let crosses: HashSet<Tensor> = (segment.end..range.start)
            .filter(|at| !self.gradient[*at])
            .flat_map(|at| &self.nodes[at].inputs)
            .copied()
            .filter(mine)
            .collect();
        let mut wanted: HashSet<Tensor> =
            read.iter().copied().filter(|t| mine(t) && !crosses.contains(t)).collect();
        let mut chosen = Vec::new();
        for at in segment.clone().rev() {
            let node = &self.nodes[at];
            if node.outputs.iter().any(|t| wanted.contains(t)) && self.repeats(at, first) {
                wanted.extend(
                    node.inputs.iter().copied().filter(|t| mine(t) && !crosses.contains(t)),
                );
                chosen.push(at);
            }
        }
        let mut nodes = Vec::new();
        for at in chosen.into_iter().rev() {
            let node = &self.nodes[at];
            let inputs =
                node.inputs.iter().map(|t| renamed.get(t).copied().unwrap_or(*t)).collect();
            let outputs = node.outputs.iter().map(|t| tensors.like(*t)).collect::<Vec<_>>();
            // Not what crosses: later segments, whose turn comes earlier, read it as it was.
            renamed.extend(
                node.outputs
                    .iter()
                    .copied()
                    .zip(outputs.iter().copied())
                    .filter(|(t, _)| wanted.contains(t)),
            );
            nodes.push(GraphNode { inputs, outputs, ..node.clone() });
        }
        Some((first, nodes))
    }
}
