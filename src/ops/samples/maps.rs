//! Examples of pooling, and of what is made of maps of classes and instances.

use super::{differentiate, input};
use crate::error::Result;
use crate::ops::{AvgPool2dBackward, Pooling};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::Tape;

pub(in crate::ops) fn avg_pool(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.avg_pool2d(x);
    let (dy, shape) = (t.input("dy", t.shape(y)), t.shape(x));
    let dx = t.push_one(AvgPool2dBackward(Pooling::HALF), &[dy], shape);
    differentiate(t, y, &[x])?;
    differentiate(t, dx, &[dy])
}

pub(in crate::ops) fn max_pool(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.max_pool2d(x)?;
    differentiate(t, y, &[x])
}

pub(in crate::ops) fn one_hot(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = t.input("ids", Shape::new(2, 3, 5, 1));
    t.one_hot(x, 6).map(drop)
}

pub(in crate::ops) fn instance_edges(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = t.input("ids", Shape::new(2, 3, 5, 1));
    t.instance_edges(x).map(drop)
}

pub(in crate::ops) fn instance_mean(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let ids = t.input("ids", t.shape(x).with_channels(1));
    let y = t.instance_mean(x, ids)?;
    differentiate(t, y, &[x])
}
