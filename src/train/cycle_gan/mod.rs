//! CycleGAN: what decides a training step, and how it is recorded.

mod config;
mod describe;
mod record;

use super::Training;
pub use config::CycleGanConfig;

/// A training between two unpaired image sets, the planes `A` and `B`.
pub type CycleGan = Training<CycleGanConfig>;
