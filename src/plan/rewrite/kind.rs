//! What the rules of rewriting know of an operation.

use crate::ops::{
    Act, ActBackward, Adam, Convolution, Enlarge, Op, Resample2d, Resample2dBackward,
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
        match (op.downcast_ref::<Resample2d>(), op.downcast_ref::<Resample2dBackward>()) {
            (Some(pad), _) if pad.enlarge == Enlarge::No => Kind::Padding(*pad),
            (_, Some(Resample2dBackward(pad))) if pad.enlarge == Enlarge::No => {
                Kind::PaddingAdjoint(*pad)
            }
            _ => Kind::Other,
        }
    }

    pub fn convolution(self) -> Option<Convolution> {
        if let Kind::Convolution(pass) = self { Some(pass) } else { None }
    }
}
