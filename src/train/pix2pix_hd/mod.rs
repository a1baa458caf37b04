//! pix2pixHD: what decides a training step, and how it is recorded.

mod condition;
mod config;
mod describe;
mod record;

use super::Training;
pub use condition::{Condition, Source};
pub use config::{Features, Over, Pix2PixHdConfig};

/// A training from maps of labels, the plane `label`, to images, the plane `image`.
pub type Pix2PixHd = Training<Pix2PixHdConfig>;
