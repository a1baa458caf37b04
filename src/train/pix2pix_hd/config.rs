//! Everything that decides what a training step of pix2pixHD computes.

use super::condition::{Condition, Source};
use crate::error::{Error, Result};
use crate::nets::{GeneratorConfig, InitType, NormKind, ResnetConfig, VggConfig};
use crate::picture::PictureFormat;
use crate::shape::Channels;
use crate::train::{GanMode, check};

/// Everything that decides what a training step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pix2PixHdConfig {
    /// The generator, a ResNet or a local enhancer. Its input channels follow from `condition` and
    /// `features`.
    pub generator: GeneratorConfig,
    /// What it makes images from.
    pub condition: Condition,
    /// Features of the target image that the generator gets too, which allow several looks of one
    /// map.
    pub features: Option<Features>,
    /// Channels of the discriminators' first layers.
    pub ndf: u32,
    /// Strided layers of each discriminator, 1 to 6.
    pub n_layers_d: u32,
    /// Scales that are judged, each half the size of the one before, 1 to 4.
    pub num_d: u32,
    /// Samples that go through the networks together.
    pub batch_size: u32,
    /// Batches per step: their gradients are averaged for one update of each network.
    pub accumulate: u32,
    /// Width of the images.
    pub width: u32,
    /// Height of the images.
    pub height: u32,
    /// How images go up to the device.
    pub pictures: PictureFormat,
    /// The adversarial loss.
    pub gan_mode: GanMode,
    /// Whether the discriminators' features of generated and of real images are compared.
    pub feature_matching: bool,
    /// The network whose features of generated and of real images are compared; `None`: without.
    /// Its weights are loaded before the first step.
    pub vgg: Option<VggConfig>,
    /// Weight of both comparisons.
    pub lambda_feat: f32,
    /// Generated images, with what they were made from, that the discriminators' pool keeps; 0:
    /// they see new ones only.
    pub pool_size: u32,
    /// Decay of the moving average of the generator; `None`: without.
    pub ema: Option<f64>,
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// Weight initialisation.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Seed of initial weights and of the pool.
    pub seed: u64,
}

/// Features of an image, the same for all pixels of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// An encoder makes them from the target, and is trained with the generator. They are averaged
    /// over each instance, or over each label of a sample.
    Encoded {
        /// The encoder, a ResNet without blocks.
        encoder: ResnetConfig,
        /// What they are averaged over.
        over: Over,
    },
    /// The plane `features` has them, so many channels.
    Given(u32),
}

/// What features are averaged over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Each instance.
    Instances,
    /// Each label.
    Labels,
}

impl Features {
    /// How many there are for each pixel.
    pub fn channels(&self) -> u32 {
        match self {
            Features::Encoded { encoder, .. } => encoder.output_nc,
            Features::Given(channels) => *channels,
        }
    }

    /// Upstream's encoder: `halvings` of them, `nef` channels in its first layer, `feat_num`
    /// features from images of `output_nc` channels.
    pub fn encoder(output_nc: u32, nef: u32, halvings: u32, feat_num: u32) -> ResnetConfig {
        let (input, blocks) = (output_nc.into(), 0);
        let norm = NormKind::Instance;
        ResnetConfig {
            input,
            output_nc: feat_num,
            ngf: nef,
            halvings,
            blocks,
            norm,
            ..ResnetConfig::default()
        }
    }
}

impl Default for Pix2PixHdConfig {
    /// Upstream's defaults: 35 classes with instances, 1024x512, without VGG's weights.
    fn default() -> Self {
        Pix2PixHdConfig {
            generator: ResnetConfig { halvings: 4, ..ResnetConfig::default() }.into(),
            condition: Condition { source: Source::Labels(35), edges: true },
            features: None,
            ndf: 64,
            n_layers_d: 3,
            num_d: 2,
            batch_size: 1,
            accumulate: 1,
            width: 1024,
            height: 512,
            pictures: PictureFormat::Bytes,
            gan_mode: GanMode::Lsgan,
            feature_matching: true,
            vgg: None,
            lambda_feat: 10.0,
            pool_size: 0,
            ema: None,
            beta1: 0.5,
            init_type: InitType::Normal,
            init_gain: 0.02,
            seed: 0,
        }
    }
}

impl Pix2PixHdConfig {
    /// Samples per step: `accumulate` batches.
    pub fn pictures(&self) -> u32 {
        self.batch_size * self.accumulate
    }

    /// Channels of the generator's input.
    pub(super) fn generator_input(&self) -> Result<Channels> {
        let features = self.features.map(|features| Channels::from(features.channels()));
        self.condition.with(features.as_slice())
    }

    /// Whether the map of instances is read.
    pub(super) fn reads_instances(&self) -> bool {
        let over = Some(Over::Instances);
        let encoded = match self.features {
            Some(Features::Encoded { over, .. }) => Some(over),
            _ => None,
        };
        self.condition.edges || encoded == over
    }

    /// Refuses options that contradict each other or make no sense.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field, why: String| Err(Error::config(field, why));
        check::batches(self.batch_size, self.accumulate)?;
        for (field, value) in [("ngf", self.generator.ngf()), ("ndf", self.ndf)] {
            if value == 0 {
                return refuse(field, "must be at least 1".into());
            }
        }
        if !(1..=4).contains(&self.num_d) {
            return refuse("num_D", format!("{}: choose 1 to 4", self.num_d));
        }
        if self.gan_mode == GanMode::Wgangp {
            let why =
                "wgangp: its penalty is not part of this model; choose lsgan, vanilla or hinge";
            return refuse("gan_mode", why.into());
        }
        check::loss_weights([("lambda_feat", self.lambda_feat)])?;
        if matches!(self.generator, GeneratorConfig::Unet(_)) {
            let why = format!("{}: choose global or local", self.generator.name());
            return refuse("netG", why);
        }
        if self.vgg.is_some() && self.generator.output_nc() != 3 {
            let why = format!(
                "{}: VGG sees colour images; set `no_vgg_loss`, or make images of 3 channels",
                self.generator.output_nc()
            );
            return refuse("output_nc", why);
        }
        if let Some(Features::Encoded { over: Over::Labels, .. }) = self.features
            && !matches!(self.condition.source, Source::Labels(_))
        {
            return refuse("label_feat", "there are no labels with `label_nc` 0".into());
        }
        check::ema(self.ema)
    }
}
