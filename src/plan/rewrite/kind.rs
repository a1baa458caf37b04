//! What the rules of rewriting know of an operation.

use crate::ops::{
    Act, ActBackward, Adam, BatchNormApply, BatchNormBackward, BatchNormStats, BatchNormSums,
    Convolution, Enlarge, Fill, Op, Resample2d, Resample2dBackward, Scale,
};
use std::any::Any;

/// An operation as the rules see it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::plan) enum Kind {
    /// A pass of a convolution.
    Convolution(Convolution),
    /// `y = f(x)`.
    Activation(Act),
    /// `dx = f'(.) dy` from (saved, dy).
    Derivative(Act),
    /// Padding that enlarges nothing.
    Padding(Resample2d),
    /// Its adjoint.
    PaddingAdjoint(Resample2d),
    /// A step of Adam.
    Adam(Adam),
    /// Statistics of a norm, and their application.
    Statistics(BatchNormStats),
    /// See `Statistics`.
    Norm(BatchNormApply),
    /// Sums of the derivative of a norm, and the derivative from them.
    Sums(BatchNormSums),
    /// See `Sums`.
    NormDerivative(BatchNormBackward),
    /// `y = value`.
    Fill(f32),
    /// `y = a x`, `a` a constant.
    Scale(f32),
    /// What no rule is about.
    Other,
}

impl Kind {
    pub fn of(op: &dyn Op) -> Kind {
        let op: &dyn Any = op;
        if let Some(pass) = op.downcast_ref::<Convolution>() {
            return Kind::Convolution(*pass);
        }
        if let Some(act) = op.downcast_ref::<Act>() {
            return Kind::Activation(*act);
        }
        if let Some(ActBackward(act)) = op.downcast_ref::<ActBackward>() {
            return Kind::Derivative(*act);
        }
        if let Some(adam) = op.downcast_ref::<Adam>() {
            return Kind::Adam(*adam);
        }
        if let Some(Fill(value)) = op.downcast_ref::<Fill>() {
            return Kind::Fill(*value);
        }
        if let Some(Scale(by)) = op.downcast_ref::<Scale>() {
            return Kind::Scale(*by);
        }
        if let Some(kind) = Kind::of_norm(op) {
            return kind;
        }
        match (op.downcast_ref::<Resample2d>(), op.downcast_ref::<Resample2dBackward>()) {
            (Some(pad), _) if pad.enlarge == Enlarge::No => Kind::Padding(*pad),
            (_, Some(Resample2dBackward(pad))) if pad.enlarge == Enlarge::No => {
                Kind::PaddingAdjoint(*pad)
            }
            _ => Kind::Other,
        }
    }

    fn of_norm(op: &dyn Any) -> Option<Kind> {
        let statistics = op.downcast_ref().copied().map(Kind::Statistics);
        let norm = || op.downcast_ref().copied().map(Kind::Norm);
        let sums = || op.downcast_ref().copied().map(Kind::Sums);
        let derivative = || op.downcast_ref().copied().map(Kind::NormDerivative);
        statistics.or_else(norm).or_else(sums).or_else(derivative)
    }

    pub fn convolution(self) -> Option<Convolution> {
        if let Kind::Convolution(pass) = self { Some(pass) } else { None }
    }
}
