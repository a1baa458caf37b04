//! Start-up self-test of subgroups: the tile that shares rows by broadcast is taken only where it
//! passes.

use super::Gpu;
#[cfg(not(target_arch = "wasm32"))]
use super::{Access, Kernel, memory, uniform_layout};
use crate::error::Result;

/// Lanes a subgroup has on this device, if that number is fixed, suits the kernels, and the probe
/// agrees.
pub(super) fn subgroup_lanes(gpu: &Gpu) -> Result<Option<u32>> {
    let info = gpu.info();
    let lanes = info.subgroup_min_size;
    let offered = gpu.device().features().contains(wgpu::Features::SUBGROUP);
    if !offered || lanes != info.subgroup_max_size || ![4, 8, 16].contains(&lanes) {
        return Ok(None);
    }
    // A driver that refuses or miscompiles the probe has no subgroups for us: not an error.
    Ok(broadcast_works(gpu, lanes).unwrap_or(false).then_some(lanes))
}

/// wgpu has no subgroups in the browser.
#[cfg(target_arch = "wasm32")]
fn broadcast_works(_: &Gpu, _: u32) -> Result<bool> {
    Ok(false)
}

/// Every lane broadcasts to its subgroup; each invocation must have seen lanes in the order of
/// `local_invocation_index`.
#[cfg(not(target_arch = "wasm32"))]
fn broadcast_works(gpu: &Gpu, lanes: u32) -> Result<bool> {
    const INVOCATIONS: u32 = 64;
    let kernel = Kernel::new("probe", "probe", &[("y", Access::Write)]).tune("SG", lanes);
    let pipeline = gpu.pipeline(&kernel)?;
    let device = gpu.device();
    let buffer = |label, size, usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let bytes = u64::from(INVOCATIONS) * 16;
    let y = gpu.scoped("probe", || {
        let y = buffer("probe", bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let uniform = buffer("probe", 256, wgpu::BufferUsages::UNIFORM);
        let bind = |layout, entries: &[wgpu::BindGroupEntry<'_>]| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("probe"),
                layout,
                entries,
            })
        };
        let storage = bind(
            &pipeline.storage,
            &[wgpu::BindGroupEntry { binding: 0, resource: y.as_entire_binding() }],
        );
        let uniforms = bind(
            &uniform_layout(device),
            &[
                wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: uniform.as_entire_binding() },
            ],
        );
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &storage, &[]);
            pass.set_bind_group(1, &uniforms, &[0]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        gpu.queue().submit([encoder.finish()]);
        y
    })?;
    let words = pollster::block_on(memory::read_buffer(gpu, &y, 0, bytes, "probe"))?;
    let words: &[u32] = bytemuck::cast_slice(&words);
    // x: sum over lanes of lane_id_seen * 17^position, y: subgroup size, z: lane, w: subgroup.
    let expected: u32 =
        (0..lanes).fold(0u32, |sum, lane| sum.wrapping_mul(17).wrapping_add(lane + 1));
    Ok((0..INVOCATIONS)
        .zip(words.chunks(4))
        .all(|(i, got)| got == [expected, lanes, i % lanes, i / lanes]))
}
