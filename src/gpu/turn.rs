//! On GL, one thread at a time.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

/// wgpu's GL backend has one context behind a lock, and panics when a thread cannot have it within
/// a few seconds (one on Windows), or when two threads compile at once. Threads wait for this one
/// first, for as long as it takes.
static CONTEXT: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread has its turn already.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Calls when no other thread is in here. A call within a call goes straight on.
pub(super) fn take<T>(call: impl FnOnce() -> T) -> T {
    /// Clears the mark, after a panic too.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    if INSIDE.get() {
        return call();
    }
    // What panicked in there has left nothing half done that is ours.
    let _held = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    INSIDE.set(true);
    let _leave = Leave;
    call()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_thread_at_a_time_nested_calls_and_panics_included() {
        let (inside, calls) = (AtomicU32::new(0), AtomicU32::new(0));
        let call = || {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "another thread is in here");
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            calls.fetch_add(1, Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| take(|| take(call))));
            }
            let panicked = scope.spawn(|| take(|| panic!("on purpose"))).join();
            assert!(panicked.is_err());
        });
        take(call);
        assert_eq!(calls.load(Ordering::SeqCst), 401);
    }
}
