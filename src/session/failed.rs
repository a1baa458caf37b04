//! When a session ends on an error: what is finished is saved first.

use super::{Event, Session};
use crate::Error;

impl Session<'_> {
    /// Saves the steps that are finished; returns the error that the session ends on.
    pub(super) fn failed(&mut self, error: Error) -> Error {
        self.failing = true;
        if let Error::NotFinite { name, value } = &error {
            return self.out_of_numbers(name, *value);
        }
        let step = self.trainer.steps();
        let mut unsaved = None;
        let sound = self.trainer.is_whole() && !is_of_device(&error);
        if self.saved != Some(self.standing()) && self.unsaved != Some(step) && sound {
            match self.save(&self.names_due()) {
                Err(Error::NotFinite { name, value }) => return self.out_of_numbers(&name, value),
                done => unsaved = done.err().map(Box::new),
            }
        }
        // Of what comes after the losses some may be in no file yet.
        let _ = self.folder.flush();
        match self.saved {
            // Nothing was trained.
            None => error,
            Some((saved, _)) => Error::Stopped {
                error: Box::new(error),
                folder: self.folder.path().into(),
                step,
                saved,
                unsaved,
            },
        }
    }

    /// Explains a divergence.
    fn out_of_numbers(&mut self, name: &str, value: f32) -> Error {
        let step = self.bad.unwrap_or(self.trainer.steps());
        match self.diverged(step, name, value) {
            Ok(message) => {
                let _ = self.emit(Event::Diverged { step, message: message.clone() });
                Error::Usage(message)
            }
            Err(error) => error,
        }
    }
}

/// Whether nothing can be read from the device any more, or nothing that it holds be trusted.
fn is_of_device(error: &Error) -> bool {
    matches!(
        error,
        Error::DeviceLost { .. }
            | Error::Validation { .. }
            | Error::Uncaptured { .. }
            | Error::Check { .. }
    )
}
