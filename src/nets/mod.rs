//! The networks: parameters with the names and layouts of the public PyTorch files, and how to
//! record them on a tape.

mod enhancer;
mod generator;
mod kind;
mod orthogonal;
mod patchgan;
mod resnet;
mod unet;
mod vgg;
mod weights;

pub use enhancer::{EnhancerConfig, LocalEnhancer};
pub use generator::{Generator, GeneratorConfig};
pub use kind::GeneratorKind;
pub use patchgan::{
    Discriminator, DiscriminatorConfig, DiscriminatorKind, Judgement, MultiScale, MultiScaleConfig,
};
#[cfg(feature = "io")]
pub(crate) use resnet::PADDING_TYPE;
pub use resnet::{BlockPadding, Resnet, ResnetConfig};
pub(crate) use unet::DEPTHS;
pub use unet::{Unet, UnetConfig, UnetQuirks, Upsample};
#[cfg(feature = "io")]
pub(crate) use unet::{UnetNames, unet_names};
pub use vgg::{Vgg, VggConfig};
pub use weights::{ConvParams, InitType, NormKind, Weights};

use crate::ops::NormMode;

/// How a network is recorded: which statistics its norms use, whether it drops out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mode {
    /// Statistics of the norms.
    pub norm: NormMode,
    /// Whether batch statistics update the running ones (training).
    pub update_running: bool,
    /// Whether dropout layers are active.
    pub dropout: bool,
    /// Batches of equal size that lie one after another in what the network sees: batch statistics
    /// are those of each ([`crate::ops::BatchNorm::batches`]).
    pub batches: u32,
}

impl Mode {
    /// Batch statistics that update the running ones; dropout as the network was built.
    pub const TRAIN: Mode =
        Mode { norm: NormMode::Batch, update_running: true, dropout: true, batches: 1 };

    /// A trained network that is run: nothing changes its running statistics.
    pub const fn run(norm: NormMode, dropout: bool) -> Mode {
        Mode { norm, update_running: false, dropout, batches: 1 }
    }
}
