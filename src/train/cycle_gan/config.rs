//! Everything that decides what a training step of CycleGAN computes.

use crate::error::{Error, Result};
use crate::nets::{DiscriminatorKind, GeneratorConfig, InitType, NormKind, ResnetConfig};
use crate::picture::PictureFormat;
use crate::train::{GanMode, check};

/// Everything that decides what a training step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct CycleGanConfig {
    /// The generator from A to B; the other is the same the other way.
    pub generator: GeneratorConfig,
    /// The discriminators.
    pub discriminator: DiscriminatorKind,
    /// Channels of a discriminator's first layer.
    pub ndf: u32,
    /// The discriminators' norm; `None`: the generators'.
    pub norm_d: Option<NormKind>,
    /// Images of each set that go through the networks together, over which norms take statistics.
    pub batch_size: u32,
    /// Batches per step: their gradients are averaged for one update of each network. One batch's
    /// activations are alive at a time.
    pub accumulate: u32,
    /// Width of the images.
    pub width: u32,
    /// Height of the images.
    pub height: u32,
    /// How images go up to the device.
    pub pictures: PictureFormat,
    /// The adversarial loss.
    pub gan_mode: GanMode,
    /// Weight of the cycle A to B to A.
    pub lambda_a: f32,
    /// Weight of the cycle B to A to B.
    pub lambda_b: f32,
    /// Weight of the identity terms, times that of the cycle of the same images; 0: without, which
    /// saves two passes.
    pub lambda_identity: f32,
    /// Images that each pool keeps; 0: discriminators see new fakes only.
    pub pool_size: u32,
    /// Decay of the moving averages of both generators; `None`: without.
    pub ema: Option<f64>,
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// Weight initialisation.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Seed of initial weights, dropout and pools.
    pub seed: u64,
}

impl Default for CycleGanConfig {
    /// Upstream's defaults for cycle_gan.
    fn default() -> Self {
        CycleGanConfig {
            generator: ResnetConfig::default().into(),
            discriminator: DiscriminatorKind::Patch { n_layers: 3 },
            ndf: 64,
            norm_d: None,
            batch_size: 1,
            accumulate: 1,
            width: 256,
            height: 256,
            pictures: PictureFormat::Bytes,
            gan_mode: GanMode::Lsgan,
            lambda_a: 10.0,
            lambda_b: 10.0,
            lambda_identity: 0.5,
            pool_size: 50,
            ema: None,
            beta1: 0.5,
            init_type: InitType::Normal,
            init_gain: 0.02,
            seed: 0,
        }
    }
}

impl CycleGanConfig {
    /// Images of each set per step: `accumulate` batches.
    pub fn pictures(&self) -> u32 {
        self.batch_size * self.accumulate
    }

    /// Refuses options that contradict each other or make no sense.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field, why: String| Err(Error::config(field, why));
        check::batches(self.batch_size, self.accumulate)?;
        if self.gan_mode == GanMode::Wgangp {
            let why =
                "wgangp: its penalty is not part of this model; choose lsgan, vanilla or hinge";
            return refuse("gan_mode", why.into());
        }
        check::loss_weights([
            ("lambda_A", self.lambda_a),
            ("lambda_B", self.lambda_b),
            ("lambda_identity", self.lambda_identity),
        ])?;
        let (input, output) = (self.generator.input_nc(), self.generator.output_nc());
        if self.lambda_identity > 0.0 && input != output {
            let why = format!(
                "{}: a generator from {input} to {output} channels cannot leave its target's \
                 images as they are; set `lambda_identity` 0",
                self.lambda_identity
            );
            return refuse("lambda_identity", why);
        }
        check::ema(self.ema)
    }
}
