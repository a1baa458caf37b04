//! A kernel: shader file, entry point, variant, bindings. A pipeline: a compiled kernel.

use super::Gpu;
use crate::error::{Error, Result};
use crate::shader::{self, Tune};
use std::sync::atomic::AtomicBool;

/// How a kernel uses a storage buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// Name and access of a storage binding; its index in the list is its binding number in group 0.
pub type Binding = (&'static str, Access);

/// A kernel to compile. Equal kernels share a pipeline.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Kernel {
    /// File in `shaders`, without extension; of a text from elsewhere its name in messages.
    pub file: &'static str,
    /// WGSL from elsewhere, with the directives of `shaders/README.md`. Unlike the crate's own it
    /// is compiled with the checks of memory accesses in.
    pub text: Option<&'static str>,
    /// Entry point.
    pub entry: &'static str,
    /// Values of the constants that the variant changes.
    pub tune: Vec<Tune>,
    /// Storage bindings of group 0, in order.
    pub bindings: Vec<Binding>,
}

impl Kernel {
    /// A kernel with the constants as they are in the file.
    pub fn new(file: &'static str, entry: &'static str, bindings: &[Binding]) -> Self {
        Kernel { file, text: None, entry, tune: Vec::new(), bindings: bindings.to_vec() }
    }

    /// A kernel of a text from elsewhere, which `name` stands for in labels and messages.
    pub fn of_text(
        name: &'static str,
        text: &'static str,
        entry: &'static str,
        bindings: &[Binding],
    ) -> Self {
        Kernel { text: Some(text), ..Kernel::new(name, entry, bindings) }
    }

    /// Overrides a constant.
    pub fn tune(mut self, name: &'static str, value: u32) -> Self {
        self.tune.push((name, value));
        self
    }

    /// `file/entry` and the variant, for labels and reports.
    pub fn label(&self) -> String {
        let tune: Vec<String> = self.tune.iter().map(|(n, v)| format!(" {n}={v}")).collect();
        format!("{}/{}{}", self.file, self.entry, tune.concat())
    }
}

/// A compiled kernel. Group 0 holds the storage bindings, group 1 the parameters (binding 0,
/// dynamic offset) and the step (binding 1).
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) storage: wgpu::BindGroupLayout,
    /// Whether it has been dispatched on a driver that compiles only then.
    pub(crate) warm: AtomicBool,
}

/// Bytes of a parameter block: one dynamic-offset step of the uniform page.
pub(crate) const PARAMS_BYTES: u64 = 256;
/// Bytes of the step uniform.
pub(crate) const STEP_BYTES: u64 = 256;

fn layout_entry(
    binding: u32,
    ty: wgpu::BufferBindingType,
    dynamic: bool,
    bytes: u64,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: dynamic,
            min_binding_size: std::num::NonZeroU64::new(bytes),
        },
        count: None,
    }
}

/// Layout of group 1, the same for every kernel.
pub(crate) fn uniform_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("params and step"),
        entries: &[
            layout_entry(0, wgpu::BufferBindingType::Uniform, true, PARAMS_BYTES),
            layout_entry(1, wgpu::BufferBindingType::Uniform, false, STEP_BYTES),
        ],
    })
}

impl Pipeline {
    pub(super) fn new(gpu: &Gpu, kernel: &Kernel, trusted: bool) -> Result<Self> {
        let label = kernel.label();
        let (source, trusted) = match kernel.text {
            Some(text) => (shader::load_text(kernel.file, text, &kernel.tune)?, false),
            None => (shader::load(kernel.file, &kernel.tune)?, trusted),
        };
        let device = gpu.device();
        let made = gpu.scoped(&label, || {
            let entries: Vec<_> = (0..)
                .zip(&kernel.bindings)
                .map(|(at, (_, access))| {
                    layout_entry(
                        at,
                        wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
                        false,
                        0,
                    )
                })
                .collect();
            let storage = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &entries,
            });
            let uniforms = uniform_layout(device);
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&label),
                bind_group_layouts: &[Some(&storage), Some(&uniforms)],
                immediate_size: 0,
            });
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(&label),
                source: wgpu::ShaderSource::Wgsl(source.text.as_str().into()),
            };
            let module = if trusted {
                // SAFETY: the text is part of this crate. Every access is within its binding: the
                // tests run each kernel with guard words behind its outputs, and the whole suite
                // also with these checks left in.
                unsafe {
                    device.create_shader_module_trusted(
                        descriptor,
                        wgpu::ShaderRuntimeChecks::unchecked(),
                    )
                }
            } else {
                device.create_shader_module(descriptor)
            };
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(kernel.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Kernels write workgroup memory before they read it; the zeroing costs compile
                    // time, and one driver miscompiles it.
                    zero_initialize_workgroup_memory: !trusted,
                    ..Default::default()
                },
                cache: gpu.pipeline_cache(),
            });
            Pipeline { pipeline, storage, warm: AtomicBool::new(false) }
        });
        made.map_err(|e| match e {
            Error::Validation { label, message } => {
                let line = message
                    .split("wgsl:")
                    .nth(1)
                    .and_then(|m| m.split(':').next())
                    .and_then(|l| l.trim().parse().ok());
                let at = line.map(|l| format!("{}: ", source.origin(l))).unwrap_or_default();
                Error::Validation { label, message: format!("{at}{message}") }
            }
            other => other,
        })
    }
}
