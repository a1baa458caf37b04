//! What a network computes, for those who read it from a tape rather than run it: exporters, and
//! strips.

use super::batch_norm::BatchNormRunning;
use super::{
    Act, Add, BatchNormApply, BatchNormStats, Concat, Convolution, Fill, Of, Op, Resample2d,
};
use crate::shape::Conv;
use std::any::Any;

/// An operation of a network's forward pass.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Forward {
    /// Of `x`, a weight, and perhaps a bias.
    Convolution { conv: Conv, transposed: bool },
    /// Enlarges and pads.
    Resample(Resample2d),
    /// `y = f(x)`.
    Act(Act),
    /// The sum of two.
    Add,
    /// Joins channels.
    Concat,
    /// Statistics of `x` for a norm.
    Statistics,
    /// The same from a running mean and variance.
    Running,
    /// Of `x`, statistics, gamma and beta.
    Norm,
    /// One value everywhere.
    Fill(f32),
}

impl Forward {
    /// `None` for what no network's forward pass has.
    pub(crate) fn of(op: &dyn Op) -> Option<Forward> {
        let op: &dyn Any = op;
        if let Some(pass) = op.downcast_ref::<Convolution>() {
            return (pass.pass.of == Of::Output).then_some(Forward::Convolution {
                conv: pass.conv,
                transposed: pass.pass.transposed,
            });
        }
        if let Some(resample) = op.downcast_ref::<Resample2d>() {
            return Some(Forward::Resample(*resample));
        }
        if let Some(act) = op.downcast_ref::<Act>() {
            return Some(Forward::Act(*act));
        }
        if let Some(Fill(value)) = op.downcast_ref::<Fill>() {
            return Some(Forward::Fill(*value));
        }
        let known = [
            (op.is::<Add>(), Forward::Add),
            (op.is::<Concat>(), Forward::Concat),
            (op.is::<BatchNormStats>(), Forward::Statistics),
            (op.is::<BatchNormRunning>(), Forward::Running),
            (op.is::<BatchNormApply>(), Forward::Norm),
        ];
        known.into_iter().find_map(|(is, forward)| is.then_some(forward))
    }
}
