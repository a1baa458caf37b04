//! Training pix2pix and CycleGAN, and running a generator.

mod cycle_gan;
mod gan;
mod pix2pix;
mod schedule;
mod strips;
mod translator;
mod values;

pub use cycle_gan::{CycleGan, CycleGanConfig, CycleGanLosses};
pub use gan::{GanMode, gradient_penalty};
pub use pix2pix::{LOSS_NAMES, Losses, Pix2Pix, Pix2PixConfig};
pub use schedule::{LrPolicy, Rates, Schedule, ScheduleState};
pub use strips::{Statistics, Strips};
pub use translator::Translator;
pub use values::{PictureFormat, PictureValues, Values};
