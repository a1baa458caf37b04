//! Flags: names and defaults of the reference implementation, and a few of our own.

mod commands;
mod files;
mod preset;
mod train;
mod training;
mod translate;
mod upstream;
mod values;

pub(crate) use commands::{
    CompareArgs, DemoArgs, DemoModel, Dev, DevArgs, DevicesArgs, EvalArgs, ReportArgs, TuneArgs,
};
pub(crate) use files::{ExportArgs, Format, ImportArgs};
pub(crate) use preset::Preset;
pub(crate) use train::{InfoArgs, ResumeArgs, TalkArgs, TrainCommand};
pub(crate) use training::{Training, hide_apart};
pub(crate) use translate::{Sequence, TranslateArgs};
pub(crate) use upstream::normalise;
pub(crate) use values::{FamilyName, refuse};
