//! Where tests make a device fail: before its submissions, and before its buffers are made.

use super::Gpu;
use std::sync::{Mutex, PoisonError};

/// A call that is about to be made on a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call<'a> {
    /// Work is submitted.
    Submission,
    /// A buffer is made.
    Buffer {
        /// Its label.
        label: &'a str,
        /// Its size.
        bytes: u64,
    },
}

/// Hears of calls before they are made; `true` refuses a buffer, as a device without memory does.
type Hears = dyn FnMut(Call<'_>) -> bool + Send;

pub(crate) struct Hook(Mutex<Box<Hears>>);

impl Gpu {
    /// Has a function called before each call. The first one that is set stays.
    pub(crate) fn set_hook(&self, hook: impl FnMut(Call<'_>) -> bool + Send + 'static) {
        let _ = self.inner.hook.set(Hook(Mutex::new(Box::new(hook))));
    }

    /// Tells the hook, if there is one. Returns whether the call is refused.
    pub(super) fn calls(&self, call: Call<'_>) -> bool {
        self.inner
            .hook
            .get()
            .is_some_and(|hook| hook.0.lock().unwrap_or_else(PoisonError::into_inner)(call))
    }
}
