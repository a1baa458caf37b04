//! A recorded network cut into stages: from maps on the host to the next one.
//!
//! A map is kept of every convolution, pooling and sum (behind its activation, if nothing else
//! reads it), and of whatever a norm takes statistics of. What lies between costs little and is
//! computed again by every stage that reads it: norms with statistics that are known by then,
//! activations, padding, concatenations, planes of classes. So a stage has at most one convolution,
//! at its end. Means over instances are a stage of their own, since they need the whole map.

use crate::error::{Error, Result};
use crate::ops::Forward;
use crate::tape::{Node, Source, Tape, Tensor};
use std::collections::{HashMap, HashSet};

/// A part of a network that runs in strips by itself.
#[derive(Debug)]
pub(super) struct Stage {
    /// The places of its operations on the tape, in order, and what they are.
    pub nodes: Vec<(usize, Forward)>,
    /// The maps that it reads.
    pub sources: Vec<Tensor>,
    /// Statistics that are given to it.
    pub statistics: Vec<Tensor>,
    /// The map that it makes.
    pub output: Tensor,
}

/// All stages of a network in the order they run.
#[derive(Debug)]
pub(super) struct Stages {
    pub all: Vec<Stage>,
    /// Statistics of norms in the order in which they were recorded, and the maps they are of.
    pub statistics: Vec<(Tensor, Tensor)>,
}

impl Stages {
    /// Cuts a network that makes `y` of what the host writes.
    ///
    /// # Errors
    /// [`Error::Internal`] for an operation that is not known here.
    pub fn of(tape: &Tape, y: Tensor) -> Result<Stages> {
        let known = |node: &Node| {
            Forward::of(&*node.op)
                .ok_or_else(|| Error::Internal(format!("{}: cannot run in strips", node.label)))
        };
        let kinds = tape.nodes().iter().map(known).collect::<Result<Vec<_>>>()?;
        let nodes = || tape.nodes().iter().zip(&kinds);
        let statistics: Vec<_> = nodes()
            .filter(|(_, kind)| **kind == Forward::Statistics)
            .map(|(node, _)| (result(node), node.inputs[0]))
            .collect();
        let mut maps: HashSet<Tensor> = statistics.iter().map(|(_, of)| *of).collect();
        maps.insert(y);
        for (node, kind) in nodes() {
            let made = result(node);
            match kind {
                Forward::Convolution { .. } | Forward::AvgPool(_) | Forward::Add => {
                    let mut readers = nodes().filter(|(reader, _)| reader.inputs.contains(&made));
                    maps.insert(match (readers.next(), readers.next()) {
                        (Some((act, Forward::Act(_))), None) => result(act),
                        _ => made,
                    });
                }
                Forward::InstanceMean => maps.extend([made, node.inputs[0]]),
                _ => {}
            }
        }
        let makers: HashMap<Tensor, usize> =
            tape.nodes().iter().enumerate().map(|(at, node)| (result(node), at)).collect();
        let cut = Cut { tape, kinds: &kinds, makers, maps: &maps };
        let outputs = tape.nodes().iter().map(result).filter(|made| maps.contains(made));
        Ok(Stages { all: outputs.map(|output| cut.stage(output)).collect(), statistics })
    }
}

fn result(node: &Node) -> Tensor {
    *node.outputs.last().expect("an operation has a result")
}

/// A tape that is being cut.
struct Cut<'a> {
    tape: &'a Tape,
    kinds: &'a [Forward],
    /// Places of the operations that make tensors.
    makers: HashMap<Tensor, usize>,
    maps: &'a HashSet<Tensor>,
}

impl Cut<'_> {
    /// What it takes to make a map of others.
    fn stage(&self, output: Tensor) -> Stage {
        let mut stage =
            Stage { nodes: Vec::new(), sources: Vec::new(), statistics: Vec::new(), output };
        let mut seen = HashSet::new();
        let mut left = vec![output];
        while let Some(tensor) = left.pop() {
            let source = self.tape.info(tensor).source;
            if !seen.insert(tensor) || matches!(source, Source::Stored(_)) {
                continue;
            }
            if source == Source::Host || (tensor != output && self.maps.contains(&tensor)) {
                stage.sources.push(tensor);
                continue;
            }
            let at = self.makers[&tensor];
            if self.kinds[at] == Forward::Statistics {
                stage.statistics.push(tensor);
                continue;
            }
            stage.nodes.push((at, self.kinds[at]));
            left.extend(self.tape.nodes()[at].inputs.iter().rev());
        }
        stage.nodes.sort_unstable_by_key(|(at, _)| *at);
        stage
    }
}
