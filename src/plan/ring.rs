//! Scalars (losses) come back a few steps late: reading them at once would empty the device's queue
//! every step.

use super::Program;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::tape::Tensor;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// One slot of the ring: a staging buffer, and whether its contents have arrived.
struct Staging {
    buffer: wgpu::Buffer,
    arrived: Arc<Mutex<Option<bool>>>,
}

/// A ring of staging buffers that scalars are copied into after each step.
pub struct Scalars {
    gpu: Gpu,
    sources: Vec<(wgpu::Buffer, u64)>,
    idle: Vec<wgpu::Buffer>,
    flying: VecDeque<(u64, Staging)>,
}

impl std::fmt::Debug for Scalars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Scalars({} of {} in flight)",
            self.flying.len(),
            self.flying.len() + self.idle.len()
        )
    }
}

const BYTES: u64 = 16;

impl Scalars {
    pub(super) fn new(program: &Program, tensors: &[Tensor], depth: usize) -> Result<Self> {
        let gpu = program.gpu().clone();
        let sources = tensors
            .iter()
            .map(|t| program.memory_of(*t))
            .map(|(b, offset, _)| (b.clone(), offset))
            .collect::<Vec<_>>();
        let idle = gpu.scoped("losses", || {
            let make = |_| {
                gpu.device().create_buffer(&wgpu::BufferDescriptor {
                    label: Some("losses"),
                    size: BYTES * sources.len().max(1) as u64,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                })
            };
            (0..depth.max(1)).map(make).collect()
        })?;
        Ok(Scalars { gpu, sources, idle, flying: VecDeque::new() })
    }

    /// Copies the scalars of the step just submitted; `tag` comes back with them. Waits only if the
    /// ring is full, and then returns what that brought.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn push(&mut self, tag: u64) -> Result<Vec<(u64, Vec<f32>)>> {
        let mut done = self.collect(false)?;
        while self.idle.is_empty() {
            self.gpu.wait("losses")?;
            done.extend(self.collect(false)?);
        }
        let buffer = self.idle.pop().expect("an idle buffer");
        self.gpu.scoped("losses", || {
            let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
            for (at, (source, offset)) in (0..).zip(&self.sources) {
                encoder.copy_buffer_to_buffer(source, *offset, &buffer, BYTES * at, BYTES);
            }
            self.gpu.queue().submit([encoder.finish()]);
        })?;
        let arrived = Arc::new(Mutex::new(None));
        let seen = arrived.clone();
        // In a scope: on a lost device the buffer is invalid, and an error that nobody catches is a
        // panic in the host's frame.
        self.gpu.scoped("losses", || {
            buffer.slice(..).map_async(wgpu::MapMode::Read, move |result| {
                *seen.lock().unwrap() = Some(result.is_ok())
            })
        })?;
        self.flying.push_back((tag, Staging { buffer, arrived }));
        Ok(done)
    }

    /// What has arrived, oldest first; with `all`, waits for everything in flight.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn collect(&mut self, all: bool) -> Result<Vec<(u64, Vec<f32>)>> {
        if all && !self.flying.is_empty() {
            self.gpu.wait("losses")?;
        } else {
            let _ = self.gpu.in_turn(|| self.gpu.device().poll(wgpu::PollType::Poll));
        }
        self.gpu.lost("losses")?;
        let mut done = Vec::new();
        while let Some((_, staging)) = self.flying.front() {
            let arrived = *staging.arrived.lock().unwrap();
            match arrived {
                None => break,
                Some(ok) => {
                    let (tag, staging) = self.flying.pop_front().expect("just seen");
                    let lost = |message: String| crate::Error::DeviceLost {
                        label: "losses".into(),
                        message,
                    };
                    if !ok {
                        return Err(lost("the losses could not be read back".into()));
                    }
                    let words = self.gpu.in_turn(|| -> Result<Vec<f32>> {
                        let view = staging
                            .buffer
                            .slice(..)
                            .get_mapped_range()
                            .map_err(|e| lost(e.to_string()))?;
                        let words = bytemuck::pod_collect_to_vec(&view);
                        drop(view);
                        staging.buffer.unmap();
                        Ok(words)
                    })?;
                    self.idle.push(staging.buffer);
                    done.push((
                        tag,
                        words.chunks(4).map(|w| w[0]).take(self.sources.len()).collect(),
                    ));
                }
            }
        }
        Ok(done)
    }
}

impl Drop for Scalars {
    fn drop(&mut self) {
        let Scalars { gpu, sources, idle, flying } = self;
        gpu.in_turn(|| {
            sources.clear();
            idle.clear();
            flying.clear();
        });
    }
}
