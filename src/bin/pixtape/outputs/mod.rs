//! What a training shows to people and programs. Each observes the events of a session.

pub(crate) mod json;
pub(crate) mod report;
pub(crate) mod tensorboard;
pub(crate) mod terminal;

use crate::messages::with_flags;
use pixtape::Result;
use pixtape::session::{Event, Observer};

/// An observer whose failing ends no training: it is said once.
#[derive(Debug)]
pub(crate) struct Lenient<O> {
    observer: O,
    said: bool,
}

impl<O> Lenient<O> {
    pub fn new(observer: O) -> Self {
        Lenient { observer, said: false }
    }
}

impl<O: Observer> Observer for Lenient<O> {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Err(e) = self.observer.event(event)
            && !std::mem::replace(&mut self.said, true)
        {
            eprintln!("note: {}; the training goes on without it", with_flags(e));
        }
        Ok(())
    }
}
