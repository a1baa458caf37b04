//! The commands, one module each.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod devices;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod features;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod loader_speed;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod train;
pub(crate) mod translate;
pub(crate) mod tune;
