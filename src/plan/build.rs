//! Building a plan: rewrite, lay out, lower, share memory.

use super::layout::{self, Layout};
use super::rewrite::{self, GraphNode, Kind};
use super::{Memory, Plan, PlanNode, PlanOptions, report, slots};
use crate::error::{Error, Result};
use crate::gpu::Family;
use crate::ops::{Cost, Lowering, Operand, Tuning};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Source, Tape, Tensor};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Plan {
    /// Plans what it takes to compute `keep` and to write every stored tensor that the tape writes.
    ///
    /// `keep` can be read after a step ([`super::Program::read`]). `family` is the kind of tile
    /// that convolutions use ([`crate::gpu::Gpu::family`]).
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
            None => {
                let facts = options.facts.unwrap_or_default();
                Arc::new(Tuning::rule(family).with_facts(facts).force(options.force))
            }
        };
        if let Family::Subgroup(lanes) = tuning.family()
            && ![4, 8, 16].contains(&lanes)
        {
            let why = format!("subgroup kernels of {lanes} lanes: there are those of 4, 8 and 16");
            return Err(Error::Usage(why));
        }
        let rewritten = rewrite::rewrite(tape, store, keep, tuning.family(), &options);
        let (tape, live) = (&rewritten.tensors, rewritten.nodes());
        let layout = layout::lay_out(tape, live);
        let mut roots = slots::lifetimes(live, &layout, &keep.iter().copied().collect());
        let mut nodes: Vec<PlanNode> =
            live.iter().map(|node| lower(tape, &layout, &tuning, node)).collect();
        for (at, node) in nodes.iter_mut().enumerate() {
            node.scratch = slots::scratch(&mut roots, at, &node.label, &node.dispatches);
        }
        let slots = slots::assign(&mut roots, options.reuse);
        let hosts: BTreeSet<Tensor> = nodes
            .iter()
            .flat_map(|n| &n.inputs)
            .copied()
            .filter(|t| tape.info(*t).source == Source::Host)
            .collect();
        let mut plan = Plan {
            nodes,
            places: layout.places,
            shapes: tape.infos().iter().map(|i| i.shape).collect(),
            labels: tape.infos().iter().map(|i| i.label.clone()).collect(),
            roots,
            slots,
            hosts: hosts.into_iter().collect(),
            options,
            rule: (tuning.family() == Family::Workgroup).then(|| tuning.facts()),
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
        let (most, whose) = match self.options.max_binding {
            Some(most) => (most, "this adapter's limit"),
            None => (crate::gpu::MAX_BINDING, "what every adapter has"),
        };
        self.check_pixels()?;
        match self.roots.iter().filter(|root| root.bytes > most).max_by_key(|root| root.bytes) {
            Some(root) => Err(Error::Limit {
                what: format!("tensor {:?}", root.label),
                needed: format!("{} bytes in one binding", root.bytes),
                available: format!("{most} ({whose})"),
                hint: "lower `batch_size`, the size of the images (`crop_size`, `load_size`), or \
                       `ngf` and `ndf`"
                    .into(),
            }),
            None => Ok(()),
        }
    }
}

/// The most pixels of a tensor: kernels divide indices by way of reciprocals, which are exact up to
/// here (`shaders/lib/index.wgsl`).
const PIXELS: u64 = 1 << 22;

impl Plan {
    /// Refuses images of more pixels than kernels count.
    fn check_pixels(&self) -> Result<()> {
        let tensors = self.nodes.iter().flat_map(|node| node.inputs.iter().chain(&node.outputs));
        let pixels =
            |shape: &Shape| [shape.n, shape.h, shape.w].map(u64::from).iter().product::<u64>();
        // Vectors and pages of the store are one row, which is not divided.
        let large = |tensor: &&Tensor| {
            let shape = &self.shapes[tensor.index()];
            shape.h > 1 && pixels(shape) > PIXELS
        };
        match { tensors }.find(large) {
            Some(tensor) => Err(Error::Limit {
                what: format!("tensor {:?}", self.label(*tensor)),
                needed: format!("{} pixels", pixels(&self.shapes[tensor.index()])),
                available: format!("{PIXELS} in a batch"),
                hint: "lower `batch_size` or the size of the images".into(),
            }),
            None => Ok(()),
        }
    }
}

/// A node with its dispatches; its scratch memory is still to be placed.
fn lower(tape: &Tape, layout: &Layout, tuning: &Tuning, node: &GraphNode<'_>) -> PlanNode {
    let operands = |tensors: &[Tensor]| -> Vec<Operand> {
        tensors.iter().map(|t| layout.operand(tape, *t)).collect()
    };
    let shapes =
        |tensors: &[Tensor]| -> Vec<Shape> { tensors.iter().map(|t| tape.shape(*t)).collect() };
    let dispatches = node.op.lower(&Lowering {
        tuning,
        inputs: &operands(&node.inputs),
        outputs: &operands(&node.outputs),
        number: node.number as u32,
    });
    let cost = if dispatches.is_empty() {
        Cost::default()
    } else {
        node.op.cost(&shapes(&node.inputs), &shapes(&node.outputs))
    };
    PlanNode {
        number: node.number,
        label: node.label.into(),
        op: node.op.name(),
        cost,
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
        convolution: Kind::of(&*node.op).convolution(),
        scratch: Vec::new(),
        in_place: node.op.in_place(),
        makes_numbers: node.op.makes_numbers(),
        dispatches,
    }
}
