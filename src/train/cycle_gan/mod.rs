//! CycleGAN: what decides a training step, and how it is recorded.

mod config;
mod describe;
mod record;

use super::Training;
pub use config::CycleGanConfig;

/// A training between two heaps of pictures that need not be pairs: A is the input of
/// [`Training::step`], B its target.
pub type CycleGan = Training<CycleGanConfig>;
