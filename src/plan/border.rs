//! Rewriting: convolutions read a map through its padding, and the padded map is never made.
//!
//! A padding `z = pad(x)` goes if everything that reads `z` can do without it, each exactly:
//! 1. A convolution without padding of its own, or the gradient of its weight, that reads `z`,
//!    perhaps through a (leaky) ReLU: it reads `x` and finds what stands around it by index.
//! 2. The derivative of a ReLU at `z` with the padding's adjoint behind it: the adjoint takes the
//!    ReLU's derivative at `x`, after adding up what is seen more than once, which has one factor.

use super::graph::{GraphNode, PlanOp};
use crate::ops::{Act, ActPass, Of, PadPass, Resample2d, Resample2dBackwardRelu};
use crate::tape::Tensor;
use std::collections::{HashMap, HashSet};

/// What stands in place of nodes once a padding has gone.
#[derive(Default)]
struct Change {
    /// Convolutions (their places) and the activation that they load through.
    convolutions: Vec<(usize, Option<Act>)>,
    /// Adjoints of the padding, and the derivatives whose place they take.
    adjoints: Vec<(usize, usize)>,
    /// Nodes that nobody needs any more.
    gone: Vec<usize>,
}

/// Applies the rules. `keep` is read by the host and therefore stays.
pub(super) fn paddings(live: &mut Vec<GraphNode<'_>>, keep: &[Tensor]) {
    let mut readers: HashMap<Tensor, Vec<usize>> = HashMap::new();
    for (at, node) in live.iter().enumerate() {
        node.inputs.iter().for_each(|t| readers.entry(*t).or_default().push(at));
    }
    let view = View { live, readers, keep };
    let changes: Vec<(usize, Resample2d, Change)> = (0..live.len())
        .filter_map(|at| match view.live[at].op.padding()? {
            PadPass::Forward(pad) if pad.pad > 0 => Some((at, pad, view.change(at, pad)?)),
            _ => None,
        })
        .collect();
    let mut gone = HashSet::new();
    for (at, pad, change) in changes {
        let x = live[at].inputs[0];
        for (conv, act) in change.convolutions {
            let mut pass = live[conv].op.convolution().expect("it was one");
            pass.conv.pad = pad.pad;
            pass.fused.border = Some(pad.padding);
            pass.fused.load[0] = act;
            live[conv].inputs[0] = x;
            live[conv].op = PlanOp::Rewritten(Box::new(pass));
        }
        for (adjoint, derivative) in change.adjoints {
            live[adjoint].inputs = vec![live[derivative].inputs[1], x];
            live[adjoint].op = PlanOp::Rewritten(Box::new(Resample2dBackwardRelu(pad)));
        }
        gone.extend(change.gone);
    }
    let mut at = 0;
    live.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

struct View<'a, 't> {
    live: &'a [GraphNode<'t>],
    /// Places of the nodes that read a tensor, once for each time.
    readers: HashMap<Tensor, Vec<usize>>,
    keep: &'a [Tensor],
}

impl View<'_, '_> {
    fn readers(&self, tensor: Tensor) -> &[usize] {
        self.readers.get(&tensor).map_or(&[], Vec::as_slice)
    }

    /// What it takes to do without the padding at `at`; `None` if somebody needs it.
    fn change(&self, at: usize, pad: Resample2d) -> Option<Change> {
        let z = self.live[at].outputs[0];
        let mut change = Change { gone: vec![at], ..Change::default() };
        for &reader in self.unkept(z)? {
            let node = &self.live[reader];
            match node.op.activation() {
                Some(ActPass::Forward(act)) if act.is_rectifier() => {
                    for &conv in self.unkept(node.outputs[0])? {
                        change
                            .convolutions
                            .push((self.walks_over(conv, node.outputs[0])?, Some(act)));
                    }
                    change.gone.push(reader);
                }
                Some(ActPass::Backward(Act::Relu))
                    if node.inputs[0] == z && node.inputs[1] != z =>
                {
                    let &[adjoint] = self.unkept(node.outputs[0])? else { return None };
                    if self.live[adjoint].op.padding() != Some(PadPass::Backward(pad)) {
                        return None;
                    }
                    change.adjoints.push((adjoint, reader));
                    change.gone.push(reader);
                }
                _ => change.convolutions.push((self.walks_over(reader, z)?, None)),
            }
        }
        (!change.convolutions.is_empty()).then_some(change)
    }

    /// Who reads a tensor that the host does not.
    fn unkept(&self, tensor: Tensor) -> Option<&[usize]> {
        (!self.keep.contains(&tensor)).then(|| self.readers(tensor))
    }

    /// The place itself if its kernel walks over `map`, and over nothing else of it.
    fn walks_over(&self, at: usize, map: Tensor) -> Option<usize> {
        let node = &self.live[at];
        let pass = node.op.convolution()?;
        let plain =
            pass.conv.pad == 0 && pass.fused.border.is_none() && pass.fused.load[0].is_none();
        let once = node.inputs[0] == map && !node.inputs[1..].contains(&map);
        let walks = !pass.pass.transposed && pass.pass.of != Of::Input;
        (walks && plain && once).then_some(at)
    }
}
