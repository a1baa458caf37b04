//! Training pix2pix, CycleGAN and pix2pixHD, and running a generator.

mod chance;
mod check;
mod cycle_gan;
mod description;
mod gan;
mod model;
mod pix2pix;
mod pix2pix_hd;
mod schedule;
mod strips;
mod terms;
mod training;
mod translator;
#[cfg(not(target_arch = "wasm32"))]
mod twice;

pub use chance::Chance;
pub use cycle_gan::{CycleGan, CycleGanConfig};
pub use description::{Column, Content, Description, Loss, Mapping, Role};
pub use gan::{GanMode, feature_matching, gradient_penalty};
pub use model::{
    AnyModel, GROUP_D, GROUP_G, GROUP_INNER, Model, Net, Network, Pool, Recorded, Settings, Update,
};
pub use pix2pix::{Pix2Pix, Pix2PixConfig};
pub use pix2pix_hd::{Condition, Features, Over, Pix2PixHd, Pix2PixHdConfig, Source};
pub use schedule::{LrPolicy, Rates, Schedule, ScheduleState};
pub use strips::{Statistics, Strips};
pub use training::{Losses, Training};
pub use translator::Translator;
