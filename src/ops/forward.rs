//! What a network computes, for those who read it from a tape: exporters, and strips, which record
//! parts of it again.

use super::batch_norm::BatchNormRunning;
use super::{
    Act, Add, AvgPool2d, BatchNormApply, BatchNormStats, Concat, Convolution, Fill, InstanceEdges,
    InstanceMean, NormMode, Of, OneHot, Op, Pooling, Resample2d,
};
use crate::error::{Error, Result};
use crate::shape::{Conv, Shape};
use crate::tape::{Tape, Tensor};
use std::any::Any;

/// An operation of a network's forward pass, with dropout off. Its result is the node's last.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Forward {
    /// Of `x`, a weight, and perhaps a bias.
    Convolution { conv: Conv, transposed: bool },
    /// Enlarges and pads.
    Resample(Resample2d),
    /// Means of windows of pixels.
    AvgPool(Pooling),
    /// `y = f(x)`.
    Act(Act),
    /// The sum of two.
    Add,
    /// Joins channels.
    Concat,
    /// Statistics of `x` for a norm.
    Statistics,
    /// The same from a running mean and variance.
    Running(BatchNormRunning),
    /// Of `x`, statistics, gamma and beta.
    Norm,
    /// One value everywhere.
    Fill(f32),
    /// Planes of classes from a map of indices.
    OneHot,
    /// The boundaries in a map of instances.
    InstanceEdges,
    /// Means of `x` over the instances of a map.
    InstanceMean,
}

impl Forward {
    /// `None` for what no network's forward pass has.
    pub fn of(op: &dyn Op) -> Option<Forward> {
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
        if let Some(AvgPool2d(pooling)) = op.downcast_ref::<AvgPool2d>() {
            return Some(Forward::AvgPool(*pooling));
        }
        if let Some(running) = op.downcast_ref::<BatchNormRunning>() {
            return Some(Forward::Running(*running));
        }
        if let Some(Fill(value)) = op.downcast_ref::<Fill>() {
            return Some(Forward::Fill(*value));
        }
        let known = [
            (op.is::<Add>(), Forward::Add),
            (op.is::<Concat>(), Forward::Concat),
            (op.is::<BatchNormStats>(), Forward::Statistics),
            (op.is::<BatchNormApply>(), Forward::Norm),
            (op.is::<OneHot>(), Forward::OneHot),
            (op.is::<InstanceEdges>(), Forward::InstanceEdges),
            (op.is::<InstanceMean>(), Forward::InstanceMean),
        ];
        known.into_iter().find_map(|(is, forward)| is.then_some(forward))
    }

    /// Records it on other operands: maps of another height, statistics from elsewhere. `shape`: of
    /// the result where it was recorded first, of which some keep the channels.
    ///
    /// # Errors
    /// As recording it directly; statistics have to come from elsewhere.
    pub fn record(self, tape: &mut Tape, inputs: &[Tensor], shape: Shape) -> Result<Tensor> {
        match (self, inputs) {
            (Forward::Convolution { conv, transposed: false }, [x, w, bias @ ..]) => {
                tape.conv2d(*x, *w, bias.first().copied(), conv)
            }
            (Forward::Convolution { conv, transposed: true }, [x, w, bias @ ..]) => {
                tape.conv_transpose2d(*x, *w, bias.first().copied(), conv)
            }
            (Forward::Resample(Resample2d { enlarge, padding, pad }), [x]) => {
                tape.resample2d(*x, enlarge, padding, pad)
            }
            (Forward::AvgPool(pooling), [x]) => {
                let y = pooling.out(tape.shape(*x));
                let y = y.ok_or_else(|| Error::Internal("no window fits".into()))?;
                Ok(tape.push_one(AvgPool2d(pooling), inputs, y))
            }
            (Forward::Act(act), [x]) => Ok(tape.act(*x, act)),
            (Forward::Add, [a, b]) => tape.add(*a, *b),
            (Forward::Concat, parts) => tape.concat(parts),
            (Forward::Running(running), inputs) => Ok(tape.push_one(running, inputs, shape)),
            (Forward::Norm, [x, ..]) => {
                let given = BatchNormApply { mode: NormMode::Running };
                Ok(tape.push_one(given, inputs, tape.shape(*x)))
            }
            (Forward::Fill(value), []) => Ok(tape.fill(shape, value)),
            (Forward::OneHot, [ids]) => tape.one_hot(*ids, shape.c.logical()),
            (Forward::InstanceEdges, [ids]) => tape.instance_edges(*ids),
            (Forward::InstanceMean, [x, ids]) => tape.instance_mean(*x, *ids),
            _ => Err(Error::Internal(format!("{self:?} of {} operands", inputs.len()))),
        }
    }
}
