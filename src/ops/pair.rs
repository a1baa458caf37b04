//! What operations on two tensors of one shape share.

use super::{Bind, Dispatch, Lowering};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor};

/// The one shape of both operands.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
pub(super) fn one_shape(tape: &Tape, op: &'static str, x: Tensor, y: Tensor) -> Result<Shape> {
    let (a, b) = (tape.shape(x), tape.shape(y));
    if a == b {
        Ok(a)
    } else {
        Err(tape.shape_error(op, format!("the operands must have one shape, not {a} and {b}")))
    }
}

/// The dispatch of a kernel over `shaders/lib/pair.wgsl`, whose file and entry have one name:
/// `y[n, h, w, c]` of `a` and `b`, element by element.
pub(super) fn dispatch(kernel: &'static str, node: &Lowering<'_>) -> Dispatch {
    let (a, b, y) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
    Dispatch::new(kernel, kernel)
        .bind("a", Bind::In(0))
        .bind("b", Bind::In(1))
        .bind("y", Bind::Out(0))
        .u("vec4s", y.shape.vec4s() as u32)
        .u("width", y.shape.c.vec4s())
        .view("a", a)
        .view("b", b)
        .view("y", y)
        .over(y.shape.vec4s())
}
