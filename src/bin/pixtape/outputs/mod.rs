//! What a training leaves for people to look at: pages and TensorBoard's event files.

pub(crate) mod report;
pub(crate) mod tensorboard;
