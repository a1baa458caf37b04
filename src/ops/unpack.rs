//! Values as files hold them into a store: those of 16 or 8 bits are uploaded as they are, and made
//! f32 in the device's layout by `shaders/unpack.wgsl`.

use super::{Bind, Dispatch};
use crate::error::Result;
use crate::gpu::{Gpu, OwnedBuffer, PARAMS_BYTES, uniform_layout};
use crate::shape::Channels;
use crate::store::{Layout, Packed, Store, StoreId};
use std::num::NonZeroU64;

impl Store {
    /// Writes a tensor's values, given in public order as a file holds them. Halves and integers
    /// are uploaded as they are, through a buffer that is given back, and converted on the device:
    /// the same bits as [`write`](Self::write) of [`Packed::to_f32s`].
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_packed(
        &self,
        gpu: &Gpu,
        id: StoreId,
        layout: &Layout,
        values: Packed<'_>,
    ) -> Result<()> {
        layout.check(values.len())?;
        match dispatch(layout, &values) {
            Some(dispatch) => run(gpu, &dispatch, &upload(gpu, &values)?, self, id),
            None => self.write(gpu, id, layout, &values.to_f32s()),
        }
    }
}

/// Whether a product of a code and a scale is normal or zero, and the zero positive: a device may
/// round others differently.
fn is_plain(scale: f32) -> bool {
    (f32::MIN_POSITIVE..=f32::MAX / 128.0).contains(&scale)
}

/// What converts values, unless that is better done on the host.
pub(crate) fn dispatch(layout: &Layout, values: &Packed<'_>) -> Option<Dispatch> {
    let shape = layout.shape();
    let (taps, rows) = (shape.n, layout.rows().unwrap_or(Channels::new(1)));
    let (kind, scales, run) = match *values {
        Packed::F32(_) => return None,
        Packed::F16(_) => (1, 0, 1),
        Packed::Bf16(_) => (2, 0, 1),
        Packed::I8 { scale, run, .. } => {
            // The taps of a weight share a scale, or the kernel would have to look for each.
            let fits = run.is_multiple_of(taps as usize) && scale.iter().all(|s| is_plain(*s));
            if !fits {
                return None;
            }
            (3, scale.len() as u32, run as u32)
        }
    };
    let [row_step, column_step] = layout.steps();
    let vec4s = shape.w * shape.c.vec4s();
    let dispatch = Dispatch::new("unpack", "unpack")
        .tune("KIND", kind)
        .bind("x", Bind::In(0))
        .bind("y", Bind::Out(0))
        .u("vec4s", vec4s)
        .u("width", shape.c.vec4s())
        .u("taps", taps)
        .u("row_step", row_step)
        .u("column_step", column_step)
        .u("scales", scales)
        .u("run", run);
    let dispatch =
        (0..).zip(rows.parts()).fold(dispatch, |d, (at, part)| d.u(format!("row_part{at}"), part));
    Some(dispatch.parts(&shape).over(u64::from(vec4s)))
}

/// The scales, then the values, up to a whole word.
fn upload(gpu: &Gpu, values: &Packed<'_>) -> Result<OwnedBuffer> {
    let (scale, values): (&[f32], &[u8]) = match *values {
        Packed::F32(values) => (&[], bytemuck::cast_slice(values)),
        Packed::F16(halves) | Packed::Bf16(halves) => (&[], bytemuck::cast_slice(halves)),
        Packed::I8 { codes, scale, .. } => (scale, bytemuck::cast_slice(codes)),
    };
    let (words, rest) = values.split_at(values.len() / 4 * 4);
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let last = if rest.is_empty() { &[][..] } else { &last };
    let parts = [bytemuck::cast_slice(scale), words, last];
    let bytes = parts.iter().map(|part| part.len() as u64).sum();
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffer = OwnedBuffer::new(gpu, "packed parameters", bytes, usage)?;
    gpu.scoped("packed parameters", || {
        let mut at = 0;
        for part in parts {
            gpu.queue().write_buffer(&buffer, at, part);
            at += part.len() as u64;
        }
    })?;
    Ok(buffer)
}

/// Submits a dispatch that reads a buffer and writes a tensor of a store.
fn run(
    gpu: &Gpu,
    dispatch: &Dispatch,
    from: &OwnedBuffer,
    store: &Store,
    id: StoreId,
) -> Result<()> {
    let (page, offset) = store.page_of(gpu, id)?;
    let (bytes, label) = (store.shape(id).bytes(), "unpack parameters");
    let pipeline = gpu.pipeline(&dispatch.kernel)?;
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let block = OwnedBuffer::new(gpu, label, PARAMS_BYTES, usage)?;
    gpu.scoped(label, || {
        gpu.queue().write_buffer(&block, 0, &dispatch.param_bytes());
        let tensor = wgpu::BufferBinding { buffer: &page, offset, size: NonZeroU64::new(bytes) };
        let (block, tensor) = (block.as_entire_binding(), wgpu::BindingResource::Buffer(tensor));
        let bind = |layout: &wgpu::BindGroupLayout, resources: [wgpu::BindingResource<'_>; 2]| {
            let entries = (0..).zip(resources);
            let entries =
                entries.map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource });
            let entries: Vec<_> = entries.collect();
            let label = Some(label);
            let group = wgpu::BindGroupDescriptor { label, layout, entries: &entries };
            gpu.device().create_bind_group(&group)
        };
        let storage = bind(&pipeline.storage, [from.as_entire_binding(), tensor]);
        // The step is there and not used.
        let uniforms = bind(&uniform_layout(gpu.device()), [block.clone(), block]);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &storage, &[]);
            pass.set_bind_group(1, &uniforms, &[0]);
            let [x, y, z] = dispatch.groups;
            pass.dispatch_workgroups(x, y, z);
        }
        gpu.submit(encoder);
    })
}

/// The kernels, each with the parameters of a small weight.
pub fn samples() -> Vec<(String, Dispatch)> {
    let layout = Layout::Conv { ci: 3.into(), co: 5, kernel: 3 };
    let (halves, codes, scale) = ([0; 135], [0; 135], [1.0; 5]);
    let i8 = Packed::I8 { codes: &codes, scale: &scale, run: 27 };
    [Packed::F16(&halves), Packed::Bf16(&halves), i8]
        .iter()
        .filter_map(|values| dispatch(&layout, values))
        .map(|dispatch| ("unpack".into(), dispatch))
        .collect()
}
