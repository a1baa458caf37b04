//! Where tensors lie: slices are views, and the parts of a concatenation, of channels or of images,
//! are written straight into it where that is possible.

use super::rewrite::GraphNode;
use crate::ops::{Operand, View};
use crate::shape::Shape;
use crate::store::StoreId;
use crate::tape::{Source, Tape, Tensor};
use std::collections::{HashMap, HashSet};

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

#[derive(Debug, Default)]
pub(super) struct Layout {
    /// By tensor index; `None` for tensors that no live node touches.
    pub places: Vec<Option<Place>>,
    /// Shape and label of each temporary root.
    pub roots: Vec<(Shape, String)>,
}

impl Layout {
    pub fn place(&self, tensor: Tensor) -> Place {
        self.places[tensor.index()].expect("live tensors are placed")
    }

    pub fn operand(&self, tape: &Tape, tensor: Tensor) -> Operand {
        let place = self.place(tensor);
        let root = match place.root {
            Root::Temporary(at) => at as u32,
            // Distinct from every temporary root; only equality matters, and a slice is where the
            // whole is.
            Root::Stored(_) | Root::Host(_) => {
                let first =
                    self.places.iter().position(|p| p.is_some_and(|p| p.root == place.root));
                u32::MAX - first.expect("it lies there itself") as u32
            }
        };
        Operand { shape: tape.shape(tensor), offset: place.offset, stride: place.stride, root }
    }
}

/// Where a part begins inside the whole: pixels before it, then vec4s of its first pixel.
type Start = [u32; 2];

/// A part of a concatenation, of channels or of images, that lies inside it.
type Joined = HashMap<Tensor, (Tensor, Start)>;

impl Place {
    /// Where a part of what lies here begins.
    fn part(self, [pixels, vec4s]: Start) -> Place {
        Place { offset: self.offset + pixels * self.stride + vec4s, ..self }
    }
}

pub(super) fn lay_out(tape: &Tape, live: &[GraphNode<'_>]) -> Layout {
    let mut joined = join_parts(tape, live);
    loop {
        let layout = place_all(tape, live, &joined);
        // A dispatch must not read and write one buffer: a part written from its neighbour keeps a
        // buffer of its own.
        let conflict = live.iter().flat_map(|node| {
            let layout = &layout;
            node.outputs.iter().filter(move |o| {
                let written = layout.place(**o).root;
                node.op.view() == View::None
                    && matches!(written, Root::Temporary(_))
                    && node.inputs.iter().any(|i| layout.place(*i).root == written)
            })
        });
        let conflict: Vec<Tensor> = conflict.copied().collect();
        let apart: Vec<Tensor> = conflict.into_iter().filter(|t| joined.contains_key(t)).collect();
        if apart.is_empty() {
            return layout;
        }
        for tensor in apart {
            joined.remove(&tensor);
        }
    }
}

fn join_parts(tape: &Tape, live: &[GraphNode<'_>]) -> Joined {
    let computed: HashSet<Tensor> = live
        .iter()
        .filter(|n| !matches!(n.op.view(), View::Slice(_) | View::Split))
        .flat_map(|n| n.outputs.iter().copied())
        .collect();
    let mut joined = Joined::new();
    // The last concatenation first: an inner one then lies in the outer.
    for node in live.iter().rev() {
        let view = node.op.view();
        if !matches!(view, View::Concat | View::Join) {
            continue;
        }
        let mut start = [0, 0];
        for &part in &node.inputs {
            if computed.contains(&part)
                && tape.info(part).source == Source::Node
                && !joined.contains_key(&part)
            {
                joined.insert(part, (node.outputs[0], start));
            }
            let shape = tape.shape(part);
            match view {
                View::Join => start[0] += shape.pixels(),
                _ => start[1] += shape.c.vec4s(),
            }
        }
    }
    joined
}

fn place_all(tape: &Tape, live: &[GraphNode<'_>], joined: &Joined) -> Layout {
    let mut layout = Layout { places: vec![None; tape.infos().len()], roots: Vec::new() };
    for node in live {
        for &tensor in node.inputs.iter().chain(&node.outputs) {
            place(tape, &mut layout, joined, tensor);
        }
        let mut start = match node.op.view() {
            View::Slice(vec4s) => [0, vec4s],
            View::Split => [0, 0],
            View::None | View::Concat | View::Join => continue,
        };
        let of = layout.place(node.inputs[0]);
        for &tensor in &node.outputs {
            layout.places[tensor.index()] = Some(of.part(start));
            start[0] += tape.shape(tensor).pixels();
        }
    }
    // Slices got roots before their node was reached: drop those that are not used.
    let used: HashSet<Root> = layout.places.iter().flatten().map(|p| p.root).collect();
    let mut renumber = HashMap::new();
    let roots = std::mem::take(&mut layout.roots);
    for (at, root) in
        roots.into_iter().enumerate().filter(|(at, _)| used.contains(&Root::Temporary(*at)))
    {
        renumber.insert(at, layout.roots.len());
        layout.roots.push(root);
    }
    for place in layout.places.iter_mut().flatten() {
        if let Root::Temporary(at) = &mut place.root {
            *at = renumber[at];
        }
    }
    layout
}

fn place(tape: &Tape, layout: &mut Layout, joined: &Joined, tensor: Tensor) -> Place {
    if let Some(known) = layout.places[tensor.index()] {
        return known;
    }
    let info = tape.info(tensor);
    let stride = info.shape.c.vec4s();
    let made = match (info.source, joined.get(&tensor)) {
        (Source::Stored(id), _) => Place { root: Root::Stored(id), offset: 0, stride },
        (Source::Host, _) => Place { root: Root::Host(tensor), offset: 0, stride },
        (Source::Node, Some(&(whole, start))) => place(tape, layout, joined, whole).part(start),
        (Source::Node, None) => {
            layout.roots.push((info.shape, info.label.clone()));
            Place { root: Root::Temporary(layout.roots.len() - 1), offset: 0, stride }
        }
    };
    layout.places[tensor.index()] = Some(made);
    made
}
