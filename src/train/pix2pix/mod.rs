//! pix2pix: what decides a training step, and how it is recorded.

mod config;
mod describe;
mod record;

use super::Training;
use crate::nets::Generator;
pub use config::Pix2PixConfig;

/// A training from pairs.
pub type Pix2Pix = Training<Pix2PixConfig>;

impl Pix2Pix {
    /// The generator.
    pub fn generator(&self) -> &Generator {
        self.generators()[0]
    }

    /// The generator to show and to evaluate: its moving average where there is one.
    pub fn best_generator(&self) -> &Generator {
        self.best_generators()[0]
    }
}
