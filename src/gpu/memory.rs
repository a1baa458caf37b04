//! Reading buffers back, outside of training steps.

use super::Gpu;
use crate::error::{Error, Result};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// Reads `bytes` bytes of a buffer from `offset` (both multiples of 4). The buffer needs
/// `COPY_SRC`.
///
/// On native targets this polls the device itself, so it may be blocked on.
///
/// # Errors
/// [`Error::DeviceLost`], [`Error::OutOfMemory`] or [`Error::Validation`], naming `label`.
pub async fn read_buffer(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    offset: u64,
    bytes: u64,
    label: &str,
) -> Result<Vec<u8>> {
    let staging = gpu.scoped(label, || {
        let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        gpu.queue().submit([encoder.finish()]);
        staging
    })?;
    let bytes = map_read(gpu, &staging, label).await;
    gpu.in_turn(move || drop(staging));
    bytes
}

/// Maps a staging buffer, copies its bytes out and unmaps it.
pub(crate) async fn map_read(gpu: &Gpu, staging: &wgpu::Buffer, label: &str) -> Result<Vec<u8>> {
    type Outcome = (Option<std::result::Result<(), wgpu::BufferAsyncError>>, Option<Waker>);
    let outcome: Arc<Mutex<Outcome>> = Arc::default();
    let seen = outcome.clone();
    // In a scope: on a lost device the buffer is invalid, and an error that nobody catches is a
    // panic in the host's frame.
    gpu.scoped(label, || {
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            let mut seen = seen.lock().unwrap();
            seen.0 = Some(result);
            if let Some(waker) = seen.1.take() {
                waker.wake();
            }
        });
    })?;
    #[cfg(not(target_arch = "wasm32"))]
    gpu.wait(label)?;
    let mapped = std::future::poll_fn(|context| {
        let mut outcome = outcome.lock().unwrap();
        match outcome.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await;
    gpu.lost(label)?;
    let lost = |message: String| Error::DeviceLost { label: label.into(), message };
    mapped.map_err(|e| lost(e.to_string()))?;
    gpu.in_turn(|| {
        let bytes = staging.slice(..).get_mapped_range().map_err(|e| lost(e.to_string()))?.to_vec();
        staging.unmap();
        Ok(bytes)
    })
}
