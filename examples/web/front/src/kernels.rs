//! Every kernel, seen by the browser's own compiler.

use crate::device::Device;
use crate::{Js, told};
use pixtape::ops::OPS;
use pixtape::testing::{sample_kernels, sample_tunings, shader};
use std::collections::HashSet;
use wasm_bindgen::prelude::*;

/// What the browser's compiler said of the kernels.
#[wasm_bindgen]
pub struct Verdict {
    /// Kernels that it was given: all that need no subgroups, each in every variant.
    pub kernels: u32,
    messages: Vec<String>,
}

#[wasm_bindgen]
impl Verdict {
    /// Its messages, a line each; none if it has nothing to say.
    pub fn messages(&self) -> Vec<String> {
        self.messages.clone()
    }
}

/// Has the browser look through every kernel.
#[wasm_bindgen]
pub async fn check_kernels(device: &Device) -> Js<Verdict> {
    let gpu = device.gpu.clone();
    let (mut seen, mut verdict) = (HashSet::new(), Verdict { kernels: 0, messages: Vec::new() });
    for (_, dispatch) in sample_kernels(OPS, &sample_tunings()).map_err(told)? {
        let kernel = dispatch.kernel;
        if kernel.file.ends_with("_subgroup")
            || kernel.file == "probe"
            || !seen.insert(kernel.clone())
        {
            continue;
        }
        let source = shader::load(kernel.file, &kernel.tune).map_err(told)?;
        let label = kernel.label();
        let module = gpu.device().create_shader_module(pixtape::wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: pixtape::wgpu::ShaderSource::Wgsl(source.text.as_str().into()),
        });
        verdict.kernels += 1;
        for message in module.get_compilation_info().await.messages {
            let at = message.location.map(|l| source.origin(l.line_number as usize));
            let (kind, at) = (message.message_type, at.unwrap_or_default());
            verdict.messages.push(format!("{label}: {kind:?} {at}: {}", message.message));
        }
    }
    Ok(verdict)
}
