//! Images as bytes, to values in [-1, 1] and back: a quarter of the data goes to and from the
//! device.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// The tensor whose words hold an image's bytes: `[1, 1, ceil(n h w c / 16), 4]`. Its words are not
/// floats.
fn packed(shape: &Shape) -> Shape {
    Shape::new(1, 1, shape.elements().div_ceil(16) as u32, 4)
}

/// Bytes `[n, h, w, c]`, packed four per word, to `y = (byte / 255 - 0.5) * 2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureToTensor;

impl Op for PictureToTensor {
    fn name(&self) -> &'static str {
        "picture_to_tensor"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::new("picture", "picture_to_tensor")
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0))
            .u("count", y.shape.vec4s() as u32)
            .u("bytes", y.shape.elements() as u32)
            .u("width", y.shape.c.vec4s())
            .u("channels", y.shape.c.logical())
            .view("x", x)
            .view("y", y)
            .parts(&y.shape);
        vec![d.over(y.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "picture_to_tensor",
            "bytes have no gradient; ask for the gradient of the tensor made from them",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 3 * outputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

/// `x` (`[n, h, w, c]` in [-1, 1]) to bytes `clamp((x + 1) * 127.5, 0, 255)`, rounded half up,
/// packed four per word. Bytes behind the last are 0, and so is NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TensorToPicture;

impl Op for TensorToPicture {
    fn name(&self) -> &'static str {
        "tensor_to_picture"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let words = 4 * y.shape.vec4s();
        let d = Dispatch::new("picture", "tensor_to_picture")
            .bind("t", Bind::In(0))
            .bind("words", Bind::Out(0))
            .u("count", words as u32)
            .u("bytes", x.shape.elements() as u32)
            .u("width", x.shape.c.vec4s())
            .u("channels", x.shape.c.logical())
            .view("x", x)
            .view("y", y)
            .parts(&x.shape);
        vec![d.over(words)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("tensor_to_picture", "rounding to bytes has no gradient; take the loss before it")
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 3 * inputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }

    fn makes_numbers(&self) -> bool {
        false
    }
}

impl Tape {
    /// A tensor that the host writes before a step with the bytes of `n` images, `[n, h, w, c]`
    /// one after another, padded with zeros to a multiple of 16: `[1, 1, ceil(n h w c / 16), 4]`
    /// words, for [`Tape::picture_to_tensor`].
    pub fn picture_input(&mut self, label: &str, n: u32, h: u32, w: u32, c: u32) -> Tensor {
        self.input(label, packed(&Shape::new(n, h, w, c)))
    }

    /// Packed bytes ([`Tape::picture_input`]) to a tensor `[n, h, w, c]` with values in [-1, 1].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `raw` is not the right size for `shape`.
    pub fn picture_to_tensor(&mut self, raw: Tensor, shape: Shape) -> Result<Tensor> {
        let (got, needed) = (self.shape(raw), packed(&shape));
        if got != needed {
            return Err(self.shape_error(
                "picture_to_tensor",
                format!("the bytes of {shape} take words {needed}, these are {got}"),
            ));
        }
        Ok(self.push_one(PictureToTensor, &[raw], shape))
    }

    /// `x` (`[n, h, w, c]`, values in [-1, 1]) to packed bytes `[1, 1, ceil(n h w c / 16), 4]`,
    /// nearest, halves up.
    pub fn tensor_to_picture(&mut self, x: Tensor) -> Tensor {
        let shape = packed(&self.shape(x));
        self.push_one(TensorToPicture, &[x], shape)
    }
}
