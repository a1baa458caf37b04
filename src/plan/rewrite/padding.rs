//! Convolutions read a map through its padding, and the padded map is never made.
//!
//! A padding `z = pad(x)` goes if everything that reads `z` can do without it, each exactly:
//! 1. A convolution without padding of its own, or the gradient of its weight, that reads `z`,
//!    perhaps through a (leaky) ReLU: it reads `x` and finds the pixels around it by index.
//! 2. The derivative of a ReLU at `z` with the padding's adjoint behind it: the adjoint takes the
//!    ReLU's derivative at `x`, after adding up what is seen more than once, which has one factor.

use super::graph::Graph;
use super::kind::Kind;
use crate::ops::{Act, Of, Resample2d, Resample2dBackwardRelu};
use crate::tape::Tensor;
use std::collections::HashSet;
use std::sync::Arc;

/// What replaces the readers of a padding that is not needed.
#[derive(Default)]
struct Change {
    /// Convolutions (their places) and the activation that they load through.
    convolutions: Vec<(usize, Option<Act>)>,
    /// Adjoints of the padding, and the derivatives whose place they take.
    adjoints: Vec<(usize, usize)>,
    /// Nodes that nobody needs any more.
    gone: Vec<usize>,
}

/// Applies the rules.
pub(super) fn fuse(graph: &mut Graph<'_>) {
    let changes: Vec<(Resample2d, Tensor, Change)> = graph
        .nodes()
        .iter()
        .enumerate()
        .filter_map(|(at, node)| match Kind::of(&*node.op) {
            Kind::Padding(pad) if pad.pad > 0 => {
                Some((pad, node.inputs[0], change(graph, at, pad)?))
            }
            _ => None,
        })
        .collect();
    let mut gone = HashSet::new();
    for (pad, x, change) in changes {
        for (conv, act) in change.convolutions {
            let mut pass = Kind::of(&*graph.nodes()[conv].op).convolution().expect("it was one");
            pass.conv.pad = pad.pad;
            pass.fused.border = Some(pad.padding);
            pass.fused.load[0] = act;
            graph.change(conv, |node| {
                node.inputs[0] = x;
                node.op = Arc::new(pass);
            });
        }
        for (adjoint, derivative) in change.adjoints {
            let dy = graph.nodes()[derivative].inputs[1];
            graph.change(adjoint, |node| {
                node.inputs = vec![dy, x];
                node.op = Arc::new(Resample2dBackwardRelu(pad));
            });
        }
        gone.extend(change.gone);
    }
    graph.remove(&gone);
}

/// What it takes to do without the padding at `at`; `None` if somebody needs it.
fn change(graph: &Graph<'_>, at: usize, pad: Resample2d) -> Option<Change> {
    let z = graph.nodes()[at].outputs[0];
    let mut change = Change { gone: vec![at], ..Change::default() };
    for &reader in graph.readers(z)? {
        let node = &graph.nodes()[reader];
        match Kind::of(&*node.op) {
            Kind::Activation(act) if act.is_loadable() => {
                for &conv in graph.readers(node.outputs[0])? {
                    let conv = walks_over(graph, conv, node.outputs[0])?;
                    change.convolutions.push((conv, Some(act)));
                }
                change.gone.push(reader);
            }
            Kind::Derivative(Act::Relu) if node.inputs[0] == z && node.inputs[1] != z => {
                let &[adjoint] = graph.readers(node.outputs[0])? else { return None };
                if Kind::of(&*graph.nodes()[adjoint].op) != Kind::PaddingAdjoint(pad) {
                    return None;
                }
                change.adjoints.push((adjoint, reader));
                change.gone.push(reader);
            }
            _ => change.convolutions.push((walks_over(graph, reader, z)?, None)),
        }
    }
    (!change.convolutions.is_empty()).then_some(change)
}

/// The place itself if it holds a convolution whose kernel walks over `map`, and over nothing else
/// of it.
fn walks_over(graph: &Graph<'_>, at: usize, map: Tensor) -> Option<usize> {
    let node = &graph.nodes()[at];
    let pass = Kind::of(&*node.op).convolution()?;
    let plain = pass.conv.pad == 0 && pass.fused.border.is_none() && pass.fused.load[0].is_none();
    let once = node.inputs[0] == map && !node.inputs[1..].contains(&map);
    let walks = !pass.pass.transposed && pass.pass.of != Of::Input;
    (walks && plain && once).then_some(at)
}
