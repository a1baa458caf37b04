//! Buffers that give their memory back, and reading buffers outside of training steps.

use super::Gpu;
use super::hook::Call;
use super::signal::Signal;
use crate::error::{Error, Result};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A buffer that gives its memory back when it is dropped. In a browser, dropping wgpu's handle
/// leaves that to the garbage collector, which knows nothing of the buffer's size.
#[derive(Debug)]
pub(crate) struct OwnedBuffer {
    gpu: Gpu,
    /// Taken by `drop` only.
    buffer: Option<wgpu::Buffer>,
}

impl OwnedBuffer {
    /// A buffer of `bytes` bytes, zeroed.
    pub fn new(
        gpu: &Gpu,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<OwnedBuffer> {
        if gpu.calls(Call::Buffer { label, bytes }) {
            let message = "refused by a test".into();
            return gpu.told(Err(Error::OutOfMemory { label: label.into(), message }));
        }
        let buffer = gpu.scoped(label, || {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        })?;
        gpu.inner.allocated.fetch_add(bytes, Ordering::Relaxed);
        Ok(OwnedBuffer { gpu: gpu.clone(), buffer: Some(buffer) })
    }

    /// Whether it is a buffer of a device.
    pub fn is_of(&self, gpu: &Gpu) -> bool {
        Arc::ptr_eq(&self.gpu.inner, &gpu.inner)
    }
}

impl Deref for OwnedBuffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        self.buffer.as_ref().expect("there until dropped")
    }
}

impl Drop for OwnedBuffer {
    fn drop(&mut self) {
        let buffer = self.buffer.take();
        let bytes = buffer.as_ref().map_or(0, |buffer| buffer.size());
        self.gpu.inner.allocated.fetch_sub(bytes, Ordering::Relaxed);
        self.gpu.in_turn(move || {
            // Elsewhere the memory goes with the last handle, after the work that uses it.
            #[cfg(target_arch = "wasm32")]
            buffer.iter().for_each(wgpu::Buffer::destroy);
            drop(buffer);
        });
    }
}

/// What is left of a piece when its memory is refused: below this nothing is worth a try.
const LEAST_PIECE: u64 = 64 << 10;

/// Reads `bytes` bytes of a buffer from `offset` (both multiples of 4). The buffer needs
/// `COPY_SRC`.
///
/// What is read is copied to memory that the host can see, in one piece, or in smaller ones where
/// there is no memory for that: a checkpoint can still be written when another program has taken
/// the rest. On native targets this polls the device itself, so it may be blocked on.
///
/// # Errors
/// What the device reports, naming `label`.
pub async fn read_buffer(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    offset: u64,
    bytes: u64,
    label: &str,
) -> Result<Vec<u8>> {
    let (mut read, mut piece) = (Vec::new(), bytes);
    while (read.len() as u64) < bytes {
        let done = read.len() as u64;
        let next = piece.min(bytes - done);
        match read_piece(gpu, buffer, offset + done, next, label).await {
            Ok(part) if done == 0 => read = part,
            Ok(part) => read.extend(part),
            Err(Error::OutOfMemory { .. }) if piece > LEAST_PIECE => {
                piece = (piece / 2).next_multiple_of(4);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(read)
}

async fn read_piece(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    offset: u64,
    bytes: u64,
    label: &str,
) -> Result<Vec<u8>> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let staging = OwnedBuffer::new(gpu, label, bytes, usage)?;
    gpu.scoped(label, || {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        gpu.submit(encoder);
    })?;
    let mapping = Mapping::start(gpu, &staging, label)?;
    #[cfg(not(target_arch = "wasm32"))]
    gpu.wait(label)?;
    mapping.arrival().await;
    mapping.take(gpu, &staging, label)
}

/// A staging buffer that is being mapped for reading.
pub(crate) struct Mapping(Signal<std::result::Result<(), String>>);

impl Mapping {
    /// Maps a whole buffer, once the work submitted so far is done with it.
    pub fn start(gpu: &Gpu, staging: &wgpu::Buffer, label: &str) -> Result<Mapping> {
        let signal = Signal::default();
        let send = signal.sender();
        // In a scope: on a lost device the buffer is invalid, and an uncaught error would panic in
        // the host's frame.
        gpu.scoped(label, || {
            staging
                .slice(..)
                .map_async(wgpu::MapMode::Read, |r| send(r.map_err(|e| e.to_string())));
        })?;
        Ok(Mapping(signal))
    }

    /// Whether the contents can be taken, or never will be.
    pub fn has_arrived(&self) -> bool {
        self.0.get().is_some()
    }

    /// Waits until they can. Natively something else has to poll the device.
    pub async fn arrival(&self) {
        let _ = self.0.wait().await;
    }

    /// Copies the contents out and unmaps the buffer. Only after they have arrived.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn take(self, gpu: &Gpu, staging: &wgpu::Buffer, label: &str) -> Result<Vec<u8>> {
        gpu.check(label)?;
        let lost = |message: String| Error::DeviceLost { label: label.into(), message };
        let arrived = self.0.get().unwrap_or_else(|| Err("not read back yet".into()));
        gpu.told(arrived.map_err(lost))?;
        gpu.in_turn(|| {
            let view = staging.slice(..).get_mapped_range().map_err(|e| lost(e.to_string()))?;
            let bytes = view.to_vec();
            drop(view);
            staging.unmap();
            Ok(bytes)
        })
    }
}
