//! Losses: means over all elements, against a constant or a tensor of the same shape.
//!
//! ```text
//! BceLogits  max(x, 0) - x t + log(1 + exp(-|x|))     d/dx  sigmoid(x) - t
//! Mse        (x - t)^2                                d/dx  2 (x - t)
//! L1         |x - t|                                  d/dx  sign(x - t), 0 at 0
//! Hinge      max(0, 1 - t x)                          d/dx  t x < 1 ? -t : 0
//! Root       (sqrt(x) - t)^2                          d/dx  1 - t / sqrt(max(x, 1e-12))
//! ```

use super::sum::{everything, partials, total};
use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};

/// The term of one element, which a loss averages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossKind {
    /// Binary cross-entropy of the logit `x` and the probability `t`.
    BceLogits,
    /// Squared error.
    Mse,
    /// Absolute error.
    L1,
    /// Hinge loss of `x` for the class `t`, 1 or -1.
    Hinge,
    /// Squared error of the root of `x`, which is a squared norm: a gradient penalty.
    Root,
}

impl LossKind {
    fn kind(self) -> u32 {
        match self {
            LossKind::BceLogits => 0,
            LossKind::Mse => 1,
            LossKind::L1 => 2,
            LossKind::Hinge => 3,
            LossKind::Root => 4,
        }
    }

    /// Operations an element takes: exponential and logarithm are polynomials of some 15 and 30.
    fn flop(self) -> u64 {
        match self {
            LossKind::BceLogits => 50,
            LossKind::Mse | LossKind::L1 | LossKind::Hinge | LossKind::Root => 3,
        }
    }

    fn flop_backward(self) -> u64 {
        match self {
            LossKind::BceLogits => 20,
            LossKind::Mse | LossKind::L1 | LossKind::Hinge | LossKind::Root => 3,
        }
    }
}

/// The mean of a loss over all elements of `x`, a scalar.
///
/// Inputs: `x`, and where there is no target value `y` of the same shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loss {
    /// The term of one element.
    pub kind: LossKind,
    /// The constant that `x` is compared with; `None`: a tensor.
    pub target: Option<f32>,
}

fn inverse_count(x: &Shape) -> f32 {
    (1.0 / x.elements() as f64) as f32
}

fn params(
    d: Dispatch,
    x: &Operand,
    y: &Operand,
    z: &Operand,
    number: u32,
    dloss_off: u32,
    goal: Option<f32>,
    factor: f32,
) -> Dispatch {
    d.u("vec4s", x.shape.vec4s() as u32)
        .u("width", x.shape.c.vec4s())
        .u("number", number)
        .view("x", x)
        .view("y", y)
        .view("z", z)
        .u("dloss_off", dloss_off)
        .f("goal", goal.unwrap_or(0.0))
        .f("factor", factor)
        .parts(&x.shape)
}

impl Loss {
    fn record(self, tape: &mut Tape, inputs: &[Tensor]) -> Tensor {
        tape.push_one(self, inputs, Shape::scalar())
    }
}

impl Op for Loss {
    fn name(&self) -> &'static str {
        match self.kind {
            LossKind::BceLogits => "bce_with_logits",
            LossKind::Mse => "mse",
            LossKind::L1 => "l1",
            LossKind::Hinge => "hinge",
            LossKind::Root => "norm_penalty",
        }
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, loss) = (&node.inputs[0], &node.outputs[0]);
        let cut = everything(node.tuning.family(), &x.shape);
        let mean = inverse_count(&x.shape);
        let (sums, to) = if cut.whole() {
            (*loss, Bind::Out(0))
        } else {
            (partials(&cut), cut.partials(1, true))
        };
        let (d, y) = match self.target {
            Some(_) => (
                Dispatch::new("loss", "loss_value").bind("x", Bind::In(0)).bind("sums_value", to),
                x,
            ),
            None => (
                Dispatch::new("loss", "loss_pair")
                    .bind("x", Bind::In(0))
                    .bind("y", Bind::In(1))
                    .bind("sums_pair", to),
                &node.inputs[1],
            ),
        };
        let first = cut.dispatch(params(
            d.tune("KIND", self.kind.kind()),
            x,
            y,
            &sums,
            cut.chunks,
            0,
            self.target,
            mean,
        ));
        if cut.whole() { vec![first] } else { vec![first, total(&cut, loss, mean)] }
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (dloss, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let inputs: Vec<Tensor> = b.inputs.iter().copied().chain([dloss]).collect();
        if self.target.is_none() && b.needs(1) {
            if self.kind == LossKind::BceLogits {
                return b.refuse(
                    "bce_with_logits",
                    "the derivative for the target is not there; keep the target out of wrt",
                );
            }
            // A function of x - y.
            let dy = b.tape.push_one(
                LossBackward { kind: self.kind, target: None, negative: true },
                &inputs,
                shape,
            );
            b.give(1, dy);
        }
        if b.needs(0) {
            let dx = b.tape.push_one(
                LossBackward { kind: self.kind, target: self.target, negative: false },
                &inputs,
                shape,
            );
            b.give(0, dx);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: (self.kind.flop() + 1) * inputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

/// `dx = dloss / N * derivative`, `N` the number of elements. Inputs: those of [`Loss`], then
/// `dloss`, a scalar.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LossBackward {
    /// The term of one element.
    pub kind: LossKind,
    /// The constant that `x` was compared with; `None`: a tensor.
    pub target: Option<f32>,
    /// The gradient of the second tensor, which is the negative of the first's.
    pub negative: bool,
}

impl Op for LossBackward {
    fn name(&self) -> &'static str {
        match self.kind {
            LossKind::BceLogits => "bce_with_logits_bwd",
            LossKind::Mse => "mse_bwd",
            LossKind::L1 => "l1_bwd",
            LossKind::Hinge => "hinge_bwd",
            LossKind::Root => "norm_penalty_bwd",
        }
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, dx) = (&node.inputs[0], &node.outputs[0]);
        let (d, y, dloss) = match self.target {
            Some(_) => {
                let d = Dispatch::new("loss", "loss_value_bwd")
                    .bind("x", Bind::In(0))
                    .bind("dloss_value", Bind::In(1))
                    .bind("dx_value", Bind::Out(0));
                (d, x, &node.inputs[1])
            }
            None => {
                let d = Dispatch::new("loss", "loss_pair_bwd")
                    .bind("x", Bind::In(0))
                    .bind("y", Bind::In(1));
                (
                    d.bind("dloss_pair", Bind::In(2)).bind("dx_pair", Bind::Out(0)),
                    &node.inputs[1],
                    &node.inputs[2],
                )
            }
        };
        let factor = if self.negative { -inverse_count(&x.shape) } else { inverse_count(&x.shape) };
        let d = params(
            d.tune("KIND", self.kind.kind()),
            x,
            y,
            dx,
            0,
            dloss.offset,
            self.target,
            factor,
        );
        vec![d.over(x.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "loss_bwd",
            "the second derivative of a loss is not there; build the penalty \
                              from sum, mean and scale instead",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: self.kind.flop_backward() * inputs[0].elements(),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }
}

impl Tape {
    /// Mean binary cross-entropy of the logits `x` and the probability `target`, a scalar.
    pub fn bce_with_logits(&mut self, x: Tensor, target: f32) -> Tensor {
        Loss { kind: LossKind::BceLogits, target: Some(target) }.record(self, &[x])
    }

    /// Mean squared error of `x` against the constant `target`, a scalar.
    pub fn mse(&mut self, x: Tensor, target: f32) -> Tensor {
        Loss { kind: LossKind::Mse, target: Some(target) }.record(self, &[x])
    }

    /// Mean hinge loss `max(0, 1 - target x)`, `target` 1 or -1, a scalar.
    pub fn hinge(&mut self, x: Tensor, target: f32) -> Tensor {
        Loss { kind: LossKind::Hinge, target: Some(target) }.record(self, &[x])
    }

    /// Mean squared error of norms, given squared in `x`, against `target`: the mean of
    /// `(sqrt(x) - target)^2`, a scalar.
    pub fn norm_penalty(&mut self, x: Tensor, target: f32) -> Tensor {
        Loss { kind: LossKind::Root, target: Some(target) }.record(self, &[x])
    }

    /// Mean squared error of two tensors of equal shape, a scalar.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn mse_between(&mut self, x: Tensor, y: Tensor) -> Result<Tensor> {
        self.loss_between("mse", LossKind::Mse, x, y)
    }

    /// Mean absolute error of two tensors of equal shape, a scalar.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn l1(&mut self, x: Tensor, y: Tensor) -> Result<Tensor> {
        self.loss_between("l1", LossKind::L1, x, y)
    }

    fn loss_between(
        &mut self,
        op: &'static str,
        kind: LossKind,
        x: Tensor,
        y: Tensor,
    ) -> Result<Tensor> {
        let (left, right) = (self.shape(x), self.shape(y));
        if left != right {
            return Err(self.shape_error(
                op,
                format!("{left} is compared with {right}; the shapes must be equal"),
            ));
        }
        Ok(Loss { kind, target: None }.record(self, &[x, y]))
    }
}
