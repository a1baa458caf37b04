//! Training pix2pix, and running a generator.

mod pix2pix;
mod schedule;
mod strips;
mod translator;

pub use pix2pix::{GanMode, LOSS_NAMES, Losses, Pix2Pix, Pix2PixConfig};
pub use schedule::{LrPolicy, Schedule};
pub use strips::{Statistics, Strips};
pub use translator::Translator;
