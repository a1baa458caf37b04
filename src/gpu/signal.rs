//! One value that a callback of the device delivers, and one task that waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Cloned into the callback.
pub(crate) struct Signal<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    value: Option<T>,
    waiting: Option<Waker>,
}

impl<T> Default for Signal<T> {
    fn default() -> Self {
        Signal(Arc::new(Mutex::new(State { value: None, waiting: None })))
    }
}

impl<T: Clone + Send + 'static> Signal<T> {
    fn state(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callback: delivers the value and wakes the task.
    pub fn sender(&self) -> impl FnOnce(T) + Send + 'static {
        let signal = Signal(self.0.clone());
        move |value| {
            let mut state = signal.state();
            state.value = Some(value);
            let waiting = state.waiting.take();
            drop(state);
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }

    /// The value, if it has been delivered.
    pub fn get(&self) -> Option<T> {
        self.state().value.clone()
    }

    /// The value, once it is delivered. May be dropped and called again: nothing is lost.
    pub async fn wait(&self) -> T {
        std::future::poll_fn(|context| {
            let mut state = self.state();
            match state.value.clone() {
                Some(value) => Poll::Ready(value),
                None => {
                    state.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Wake};

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_that_waits_is_woken_once_and_a_dropped_one_loses_nothing() {
        let (signal, count) = (Signal::default(), Arc::new(Count(AtomicU32::new(0))));
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert!(pin!(signal.wait()).poll(&mut context).is_pending());
        let mut second = pin!(signal.wait());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert_eq!(signal.get(), None);
        signal.sender()(7);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(second.poll(&mut context), Poll::Ready(7));
        assert_eq!(pin!(signal.wait()).poll(&mut context), Poll::Ready(7));
        assert_eq!(signal.get(), Some(7));
    }
}
