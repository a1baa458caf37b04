//! Training pix2pix, and running a generator.

mod pix2pix;
mod schedule;
mod translator;
mod values;

pub use pix2pix::{GanMode, LOSS_NAMES, Losses, Pix2Pix, Pix2PixConfig};
pub use schedule::{LrPolicy, Schedule};
pub use translator::Translator;
pub use values::{PictureFormat, PictureValues, Values};
