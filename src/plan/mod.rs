//! From a tape to work: which nodes run, where tensors lie, which dispatches that makes.
//!
//! [`Plan::new`] needs no device. [`Plan::prepare`] makes buffers, pipelines and bind groups once;
//! a [`Program`]'s step only writes the step uniform and encodes.

mod check;
mod inspect;
mod layout;
mod program;
mod report;
mod rewrite;
mod ring;
mod segments;
mod slots;
#[cfg(not(target_arch = "wasm32"))]
mod timing;

pub use inspect::{Bound, Life, Region};
pub use program::{GROUPS, Program, Rate, StepValues};
pub use report::Memory;
pub use ring::Scalars;
#[cfg(not(target_arch = "wasm32"))]
pub use timing::{Clock, Times};

use crate::error::{Error, Result};
use crate::gpu::{Family, Gpu};
use crate::ops::{Convolution, Cost, Dispatch, Lowering, Operand, Problem, Tuning, Variant};
use crate::shape::Shape;
use crate::store::{Store, StoreId};
use crate::tape::{Source, Tape, Tensor};
use rewrite::Kind;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Hears how many kernels are ready, and of how many.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Choices made when a plan is built.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Let tensors whose lifetimes do not overlap share a buffer.
    pub reuse: bool,
    /// Refuse to plan more bytes than this (store, activations and all).
    pub memory_limit: Option<u64>,
    /// Put guard words behind every buffer, so that [`Program::run_checked`] sees writes outside.
    pub guards: bool,
    /// Let convolutions take over the activations and the padding beside them.
    pub fuse: bool,
    /// Make activations that gradients read again, a segment of the forward pass at a time, instead
    /// of keeping them: less memory, the same results, up to one more forward pass of time.
    pub recompute: bool,
    /// Which variants convolutions take; `None`: the built-in rule of the device's family.
    pub tuning: Option<Arc<Tuning>>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions {
            reuse: true,
            memory_limit: None,
            guards: false,
            fuse: true,
            recompute: false,
            tuning: None,
        }
    }
}

/// Which buffer a tensor lies in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Root {
    /// Shared by lifetimes: an index into the plan's roots.
    Temporary(usize),
    /// A page of the store.
    Stored(StoreId),
    /// Written by the host.
    Host(Tensor),
}

/// Where a tensor lies, in vec4s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub root: Root,
    pub offset: u32,
    pub stride: u32,
}

/// A run of memory with a lifetime: one tensor, or a concatenation with its parts.
#[derive(Clone, Debug)]
pub(crate) struct TemporaryRoot {
    pub bytes: u64,
    pub label: String,
    /// First and last node (places in [`Plan::nodes`]) that touch it.
    pub life: (usize, usize),
    /// Read by the host after the step: never shared.
    pub kept: bool,
    pub slot: usize,
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
}

/// What runs in a step, in order, and where everything lies.
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
    memory: Memory,
}

impl Plan {
    /// Plans what it takes to compute `keep` and to write every stored tensor that the tape writes.
    ///
    /// `keep` can be read after a step ([`Program::read`]). `family` is the tile that convolutions
    /// use ([`Gpu::family`]).
    ///
    /// # Errors
    /// [`Error::MemoryLimit`] if more bytes are planned than allowed, [`Error::Limit`] if one
    /// tensor exceeds what can be bound.
    pub fn new(
        tape: &Tape,
        store: &Store,
        keep: &[Tensor],
        family: Family,
        options: PlanOptions,
    ) -> Result<Plan> {
        let tuning = match &options.tuning {
            Some(tuning) => tuning.clone(),
            None => Arc::new(Tuning::new(family)?),
        };
        let rewritten = rewrite::rewrite(tape, store, keep, options.fuse, options.recompute);
        let (tape, live) = (&rewritten.tensors, rewritten.nodes());
        let mut layout = layout::lay_out(tape, live);
        let mut roots = slots::lifetimes(live, &layout, &keep.iter().copied().collect());
        let mut nodes = Vec::with_capacity(live.len());
        for node in live {
            let operands = |tensors: &[Tensor]| -> Vec<Operand> {
                tensors.iter().map(|t| layout.operand(tape, *t)).collect()
            };
            let (inputs, outputs) = (operands(&node.inputs), operands(&node.outputs));
            let dispatches = node.op.lower(&Lowering {
                tuning: &tuning,
                inputs: &inputs,
                outputs: &outputs,
                number: node.number as u32,
            });
            let shapes = |tensors: &[Tensor]| -> Vec<Shape> {
                tensors.iter().map(|t| tape.shape(*t)).collect()
            };
            let cost = if dispatches.is_empty() {
                Cost::default()
            } else {
                node.op.cost(&shapes(&node.inputs), &shapes(&node.outputs))
            };
            nodes.push(PlanNode {
                number: node.number,
                label: node.label.into(),
                op: node.op.name(),
                cost,
                inputs: node.inputs.clone(),
                outputs: node.outputs.clone(),
                convolution: Kind::of(&*node.op).convolution(),
                scratch: slots::scratch(&mut roots, nodes.len(), node.label, &dispatches),
                in_place: node.op.in_place(),
                makes_numbers: node.op.makes_numbers(),
                dispatches,
            });
        }
        let slots = slots::assign(&mut roots, options.reuse);
        let places = std::mem::take(&mut layout.places);
        let hosts: BTreeSet<Tensor> = nodes
            .iter()
            .flat_map(|n| &n.inputs)
            .copied()
            .filter(|t| tape.info(*t).source == Source::Host)
            .collect();
        let mut plan = Plan {
            nodes,
            places,
            shapes: tape.infos().iter().map(|i| i.shape).collect(),
            labels: tape.infos().iter().map(|i| i.label.clone()).collect(),
            roots,
            slots,
            hosts: hosts.into_iter().collect(),
            options,
            memory: Memory::default(),
        };
        plan.memory = report::memory(&plan, store);
        plan.check_sizes()?;
        Ok(plan)
    }

    fn check_sizes(&self) -> Result<()> {
        if let Some(limit) = self.options.memory_limit
            && self.memory.total() > limit
        {
            return Err(Error::MemoryLimit {
                planned: self.memory.total(),
                limit,
                largest: report::largest(self),
            });
        }
        for root in &self.roots {
            if root.bytes > crate::gpu::MAX_BINDING {
                return Err(Error::Limit {
                    what: format!("tensor {:?}", root.label),
                    needed: format!("{} bytes in one binding", root.bytes),
                    available: format!("{} (what every adapter has)", crate::gpu::MAX_BINDING),
                    hint: "lower `batch_size` or `crop_size`".into(),
                });
            }
        }
        Ok(())
    }

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

    /// Bytes by use.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Arithmetic and traffic of a step.
    pub fn cost(&self) -> Cost {
        sum(self.nodes.iter())
    }

    /// What of [`Plan::cost`] is spent on making activations again ([`PlanOptions::recompute`]).
    pub fn recomputed(&self) -> Cost {
        let mut seen = HashSet::new();
        sum(self.nodes.iter().filter(|n| !seen.insert(n.number)))
    }

    /// Number of dispatches of a step.
    pub fn dispatches(&self) -> usize {
        self.nodes.iter().map(|n| n.dispatches.len()).sum()
    }

    /// Makes everything a step needs on the device: buffers, pipelines, uniforms, bind groups.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Limit`] or [`Error::Validation`], naming the node or
    /// buffer.
    pub fn prepare(self, gpu: &Gpu, store: &Store) -> Result<Program> {
        Program::new(self, gpu, store, None)
    }

    /// Like [`Plan::prepare`], and says how far it has come: `progress(done, total)` is called in
    /// this thread after each kernel that had to be compiled.
    ///
    /// A software driver compiles at a kernel's first dispatch. To have it done here, an empty
    /// dispatch of each kernel is submitted there and waited for. On lavapipe other devices help
    /// for the while, one a core, if the device is our own ([`Gpu::request`]).
    ///
    /// # Errors
    /// As [`Plan::prepare`].
    pub fn prepare_with(self, gpu: &Gpu, store: &Store, progress: Progress<'_>) -> Result<Program> {
        Program::new(self, gpu, store, Some(progress))
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

impl PlanNode {
    /// The variant that a convolution takes.
    pub fn variant(&self) -> Option<Variant> {
        self.dispatches.iter().find_map(|d| d.variant)
    }
}
