//! Activations: `y = f(x)` element by element, `dx = f'(x) dy`.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// An activation function.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Act {
    /// `x > 0 ? x : slope * x`. Its derivative at 0 is the slope, as in PyTorch.
    LeakyRelu(f32),
    /// `max(x, 0)`. Its derivative at 0 is 0.
    Relu,
    /// Hyperbolic tangent. Its derivative follows from the result.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

impl Act {
    fn kind(self) -> u32 {
        match self {
            Act::LeakyRelu(_) | Act::Relu => 0,
            Act::Tanh => 1,
            Act::Sigmoid => 2,
        }
    }

    /// Factor of negative values, for the (leaky) ReLU.
    pub(super) fn slope(self) -> f32 {
        if let Act::LeakyRelu(slope) = self { slope } else { 0.0 }
    }

    /// Whether it is a (leaky) ReLU: cheap, and its derivative follows from the sign of its
    /// operand.
    pub fn is_rectifier(self) -> bool {
        self.kind() == 0
    }

    /// Whether a convolution can load its operand through it: a rectifier that is the larger of `x`
    /// and `slope x`.
    pub(crate) fn is_loadable(self) -> bool {
        self.is_rectifier() && self.slope() <= 1.0
    }
}

impl Op for Act {
    fn name(&self) -> &'static str {
        match self {
            Act::LeakyRelu(_) => "leaky_relu",
            Act::Relu => "relu",
            Act::Tanh => "tanh",
            Act::Sigmoid => "sigmoid",
        }
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::new("act", "act_fwd")
            .tune("KIND", self.kind())
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0))
            .u("vec4s", x.shape.vec4s() as u32)
            .u("width", x.shape.c.vec4s())
            .view("x", x)
            .view("dy", x)
            .view("y", y)
            .f("slope", self.slope())
            .parts(&x.shape);
        vec![d.over(x.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        // tanh and sigmoid have their derivative from the result, the others from the operand:
        // either way the sign decides.
        let saved = if self.kind() == 0 { b.inputs[0] } else { b.outputs[0] };
        let (dy, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let dx = b.tape.push_one(ActBackward(*self), &[saved, dy], shape);
        b.give(0, dx);
        Ok(())
    }
}

/// `dx = f'(.) dy`; the first operand is `x` for the (leaky) ReLU, `y` for tanh and sigmoid.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ActBackward(pub Act);

impl Op for ActBackward {
    fn name(&self) -> &'static str {
        "act_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, dy, dx) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::new("act", "act_bwd")
            .tune("KIND", self.0.kind())
            .bind("x", Bind::In(0))
            .bind("dy", Bind::In(1))
            .bind("dx", Bind::Out(0))
            .u("vec4s", x.shape.vec4s() as u32)
            .u("width", x.shape.c.vec4s())
            .view("x", x)
            .view("dy", dy)
            .view("y", dx)
            .f("slope", self.0.slope())
            .parts(&x.shape);
        vec![d.over(x.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        if self.0.kind() != 0 {
            return b.refuse(
                "act_bwd",
                "the second derivative of tanh and sigmoid is not implemented; use ReLU or leaky \
                 ReLU",
            );
        }
        // Linear in dy; the second derivative of a ReLU is 0 almost everywhere.
        if b.needs(1) {
            let (x, g) = (b.inputs[0], b.dy());
            let shape = b.tape.shape(x);
            let ddy = b.tape.push_one(*self, &[x, g], shape);
            b.give(1, ddy);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: 2 * outputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

impl Tape {
    /// An activation, element by element: same shape as `x`.
    pub fn act(&mut self, x: Tensor, act: Act) -> Tensor {
        let shape = self.shape(x);
        self.push_one(act, &[x], shape)
    }
}
