//! Batches one after another as one, and back. A plan lays the parts into the joint tensor, as it
//! does with concatenations along the channels.

use super::{Bind, Cost, Dispatch, Fill, Lowering, Op, Operand, View, copy};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// `y` holds the images of the first input, then those of the second and so on.
/// `dx` is [`SplitBatch`] of `dy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinBatches;

/// The images of the input, shared out to the outputs in order. `dx` is [`JoinBatches`] of the
/// outputs' gradients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SplitBatch;

/// Each part's place in the whole, beside where it lies now.
fn parts<'a>(
    whole: &'a Operand,
    parts: &'a [Operand],
) -> impl Iterator<Item = (usize, Operand, Operand)> + 'a {
    let mut pixels = 0;
    parts.iter().enumerate().map(move |(at, part)| {
        let offset = whole.offset + pixels * whole.stride;
        pixels += part.shape.pixels();
        (at, *part, Operand { shape: part.shape, offset, ..*whole })
    })
}

fn same_place(a: &Operand, b: &Operand) -> bool {
    (a.root, a.offset, a.stride) == (b.root, b.offset, b.stride)
}

impl Op for JoinBatches {
    fn name(&self) -> &'static str {
        "join_batches"
    }

    fn view(&self) -> View {
        View::Join
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        parts(&node.outputs[0], node.inputs)
            .filter(|(_, part, place)| !same_place(part, place))
            .map(|(at, part, place)| copy::dispatch(&part, &place, Bind::In(at), Bind::Out(0)))
            .collect()
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let counts: Vec<u32> = b.inputs.iter().map(|&x| b.tape.shape(x).n).collect();
        let parts = b.tape.split_batch(dy, &counts)?;
        for (input, dx) in parts.into_iter().enumerate() {
            if b.needs(input) {
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

impl Op for SplitBatch {
    fn name(&self) -> &'static str {
        "split_batch"
    }

    fn view(&self) -> View {
        View::Split
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        parts(&node.inputs[0], node.outputs)
            .filter(|(_, part, place)| !same_place(part, place))
            .map(|(at, part, place)| copy::dispatch(&place, &part, Bind::In(0), Bind::Out(at)))
            .collect()
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let gradients: Vec<Tensor> = (0..b.outputs.len())
            .map(|at| match b.gradient(at) {
                Some(dy) => dy,
                None => {
                    let shape = b.tape.shape(b.outputs[at]);
                    Fill::record(b.tape, shape, 0.0)
                }
            })
            .collect();
        let dx = b.tape.join_batches(&gradients)?;
        b.give(0, dx);
        Ok(())
    }

    fn cost(&self, _: &[Shape], _: &[Shape]) -> Cost {
        Cost::default()
    }
}

impl Tape {
    /// Joins batches `[n_i, h, w, c]` into one of all their images, in order.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is nothing to join, or images differ in size or channels.
    pub fn join_batches(&mut self, inputs: &[Tensor]) -> Result<Tensor> {
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.shape(i)).collect();
        let Some(first) = shapes.first() else {
            return Err(self.shape_error("join_batches", "nothing to join".into()));
        };
        if shapes.iter().any(|shape| Shape { n: first.n, ..*shape } != *first) {
            let list = shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" and ");
            let why = format!("{list} differ in more than the number of images");
            return Err(self.shape_error("join_batches", why));
        }
        let n = shapes.iter().map(|shape| shape.n).sum();
        Ok(self.push_one(JoinBatches, inputs, Shape { n, ..*first }))
    }

    /// The images of `x` (`[n, h, w, c]`) as batches of `counts` images, in order: undoes
    /// [`Tape::join_batches`].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the counts do not add up to `n`, or one of them is 0.
    pub fn split_batch(&mut self, x: Tensor, counts: &[u32]) -> Result<Vec<Tensor>> {
        let shape = self.shape(x);
        let total: u64 = counts.iter().map(|&n| u64::from(n)).sum();
        if total != u64::from(shape.n) || counts.contains(&0) {
            let why = format!("{shape} cannot be split into batches of {counts:?} images");
            return Err(self.shape_error("split_batch", why));
        }
        let shapes: Vec<Shape> = counts.iter().map(|&n| Shape { n, ..shape }).collect();
        Ok(self.push(SplitBatch, &[x], &shapes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_the_shapes() {
        let mut tape = Tape::new();
        let x = tape.input("x", Shape::new(1, 8, 8, 3));
        let others = [Shape::new(1, 8, 7, 3), Shape::new(2, 8, 8, 4)];
        for other in others {
            let y = tape.input("y", other);
            let message = tape.join_batches(&[x, y]).unwrap_err().to_string();
            assert!(message.contains("[1, 8, 8, 3]"), "{message}");
            assert!(message.contains(&other.to_string()), "{message}");
        }
        assert!(tape.join_batches(&[]).is_err());
        let y = tape.input("y", Shape::new(3, 8, 8, 3));
        let both = tape.join_batches(&[x, y]).unwrap();
        for counts in [&[1, 2][..], &[4, 1], &[4, 0], &[]] {
            assert!(tape.split_batch(both, counts).is_err(), "{counts:?}");
        }
        assert_eq!(tape.split_batch(both, &[1, 3]).unwrap().len(), 2);
    }
}
