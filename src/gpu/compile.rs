//! Compiling kernels to pipelines: one at a time, on several threads, and from a cache that
//! outlives the process.

use super::{Gpu, Kernel, Pipeline};
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// More threads than this gain nothing: a network has a few dozen kernels, and some drivers need
/// gigabytes per thread.
#[cfg(not(target_arch = "wasm32"))]
pub(super) const MOST_THREADS: usize = 8;

impl Gpu {
    /// The pipeline of a kernel, compiled at the first call and shared by every node that uses it.
    ///
    /// # Errors
    /// [`crate::Error::Validation`] with file and line if the shader is refused,
    /// [`crate::Error::Limit`] if it needs more than the device has.
    pub fn pipeline(&self, kernel: &Kernel) -> Result<Arc<Pipeline>> {
        if let Some(found) = self.inner.pipelines.lock().unwrap().get(kernel) {
            return Ok(found.clone());
        }
        let made = Arc::new(Pipeline::new(self, kernel, !self.inner.checked)?);
        // Another thread may have been faster.
        Ok(self.inner.pipelines.lock().unwrap().entry(kernel.clone()).or_insert(made).clone())
    }

    /// Number of pipelines compiled so far.
    pub fn pipeline_count(&self) -> usize {
        self.inner.pipelines.lock().unwrap().len()
    }

    /// Whether the driver compiles only at a pipeline's first dispatch, as lavapipe does.
    pub(crate) fn compiles_late(&self) -> bool {
        self.is_software() && !self.is_gl()
    }

    /// Whether a kernel's pipeline exists and, with `warm`, has been dispatched.
    pub(crate) fn is_compiled(&self, kernel: &Kernel, warm: bool) -> bool {
        self.inner
            .pipelines
            .lock()
            .unwrap()
            .get(kernel)
            .is_some_and(|p| !warm || p.warm.load(Ordering::Relaxed))
    }

    /// Compiles kernels, on several threads where the device can, and calls `ready` in this one as
    /// each pipeline comes.
    ///
    /// # Errors
    /// As [`Gpu::pipeline`], of the first kernel in the list that fails.
    pub(crate) fn compile(&self, kernels: &[&Kernel], mut ready: impl FnMut()) -> Result<()> {
        #[cfg(not(target_arch = "wasm32"))]
        {
            let threads = std::thread::available_parallelism()
                .map_or(1, |n| n.get().min(MOST_THREADS))
                .min(kernels.len());
            if threads > 1 && !self.is_gl() {
                return self.compile_on(threads, kernels, ready);
            }
        }
        kernels.iter().try_for_each(|kernel| self.pipeline(kernel).map(|_| ready()))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn compile_on(
        &self,
        threads: usize,
        kernels: &[&Kernel],
        mut ready: impl FnMut(),
    ) -> Result<()> {
        use std::sync::atomic::AtomicUsize;
        let next = AtomicUsize::new(0);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let at = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(kernel) = kernels.get(at)
                    {
                        // The receiver gets a message for every kernel that was started.
                        let _ = sender.send((at, self.pipeline(kernel)));
                    }
                });
            }
            drop(sender);
            let mut failed = None;
            for (at, made) in receiver {
                match made {
                    Ok(_) if failed.is_none() => ready(),
                    Ok(_) => {}
                    // Kernels are started in order, so the first that fails is among those started.
                    Err(e) => {
                        next.store(kernels.len(), Ordering::Relaxed);
                        failed = failed.filter(|(first, _)| *first < at).or(Some((at, e)));
                    }
                }
            }
            failed.map_or(Ok(()), |(_, e)| Err(e))
        })
    }

    /// The key of this device's pipeline cache: adapter, driver and version of this crate. `None`
    /// where the device has no such cache.
    pub fn pipeline_cache_key(&self) -> Option<String> {
        if !self.device().features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let key = wgpu::util::pipeline_cache_key(self.info())?;
        Some(
            [&key, &self.info().driver, &self.info().driver_info, env!("CARGO_PKG_VERSION")]
                .join(" "),
        )
    }

    /// Opens a pipeline cache, which the driver looks in before it compiles and adds to: an empty
    /// one, or one with the `data` that [`Gpu::pipeline_cache_data`] returned earlier. Data that
    /// the driver rejects counts as none. Does nothing the second time, or where the device has no
    /// such cache ([`Gpu::pipeline_cache_key`]).
    ///
    /// # Errors
    /// [`DeviceLost`](crate::Error::DeviceLost), or the validation error that the device reports.
    ///
    /// # Safety
    /// `data` must have come from [`Gpu::pipeline_cache_data`], whole and unchanged: drivers trust
    /// most of it.
    pub unsafe fn open_pipeline_cache(&self, data: Option<&[u8]>) -> Result<()> {
        if self.inner.cache.get().is_some() || self.pipeline_cache_key().is_none() {
            return Ok(());
        }
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("pixtape"), data, fallback: true };
        // SAFETY: guaranteed by the caller.
        let cache = self.scoped("pipeline cache", || unsafe {
            self.device().create_pipeline_cache(&descriptor)
        })?;
        let _ = self.inner.cache.set(cache);
        Ok(())
    }

    /// Contents of the pipeline cache, for [`Gpu::open_pipeline_cache`] in a later process.
    pub fn pipeline_cache_data(&self) -> Option<Vec<u8>> {
        self.pipeline_cache()?.get_data()
    }

    pub(super) fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.inner.cache.get()
    }
}
