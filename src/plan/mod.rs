//! From a tape to work: which nodes run, where tensors lie, which dispatches that takes.
//!
//! [`Plan::new`] needs no device. [`Plan::prepare`] makes buffers, pipelines and bind groups once;
//! a [`Program`]'s step only writes the step uniform and encodes.

mod build;
mod check;
mod inspect;
mod layout;
mod memory;
mod program;
mod report;
mod rewrite;
mod ring;
mod scratch;
mod segments;
mod slots;
#[cfg(not(target_arch = "wasm32"))]
mod timing;

pub use inspect::{Bound, Launch, Life, Region};
pub use memory::Memory;
pub use program::{GROUPS, Program, Progress, Rate, StepValues, TensorMemory};
pub use ring::Scalars;
pub use scratch::Scratch;
#[cfg(not(target_arch = "wasm32"))]
pub use timing::{Clock, Times};

use crate::gpu::{Facts, Gpu};
use crate::ops::{Convolution, Cost, Dispatch, PartialVariant, Problem, Tuning, Variant};
use crate::shape::Shape;
use crate::tape::Tensor;
use layout::Place;
use slots::TemporaryRoot;
use std::collections::HashSet;
use std::sync::Arc;

/// Choices made when a plan is built.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Let tensors whose lifetimes do not overlap share a buffer.
    pub reuse: bool,
    /// Refuse to plan more bytes than this (store, activations and all).
    pub memory_limit: Option<u64>,
    /// The largest tensor that may be bound, in bytes; `None`: what every adapter has, 128 MiB. See
    /// [`on`](PlanOptions::on).
    pub max_binding: Option<u64>,
    /// Put guard words behind every buffer, so that [`Program::run_checked`] sees writes outside.
    pub guards: bool,
    /// Let convolutions take over the activations and the padding beside them: same results, less
    /// traffic.
    pub fuse: bool,
    /// Let the gradient of a weight go straight into Adam where nothing else writes or reads it,
    /// for whole pages of weights: the same results, less traffic, and no memory for those
    /// gradients. The store then has no values of theirs to read after a step. `None`: trainings do
    /// where they [`fuse`](Self::fuse), other plans do not.
    pub fuse_adam: Option<bool>,
    /// Recompute activations that gradients read, one segment of the forward pass at a time,
    /// instead of keeping them: less memory, the same results, up to one more forward pass of time.
    pub recompute: bool,
    /// Sizes of the GPU, for the built-in rule; `None`: nothing is known. See
    /// [`on`](PlanOptions::on).
    pub facts: Option<Facts>,
    /// Which variants convolutions take; `None`: the built-in rule of the device's family.
    pub tuning: Option<Arc<Tuning>>,
    /// Without a `tuning`: parts of a variant that convolutions take wherever they apply.
    pub force: PartialVariant,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions {
            reuse: true,
            memory_limit: None,
            max_binding: None,
            guards: false,
            fuse: true,
            fuse_adam: None,
            recompute: false,
            facts: None,
            tuning: None,
            force: PartialVariant::default(),
        }
    }
}

impl PlanOptions {
    /// With tensors as large as a device can bind, and its sizes.
    #[must_use]
    pub fn on(self, gpu: &Gpu) -> PlanOptions {
        PlanOptions {
            max_binding: self.max_binding.or(Some(gpu.max_binding())),
            facts: self.facts.or(Some(gpu.facts())),
            ..self
        }
    }
}

/// A node of a plan.
#[derive(Debug)]
pub struct PlanNode {
    /// The number it was recorded under.
    pub number: usize,
    /// Scope and operation.
    pub label: String,
    /// Name of the operation.
    pub op: &'static str,
    /// Arithmetic and traffic.
    pub cost: Cost,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<Tensor>,
    /// Of a convolution: which pass, and what is fused into it.
    pub convolution: Option<Convolution>,
    /// Roots of its scratch tensors.
    pub(crate) scratch: Vec<usize>,
    pub(crate) in_place: bool,
    pub(crate) makes_numbers: bool,
    pub(crate) dispatches: Vec<Dispatch>,
}

impl PlanNode {
    /// How many dispatches it takes; none for what the plan made a view.
    pub fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// Label of the kernel of its first dispatch; empty where there is none.
    pub fn kernel(&self) -> String {
        self.dispatches.first().map(|d| d.kernel.label()).unwrap_or_default()
    }

    /// The variant that a convolution takes.
    pub fn variant(&self) -> Option<Variant> {
        self.dispatches.iter().find_map(|d| d.variant)
    }
}

/// What runs in a step, in order, and where everything lies.
///
/// Made without a device: what a step costs can be known before there is one.
///
/// ```
/// # fn main() -> pixtape::Result<()> {
/// use pixtape::gpu::Family;
/// use pixtape::ops::Act;
/// use pixtape::{Plan, PlanOptions, Shape, Store, Tape};
///
/// let (store, mut tape) = (Store::new(), Tape::new());
/// let mut h = tape.input("x", Shape::new(1, 32, 32, 8));
/// for _ in 0..6 {
///     h = tape.act(h, Act::Tanh);
/// }
/// let loss = tape.mean(h);
///
/// let plan = Plan::new(&tape, &store, &[loss], Family::Workgroup, PlanOptions::default())?;
/// println!("{plan}"); // node by node: cost, kernel, memory
/// // Tensors whose lifetimes do not overlap share memory.
/// let apart = PlanOptions { reuse: false, ..PlanOptions::default() };
/// let apart = Plan::new(&tape, &store, &[loss], Family::Workgroup, apart)?;
/// assert!(plan.memory().total() < apart.memory().total());
///
/// // More memory than allowed is refused before anything is allocated.
/// let options = PlanOptions { memory_limit: Some(1000), ..PlanOptions::default() };
/// let refused = Plan::new(&tape, &store, &[loss], Family::Workgroup, options);
/// assert!(matches!(refused, Err(pixtape::Error::MemoryLimit { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Plan {
    pub(crate) nodes: Vec<PlanNode>,
    pub(crate) places: Vec<Option<Place>>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) labels: Vec<String>,
    pub(crate) roots: Vec<TemporaryRoot>,
    pub(crate) slots: Vec<u64>,
    pub(crate) hosts: Vec<Tensor>,
    pub(crate) options: PlanOptions,
    /// What the built-in rule went by, where it chose for a GPU.
    rule: Option<Facts>,
    memory: Memory,
}

impl Plan {
    /// Nodes in the order they run.
    pub fn nodes(&self) -> &[PlanNode] {
        &self.nodes
    }

    /// What a node computes, if it is a pass of a convolution.
    pub fn problem(&self, node: &PlanNode) -> Option<Problem> {
        let [inputs, outputs] = self.shapes_of(node);
        Some(node.convolution?.problem(&inputs, outputs[0]))
    }

    /// Shapes of what a node reads and of what it writes.
    pub fn shapes_of(&self, node: &PlanNode) -> [Vec<Shape>; 2] {
        [&node.inputs, &node.outputs]
            .map(|tensors| tensors.iter().map(|t| self.shapes[t.index()]).collect())
    }

    /// Sizes of the GPU by which the built-in rule chose; `None` for tiles of CPU drivers, which it
    /// chooses without.
    pub fn facts(&self) -> Option<Facts> {
        self.rule
    }

    /// Bytes by use.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Arithmetic and traffic of a step.
    pub fn cost(&self) -> Cost {
        sum(self.nodes.iter())
    }

    /// What of [`Plan::cost`] is spent on recomputing activations ([`PlanOptions::recompute`]).
    pub fn recomputed(&self) -> Cost {
        let mut seen = HashSet::new();
        sum(self.nodes.iter().filter(|n| !seen.insert(n.number)))
    }

    /// Number of dispatches of a step.
    pub fn dispatches(&self) -> usize {
        self.nodes.iter().map(|n| n.dispatches.len()).sum()
    }

    /// A label for a tensor in messages.
    pub(crate) fn label(&self, tensor: Tensor) -> &str {
        &self.labels[tensor.index()]
    }
}

fn sum<'a>(nodes: impl Iterator<Item = &'a PlanNode>) -> Cost {
    nodes.fold(Cost::default(), |sum, n| Cost {
        flop: sum.flop + n.cost.flop,
        bytes: sum.bytes + n.cost.bytes,
    })
}
