//! What a plan binds and when, as plain data: for tests of its invariants, and for looking at
//! plans.

use super::layout::Root;
use super::{Plan, PlanNode};
use crate::gpu::{Access, Kernel};
use crate::ops::{Bind, Dispatch, Sums};
use crate::store::StoreId;
use crate::tape::Tensor;
use std::ops::Range;

/// The buffer that a tensor lies in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Region {
    /// A buffer that tensors share by lifetime: an index into [`Plan::slots`].
    Slot(usize),
    /// A tensor of the store.
    Stored(StoreId),
    /// A tensor that the host writes, in a buffer of its own.
    Host(Tensor),
}

/// A storage binding of a dispatch.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The tensor; `None` for a node's own scratch memory.
    pub tensor: Option<Tensor>,
    /// The buffer.
    pub region: Region,
    /// Which run of [`Plan::lives`] it belongs to, if it lies in a slot.
    pub life: Option<usize>,
    /// First vec4 of each pixel, vec4s of each pixel that belong to the tensor, and vec4s from one
    /// pixel to the next; scratch memory is written and read whole and counts as one vec4.
    pub lanes: [u32; 3],
    /// The pixels of the region that are the tensor's: all, or those of some of the images.
    pub pixels: Range<u32>,
    /// Read, or written.
    pub access: Access,
}

/// A run of memory with a lifetime: one tensor, or a concatenation with its parts.
#[derive(Clone, Debug)]
pub struct Life {
    /// The buffer, an index into [`Plan::slots`].
    pub slot: usize,
    /// Bytes it takes of the buffer.
    pub bytes: u64,
    /// First and last node (places in [`Plan::nodes`]) that touch it.
    pub nodes: (usize, usize),
    /// Whether the host reads it after the step.
    pub kept: bool,
}

/// A dispatch as plain data: for models of its time.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The grid, in workgroups per dimension.
    pub groups: [u32; 3],
    /// Bytes of the tensors bound to it: what is read and what is written, and what is updated
    /// twice.
    pub tensors: u64,
    /// Those of them that lie in the store: weights and what belongs to them.
    pub stored: u64,
    /// Bytes of the node's own memory that it reads or writes.
    pub scratch: u64,
    /// Of a product of matrices: its sizes.
    pub sums: Option<Sums>,
}

impl Plan {
    /// The dispatches of a node, in order.
    pub fn launches<'a>(&'a self, node: &'a PlanNode) -> impl Iterator<Item = Launch<'a>> {
        let bytes = |tensor: &Tensor| self.shapes[tensor.index()].bytes();
        let is_stored = |tensor: &Tensor| {
            let place = self.places[tensor.index()].as_ref();
            place.is_some_and(|place| matches!(place.root, Root::Stored(_)))
        };
        node.dispatches.iter().map(move |dispatch| {
            let (mut tensors, mut stored, mut scratch) = (0, 0, 0);
            for bind in &dispatch.binds {
                let (tensor, times) = match *bind {
                    Bind::In(at) => (&node.inputs[at], 1),
                    Bind::Out(at) => (&node.outputs[at], if node.in_place { 2 } else { 1 }),
                    Bind::Scratch { bytes, .. } => {
                        scratch += bytes;
                        continue;
                    }
                };
                tensors += times * bytes(tensor);
                stored += times * if is_stored(tensor) { bytes(tensor) } else { 0 };
            }
            let Dispatch { kernel, groups, sums, .. } = dispatch;
            Launch { kernel, groups: *groups, tensors, stored, scratch, sums: *sums }
        })
    }

    /// Bytes of the buffers that tensors share.
    pub fn slots(&self) -> &[u64] {
        &self.slots
    }

    /// Everything that lies in slots.
    pub fn lives(&self) -> Vec<Life> {
        self.roots
            .iter()
            .map(|r| Life { slot: r.slot, bytes: r.bytes, nodes: r.life, kept: r.kept })
            .collect()
    }

    /// The storage bindings of every dispatch of a node, in order.
    pub fn bindings(&self, node: &PlanNode) -> Vec<Vec<Bound>> {
        let bound = |bind: &Bind| {
            let (tensor, access) = match *bind {
                Bind::In(at) => (node.inputs[at], Access::Read),
                Bind::Out(at) => (node.outputs[at], Access::Write),
                Bind::Scratch { at, write, .. } => {
                    let root = node.scratch[at];
                    let access = if write { Access::Write } else { Access::Read };
                    return Bound {
                        tensor: None,
                        region: Region::Slot(self.roots[root].slot),
                        life: Some(root),
                        lanes: [0, 1, 1],
                        pixels: 0..1,
                        access,
                    };
                }
            };
            let place = self.places[tensor.index()].expect("live tensors are placed");
            let (region, life) = match place.root {
                Root::Temporary(at) => (Region::Slot(self.roots[at].slot), Some(at)),
                Root::Stored(id) => (Region::Stored(id), None),
                Root::Host(host) => (Region::Host(host), None),
            };
            let shape = self.shapes[tensor.index()];
            let first = place.offset / place.stride;
            let lanes = [place.offset % place.stride, shape.c.vec4s(), place.stride];
            let pixels = first..first + shape.pixels();
            Bound { tensor: Some(tensor), region, life, lanes, pixels, access }
        };
        node.dispatches.iter().map(|d| d.binds.iter().map(bound).collect()).collect()
    }
}

impl PlanNode {
    /// Whether it reads what its outputs held before: sums onto them, updates them.
    pub fn updates(&self) -> bool {
        self.in_place
    }
}
