//! What a device reports outside of any call, and whom a host lets hear of a failing device.

use super::{Gpu, one_line};
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Hears = dyn Fn(&Error) + Send + Sync;

/// What the device reports outside of any call, kept for the next one.
#[derive(Default)]
pub(super) struct Reports {
    /// Why the device was lost.
    lost: Mutex<Option<String>>,
    /// The first error outside of any call, and whether it is about memory.
    uncaptured: Mutex<Option<(String, bool)>>,
    hears: Mutex<Option<Arc<Hears>>>,
    /// Whether the loss has been told.
    told: AtomicBool,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reports {
    /// Notes that the device is lost; the first reason stays.
    pub fn lose(&self, message: &str) {
        lock(&self.lost).get_or_insert_with(|| one_line(message));
    }

    /// The device's own word that it is lost, from wgpu's callback.
    pub fn lost(&self, message: &str) {
        self.lose(message);
        let (label, message) = ("device".into(), one_line(message));
        self.tell(&Error::DeviceLost { label, message });
    }

    /// Notes an error that no call could be asked for.
    pub fn uncaptured(&self, error: &wgpu::Error) {
        let memory = matches!(error, wgpu::Error::OutOfMemory { .. });
        lock(&self.uncaptured).get_or_insert_with(|| (one_line(&error.to_string()), memory));
    }

    /// What there is to report, as an error of the call `label`.
    pub fn check(&self, label: &str) -> Result<()> {
        let label = label.to_string();
        if let Some(message) = lock(&self.lost).clone() {
            return Err(Error::DeviceLost { label, message });
        }
        match lock(&self.uncaptured).take() {
            None => Ok(()),
            Some((message, true)) => Err(Error::OutOfMemory { label, message }),
            Some((message, false)) => Err(Error::Uncaptured { label, message }),
        }
    }

    /// Tells the host's function of a lost device, once, or of refused memory.
    fn tell(&self, error: &Error) {
        let is_news = match error {
            Error::DeviceLost { .. } => !self.told.swap(true, Ordering::SeqCst),
            Error::OutOfMemory { .. } => true,
            _ => false,
        };
        // The function may set another one.
        let hears = lock(&self.hears).clone();
        if let Some(hears) = hears.filter(|_| is_news) {
            hears(error);
        }
    }
}

impl Gpu {
    /// Has a function called when the device is found lost ([`Error::DeviceLost`], once) and each
    /// time it refuses memory ([`Error::OutOfMemory`], also where the call then gets by with less).
    /// The call in which that is found returns the same error. Replaces the function set before.
    ///
    /// It runs on the thread of that call, or for a device made by [`Gpu::request`] also in one of
    /// wgpu's callbacks: leave a note there, and rebuild the engine outside.
    pub fn on_failure(&self, hears: impl Fn(&Error) + Send + Sync + 'static) {
        *lock(&self.inner.reports.hears) = Some(Arc::new(hears));
    }

    /// Passes a result on, and its error to the function that hears of failures.
    pub(super) fn told<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.inner.reports.tell(error))
    }
}
