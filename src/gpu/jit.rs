//! Drivers that compile a pipeline at its first dispatch: makes them do so ahead of time, on
//! several cores.
//!
//! lavapipe compiles on the single thread of the device's queue, up to 1.5 s per kernel, and Mesa
//! caches the result on disk for every later device. So further devices of the same adapter, one
//! per thread, compile some of the kernels each, and the device that needs them finds them cached.

use super::compile::MOST_THREADS;
use super::{Family, Gpu, Kernel, Request, adapters, uniform_layout};
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// A kernel that takes longer was not in the disk cache (those take about 1 ms). Only then are
/// further devices worthwhile.
const COMPILED: Duration = Duration::from_millis(20);
/// For this many kernels or fewer they are not.
const HANDFUL: usize = 8;

impl Gpu {
    /// Compiles kernels, the driver's part included, and reports how many of how many are done.
    ///
    /// # Errors
    /// As [`Gpu::compile`].
    pub(crate) fn compile_early(
        &self,
        kernels: &[&Kernel],
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        if kernels.is_empty() {
            return Ok(());
        }
        self.compile(kernels, || ())?;
        // Slow kernels first, so that the threads finish together; before them a fast one, which
        // shows whether they are in the disk cache.
        let mut queue = kernels.to_vec();
        queue.sort_by_key(|kernel| !kernel.file.starts_with("conv"));
        queue.rotate_right(1);
        let next = AtomicUsize::new(0);
        let take = || queue.get(next.fetch_add(1, Ordering::Relaxed)).copied();
        let (dry, mut done) = (DryRun::new(self)?, 0);
        let mut run = |kernel| {
            let start = Instant::now();
            dry.run(kernel)?;
            done += 1;
            report(done, kernels.len());
            Ok(start.elapsed())
        };
        std::thread::scope(|scope| {
            let (sender, finished) = channel();
            let mut helpers = if kernels.len() > HANDFUL { self.helpers() } else { 0 };
            while let Some(kernel) = take() {
                if run(kernel)? > COMPILED {
                    for _ in 0..std::mem::take(&mut helpers) {
                        let finished = sender.clone();
                        scope.spawn(move || self.help(take, finished));
                    }
                }
                for kernel in finished.try_iter() {
                    run(kernel)?;
                }
            }
            drop(sender);
            finished.iter().try_for_each(|kernel| run(kernel).map(drop))
        })
    }

    /// Number of further devices at most: one per core but one, where Mesa caches what they
    /// compile.
    fn helpers(&self) -> usize {
        if !self.inner.driver_cache
            || self.info().driver != "llvmpipe"
            || self.inner.adapter.is_none()
        {
            return 0;
        }
        std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS)) - 1
    }

    /// Compiles kernels on a device of its own until there are none left or nobody wants them.
    /// An error here appears again, if it matters, when the kernels are needed.
    fn help<'a>(&self, take: impl Fn() -> Option<&'a Kernel>, finished: Sender<&'a Kernel>) {
        let Some(twin) = self.twin() else { return };
        let Ok(dry) = DryRun::new(&twin) else { return };
        while let Some(kernel) = take() {
            let ran = dry.run(kernel);
            if finished.send(kernel).is_err() || ran.is_err() {
                return;
            }
        }
    }

    /// Another device like this one. Its family does not matter: it runs nothing.
    fn twin(&self) -> Option<Gpu> {
        let descriptor = adapters::descriptor(self.device().features(), self.device().limits());
        let (device, queue) =
            pollster::block_on(self.inner.adapter.as_ref()?.request_device(&descriptor)).ok()?;
        let family = Some(Family::Register);
        let request = Request { family, checked: self.inner.checked, ..Request::default() };
        Gpu::build(device, queue, None, Arc::default(), &request).ok()
    }
}

/// What is needed to dispatch zero workgroups of any kernel.
struct DryRun<'a> {
    gpu: &'a Gpu,
    uniforms: wgpu::BindGroup,
}

impl<'a> DryRun<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        let device = gpu.device();
        gpu.scoped("dry run", || {
            let uniform = buffer(device, wgpu::BufferUsages::UNIFORM);
            DryRun {
                gpu,
                uniforms: bind(device, &uniform_layout(device), &[uniform.clone(), uniform]),
            }
        })
    }

    /// Dispatches zero workgroups of a kernel and waits, which makes the driver compile it.
    fn run(&self, kernel: &Kernel) -> Result<()> {
        let (gpu, label) = (self.gpu, kernel.label());
        let pipeline = gpu.pipeline(kernel)?;
        gpu.scoped(&label, || {
            // One per binding: a kernel may not read and write the same buffer.
            let buffers: Vec<_> = kernel
                .bindings
                .iter()
                .map(|_| buffer(gpu.device(), wgpu::BufferUsages::STORAGE))
                .collect();
            let storage = bind(gpu.device(), &pipeline.storage, &buffers);
            let mut encoder = gpu
                .device()
                .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("dry run") });
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, &storage, &[]);
                pass.set_bind_group(1, &self.uniforms, &[0]);
                pass.dispatch_workgroups(0, 0, 0);
            }
            gpu.submit(encoder);
        })?;
        gpu.wait(&label)?;
        pipeline.warm.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn buffer(device: &wgpu::Device, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("dry run"),
        size: 256,
        usage,
        mapped_at_creation: false,
    })
}

fn bind(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    buffers: &[wgpu::Buffer],
) -> wgpu::BindGroup {
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding,
            resource: buffer.as_entire_binding(),
        })
        .collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("dry run"),
        layout,
        entries: &entries,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::*;

    #[test]
    fn a_helper_hands_on_every_kernel_it_takes_and_stops_when_nobody_listens() {
        // Without an adapter there is nothing to test; other tests of the suite require one.
        let Ok(gpu) = pollster::block_on(Gpu::request(&Request::default())) else { return };
        if !gpu.compiles_late() {
            return;
        }
        let kernels = [
            Kernel::new("fill", "fill", &[("y", Access::Write)]),
            Kernel::new("fill", "no_such_entry", &[]),
            Kernel::new("never", "taken", &[]),
        ];
        let next = AtomicUsize::new(0);
        let take = || kernels.get(next.fetch_add(1, Ordering::Relaxed));
        let (sender, finished) = channel();
        gpu.help(take, sender);
        assert_eq!(
            finished.iter().collect::<Vec<_>>(),
            [&kernels[0], &kernels[1]],
            "it gives up at what it cannot compile"
        );
        assert!(!gpu.is_compiled(&kernels[0], false), "on a device of its own");

        next.store(0, Ordering::Relaxed);
        let (sender, finished) = channel();
        drop(finished);
        gpu.help(take, sender);
        assert_eq!(next.into_inner(), 1);
    }
}
