//! Everything that decides what a training step of pix2pix computes.

use crate::error::{Error, Result};
use crate::nets::{DiscriminatorKind, GeneratorConfig, InitType, NormKind, UnetConfig};
use crate::picture::PictureFormat;
use crate::train::{GanMode, check};

/// Everything that decides what a training step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pix2PixConfig {
    /// The generator.
    pub generator: GeneratorConfig,
    /// The discriminator.
    pub discriminator: DiscriminatorKind,
    /// Channels of the discriminator's first layer.
    pub ndf: u32,
    /// The discriminator's norm; `None`: the generator's.
    pub norm_d: Option<NormKind>,
    /// Whether the discriminator sees the input with the output.
    pub condition_d: bool,
    /// Images that go through the networks together, over which norms take statistics.
    pub batch_size: u32,
    /// Batches per step: their gradients are averaged for one update of each network. Above 1 the
    /// generator runs twice for each, so that one batch's activations are alive at a time.
    pub accumulate: u32,
    /// Width of the images.
    pub width: u32,
    /// Height of the images.
    pub height: u32,
    /// How images go up to the device.
    pub pictures: PictureFormat,
    /// The adversarial loss.
    pub gan_mode: GanMode,
    /// Weight of the L1 term.
    pub lambda_l1: f32,
    /// Weight of the adversarial term of the generator.
    pub lambda_gan: f32,
    /// Weight of the output's total variation; 0: without.
    pub lambda_tv: f32,
    /// Weight of the gradient penalty ([`GanMode::Wgangp`]).
    pub lambda_gp: f32,
    /// One-sided label smoothing: the label of real images is 1 less this.
    pub label_smoothing: f32,
    /// Decay of the moving average of the generator; `None`: without.
    pub ema: Option<f64>,
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// Weight initialisation.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Seed of initial weights and dropout.
    pub seed: u64,
}

impl Default for Pix2PixConfig {
    /// Upstream's defaults for pix2pix.
    fn default() -> Self {
        Pix2PixConfig {
            generator: UnetConfig::default().into(),
            discriminator: DiscriminatorKind::Patch { n_layers: 3 },
            ndf: 64,
            norm_d: None,
            condition_d: true,
            batch_size: 1,
            accumulate: 1,
            width: 256,
            height: 256,
            pictures: PictureFormat::Bytes,
            gan_mode: GanMode::Vanilla,
            lambda_l1: 100.0,
            lambda_gan: 1.0,
            lambda_tv: 0.0,
            lambda_gp: 10.0,
            label_smoothing: 0.0,
            ema: None,
            beta1: 0.5,
            init_type: InitType::Normal,
            init_gain: 0.02,
            seed: 0,
        }
    }
}

impl Pix2PixConfig {
    /// The discriminator's norm.
    pub fn discriminator_norm(&self) -> NormKind {
        self.norm_d.unwrap_or(self.generator.norm())
    }

    /// Images per step: `accumulate` batches.
    pub fn pictures(&self) -> u32 {
        self.batch_size * self.accumulate
    }

    /// Refuses options that contradict each other or make no sense.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field, why: String| Err(Error::config(field, why));
        check::batches(self.batch_size, self.accumulate)?;
        if self.gan_mode == GanMode::Wgangp && self.discriminator_norm() == NormKind::Batch {
            let why = "wgangp: its penalty is computed per image, and batch norm in the \
                       discriminator mixes them; choose `norm_D` instance (or instance_affine, \
                       none)";
            return refuse("gan_mode", why.into());
        }
        if self.label_smoothing != 0.0 && !self.gan_mode.has_labels() {
            let why = format!(
                "{}: {} has no labels; leave it out, or choose `gan_mode` vanilla or lsgan",
                self.label_smoothing, self.gan_mode
            );
            return refuse("label_smoothing", why);
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let why = format!("{}: from 0 to below 1", self.label_smoothing);
            return refuse("label_smoothing", why);
        }
        check::loss_weights([
            ("lambda_L1", self.lambda_l1),
            ("lambda_GAN", self.lambda_gan),
            ("lambda_TV", self.lambda_tv),
            ("lambda_gp", self.lambda_gp),
        ])?;
        check::ema(self.ema)
    }
}
