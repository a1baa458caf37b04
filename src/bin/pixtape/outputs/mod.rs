//! What a training shows to people and programs. Each observes the events of a session.

pub(crate) mod json;
pub(crate) mod report;
pub(crate) mod tensorboard;
pub(crate) mod terminal;
