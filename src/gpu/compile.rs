//! Kernels become pipelines: one by one, several at once, and out of a cache that outlives the
//! process.

use super::{Gpu, Kernel, Pipeline};
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// More threads than this gain nothing: a net has a few dozen kernels, and some drivers take
/// gigabytes for one.
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

    /// Whether the driver leaves the work of compiling to a pipeline's first dispatch: lavapipe
    /// does.
    pub(crate) fn compiles_late(&self) -> bool {
        self.is_software() && !self.is_gl()
    }

    /// Whether a kernel's pipeline is there, and, if `warm` is asked for, has been run.
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
                        // The other end hears of every kernel that was begun.
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
                    // Kernels are begun in order, so the first that fails is always among those
                    // begun.
                    Err(e) => {
                        next.store(kernels.len(), Ordering::Relaxed);
                        failed = failed.filter(|(first, _)| *first < at).or(Some((at, e)));
                    }
                }
            }
            failed.map_or(Ok(()), |(_, e)| Err(e))
        })
    }

    /// What a pipeline cache of this device is kept under: adapter, driver and our version. `None`
    /// where there is none to keep.
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

    /// Has the driver look in a cache before it compiles, and put there what it compiles: an empty
    /// one, or what [`Gpu::pipeline_cache_data`] once gave. The driver looks through `data` and
    /// falls back to an empty one. Does nothing the second time, nor where the device has none
    /// ([`Gpu::pipeline_cache_key`]).
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
        // SAFETY: the caller's promise.
        let cache = self.scoped("pipeline cache", || unsafe {
            self.device().create_pipeline_cache(&descriptor)
        })?;
        let _ = self.inner.cache.set(cache);
        Ok(())
    }

    /// What [`Gpu::open_pipeline_cache`] can be given in the next process.
    pub fn pipeline_cache_data(&self) -> Option<Vec<u8>> {
        self.pipeline_cache()?.get_data()
    }

    pub(super) fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.inner.cache.get()
    }
}
