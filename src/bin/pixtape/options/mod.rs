//! Flags that several commands share: those of a training, and kinds of values.

mod preset;
mod reading;
mod training;
mod upstream;
mod values;

pub(crate) use preset::Preset;
pub(crate) use reading::ReadingArgs;
pub(crate) use training::{Reading, Training, hide_apart};
pub(crate) use upstream::{is_ignored, normalise};
pub(crate) use values::{FamilyName, TUNE, choice, refuse};
