//! Finding an adapter, and what it offers.

use super::Family;
use crate::error::{Error, Result};

/// What [`super::Gpu::request`] looks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// An index into [`adapters`], or part of a name (backend included: `vulkan`, `gl llvmpipe`).
    /// `None` takes the best adapter.
    pub adapter: Option<String>,
    /// Ask for no feature and for nothing beyond WebGPU's default limits.
    pub portable: bool,
    /// Keep naga's run-time checks in the shaders (bounds, loops, divisions).
    pub checked: bool,
    /// Use this tile in place of the one that suits the device.
    pub family: Option<Family>,
    /// The driver keeps no compiled kernels on disk: Mesa does, unless `MESA_SHADER_CACHE_DISABLE`
    /// is set. Then [`crate::Plan::prepare_with`] does not compile on other devices ahead of time,
    /// which would only compile everything twice.
    pub no_driver_cache: bool,
}

/// An adapter and what it offers.
#[derive(Clone, Debug)]
pub struct AdapterReport {
    /// Index in the list, which [`Request::adapter`] takes.
    pub index: usize,
    /// Name, type, driver, backend, subgroup sizes.
    pub info: wgpu::AdapterInfo,
    /// Its limits.
    pub limits: wgpu::Limits,
    /// Its features.
    pub features: wgpu::Features,
    /// Whether it can run compute shaders within WebGPU's default limits.
    pub usable: bool,
}

/// Features that are used where available. None is required.
pub(super) fn wanted_features() -> wgpu::Features {
    use wgpu::Features as F;
    F::SUBGROUP | F::TIMESTAMP_QUERY | F::TIMESTAMP_QUERY_INSIDE_PASSES | F::PIPELINE_CACHE
}

/// Describes a device with these features and limits.
pub(super) fn descriptor(
    required_features: wgpu::Features,
    required_limits: wgpu::Limits,
) -> wgpu::DeviceDescriptor<'static> {
    let memory_hints = wgpu::MemoryHints::MemoryUsage;
    wgpu::DeviceDescriptor {
        label: Some("pixtape"),
        required_features,
        required_limits,
        memory_hints,
        ..Default::default()
    }
}

/// Backend and name, the text that [`Request::adapter`] is matched with.
pub(super) fn display_name(info: &wgpu::AdapterInfo) -> String {
    format!("{:?} {}", info.backend, info.name)
}

fn instance(memory_budget_thresholds: wgpu::MemoryBudgetThresholds) -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        memory_budget_thresholds,
        ..wgpu::InstanceDescriptor::new_without_display_handle_from_env()
    })
}

/// Shares of the memory that a driver allows this process beyond which wgpu refuses to allocate.
///
/// Where a discrete GPU's memory is full, drivers silently take the CPU's: every step then reads it
/// through a bus a tenth as fast. An error that names `batch_size` serves better. A GPU that shares
/// the CPU's memory has no slower memory to spill into. The device itself is never given up for this
/// (`for_device_loss`): where other programs take memory later, a run becomes slow, and says so,
/// instead of ending.
fn thresholds(kind: wgpu::DeviceType) -> wgpu::MemoryBudgetThresholds {
    let for_resource_creation = (kind == wgpu::DeviceType::DiscreteGpu).then_some(97);
    wgpu::MemoryBudgetThresholds { for_resource_creation, for_device_loss: None }
}

/// Every adapter of every backend, best first.
pub async fn adapters() -> Vec<AdapterReport> {
    let found = sorted(Default::default()).await;
    found.iter().enumerate().map(|(index, adapter)| report(index, adapter)).collect()
}

fn report(index: usize, adapter: &wgpu::Adapter) -> AdapterReport {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let compute =
        adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
    let usable = compute && require_limits(&info.name, &limits).is_ok();
    AdapterReport { index, limits, features: adapter.features(), usable, info }
}

async fn sorted(thresholds: wgpu::MemoryBudgetThresholds) -> Vec<wgpu::Adapter> {
    let mut found = instance(thresholds).enumerate_adapters(wgpu::Backends::all()).await;
    found.sort_by_key(|adapter| {
        let info = adapter.get_info();
        rank(info.device_type, info.backend)
    });
    found
}

/// Place in the list: by kind, then by interface.
fn rank(kind: wgpu::DeviceType, backend: wgpu::Backend) -> (u8, u8) {
    let kind = match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    let backend = match backend {
        // Its drivers read SPIR-V; Direct3D's kernels may meet a compiler that takes minutes.
        wgpu::Backend::Vulkan | wgpu::Backend::Metal | wgpu::Backend::BrowserWebGpu => 0,
        wgpu::Backend::Dx12 => 1,
        // A fallback: no subgroups, no timestamps on most drivers.
        wgpu::Backend::Gl => 2,
        wgpu::Backend::Noop => 3,
    };
    (kind, backend)
}

pub(super) async fn choose(request: &Request) -> Result<wgpu::Adapter> {
    let mut found = sorted(Default::default()).await;
    if found.is_empty() {
        return Err(Error::Adapter(no_adapter()));
    }
    let asked = request.adapter.as_ref().filter(|a| !a.is_empty());
    let at = match &asked {
        None => found.iter().enumerate().position(|(i, a)| report(i, a).usable),
        Some(asked) => match asked.parse::<usize>() {
            Ok(index) => (index < found.len()).then_some(index),
            Err(_) => {
                let words = asked.to_lowercase();
                found
                    .iter()
                    .position(|a| display_name(&a.get_info()).to_lowercase().contains(&words))
            }
        },
    };
    let list = || {
        found
            .iter()
            .enumerate()
            .map(|(i, a)| format!("{i} {}", display_name(&a.get_info())))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match at {
        Some(at) => Ok(within_budget(found.swap_remove(at), at).await),
        None => Err(Error::Adapter(match asked {
            Some(asked) => format!("`adapter` {asked}: no such adapter; there are: {}", list()),
            None => format!(
                "no adapter runs compute shaders within WebGPU's default limits; there are: {}; {}",
                list(),
                package_hint()
            ),
        })),
    }
}

/// The adapter at a place of the list, with the thresholds of its kind: these belong to an
/// instance, and only now it is known which they are.
async fn within_budget(adapter: wgpu::Adapter, at: usize) -> wgpu::Adapter {
    let info = adapter.get_info();
    let thresholds = thresholds(info.device_type);
    if thresholds.for_resource_creation.is_none() {
        return adapter;
    }
    let mut again = sorted(thresholds).await;
    let same = again.get(at).is_some_and(|a| display_name(&a.get_info()) == display_name(&info));
    if same { again.swap_remove(at) } else { adapter }
}

fn no_adapter() -> String {
    format!("no graphics adapter found; {}", package_hint())
}

fn package_hint() -> &'static str {
    if cfg!(target_arch = "wasm32") {
        "this browser has no WebGPU or has it turned off, or the page is served neither over https \
         nor from localhost"
    } else if cfg!(target_os = "macos") {
        "Metal is available on every Mac since 2012: is this a virtual machine without graphics?"
    } else if cfg!(windows) {
        "install the graphics card's driver (Windows 10 and later bring a software one, WARP)"
    } else {
        "install the graphics card's Vulkan driver, or a software one: package \
         mesa-vulkan-drivers (Debian, Ubuntu, Fedora), vulkan-swrast (Arch)"
    }
}

/// Refuses a device below WebGPU's defaults in the few limits that the kernels rely on.
pub(super) fn require_limits(name: &str, limits: &wgpu::Limits) -> Result<()> {
    // OpenGL's backend keeps 32 bytes of workgroup memory to itself.
    let needed =
        wgpu::Limits { max_compute_workgroup_storage_size: 16_352, ..wgpu::Limits::default() };
    let rows = [
        (
            "storage buffers per stage",
            u64::from(limits.max_storage_buffers_per_shader_stage),
            u64::from(needed.max_storage_buffers_per_shader_stage),
        ),
        (
            "bytes per storage binding",
            limits.max_storage_buffer_binding_size,
            needed.max_storage_buffer_binding_size,
        ),
        ("bytes per buffer", limits.max_buffer_size, super::MAX_BINDING),
        (
            "invocations per workgroup",
            u64::from(limits.max_compute_invocations_per_workgroup),
            u64::from(needed.max_compute_invocations_per_workgroup),
        ),
        (
            "bytes of workgroup memory",
            u64::from(limits.max_compute_workgroup_storage_size),
            u64::from(needed.max_compute_workgroup_storage_size),
        ),
        (
            "workgroups per dimension",
            u64::from(limits.max_compute_workgroups_per_dimension),
            u64::from(needed.max_compute_workgroups_per_dimension),
        ),
    ];
    for (what, available, needed) in rows {
        if available < needed {
            return Err(Error::Limit {
                what: format!("pixtape on {name}"),
                needed: format!("{needed} {what}"),
                available: available.to_string(),
                hint:
                    "choose another adapter (`pixtape devices` lists them), or create the device \
                       with larger limits"
                        .into(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{Backend, DeviceType};

    #[test]
    fn gpus_come_before_what_computes_on_the_cpu_and_vulkan_before_the_others() {
        let mut all: Vec<(DeviceType, Backend)> = Vec::new();
        for backend in [Backend::Gl, Backend::Dx12, Backend::Vulkan] {
            for kind in [DeviceType::Cpu, DeviceType::IntegratedGpu, DeviceType::DiscreteGpu] {
                all.push((kind, backend));
            }
        }
        // However they are enumerated.
        for turn in 0..all.len() {
            let mut list = all.clone();
            list.rotate_left(turn);
            list.sort_by_key(|(kind, backend)| rank(*kind, *backend));
            let want = [DeviceType::DiscreteGpu, DeviceType::IntegratedGpu, DeviceType::Cpu]
                .into_iter()
                .flat_map(|kind| [Backend::Vulkan, Backend::Dx12, Backend::Gl].map(|b| (kind, b)));
            assert!(list.into_iter().eq(want), "turned by {turn}");
        }
    }

    #[test]
    fn webgpu_defaults_are_enough_and_less_is_refused_by_name() {
        let limits = wgpu::Limits { max_buffer_size: 128 << 20, ..wgpu::Limits::default() };
        require_limits("A", &limits).unwrap();
        let few = wgpu::Limits { max_storage_buffers_per_shader_stage: 7, ..limits };
        let error = require_limits("A", &few).unwrap_err().to_string();
        assert!(error.contains("8 storage buffers per stage") && error.contains('7'), "{error}");
    }

    #[test]
    fn only_gpus_with_memory_of_their_own_refuse_what_would_lie_elsewhere() {
        for kind in [DeviceType::IntegratedGpu, DeviceType::Cpu, DeviceType::Other] {
            assert_eq!(thresholds(kind).for_resource_creation, None);
        }
        let own = thresholds(DeviceType::DiscreteGpu);
        assert_eq!((own.for_resource_creation, own.for_device_loss), (Some(97), None));
    }

    #[test]
    fn an_adapter_is_the_same_with_thresholds() {
        let names = |thresholds| -> Vec<String> {
            let found = pollster::block_on(sorted(thresholds));
            found.iter().map(|adapter| display_name(&adapter.get_info())).collect()
        };
        assert_eq!(names(Default::default()), names(thresholds(DeviceType::DiscreteGpu)));
    }
}
