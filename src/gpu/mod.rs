//! The device: found by [`Gpu::request`], or handed over by a host to [`Gpu::from_parts`].

mod adapters;
mod compile;
mod facts;
mod failure;
pub(crate) mod hook;
#[cfg(not(target_arch = "wasm32"))]
mod jit;
mod kernel;
mod memory;
mod probe;
mod signal;
mod turn;

pub use adapters::{AdapterReport, Request, adapters};
pub use facts::Facts;
pub use kernel::{Access, Binding, Kernel, Pipeline};
pub(crate) use kernel::{PARAMS_BYTES, STEP_BYTES, uniform_layout};
pub use memory::read_buffer;
pub(crate) use memory::{Mapping, OwnedBuffer};

use crate::error::{Error, Result};
use failure::Reports;
use hook::{Call, Hook};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Largest page of parameters, and largest binding, that every device is required to support:
/// WebGPU's default, 128 MiB.
pub const MAX_BINDING: u64 = 128 << 20;

/// The kind of tile that convolutions use. Results are the same up to rounding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// A register tile whose rows are shared by `subgroupBroadcast` among this many lanes, 4, 8 or
    /// 16 (a [`Request`] need not know: the device does): fastest on CPU drivers.
    Subgroup(u32),
    /// A register tile of 8 x 16 per invocation, no barrier: CPU drivers without subgroups.
    Register,
    /// A tile staged in workgroup memory: GPUs.
    Workgroup,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::Subgroup(lanes) => write!(f, "subgroup({lanes})"),
            Family::Register => f.write_str("register"),
            Family::Workgroup => f.write_str("workgroup"),
        }
    }
}

/// A device with its queue, what it can do, and the pipelines made on it so far. Cheap to clone.
///
/// [`Gpu::request`] finds an adapter; [`Gpu::from_parts`] takes the device of a host:
///
/// ```
/// # fn main() -> pixtape::Result<()> {
/// #     match example() { Err(pixtape::Error::Adapter(_)) => Ok(()), done => done }
/// # }
/// # fn example() -> pixtape::Result<()> {
/// use pixtape::gpu::Request;
/// use pixtape::{Gpu, wgpu};
///
/// let ours = pollster::block_on(Gpu::request(&Request::default()))?;
/// println!("{}: {} kernels", ours.name(), ours.family());
///
/// // A host's device, here made with WebGPU's default limits and no features.
/// let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
/// let instance = wgpu::Instance::new(descriptor);
/// let adapter = pollster::block_on(instance.request_adapter(&Default::default()))
///     .map_err(|e| pixtape::Error::Adapter(e.to_string()))?;
/// let (device, queue) = pollster::block_on(adapter.request_device(&Default::default()))
///     .map_err(|e| pixtape::Error::Adapter(e.to_string()))?;
/// let theirs = Gpu::from_parts(device, queue)?;
/// assert_eq!(theirs.pipeline_count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    /// Dropped before the device, whose callbacks write it.
    reports: Arc<Reports>,
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// Where the device was made here.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code))]
    adapter: Option<wgpu::Adapter>,
    info: wgpu::AdapterInfo,
    family: Mutex<Family>,
    checked: bool,
    /// Whether the driver may keep compiled kernels on disk, where other devices find them.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code))]
    driver_cache: bool,
    pipelines: Mutex<HashMap<Kernel, Arc<Pipeline>>>,
    cache: OnceLock<wgpu::PipelineCache>,
    /// Bytes of the buffers that there are.
    allocated: AtomicU64,
    /// What a test does to this device.
    hook: OnceLock<Hook>,
    /// How long a test waits for it.
    #[cfg(not(target_arch = "wasm32"))]
    patience: OnceLock<std::time::Duration>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({}, {})", self.name(), self.family())
    }
}

impl Gpu {
    /// Finds an adapter and creates a device on it.
    ///
    /// # Errors
    /// [`Error::Adapter`] when there is no adapter or none matches the request (the message lists
    /// what there is, or which package brings a software one).
    pub async fn request(request: &Request) -> Result<Gpu> {
        let adapter = adapters::choose(request).await?;
        let features = adapter.features() & adapters::wanted_features();
        let mut limits = adapter.limits();
        if request.portable {
            limits = wgpu::Limits::default();
        }
        let features = if request.portable { wgpu::Features::empty() } else { features };
        let (device, queue) =
            adapter.request_device(&adapters::descriptor(features, limits)).await.map_err(|e| {
                Error::Adapter(format!(
                    "{}: no device could be made: {e}; choose another `adapter`, of those that \
                     `pixtape devices` lists",
                    adapter.get_info().name
                ))
            })?;
        // Weak: what happens to the device when the last `Gpu` is gone is no news.
        let reports = Arc::<Reports>::default();
        let seen = Arc::downgrade(&reports);
        device.set_device_lost_callback(move |reason, message| {
            seen.upgrade().iter().for_each(|seen| seen.lost(&format!("{reason:?} {message}")));
        });
        // In a browser no call can wait for its own errors. Elsewhere these come from calls that a
        // host makes on this device; wgpu's default handler panics.
        let seen = Arc::downgrade(&reports);
        device.on_uncaptured_error(Arc::new(move |error| {
            seen.upgrade().iter().for_each(|seen| seen.uncaptured(&error));
        }));
        Gpu::build(device, queue, Some(adapter), reports, request)
    }

    /// Takes a host's device and queue. Requests nothing, installs no handler, submits only when
    /// asked to run something. In a browser, errors that surface later go to the host's own
    /// `on_uncaptured_error` handler.
    ///
    /// # Errors
    /// [`Error::Limit`] if the device was made with less than WebGPU's default limits.
    pub fn from_parts(device: wgpu::Device, queue: wgpu::Queue) -> Result<Gpu> {
        Gpu::build(device, queue, None, Arc::default(), &Request::default())
    }

    fn build(
        device: wgpu::Device,
        queue: wgpu::Queue,
        adapter: Option<wgpu::Adapter>,
        reports: Arc<Reports>,
        request: &Request,
    ) -> Result<Gpu> {
        let info = device.adapter_info();
        adapters::require_limits(&info.name, &device.limits())?;
        let first = match info.device_type {
            wgpu::DeviceType::Cpu => Family::Register,
            _ => Family::Workgroup,
        };
        let (family_now, pipelines, cache) = (Mutex::new(first), Mutex::default(), OnceLock::new());
        let gpu = Gpu {
            inner: Arc::new(Inner {
                device,
                queue,
                adapter,
                info,
                family: family_now,
                checked: request.checked,
                driver_cache: !request.no_driver_cache,
                pipelines,
                cache,
                reports,
                allocated: AtomicU64::new(0),
                hook: OnceLock::new(),
                #[cfg(not(target_arch = "wasm32"))]
                patience: OnceLock::new(),
            }),
        };
        let family = match request.family {
            Some(Family::Subgroup(_)) => {
                probe::subgroup_lanes(&gpu)?.map(Family::Subgroup).ok_or_else(|| Error::Limit {
                    what: format!("the subgroup family on {}", gpu.name()),
                    needed: "a fixed subgroup size of 4, 8 or 16 that passes a self-test".into(),
                    available: "none".into(),
                    hint: "choose the register or the workgroup kernels".into(),
                })?
            }
            Some(family) => family,
            None if first == Family::Register => {
                probe::subgroup_lanes(&gpu)?.map_or(first, Family::Subgroup)
            }
            None => first,
        };
        *gpu.inner.family.lock().unwrap() = family;
        Ok(gpu)
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// Bytes of all buffers that this crate has on the device now: weights, programs, what is being
    /// read. A host's own are not among them.
    pub fn allocated_bytes(&self) -> u64 {
        self.inner.allocated.load(Ordering::Relaxed)
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// What the adapter reports about itself.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.inner.info
    }

    /// Backend and name, `Vulkan llvmpipe (…)`.
    pub fn name(&self) -> String {
        adapters::display_name(&self.inner.info)
    }

    /// Whether this is a driver that computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.inner.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Whether naga's run-time checks stay in the shaders.
    pub fn is_checked(&self) -> bool {
        self.inner.checked
    }

    /// The largest buffer that can be bound, in bytes: at least [`MAX_BINDING`].
    pub fn max_binding(&self) -> u64 {
        let limits = self.device().limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// The tile that convolutions use on this device.
    pub fn family(&self) -> Family {
        *self.inner.family.lock().unwrap()
    }

    /// Its sizes, as far as they are known.
    pub fn facts(&self) -> Facts {
        if self.is_software() { Facts::default() } else { Facts::of(self.info()) }
    }

    /// Runs wgpu calls; on GL one thread at a time, see `turn.rs`. Whatever may touch the context
    /// belongs in here, dropping buffers included.
    pub(crate) fn in_turn<T>(&self, call: impl FnOnce() -> T) -> T {
        if self.is_gl() { turn::take(call) } else { call() }
    }

    /// Whether one context serves all threads.
    fn is_gl(&self) -> bool {
        self.inner.info.backend == wgpu::Backend::Gl
    }

    /// Submits what was encoded. To be called within [`scoped`](Self::scoped), which returns what
    /// the device reports of it.
    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.calls(Call::Submission);
        self.queue().submit([encoder.finish()])
    }

    /// Runs wgpu calls and turns what they report (validation, memory, internal) into an error that
    /// names `label`.
    ///
    /// In a browser errors surface later: there the error is what earlier calls led to, see
    /// [`check`](Self::check).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Validation`], [`Error::DeviceLost`] or
    /// [`Error::Uncaptured`].
    pub fn scoped<T>(&self, label: &str, call: impl FnOnce() -> T) -> Result<T> {
        #[cfg(target_arch = "wasm32")]
        {
            let value = call();
            self.check(label).map(|()| value)
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            let result = self.in_turn(|| self.scoped_in_turn(label, call));
            self.told(result)
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn scoped_in_turn<T>(&self, label: &str, call: impl FnOnce() -> T) -> Result<T> {
        let filters = [
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::Validation,
            wgpu::ErrorFilter::OutOfMemory,
        ];
        let guards: Vec<_> =
            filters.into_iter().map(|f| self.device().push_error_scope(f)).collect();
        let value = call();
        // Scopes end in the reverse order of their beginning.
        let errors: Vec<wgpu::Error> =
            guards.into_iter().rev().filter_map(|g| pollster::block_on(g.pop())).collect();
        self.inner.reports.check(label)?;
        match errors.into_iter().next() {
            None => Ok(value),
            Some(wgpu::Error::OutOfMemory { source }) => {
                Err(Error::OutOfMemory { label: label.into(), message: source.to_string() })
            }
            // Objects of a lost device are invalid, and using them is refused.
            Some(other) if !self.is_alive() => {
                // From now on, whether or not the callback ever runs: it does so in a poll only.
                let message = one_line(&other.to_string());
                self.inner.reports.lose(&message);
                Err(Error::DeviceLost { label: label.into(), message })
            }
            Some(other) => Err(Error::Validation {
                label: label.into(),
                message: one_line(&other.to_string()),
            }),
        }
    }

    /// Whether the device still creates buffers: only the host is notified when its device is lost.
    #[cfg(not(target_arch = "wasm32"))]
    fn is_alive(&self) -> bool {
        let scope = self.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let probe = self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("alive"),
            size: 4,
            usage,
            mapped_at_creation: true,
        });
        let alive = probe.slice(..).get_mapped_range().is_ok();
        pollster::block_on(scope.pop());
        alive
    }

    /// An error if the device has been lost, or has reported something outside of any call since
    /// the last check. `label` names what the caller is about to do.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], from then on; [`Error::OutOfMemory`] or [`Error::Uncaptured`], once.
    pub fn check(&self, label: &str) -> Result<()> {
        self.told(self.inner.reports.check(label))
    }

    /// Resolves when the device has done everything submitted so far. In a browser this yields to
    /// the event loop; natively it polls the device, so that it may be blocked on.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn done(&self, label: &str) -> Result<()> {
        let signal = signal::Signal::default();
        let send = signal.sender();
        self.in_turn(|| self.queue().on_submitted_work_done(|| send(())));
        #[cfg(not(target_arch = "wasm32"))]
        self.wait(label)?;
        signal.wait().await;
        self.check(label)
    }

    /// Blocks until the device has done everything submitted so far.
    ///
    /// # Errors
    /// What the device reports.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn wait(&self, label: &str) -> Result<()> {
        self.wait_until(None, label)
    }

    /// Blocks until the device has done a submission and those before.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn wait_for(&self, submission: &wgpu::SubmissionIndex, label: &str) -> Result<()> {
        self.wait_until(Some(submission.clone()), label)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn wait_until(
        &self,
        submission_index: Option<wgpu::SubmissionIndex>,
        label: &str,
    ) -> Result<()> {
        let timeout = self.patience();
        let how = wgpu::PollType::Wait { submission_index, timeout };
        let polled = self.in_turn(|| self.device().poll(how));
        self.check(label)?;
        let Err(error) = polled else { return self.still_there(label) };
        let message = match (error, timeout) {
            (wgpu::PollError::Timeout, Some(timeout)) => {
                // Dropping a queue waits for it, and this one would never come back.
                std::mem::forget(self.clone());
                format!("it has not answered for {} seconds", timeout.as_secs())
            }
            (error, _) => error.to_string(),
        };
        self.inner.reports.lose(&message);
        self.told(Err(Error::DeviceLost { label: label.into(), message }))
    }

    /// An error if a host's device is lost, which its own handler is told, and a poll does not say.
    #[cfg(not(target_arch = "wasm32"))]
    fn still_there(&self, label: &str) -> Result<()> {
        if self.inner.adapter.is_some() || self.in_turn(|| self.is_alive()) {
            return Ok(());
        }
        self.inner.reports.lose("it makes no more buffers");
        self.check(label)
    }

    /// How long a wait may last before the device counts as lost. A GPU has fractions of a second
    /// to do between two answers; what computes on the CPU may need any time.
    #[cfg(not(target_arch = "wasm32"))]
    fn patience(&self) -> Option<std::time::Duration> {
        let set = self.inner.patience.get().copied();
        set.or_else(|| (!self.is_software()).then_some(HUNG))
    }

    /// Sets how long a wait may last: for tests.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn set_patience(&self, patience: std::time::Duration) {
        let _ = self.inner.patience.set(patience);
    }
}

/// A GPU that is silent for so long has hung; most drivers reset it within seconds.
#[cfg(not(target_arch = "wasm32"))]
const HUNG: std::time::Duration = std::time::Duration::from_secs(600);

/// wgpu's messages span several lines; errors here are one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
