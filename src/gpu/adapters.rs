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

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env())
}

/// Every adapter of every backend, best first.
pub async fn adapters() -> Vec<AdapterReport> {
    let found = sorted().await;
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

async fn sorted() -> Vec<wgpu::Adapter> {
    let mut found = instance().enumerate_adapters(wgpu::Backends::all()).await;
    found.sort_by_key(|adapter| {
        let info = adapter.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        // GL is a fallback: no subgroups, no timestamps on most drivers.
        (kind, info.backend == wgpu::Backend::Gl)
    });
    found
}

pub(super) async fn choose(request: &Request) -> Result<wgpu::Adapter> {
    let mut found = sorted().await;
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
        Some(at) => Ok(found.swap_remove(at)),
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
        ("storage buffers per stage", u64::from(limits.max_storage_buffers_per_shader_stage), 6),
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
