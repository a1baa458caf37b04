//! The tape: operations are recorded on shapes, and differentiated by recording more of them.
//!
//! Recording checks shapes at once and runs nothing: [`crate::Plan`] turns a tape into work.

mod backward;

use crate::error::Error;
use crate::ops::Op;
use crate::shape::{Channels, Shape};
use crate::store::{Param, Store, StoreId};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

pub use backward::Backward;

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
    /// In the store; outlives the step.
    Stored(StoreId),
    /// Written by the host before the step.
    Host,
}

/// What is known about a tensor.
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
    pub op: Arc<dyn Op>,
    /// Operands.
    pub inputs: Vec<Tensor>,
    /// Its results; stored tensors among them are written in place.
    pub outputs: Vec<Tensor>,
    /// Scope and operation, `G/down3/conv2d`.
    pub label: String,
}

/// A list of recorded operations.
///
/// ```
/// # fn main() -> pixtape::Result<()> {
/// use pixtape::ops::Act;
/// use pixtape::store::Layout;
/// use pixtape::{Conv, Shape, Store, Tape};
///
/// let mut store = Store::new();
/// let weight = store.param("net", "weight", Layout::Conv { ci: 3.into(), co: 8, kernel: 4 });
///
/// let mut tape = Tape::new();
/// let x = tape.input("x", Shape::new(1, 16, 16, 3));
/// let w = tape.param(&store, &weight);
/// tape.scope("net/first");
/// let h = tape.conv2d(x, w, None, Conv::new(4, 2, 1))?;
/// assert_eq!(tape.shape(h), Shape::new(1, 8, 8, 8));
/// // What does not fit is refused where it is recorded.
/// let error = tape.conv2d(h, w, None, Conv::new(4, 2, 1)).unwrap_err();
/// assert!(error.to_string().contains("net/first"));
///
/// let y = tape.act(h, Act::Relu);
/// let loss = tape.mse(y, 1.0);
/// let forward = tape.nodes().len();
/// tape.backward(&[loss], &[w])?;
/// assert!(tape.nodes().len() > forward, "the gradient is more operations");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    infos: Vec<Info>,
    stored: HashMap<StoreId, Tensor>,
    scope: String,
    /// How many nodes ago the operations being recorded again were recorded first.
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

    /// The current scope.
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

    /// What is known of the tensors, without the operations: for plans that compute some of
    /// them twice.
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

    /// What is known about every tensor, by index.
    pub(crate) fn infos(&self) -> &[Info] {
        &self.infos
    }

    /// What is known about a tensor.
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

    /// A tensor of the store; the same at every call.
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

    /// A tensor of the store, found also where the tape is [`without_nodes`](Self::without_nodes).
    pub(crate) fn stored_again(&mut self, store: &Store, id: StoreId, label: &str) -> Tensor {
        match self.infos.iter().position(|info| info.source == Source::Stored(id)) {
            Some(at) => Tensor(at as u32),
            None => self.stored(store, id, label),
        }
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

    /// A stored tensor of another tape, as it is known there; `None` if it is not stored.
    pub(crate) fn stored_of(&mut self, other: &Tape, tensor: Tensor) -> Option<Tensor> {
        let Source::Stored(id) = other.info(tensor).source else { return None };
        Some(match self.stored.get(&id) {
            Some(&known) => known,
            None => {
                let here = self.add_info(other.info(tensor).clone());
                self.stored.insert(id, here);
                here
            }
        })
    }

    /// Records an operation with fresh outputs of the given shapes.
    pub fn push(&mut self, op: impl Op, inputs: &[Tensor], shapes: &[Shape]) -> Vec<Tensor> {
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
            op: Arc::new(op),
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            label,
        });
        outputs
    }

    /// Records an operation with one fresh output.
    pub fn push_one(&mut self, op: impl Op, inputs: &[Tensor], shape: Shape) -> Tensor {
        self.push(op, inputs, &[shape])[0]
    }

    /// Records an operation that writes given tensors (of the store), followed by new ones.
    pub fn push_into(
        &mut self,
        op: impl Op,
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
}
