//! Products with one number: `y = a x` with `a` a constant, `y = s x` with `s` a scalar tensor.

use super::{Bind, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

fn params(d: Dispatch, x: &Operand, y: &Operand, s_off: u32, factor: f32) -> Dispatch {
    d.u("vec4s", x.shape.vec4s() as u32)
        .u("width", x.shape.c.vec4s())
        .view("x", x)
        .view("y", y)
        .u("s_off", s_off)
        .f("factor", factor)
        .over(x.shape.vec4s())
}

/// `y = a x`, element by element, `a` a constant: same shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scale(pub f32);

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let d = Dispatch::new("scale", "scale").bind("x", Bind::In(0)).bind("y", Bind::Out(0));
        vec![params(d, &node.inputs[0], &node.outputs[0], 0, self.0)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.dy();
        let dx = b.tape.scale(dy, self.0);
        b.give(0, dx);
        Ok(())
    }
}

/// `y = s x`, element by element: inputs `x` of any shape and `s`, a scalar tensor.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScaleBy;

impl Op for ScaleBy {
    fn name(&self) -> &'static str {
        "scale_by"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, s) = (&node.inputs[0], &node.inputs[1]);
        let d = Dispatch::new("scale", "scale_by")
            .bind("x", Bind::In(0))
            .bind("s", Bind::In(1))
            .bind("z", Bind::Out(0));
        vec![params(d, x, &node.outputs[0], s.offset, 1.0)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        if b.needs(1) {
            return b.refuse(
                "scale_by",
                "the derivative for the scalar is not there (it would be \
                                         the sum of x dy); keep the scalar out of wrt",
            );
        }
        let (dy, s) = (b.dy(), b.inputs[1]);
        let dx = b.tape.scale_by(dy, s)?;
        b.give(0, dx);
        Ok(())
    }
}

impl Tape {
    /// `a x`, element by element: same shape as `x`.
    pub fn scale(&mut self, x: Tensor, a: f32) -> Tensor {
        let shape = self.shape(x);
        self.push_one(Scale(a), &[x], shape)
    }

    /// `s x`, element by element, `s` a scalar tensor: same shape as `x`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `s` is no scalar.
    pub fn scale_by(&mut self, x: Tensor, s: Tensor) -> Result<Tensor> {
        let (shape, by) = (self.shape(x), self.shape(s));
        if by != Shape::scalar() {
            return Err(self.shape_error(
                "scale_by",
                format!("{shape} is scaled by a scalar [1, 1, 1, 1], this one is {by}"),
            ));
        }
        Ok(self.push_one(ScaleBy, &[x, s], shape))
    }
}
