//! For drivers that compile a pipeline at its first dispatch: has them do it ahead of that, on
//! several cores.
//!
//! lavapipe compiles on the one thread of the device's queue, up to 1.5 s a kernel, and Mesa keeps
//! what it compiled on the disk for every device that comes. So other devices of the same adapter,
//! one a thread, each compile some of the kernels, and the device that wants them finds them there.

use super::compile::MOST_THREADS;
use super::{Family, Gpu, Kernel, Request, adapters, uniform_layout};
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// A kernel that takes longer did not come from the disk (those take about one). Only then are
/// other devices worth it.
const COMPILED: Duration = Duration::from_millis(20);
/// Up to this many kernels are not worth it either.
const HANDFUL: usize = 8;

impl Gpu {
    /// Compiles kernels, has the driver do its part, and reports how many are done, of how many.
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
        // The long ones first, so that the threads end together; before them a short one, which
        // tells whether the disk has them.
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

    /// How many other devices to make at most: one for every core but one, where Mesa keeps what
    /// they compile.
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

    /// Another device like this one. Its tile does not matter: it runs nothing.
    fn twin(&self) -> Option<Gpu> {
        let descriptor = adapters::descriptor(self.device().features(), self.device().limits());
        let (device, queue) =
            pollster::block_on(self.inner.adapter.as_ref()?.request_device(&descriptor)).ok()?;
        let family = Some(Family::Register);
        let request = Request { family, checked: self.inner.checked, ..Request::default() };
        Gpu::build(device, queue, None, Arc::default(), &request).ok()
    }
}

/// What it takes to dispatch no workgroup of any kernel.
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

    /// Dispatches no workgroup of a kernel and waits: that is enough for a driver to compile it.
    fn run(&self, kernel: &Kernel) -> Result<()> {
        let (gpu, label) = (self.gpu, kernel.label());
        let pipeline = gpu.pipeline(kernel)?;
        gpu.scoped(&label, || {
            // One for each binding: a kernel may not read and write the same.
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
            gpu.queue().submit([encoder.finish()]);
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
        // Without an adapter there is nothing to test; the suite's other tests see to it that there
        // is one.
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
