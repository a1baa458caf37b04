//! What a run does when its device fails: its memory is full, it computes wrong, it is slow.

use super::speed::{Found, Speed, slower};
use super::{Event, Session};
use crate::io::Batch;
use crate::train::{Losses, Rates};
use crate::tune::Pulse;
use crate::{Error, Result};

impl Session<'_> {
    /// One step of the trainer. A device that was asked for with run-time checks computes it twice.
    pub(super) fn compute(&mut self, batch: &Batch, rates: Rates) -> Result<Vec<Losses>> {
        if self.trainer.program().gpu().is_checked() {
            self.trainer.step_twice(&batch.values(), rates)
        } else {
            self.trainer.step(&batch.values(), rates)
        }
    }

    /// What only shows how a training goes: `None`, and a warning, where the device has no memory
    /// for it at the moment.
    pub(super) fn if_there_is_memory<T>(
        &mut self,
        what: &str,
        made: Result<T>,
    ) -> Result<Option<T>> {
        match made {
            Err(Error::OutOfMemory { label, message }) => {
                let step = self.trainer.steps();
                self.emit(Event::Warning(format!(
                    "{what} of step {step} left out: out of device memory at {label:?}: {message}; \
                     is another program using the device? The training goes on"
                )))?;
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Has the speed of a step watched. Once the steps are slow, a kernel is measured alone, as it
    /// was near the start: that tells a slow device from a slow host.
    pub(super) fn watch_speed(&mut self, step: u64, seconds: f64) -> Result<()> {
        match self.speed.step(step, seconds) {
            None => Ok(()),
            Some(Found::Started) => {
                let program = self.trainer.program();
                // Without memory for it there is nothing to compare with later.
                self.pulse = Pulse::new(program.gpu(), program.plan()).ok().flatten();
                Ok(())
            }
            Some(Found::Slower { since, factor }) => {
                let now = self.pulse.as_ref().and_then(|pulse| pulse.slowdown().ok());
                self.emit(Event::Warning(slower(since, factor, now)))
            }
        }
    }

    /// Has blocks of steps compared that take at least so many seconds: for tests.
    #[doc(hidden)]
    pub fn watch_speed_by(&mut self, seconds: f64) {
        self.speed = Speed::with_blocks_of(seconds);
    }
}
