//! Every kernel in every variant, without a device: accepted by naga, translated for every
//! interface that wgpu has, and declaring exactly what the Rust side binds.

use naga::back::{glsl, hlsl, msl, spv, wgsl};
use naga::valid::{
    Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator,
};
use naga::{AddressSpace, Module, ScalarKind, ShaderStage, StorageAccess, TypeInner};
use pixtape::gpu::{Access, Binding, Kernel};
use pixtape::ops::{Dispatch, Value};
use std::collections::HashMap;

/// Limits of every WebGPU device.
const MAX_INVOCATIONS: u32 = 256;
/// Less than WebGPU's 16,384: what is left on OpenGL's backend.
const MAX_WORKGROUP_BYTES: u32 = 16_352;
const MAX_STORAGE_BUFFERS: usize = 8;
/// Longest kernel in HLSL. Windows' own compiler, which wgpu falls back on where there is no
/// dxcompiler.dll, takes time that grows faster than the text: what is longer than this is split,
/// or has a reason. (Chosen from the longest there is, not measured.)
const MAX_HLSL: usize = 96 << 10;
/// One block of the page of parameters.
const PARAMS_BYTES: u32 = 256;

fn needs_subgroups(kernel: &Kernel) -> bool {
    kernel.file.ends_with("_subgroup")
}

/// Each kernel once, with a dispatch that uses it.
fn kernels() -> Vec<(String, Dispatch)> {
    let mut seen: HashMap<Kernel, Vec<String>> = HashMap::new();
    let mut all = crate::registry::all_kernels();
    all.retain(|(label, d)| {
        let names: Vec<String> = d.params.iter().map(|p| p.0.clone()).collect();
        match seen.get(&d.kernel) {
            // All that share a pipeline must agree on its parameters.
            Some(known) => {
                assert_eq!(known, &names, "{label}: {}", d.kernel.label());
                false
            }
            None => {
                seen.insert(d.kernel.clone(), names);
                true
            }
        }
    });
    assert!(all.len() > 150, "only {} kernels", all.len());
    all
}

fn validate(module: &Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    if capabilities.contains(Capabilities::SUBGROUP) {
        validator
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all());
    }
    validator.validate(module).map_err(|e| format!("{e:?}"))
}

/// Parses and validates with no capability beyond subgroups, and with none at all where those are
/// not needed.
fn module(kernel: &Kernel) -> (Module, ModuleInfo) {
    let source = pixtape::testing::shader::load(kernel.file, &kernel.tune).unwrap();
    let module = naga::front::wgsl::parse_str(&source.text).unwrap_or_else(|e| {
        let at = e
            .location(&source.text)
            .map(|l| source.origin(l.line_number as usize))
            .unwrap_or_default();
        panic!("{}: {at}: {}", kernel.label(), e.emit_to_string(&source.text))
    });
    let needed =
        if needs_subgroups(kernel) { Capabilities::SUBGROUP } else { Capabilities::empty() };
    let info = validate(&module, needed).unwrap_or_else(|e| panic!("{}: {e}", kernel.label()));
    assert!(
        !needs_subgroups(kernel) || validate(&module, Capabilities::empty()).is_err(),
        "{} needs no subgroups",
        kernel.label()
    );
    (module, info)
}

#[test]
fn every_kernel_is_accepted_and_declares_what_is_bound() {
    for (label, dispatch) in kernels() {
        let kernel = &dispatch.kernel;
        let what = format!("{label}: {}", kernel.label());
        let (module, info) = module(kernel);
        let at = module
            .entry_points
            .iter()
            .position(|e| e.name == kernel.entry)
            .unwrap_or_else(|| panic!("{what}: no such entry"));
        let entry = &module.entry_points[at];
        assert_eq!(entry.stage, ShaderStage::Compute, "{what}");
        let [x, y, z] = entry.workgroup_size;
        assert!(
            (1..=MAX_INVOCATIONS).contains(&x) && (y, z) == (1, 1),
            "{what}: workgroups of {x} x {y} x {z}; they are one-dimensional"
        );

        let used = |g: naga::Handle<naga::GlobalVariable>| !info.get_entry_point(at)[g].is_empty();
        let mut storage: Vec<(u32, &str, Access)> = Vec::new();
        let mut workgroup_bytes = 0;
        for (handle, global) in module.global_variables.iter().filter(|(h, _)| used(*h)) {
            let name = global.name.as_deref().unwrap_or_default();
            let place = global.binding.map(|b| (b.group, b.binding));
            match (global.space, place) {
                (AddressSpace::Storage { access }, Some((0, binding))) => {
                    let access = if access.contains(StorageAccess::STORE) {
                        Access::Write
                    } else {
                        Access::Read
                    };
                    storage.push((binding, name, access));
                }
                (AddressSpace::Uniform, Some((1, 0))) => {
                    check_params(&what, &module, global.ty, &dispatch)
                }
                (AddressSpace::Uniform, Some((1, 1))) => {
                    assert_eq!(module.types[global.ty].name.as_deref(), Some("Step"), "{what}")
                }
                (AddressSpace::WorkGroup, None) => {
                    workgroup_bytes += module.types[global.ty].inner.size(module.to_ctx())
                }
                other => panic!("{what}: {name} ({handle:?}) is bound as {other:?}"),
            }
        }
        storage.sort_by_key(|b| b.0);
        assert!(
            storage.iter().map(|b| b.0).eq(0..storage.len() as u32),
            "{what}: bindings {storage:?}"
        );
        let declared: Vec<Binding> = storage
            .iter()
            .map(|(_, name, access)| {
                (kernel.bindings.iter().find(|b| b.0 == *name).map_or("?", |b| b.0), *access)
            })
            .collect();
        assert_eq!(declared, kernel.bindings, "{what}: the shader declares {storage:?}");
        assert!(
            storage.len() <= MAX_STORAGE_BUFFERS && storage.len() == dispatch.binds.len(),
            "{what}"
        );
        assert!(
            workgroup_bytes <= MAX_WORKGROUP_BYTES,
            "{what}: {workgroup_bytes} bytes of workgroup memory"
        );
    }
}

fn check_params(what: &str, module: &Module, ty: naga::Handle<naga::Type>, dispatch: &Dispatch) {
    let TypeInner::Struct { members, span } = &module.types[ty].inner else {
        panic!("{what}: Params is no struct")
    };
    assert!(*span <= PARAMS_BYTES, "{what}: {span} bytes of parameters");
    let declared: Vec<(&str, ScalarKind)> = members
        .iter()
        .zip(0..)
        .map(|(m, at)| {
            let TypeInner::Scalar(scalar) = module.types[m.ty].inner else {
                panic!("{what}: {:?} is no scalar", m.name)
            };
            assert!(
                scalar.width == 4 && m.offset == 4 * at,
                "{what}: {:?} is not word {at}",
                m.name
            );
            (m.name.as_deref().unwrap_or_default(), scalar.kind)
        })
        .collect();
    let given: Vec<(&str, ScalarKind)> = dispatch
        .params
        .iter()
        .map(|(name, value)| {
            let kind = match value {
                Value::U(_) => ScalarKind::Uint,
                Value::I(_) => ScalarKind::Sint,
                Value::F(_) => ScalarKind::Float,
            };
            (name.as_str(), kind)
        })
        .collect();
    assert_eq!(
        declared, given,
        "{what}: members of Params in the shader and parameters of the dispatch"
    );
}

#[test]
fn every_kernel_translates_to_every_language() {
    for (label, dispatch) in kernels() {
        let kernel = &dispatch.kernel;
        let what = format!("{label}: {}", kernel.label());
        let (module, info) = module(kernel);
        let subgroups = needs_subgroups(kernel);
        let (stage, entry) = (ShaderStage::Compute, kernel.entry.to_string());
        let fail =
            |language: &str, e: &dyn std::fmt::Debug| -> ! { panic!("{what}: {language}: {e:?}") };

        // Vulkan 1.1, for subgroups; 1.0 else.
        let options = spv::Options {
            lang_version: if subgroups { (1, 3) } else { (1, 0) },
            ..Default::default()
        };
        let words = spv::write_vec(
            &module,
            &info,
            &options,
            Some(&spv::PipelineOptions { shader_stage: stage, entry_point: entry.clone() }),
        );
        assert!(words.unwrap_or_else(|e| fail("SPIR-V", &e)).len() > 100, "{what}");

        // Metal 2.1 has simd_broadcast; everything else is held to the first version.
        let options = msl::Options {
            lang_version: if subgroups { (2, 1) } else { (1, 0) },
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((stage, entry.clone())),
            ..Default::default()
        };
        let (text, _) = msl::write_string(&module, &info, &options, &pipeline)
            .unwrap_or_else(|e| fail("MSL", &e));
        assert!(text.contains("kernel void"), "{what}");

        // Shader model 6.0 has wave intrinsics; everything else is held to 5.1.
        let options = hlsl::Options {
            shader_model: if subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::ShaderModel::V5_1 },
            ..Default::default()
        };
        let pipeline = hlsl::PipelineOptions { entry_point: Some((stage, entry.clone())) };
        let mut text = String::new();
        let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None);
        written.unwrap_or_else(|e| fail("HLSL", &e));
        assert!(text.contains("numthreads"), "{what}");
        assert!(
            text.len() <= MAX_HLSL,
            "{what}: {} bytes of HLSL, which the old compiler of Windows takes minutes for; unroll \
             less",
            text.len()
        );

        // OpenGL ES 3.1; subgroups are an extension there, which wgpu does not offer.
        let options = glsl::Options::default();
        let pipeline = glsl::PipelineOptions {
            shader_stage: stage,
            entry_point: entry.clone(),
            multiview: None,
        };
        let mut text = String::new();
        let writer =
            glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, Default::default());
        writer.and_then(|mut w| w.write()).unwrap_or_else(|e| fail("GLSL", &e));
        assert!(
            text.contains("void main()") && text.contains("GL_KHR_shader_subgroup") == subgroups,
            "{what}"
        );

        // And back to WGSL, which has to be valid again.
        let text = wgsl::write_string(&module, &info, wgsl::WriterFlags::empty())
            .unwrap_or_else(|e| fail("WGSL", &e));
        let again =
            naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| fail("WGSL, read again", &e));
        let needed = if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() };
        validate(&again, needed).unwrap_or_else(|e| fail("WGSL, read again", &e));
    }
}

/// A kernel in Metal's language.
fn metal(kernel: &Kernel) -> String {
    let (module, info) = module(kernel);
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, kernel.entry.into())),
        ..Default::default()
    };
    msl::write_string(&module, &info, &msl::Options::default(), &pipeline).unwrap().0
}

/// The body of a function in it, its white space made one.
fn body(text: &str, function: &str) -> String {
    let start = text.find(&format!(" {function}(")).unwrap_or_else(|| panic!("no {function}"));
    let end = text[start..].find("\n}").expect("it ends") + start;
    text[start..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn metal_cannot_reorder_what_must_be_rounded_first() {
    let all = kernels();
    let texts = |file: &str, function: &str| -> Vec<String> {
        let with = |(_, d): &(String, Dispatch)| {
            let text = (d.kernel.file == file).then(|| metal(&d.kernel))?;
            text.contains(&format!(" {function}(")).then(|| body(&text, function))
        };
        all.iter().filter_map(with).collect()
    };
    // Differences from the first pixel, before they are added up: an integer that only the host
    // knows stands between.
    for (function, differences) in [("chunk_moments", 5), ("group_moments", 1)] {
        let found = texts("batch_norm", function);
        assert!(!found.is_empty(), "{function}");
        for text in found {
            assert_eq!(text.matches("- origin").count(), differences, "{text}");
            assert_eq!(text.matches("rounded(").count(), differences, "{text}");
        }
    }
    for text in texts("batch_norm", "rounded") {
        let whole = text.split_once("as_type<metal::uint4>(v").map(|(_, rest)| rest);
        assert!(whole.is_some_and(|rest| rest.contains(") | metal::uint4(zero)")), "{text}");
    }
    // The two parts of log(2): the larger one is subtracted behind a clamp.
    let found = texts("loss", "exp4_");
    assert!(!found.is_empty());
    for text in found {
        let high = text.find("0.6933594").unwrap_or_else(|| panic!("{text}"));
        let low = text.find("0.00021219444").unwrap_or_else(|| panic!("{text}"));
        let clamps: Vec<usize> = text.match_indices("metal::clamp(").map(|m| m.0).collect();
        assert!(clamps.len() == 2 && clamps[1] < high && high < low, "{text}");
    }
}

#[test]
fn probes_are_accepted_too() {
    for file in ["probe", "fma"] {
        let source = pixtape::testing::shader::load(file, &[]).unwrap();
        let module = naga::front::wgsl::parse_str(&source.text)
            .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source.text)));
        validate(&module, Capabilities::SUBGROUP).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
}
