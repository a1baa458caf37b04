//! The chain rule: derivatives are recorded on the tape like everything else, from the losses back
//! to the tensors they are asked for.

use super::{Source, Tape, Tensor};
use crate::error::Result;
use crate::ops::{Add, Fill, Op};
use crate::shape::Shape;
use std::collections::{HashMap, HashSet};

impl Tape {
    /// Records the derivative of the sum of `losses` (scalars) for everything in `wrt`, and only
    /// what that takes.
    ///
    /// Gradients of parameters go into the store: the first use writes, further ones add. Gradients
    /// of other tensors are returned (`None` where the losses do not depend on a tensor, or its
    /// gradient went into the store).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if a loss is not a scalar, or an operation on the way has no
    /// derivative.
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
            let op = node.op.clone();
            self.scope(scope);
            op.backward(&mut Backward {
                tape: self,
                state: &mut state,
                inputs: &inputs,
                outputs: &outputs,
                number: at as u32,
            })?;
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

    /// Whether an input's gradient is needed.
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
    pub fn emit_parameter<O: Op>(
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
    /// Always [`crate::Error::Shape`], with the reason.
    pub fn refuse(&self, op: &'static str, why: &str) -> Result<()> {
        Err(self.tape.shape_error(op, why.into()))
    }
}
