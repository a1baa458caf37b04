//! The device that a command runs on, and its start-up.

pub(crate) mod environment;
pub(crate) mod pipelines;
pub(crate) mod starting;

use pixtape::Result;
use pixtape::gpu::{Family, Gpu, Request};

/// The device that a command runs on.
pub(crate) fn gpu(adapter: Option<&str>) -> Result<Gpu> {
    gpu_with(adapter, None)
}

/// The same with the tile that `--family` asks for.
pub(crate) fn gpu_with(adapter: Option<&str>, family: Option<Family>) -> Result<Gpu> {
    pollster::block_on(Gpu::request(&Request { family, ..environment::request(adapter) }))
}
