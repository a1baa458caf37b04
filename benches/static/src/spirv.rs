//! WGSL to SPIR-V as wgpu-hal 30's Vulkan backend does it for a trusted module
//! (`vulkan/adapter.rs`, `naga_options`, and `vulkan/device.rs`, `compile_stage`): the options are
//! copied from there.

use naga::back::spv::{
    self, BindingInfo, BindingMap, Capability, WriterFlags, ZeroInitializeWorkgroupMemoryMode,
};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, ResourceBinding, ShaderStage};
use pixtape::gpu::Kernel;

/// What of a device decides how naga writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// `VkPhysicalDeviceProperties::apiVersion`.
    pub api: u32,
    pub integer_dot_product: bool,
    pub int8: bool,
}

fn capabilities(target: Target) -> Vec<Capability> {
    let mut all = vec![
        Capability::Shader,
        Capability::Matrix,
        Capability::Sampled1D,
        Capability::Image1D,
        Capability::ImageQuery,
        Capability::DerivativeControl,
        Capability::StorageImageExtendedFormats,
        Capability::SampledCubeArray,
        Capability::SampleRateShading,
        // `Features::SUBGROUP`, which the engine asks for wherever it is offered.
        Capability::GroupNonUniform,
        Capability::GroupNonUniformVote,
        Capability::GroupNonUniformArithmetic,
        Capability::GroupNonUniformBallot,
        Capability::GroupNonUniformShuffle,
        Capability::GroupNonUniformShuffleRelative,
        Capability::GroupNonUniformQuad,
    ];
    if target.integer_dot_product {
        all.extend([
            Capability::DotProductInputAllKHR,
            Capability::DotProductInput4x8BitKHR,
            Capability::DotProductInput4x8BitPackedKHR,
            Capability::DotProductKHR,
        ]);
    }
    if target.int8 {
        all.push(Capability::Int8);
    }
    all
}

/// Bindings keep their numbers: every layout of the engine has them without gaps.
fn bindings(kernel: &Kernel) -> BindingMap {
    let storage = (0..kernel.bindings.len() as u32).map(|at| (0, at));
    let uniforms = [(1, 0), (1, 1)];
    storage
        .chain(uniforms)
        .map(|(group, binding)| {
            let place = BindingInfo { descriptor_set: group, binding, binding_array_size: None };
            (ResourceBinding { group, binding }, place)
        })
        .collect()
}

fn options(kernel: &Kernel, target: Target) -> spv::Options<'static> {
    spv::Options {
        lang_version: match target.api >> 12 & 0x3ff {
            0 => (1, 0),
            1 => (1, 3),
            2 => (1, 5),
            _ => (1, 6),
        },
        // A release build has no `InstanceFlags::DEBUG`.
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(capabilities(target).into_iter().collect()),
        // What follows is `ShaderRuntimeChecks::unchecked()` and
        // `zero_initialize_workgroup_memory: false`, as `Pipeline::new` asks for.
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Unchecked,
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ray_query_initialization_tracking: false,
        emit_int_div_checks: false,
        task_dispatch_limits: None,
        mesh_shader_primitive_indices_clamp: false,
        binding_map: bindings(kernel),
        debug_info: None,
        use_storage_input_output_16: false,
        fake_missing_bindings: false,
        ..spv::Options::default()
    }
}

/// A kernel for the driver.
pub struct Module {
    pub words: Vec<u32>,
    /// Bytes of workgroup memory that it declares.
    pub workgroup: u32,
}

/// Writes a kernel.
///
/// # Errors
/// What the loader or naga refuse, in one line.
pub fn write(kernel: &Kernel, target: Target) -> Result<Module, String> {
    let source = pixtape::testing::shader::load(kernel.file, &kernel.tune)
        .map_err(|e| format!("{}: {e}", kernel.label()))?;
    let failed = |what: &str, e: String| format!("{}: {what}: {e}", kernel.label());
    let module = naga::front::wgsl::parse_str(&source.text)
        .map_err(|e| failed("not WGSL", e.emit_to_string(&source.text)))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP);
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all());
    let info = validator.validate(&module).map_err(|e| failed("not valid", format!("{e:?}")))?;
    let entry = spv::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: kernel.entry.to_string(),
    };
    let words = spv::write_vec(&module, &info, &options(kernel, target), Some(&entry))
        .map_err(|e| failed("no SPIR-V", e.to_string()))?;
    let variables = module.global_variables.iter();
    let workgroup = variables
        .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
        .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
        .sum();
    Ok(Module { words, workgroup })
}
