//! The tape: operations are recorded on shapes only, and differentiated by recording more of them.
//!
//! Recording looks eager and checks at once, but runs nothing: [`crate::Plan`] turns a tape into
//! work.

use crate::error::{Error, Result};
use crate::ops::{Add, Fill, Op};
use crate::shape::{Channels, Shape};
use crate::store::{Param, Store, StoreId};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A value on a tape.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Tensor(u32);

impl Tensor {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a tensor's values come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Written by a node, this step.
    Node,
    /// Lies in the store and outlives the step.
    Stored(StoreId),
    /// Written by the host before the step.
    Host,
}

/// What the tape knows of a tensor.
#[derive(Clone, Debug)]
pub struct Info {
    /// Shape of the tensor.
    pub shape: Shape,
    /// Where its values come from.
    pub source: Source,
    /// Name for messages.
    pub label: String,
    gradient: Option<StoreId>,
    /// Of a convolution's weight: the channels, part by part, that its rows were laid out for.
    pub(crate) rows: Option<Channels>,
}

/// A recorded operation.
#[derive(Debug)]
pub struct Node {
    /// The operation.
    pub op: Box<dyn Op>,
    /// Operands.
    pub inputs: Vec<Tensor>,
    /// Results; stored tensors here are written in place.
    pub outputs: Vec<Tensor>,
    /// Scope and operation, `G/down3/conv2d`.
    pub label: String,
}

/// A list of recorded operations.
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    infos: Vec<Info>,
    stored: HashMap<StoreId, Tensor>,
    scope: String,
    /// How many nodes ago the operations now recorded were recorded first.
    again: Option<usize>,
    /// Nodes of derivatives, a range for each call of [`Tape::backward`].
    gradients: Vec<Range<usize>>,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Tape::default()
    }

    /// Prefix of the labels of what is recorded next, `G/down3` for example.
    pub fn scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    /// The scope at hand.
    pub fn current_scope(&self) -> &str {
        &self.scope
    }

    /// Until it is called with `None`, random operations take their streams as if the node recorded
    /// next had the number `first`: recording the same operations again then gives the same values.
    pub fn random_streams_from(&mut self, first: Option<usize>) {
        self.again = first.map(|first| self.nodes.len() - first);
    }

    /// The stream of random numbers of the node recorded next, if it is not the node's own.
    pub(crate) fn stream(&self) -> Option<u32> {
        self.again.map(|ago| (self.nodes.len() - ago) as u32)
    }

    /// What is known of the tensors, without the operations: for plans that make some of them
    /// twice.
    pub(crate) fn without_nodes(&self) -> Tape {
        Tape { infos: self.infos.clone(), ..Tape::default() }
    }

    /// Another tensor like this one.
    pub(crate) fn like(&mut self, tensor: Tensor) -> Tensor {
        let info = self.info(tensor).clone();
        self.add_info(info)
    }

    /// Nodes of derivatives, a range for each call of [`Tape::backward`].
    pub(crate) fn gradients(&self) -> &[Range<usize>] {
        &self.gradients
    }

    /// Recorded operations in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What is known of every tensor, by index.
    pub(crate) fn infos(&self) -> &[Info] {
        &self.infos
    }

    /// What is known of a tensor.
    pub fn info(&self, tensor: Tensor) -> &Info {
        &self.infos[tensor.index()]
    }

    /// A tensor's shape.
    pub fn shape(&self, tensor: Tensor) -> Shape {
        self.info(tensor).shape
    }

    fn add_info(&mut self, info: Info) -> Tensor {
        self.infos.push(info);
        Tensor(self.infos.len() as u32 - 1)
    }

    /// A tensor that the host writes before a step.
    pub fn input(&mut self, label: &str, shape: Shape) -> Tensor {
        self.add_info(Info {
            shape,
            source: Source::Host,
            label: label.into(),
            gradient: None,
            rows: None,
        })
    }

    /// A tensor of the store. The same one at every call.
    pub fn stored(&mut self, store: &Store, id: StoreId, label: &str) -> Tensor {
        if let Some(&known) = self.stored.get(&id) {
            return known;
        }
        let tensor = self.add_info(Info {
            shape: store.shape(id),
            source: Source::Stored(id),
            label: label.into(),
            gradient: None,
            rows: None,
        });
        self.stored.insert(id, tensor);
        tensor
    }

    /// A parameter's values; [`Tape::backward`] writes its gradient into the store.
    pub fn param(&mut self, store: &Store, param: &Param) -> Tensor {
        let tensor = self.stored(store, param.value, &param.name);
        let info = &mut self.infos[tensor.index()];
        info.gradient = param.gradient;
        info.rows = param.layout.rows();
        if let Some(gradient) = param.gradient {
            self.stored(store, gradient, &format!("{}.gradient", param.name));
        }
        tensor
    }

    /// Records an operation with fresh outputs of the given shapes.
    pub fn push(
        &mut self,
        op: impl Op + 'static,
        inputs: &[Tensor],
        shapes: &[Shape],
    ) -> Vec<Tensor> {
        let label = self.label(op.name());
        let outputs: Vec<Tensor> = shapes
            .iter()
            .map(|&shape| {
                self.add_info(Info {
                    shape,
                    source: Source::Node,
                    label: label.clone(),
                    gradient: None,
                    rows: None,
                })
            })
            .collect();
        self.nodes.push(Node {
            op: Box::new(op),
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            label,
        });
        outputs
    }

    /// Records an operation with one fresh output.
    pub fn push_one(&mut self, op: impl Op + 'static, inputs: &[Tensor], shape: Shape) -> Tensor {
        self.push(op, inputs, &[shape])[0]
    }

    /// Records an operation that writes given tensors (of the store) as well as fresh ones behind
    /// them.
    pub fn push_into(
        &mut self,
        op: impl Op + 'static,
        inputs: &[Tensor],
        outputs: &[Tensor],
        fresh: &[Shape],
    ) -> Vec<Tensor> {
        let made = self.push(op, inputs, fresh);
        let node = self.nodes.last_mut().expect("just pushed");
        node.outputs = outputs.iter().chain(&made).copied().collect();
        node.outputs.clone()
    }

    fn label(&self, op: &str) -> String {
        if self.scope.is_empty() { op.into() } else { format!("{}/{op}", self.scope) }
    }

    /// A shape error of the operation being recorded.
    pub(crate) fn shape_error(&self, op: &'static str, message: String) -> Error {
        Error::Shape { op, label: self.scope.clone(), message }
    }

    /// Records the derivative of the sum of `losses` (scalars) for everything in `wrt`, and only
    /// what that takes.
    ///
    /// Gradients of parameters go into the store: the first use writes, further ones add. Gradients
    /// of other tensors are returned (`None` where the losses do not depend on a tensor, or its
    /// gradient went into the store).
    ///
    /// # Errors
    /// [`Error::Shape`] if a loss is no scalar, or an operation on the way has no derivative.
    pub fn backward(&mut self, losses: &[Tensor], wrt: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
        self.differentiate(losses, wrt, false)
    }

    /// As [`Tape::backward`], but every gradient that goes into the store is added to what an
    /// earlier call on this tape has written there.
    ///
    /// # Errors
    /// As [`Tape::backward`].
    pub fn backward_onto(
        &mut self,
        losses: &[Tensor],
        wrt: &[Tensor],
    ) -> Result<Vec<Option<Tensor>>> {
        self.differentiate(losses, wrt, true)
    }

    fn differentiate(
        &mut self,
        losses: &[Tensor],
        wrt: &[Tensor],
        onto: bool,
    ) -> Result<Vec<Option<Tensor>>> {
        let scope = self.scope.clone();
        if let Some(loss) = losses.iter().find(|l| self.shape(**l) != Shape::scalar()) {
            return Err(self.shape_error(
                "backward",
                format!(
                    "a loss is a scalar [1, 1, 1, 1], this one is {}; use mean",
                    self.shape(*loss)
                ),
            ));
        }
        let recorded = self.nodes.len();
        // Only what depends on `wrt` and reaches a loss gets a derivative: D's weights get none in
        // G's step.
        let mut depends: HashSet<Tensor> = wrt.iter().copied().collect();
        for node in &self.nodes {
            if node.inputs.iter().any(|i| depends.contains(i)) {
                depends.extend(
                    node.outputs.iter().filter(|o| self.infos[o.index()].source == Source::Node),
                );
            }
        }
        let written = if onto { wrt.iter().copied().collect() } else { HashSet::new() };
        let mut state = Gradients { depends, written, ..Gradients::default() };
        for &loss in losses.iter().filter(|l| state.depends.contains(l)).collect::<Vec<_>>() {
            self.scope("seed");
            let one = Fill::record(self, Shape::scalar(), 1.0);
            state.add(self, loss, one);
        }
        for at in (0..recorded).rev() {
            let node = &self.nodes[at];
            let wanted = node.outputs.iter().any(|o| state.of.contains_key(o))
                && node.inputs.iter().any(|i| state.depends.contains(i));
            if !wanted {
                continue;
            }
            let (inputs, outputs) = (node.inputs.clone(), node.outputs.clone());
            let scope = match node.label.rsplit_once('/') {
                Some((scope, _)) => format!("{scope}'"),
                None => "'".into(),
            };
            self.scope(scope);
            // The op leaves the tape while it records on it.
            let op = std::mem::replace(&mut self.nodes[at].op, Box::new(crate::ops::Away));
            let done = op.backward(&mut Backward {
                tape: self,
                state: &mut state,
                inputs: &inputs,
                outputs: &outputs,
                number: at as u32,
            });
            self.nodes[at].op = op;
            done?;
        }
        self.scope(scope);
        self.gradients.push(recorded..self.nodes.len());
        Ok(wrt.iter().map(|t| state.of.get(t).copied()).collect())
    }
}

#[derive(Default)]
struct Gradients {
    depends: HashSet<Tensor>,
    of: HashMap<Tensor, Tensor>,
    /// Parameters whose stored gradient has been written.
    written: HashSet<Tensor>,
}

impl Gradients {
    fn add(&mut self, tape: &mut Tape, tensor: Tensor, gradient: Tensor) {
        let sum = match self.of.get(&tensor) {
            None => gradient,
            Some(&before) => {
                Add::record(tape, before, gradient).expect("gradients of one tensor have its shape")
            }
        };
        self.of.insert(tensor, sum);
    }
}

/// An operation's view of the tape while its derivative is recorded.
pub struct Backward<'a> {
    /// The tape to record on.
    pub tape: &'a mut Tape,
    state: &'a mut Gradients,
    /// The operation's operands.
    pub inputs: &'a [Tensor],
    /// The operation's results.
    pub outputs: &'a [Tensor],
    /// The number it was recorded under.
    pub number: u32,
}

impl Backward<'_> {
    /// The gradient of an output, if the losses depend on it.
    pub fn gradient(&self, output: usize) -> Option<Tensor> {
        self.state.of.get(&self.outputs[output]).copied()
    }

    /// The gradient of the only output: there is one, or the operation would not have been asked.
    pub fn dy(&self) -> Tensor {
        self.gradient(0).expect("backward is called with a gradient")
    }

    /// Whether an input's gradient is wanted.
    pub fn needs(&self, input: usize) -> bool {
        self.inputs.get(input).is_some_and(|i| self.state.depends.contains(i))
    }

    /// Hands over the gradient of an input.
    pub fn give(&mut self, input: usize, gradient: Tensor) {
        self.state.add(self.tape, self.inputs[input], gradient);
    }

    /// Where the gradient of a parameter input goes: the tensor to write, and whether to add to
    /// what is there. `None` if the input is no parameter with a gradient page: then record with a
    /// fresh output and [`Backward::give`] it.
    pub fn parameter_gradient(&mut self, input: usize) -> Option<(Tensor, bool)> {
        let tensor = self.inputs[input];
        let gradient = self.tape.info(tensor).gradient?;
        let add = !self.state.written.insert(tensor);
        Some((self.tape.stored[&gradient], add))
    }

    /// Records an operation that makes the gradient of a parameter input, built by `op` from "add
    /// to what is there".
    pub fn emit_parameter<O: Op + 'static>(
        &mut self,
        input: usize,
        inputs: &[Tensor],
        op: impl FnOnce(bool) -> O,
    ) {
        let shape = self.tape.shape(self.inputs[input]);
        match self.parameter_gradient(input) {
            Some((target, add)) => {
                self.tape.push_into(op(add), inputs, &[target], &[]);
            }
            None => {
                let made = self.tape.push_one(op(false), inputs, shape);
                self.give(input, made);
            }
        }
    }

    /// The operation has no derivative here.
    ///
    /// # Errors
    /// Always [`Error::Shape`], with the reason.
    pub fn refuse(&self, op: &'static str, why: &str) -> Result<()> {
        Err(self.tape.shape_error(op, why.into()))
    }
}
