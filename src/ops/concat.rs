//! Concatenation along the channels, and its inverse. A plan lays the parts into the joint tensor,
//! so that nothing moves; a part that has to lie elsewhere is copied.

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand, View, copy};
use crate::error::Result;
use crate::shape::{Channels, Shape};
use crate::tape::{Backward, Tape, Tensor};

/// `y[n, h, w, :]` is the channels of the inputs one after another, each part with its own padding.
/// `dx_i` is a [`Slice`] of `dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Concat;

/// The first vec4 of each part of a concatenation.
fn starts(parts: impl IntoIterator<Item = Channels>) -> impl Iterator<Item = u32> {
    parts.into_iter().scan(0, |next, channels| {
        let start = *next;
        *next += channels.vec4s();
        Some(start)
    })
}

/// What of `whole` a tensor holds that begins at vec4 `start` of each pixel.
fn part(whole: &Operand, start: u32, shape: Shape) -> Operand {
    Operand { shape, offset: whole.offset + start, ..*whole }
}

fn in_place(a: &Operand, b: &Operand) -> bool {
    (a.root, a.offset, a.stride) == (b.root, b.offset, b.stride)
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn view(&self) -> View {
        View::Concat
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let whole = &node.outputs[0];
        let starts = starts(node.inputs.iter().map(|i| i.shape.c));
        let moves =
            node.inputs.iter().zip(starts).enumerate().filter_map(|(at, (input, start))| {
                let to = part(whole, start, input.shape);
                (!in_place(input, &to))
                    .then(|| copy::dispatch(input, &to, Bind::In(at), Bind::Out(0)))
            });
        moves.collect()
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let channels: Vec<Channels> = b.inputs.iter().map(|&i| b.tape.shape(i).c).collect();
        for (input, start) in starts(channels.iter().copied()).enumerate() {
            if b.needs(input) {
                let dx = Slice::record(b.tape, dy, start, channels[input])?;
                b.give(input, dx);
            }
        }
        Ok(())
    }

    fn cost(&self, _: &[Shape], _: &[Shape]) -> Cost {
        // Planned away wherever it matters.
        Cost::default()
    }
}

/// The channels that vec4s `from .. to` of a pixel hold.
fn cut(channels: Channels, from: u32, to: u32) -> Option<Channels> {
    let mut first = 0;
    let parts = channels.parts().map(|count| {
        let (start, end) = (from.max(first) - first, to.max(first) - first);
        first += count.div_ceil(4);
        Channels::new(count.min(4 * end) - count.min(4 * start))
    });
    Channels::concat(&parts)
}

/// `y[n, h, w, :]` is the channels of `x` that lie from vec4 [`Slice::start`] of each pixel on.
/// `dx` is `dy` between zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// First vec4.
    pub start: u32,
}

impl Slice {
    /// Records the part of `x` (`[n, h, w, c]`) with the given channels that begins at vec4 `start`
    /// of each pixel.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if these channels do not lie there.
    pub fn record(tape: &mut Tape, x: Tensor, start: u32, channels: Channels) -> Result<Tensor> {
        let shape = tape.shape(x);
        if channels.vec4s() == 0 || cut(shape.c, start, start + channels.vec4s()) != Some(channels)
        {
            return Err(tape.shape_error(
                "slice",
                format!("no part of channels {channels} begins at vec4 {start} of {shape}"),
            ));
        }
        Ok(tape.push_one(Slice { start }, &[x], shape.with_channels(channels)))
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn view(&self) -> View {
        View::Slice(self.start)
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let from = part(x, self.start, y.shape);
        if in_place(&from, y) {
            vec![]
        } else {
            vec![copy::dispatch(&from, y, Bind::In(0), Bind::Out(0))]
        }
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dy, whole) = (b.dy(), b.tape.shape(b.inputs[0]));
        let end = self.start + b.tape.shape(dy).c.vec4s();
        let mut parts = vec![dy];
        if let Some(before) = cut(whole.c, 0, self.start).filter(|_| self.start > 0) {
            parts.insert(0, b.tape.fill(whole.with_channels(before), 0.0));
        }
        if let Some(after) = cut(whole.c, end, whole.c.vec4s()).filter(|_| end < whole.c.vec4s()) {
            parts.push(b.tape.fill(whole.with_channels(after), 0.0));
        }
        let dx = if parts.len() == 1 { dy } else { b.tape.concat(&parts)? };
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, _: &[Shape], _: &[Shape]) -> Cost {
        Cost::default()
    }
}

impl Tape {
    /// Joins `[n, h, w, c_i]` along the channels.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is nothing to join, images differ in number or size, or
    /// more than [`crate::MAX_PARTS`] parts would end in a partly filled vec4.
    pub fn concat(&mut self, inputs: &[Tensor]) -> Result<Tensor> {
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.shape(i)).collect();
        let Some(first) = shapes.first() else {
            return Err(self.shape_error("concat", "nothing to join".into()));
        };
        let list = || shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" and ");
        if shapes.iter().any(|s| (s.n, s.h, s.w) != (first.n, first.h, first.w)) {
            let message = format!(
                "{} differ in more than the channels; a U-Net of depth d takes sides divisible by \
                 2^d (256 for unet_256)",
                list()
            );
            return Err(self.shape_error("concat", message));
        }
        let channels: Vec<Channels> = shapes.iter().map(|s| s.c).collect();
        let Some(joint) = Channels::concat(&channels) else {
            let message = format!(
                "{} have too many channel counts that are no multiple of 4; join at most {} such \
                 parts",
                list(),
                crate::MAX_PARTS
            );
            return Err(self.shape_error("concat", message));
        };
        Ok(self.push_one(Concat, inputs, first.with_channels(joint)))
    }

    /// The part of `x` (`[n, h, w, c]`) with the given channels that begins at vec4 `start` of each
    /// pixel: undoes [`Tape::concat`].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if these channels do not lie there.
    pub fn slice(&mut self, x: Tensor, start: u32, channels: Channels) -> Result<Tensor> {
        Slice::record(self, x, start, channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_concatenation_is_cut_out_as_it_went_in() {
        let lists: [&[u32]; 5] = [&[3, 3], &[8, 3], &[3, 8, 5], &[64, 64], &[4, 4, 1, 2, 3]];
        for list in lists {
            let parts: Vec<Channels> = list.iter().map(|&c| c.into()).collect();
            let joint = Channels::concat(&parts).unwrap();
            for (part, start) in parts.iter().zip(starts(parts.iter().copied())) {
                assert_eq!(cut(joint, start, start + part.vec4s()), Some(*part), "{list:?}");
                let around = [
                    cut(joint, 0, start),
                    Some(*part),
                    cut(joint, start + part.vec4s(), joint.vec4s()),
                ]
                .map(Option::unwrap);
                assert_eq!(Channels::concat(&around), Some(joint), "{list:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_shapes() {
        let mut tape = Tape::new();
        let x = tape.input("x", Shape::new(1, 8, 8, 3));
        let y = tape.input("y", Shape::new(1, 8, 7, 3));
        let message = tape.concat(&[x, y]).unwrap_err().to_string();
        assert!(
            message.contains("[1, 8, 8, 3]")
                && message.contains("[1, 8, 7, 3]")
                && message.contains("2^d"),
            "{message}"
        );
        assert!(tape.concat(&[x; 5]).is_err() && tape.concat(&[]).is_err());
        assert!(tape.slice(x, 0, 4.into()).is_err() && tape.slice(x, 1, 3.into()).is_err());
    }

    #[test]
    fn the_gradient_of_a_slice_has_the_shape_of_its_operand() {
        let mut tape = Tape::new();
        let [x, y] = [3, 5].map(|c| tape.input("x", Shape::new(1, 1, 1, c)));
        let joint = tape.concat(&[x, y]).unwrap();
        let z = tape.slice(joint, 0, 3.into()).unwrap();
        let loss = tape.slice(joint, 2, 1.into()).unwrap();
        let gradients = tape.backward(&[loss], &[x, y, joint, z]).unwrap();
        let shapes: Vec<Option<Shape>> =
            gradients.iter().map(|g| g.map(|g| tape.shape(g))).collect();
        assert_eq!(
            shapes,
            [Some(tape.shape(x)), Some(tape.shape(y)), Some(tape.shape(joint)), None]
        );
    }
}
