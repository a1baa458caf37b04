//! The devices that a test process shares: a software driver takes half a second for each pipeline,
//! so none is compiled twice.

use pixtape::gpu::{Family, Request};
use pixtape::{Gpu, wgpu};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The adapter under test: the best there is, or what `PIXTAPE_ADAPTER` names. `None`, after saying
/// so, where there is none and `PIXTAPE_REQUIRE_GPU=1` does not make that a failure.
pub fn gpu() -> Option<&'static Gpu> {
    static SHARED: OnceLock<Option<Gpu>> = OnceLock::new();
    let found = SHARED.get_or_init(|| open(None)).as_ref();
    if found.is_none() {
        skipped("no adapter");
    }
    found
}

/// The same adapter with the convolutions' tiles of a family; `None` where it cannot have them (or
/// there is no adapter). `Family::Subgroup(0)` stands for whatever number of lanes the device has.
pub fn family(family: Family) -> Option<&'static Gpu> {
    static SUBGROUP: OnceLock<Option<Gpu>> = OnceLock::new();
    static REGISTER: OnceLock<Option<Gpu>> = OnceLock::new();
    static WORKGROUP: OnceLock<Option<Gpu>> = OnceLock::new();
    let shared = match family {
        Family::Subgroup(_) => &SUBGROUP,
        Family::Register => &REGISTER,
        Family::Workgroup => &WORKGROUP,
    };
    shared.get_or_init(|| open(Some(family))).as_ref()
}

/// A device for every family of convolution tiles that the adapter can have: two or three, none
/// without an adapter.
pub fn families() -> Vec<&'static Gpu> {
    let Some(gpu) = gpu() else { return Vec::new() };
    let found: Vec<&Gpu> = [Family::Register, Family::Workgroup, Family::Subgroup(0)]
        .into_iter()
        .filter_map(family)
        .collect();
    assert!(
        found.len() >= 2,
        "{}: the register and the workgroup family run everywhere",
        gpu.name()
    );
    found
}

/// A device for every way of reducing that the adapter can have: an invocation a column, and rows
/// of them in a workgroup.
pub fn reducers() -> Vec<&'static Gpu> {
    let Some(_) = gpu() else { return Vec::new() };
    [Family::Register, Family::Workgroup].into_iter().filter_map(family).collect()
}

fn open(family: Option<Family>) -> Option<Gpu> {
    match pollster::block_on(Gpu::request(&Request { family, ..super::request() })) {
        Ok(gpu) => Some(gpu),
        // No subgroups on this device.
        Err(pixtape::Error::Limit { .. }) if matches!(family, Some(Family::Subgroup(_))) => None,
        Err(pixtape::Error::Adapter(message)) => {
            assert!(!required(), "PIXTAPE_REQUIRE_GPU is set and there is no adapter: {message}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// A device as a host makes it: WebGPU's default limits or what `change` makes of them, no
/// features.
pub fn stranger_of(
    descriptor: wgpu::InstanceDescriptor,
    change: impl FnOnce(&mut wgpu::Limits),
) -> Option<(wgpu::Device, wgpu::Queue)> {
    // The same adapter as everywhere in the tests, and their rule for there being none.
    let name = gpu()?.info().name.clone();
    let backend = gpu()?.info().backend;
    let adapters = pollster::block_on(
        wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()),
    );
    let adapter = adapters
        .into_iter()
        .find(|a| a.get_info().name == name && a.get_info().backend == backend)
        .expect("the adapter is still there");
    let mut required_limits = wgpu::Limits::default();
    change(&mut required_limits);
    let device = adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("stranger"),
        required_limits,
        ..Default::default()
    });
    Some(pollster::block_on(device).expect("a device with default limits"))
}

/// An instance as the tests make it.
pub fn descriptor() -> wgpu::InstanceDescriptor {
    wgpu::InstanceDescriptor::new_without_display_handle_from_env()
}

/// The same with default limits.
pub fn stranger() -> Option<(wgpu::Device, wgpu::Queue)> {
    stranger_of(descriptor(), |_| ())
}

fn required() -> bool {
    std::env::var("PIXTAPE_REQUIRE_GPU").is_ok_and(|v| v != "0" && !v.is_empty())
}

/// Says that a test did not run, and how many did not so far: the last such line is the count. It
/// goes past the test harness, which would swallow it.
pub fn skipped(why: &str) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("a test").to_string();
    let _ = writeln!(std::io::stderr(), "SKIPPED ({why}) {test}; {count} skipped so far");
}
