//! Instance-wise average pooling: each pixel gets the mean of its instance.
//!
//! ```text
//! y[n, p, c] = mean of x[n, q, c] over the pixels q of image n with ids[n, q] = ids[n, p]
//! ```
//!
//! As in the encoder of pix2pixHD, whose loop over numbers and images takes each image of a batch
//! for itself: the same number in two images is two instances. The means are a symmetric matrix
//! times `x`, so the derivative is the same operation on `dy`.
//!
//! Numbers matter only by being equal, and there may be any number of them. They are found by a
//! hash table per image, with room for as many instances as there are pixels. Values are added as
//! integers: 31 bits relative to an instance's largest value, summed in 64 bits with atomics. That
//! is exact in any order, and closer to the mean than a sum of f32. The quotient is rounded
//! correctly. Work is proportional to pixels, however many instances there are. Scratch memory is
//! three times that of `x`, dense, and 16 to 24 bytes per pixel.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// (x `[n, h, w, c]`, ids `[n, h, w, 1]`) to `[n, h, w, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstanceMean;

/// Pixels that an invocation takes: `RUN` of the shader.
const RUN: u32 = 16;

/// Places of an image's table, a power of two: at most half of them are taken.
fn places(shape: &Shape) -> u32 {
    (2 * shape.h * shape.w).next_power_of_two()
}

/// Scratch tensors: the tables, the owner of each pixel, and what lies at owners.
#[derive(Clone, Copy)]
enum Kept {
    Table,
    Owners,
    Counts,
    Largest,
    Low,
    High,
}

impl Kept {
    fn bind(self, shape: &Shape, write: bool) -> Bind {
        let words = match self {
            Kept::Table => shape.n * places(shape),
            Kept::Owners | Kept::Counts => shape.pixels(),
            Kept::Largest | Kept::Low | Kept::High => 4 * shape.vec4s() as u32,
        };
        Bind::Scratch { at: self as usize, bytes: 4 * u64::from(words), write }
    }
}

impl Op for InstanceMean {
    fn name(&self) -> &'static str {
        "instance_mean"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, ids, y) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let shape = &y.shape;
        let (width, pixels, tables) = (shape.c.vec4s(), shape.pixels(), shape.n * places(shape));
        let runs = pixels.div_ceil(RUN) * width;
        let dispatch = |entry, over: u64, binds: &[(&'static str, Bind)]| {
            binds
                .iter()
                .fold(Dispatch::new("instance_mean", entry), |d, (name, bind)| d.bind(name, *bind))
                .u("pixels", pixels)
                .u("each", shape.h * shape.w)
                .u("places", tables)
                .u("shift", 32 - places(shape).ilog2())
                .u("width", width)
                .u("tasks", runs)
                .u("vec4s", shape.vec4s() as u32)
                .view("ids", ids)
                .view("x", x)
                .view("y", y)
                .over(over)
        };
        let write = |kept: Kept| kept.bind(shape, true);
        let read = |kept: Kept| kept.bind(shape, false);
        vec![
            dispatch("begin", tables.into(), &[("table", write(Kept::Table))]),
            dispatch(
                "enter",
                pixels.into(),
                &[
                    ("table", write(Kept::Table)),
                    ("ids", Bind::In(1)),
                    ("owners", write(Kept::Owners)),
                    ("counts", write(Kept::Counts)),
                    ("largest", write(Kept::Largest)),
                    ("low", write(Kept::Low)),
                    ("high", write(Kept::High)),
                ],
            ),
            dispatch(
                "measure",
                runs.into(),
                &[
                    ("x", Bind::In(0)),
                    ("members", read(Kept::Owners)),
                    ("peaks", write(Kept::Largest)),
                    ("tally", write(Kept::Counts)),
                ],
            ),
            dispatch(
                "add",
                runs.into(),
                &[
                    ("x", Bind::In(0)),
                    ("members", read(Kept::Owners)),
                    ("found", read(Kept::Largest)),
                    ("lows", write(Kept::Low)),
                    ("highs", write(Kept::High)),
                ],
            ),
            dispatch(
                "divide",
                shape.vec4s(),
                &[
                    ("sizes", read(Kept::Counts)),
                    ("members", read(Kept::Owners)),
                    ("quotients", write(Kept::Largest)),
                    ("low_sums", read(Kept::Low)),
                    ("high_sums", read(Kept::High)),
                ],
            ),
            dispatch(
                "spread",
                shape.vec4s(),
                &[
                    ("means", read(Kept::Largest)),
                    ("members", read(Kept::Owners)),
                    ("y", Bind::Out(0)),
                ],
            ),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        if b.needs(1) {
            return b.refuse("instance_mean", "numbers of instances have no derivative");
        }
        let (dy, ids) = (b.dy(), b.inputs[1]);
        let shape = b.tape.shape(dy);
        let dx = b.tape.push_one(InstanceMean, &[dy, ids], shape);
        b.give(0, dx);
        Ok(())
    }

    /// An addition per value and a division; `x` is read twice, numbers and owners once per pass.
    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 2 * inputs[0].elements(),
            bytes: 2 * inputs[0].bytes() + inputs[1].bytes() + outputs[0].bytes(),
        }
    }
}

impl Tape {
    /// The mean of `x` `[n, h, w, c]` over the instances of a map `ids` `[n, h, w, 1]`: each pixel
    /// gets the mean over all pixels of its image with the same number. Any values will do, whole
    /// numbers below 2^24 are told apart. A value that is not finite makes the mean of its instance
    /// and channel not finite. The gradient with respect to `x` is the mean of that of the result;
    /// none leads to `ids`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] unless the map has one channel and the pixels of `x`, at most 2^24
    /// per image.
    pub fn instance_mean(&mut self, x: Tensor, ids: Tensor) -> Result<Tensor> {
        let (shape, map) = (self.shape(x), self.shape(ids));
        if map != shape.with_channels(1) {
            return Err(self.shape_error(
                "instance_mean",
                format!("expected one number per pixel of {shape}, not {map}"),
            ));
        }
        if u64::from(shape.h) * u64::from(shape.w) > 1 << 24 {
            return Err(self.shape_error(
                "instance_mean",
                format!("{}x{} pixels are more than 2^24; use smaller images", shape.h, shape.w),
            ));
        }
        Ok(self.push_one(InstanceMean, &[x, ids], shape))
    }
}
