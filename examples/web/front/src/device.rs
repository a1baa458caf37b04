//! The device.

use crate::{Js, told};
use pixtape::Gpu;
use pixtape::gpu::Request;
use wasm_bindgen::prelude::*;

/// A device and what it can do.
#[wasm_bindgen]
pub struct Device {
    pub(crate) gpu: Gpu,
}

#[wasm_bindgen]
impl Device {
    /// Finds an adapter and makes a device of it.
    pub async fn request() -> Js<Device> {
        let gpu = Gpu::request(&Request::default()).await.map_err(told)?;
        Ok(Device { gpu })
    }

    /// The kernels that convolutions use.
    pub fn family(&self) -> String {
        self.gpu.family().to_string()
    }

    /// Whether it computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.gpu.is_software()
    }

    /// Pipelines made so far.
    pub fn pipelines(&self) -> usize {
        self.gpu.pipeline_count()
    }

    /// Resolves when all that was submitted is done.
    pub async fn done(&self) -> Js<()> {
        let gpu = self.gpu.clone();
        gpu.done("all").await.map_err(told)
    }

    /// Gives the device back, with all that is on it: whatever uses it later fails as it would on
    /// a device that was lost.
    pub fn destroy(&self) {
        self.gpu.device().destroy();
    }
}
