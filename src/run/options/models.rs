//! The configuration of each model, from the options that it has.

use super::choice::NetD;
use super::table::Options;
use crate::nets::{
    DiscriminatorKind, EnhancerConfig, GeneratorConfig, GeneratorKind, ResnetConfig,
};
use crate::run::frozen::vgg_of;
use crate::train::{
    Condition, CycleGanConfig, Features, Over, Pix2PixConfig, Pix2PixHdConfig, Source,
};
use crate::{Error, Result};

impl Options {
    pub(super) fn pix2pix(&self, (width, height): (u32, u32)) -> Result<Pix2PixConfig> {
        let Options { nets, data, optim, .. } = self;
        let (generator, pictures) = (self.generator()?, self.pictures());
        let discriminator = self.discriminator();
        Ok(Pix2PixConfig {
            generator,
            discriminator,
            ndf: nets.ndf,
            norm_d: nets.norm_d,
            condition_d: nets.condition_d.is_on(),
            batch_size: data.batch_size,
            accumulate: optim.accumulate,
            width,
            height,
            pictures,
            gan_mode: optim.gan_mode,
            lambda_l1: optim.lambda_l1,
            lambda_gan: optim.lambda_gan,
            lambda_tv: optim.lambda_tv,
            lambda_gp: optim.lambda_gp,
            label_smoothing: optim.label_smoothing,
            ema: optim.ema,
            beta1: optim.beta1,
            init_type: nets.init_type,
            init_gain: nets.init_gain,
            seed: self.run.seed,
        })
    }

    pub(super) fn cycle_gan(&self, (width, height): (u32, u32)) -> Result<CycleGanConfig> {
        let Options { nets, data, optim, .. } = self;
        let (generator, pictures) = (self.generator()?, self.pictures());
        let discriminator = self.discriminator();
        Ok(CycleGanConfig {
            generator,
            discriminator,
            ndf: nets.ndf,
            norm_d: nets.norm_d,
            batch_size: data.batch_size,
            accumulate: optim.accumulate,
            width,
            height,
            pictures,
            gan_mode: optim.gan_mode,
            lambda_a: optim.lambda_a,
            lambda_b: optim.lambda_b,
            lambda_identity: optim.lambda_identity,
            pool_size: optim.pool_size,
            ema: optim.ema,
            beta1: optim.beta1,
            init_type: nets.init_type,
            init_gain: nets.init_gain,
            seed: self.run.seed,
        })
    }

    pub(super) fn pix2pix_hd(&self, (width, height): (u32, u32)) -> Result<Pix2PixHdConfig> {
        let Options { nets, data, optim, hd, .. } = self;
        let vgg = hd.vgg.as_deref().filter(|_| !hd.no_vgg_loss).map(vgg_of).transpose()?;
        Ok(Pix2PixHdConfig {
            generator: self.generator()?,
            condition: self.condition(),
            features: self.features(),
            ndf: nets.ndf,
            n_layers_d: nets.n_layers_d,
            num_d: hd.num_d,
            batch_size: data.batch_size,
            accumulate: optim.accumulate,
            width,
            height,
            pictures: self.pictures(),
            gan_mode: optim.gan_mode,
            feature_matching: !hd.no_gan_feat_loss,
            vgg,
            lambda_feat: hd.lambda_feat,
            pool_size: optim.pool_size,
            ema: optim.ema,
            beta1: optim.beta1,
            init_type: nets.init_type,
            init_gain: nets.init_gain,
            seed: self.run.seed,
        })
    }

    /// What a generator of pix2pixHD makes images from.
    pub fn condition(&self) -> Condition {
        let source = match self.hd.label_nc {
            0 => Source::Image(self.nets.input_nc.unwrap_or(3)),
            classes => Source::Labels(classes),
        };
        Condition { source, edges: !self.hd.no_instance }
    }

    /// The features that a generator of pix2pixHD gets.
    pub fn features(&self) -> Option<Features> {
        let hd = &self.hd;
        let over = match (hd.instance_feat, hd.label_feat) {
            (_, true) => Over::Labels,
            (true, false) => Over::Instances,
            (false, false) => return None,
        };
        if hd.load_features {
            return Some(Features::Given(hd.feat_num));
        }
        let output_nc = self.nets.output_nc.unwrap_or(3);
        let encoder = Features::encoder(output_nc, hd.nef, hd.n_downsample_e, hd.feat_num);
        Some(Features::Encoded { encoder, over })
    }

    /// The generator of pix2pixHD.
    pub(super) fn hd_generator(&self) -> Result<GeneratorConfig> {
        let Options { nets, hd, .. } = self;
        let features = self.features().map(|features| features.channels().into());
        let input = self.condition().with(features.as_slice())?;
        let output_nc = nets.output_nc.unwrap_or(3);
        let (ngf, norm, halvings) = (nets.ngf, nets.norm, hd.n_downsample_global);
        match nets.net_g {
            GeneratorKind::Global => Ok(ResnetConfig {
                input,
                output_nc,
                ngf,
                halvings,
                blocks: hd.n_blocks_global,
                norm,
                ..ResnetConfig::default()
            }
            .into()),
            GeneratorKind::Local => Ok(EnhancerConfig {
                input,
                output_nc,
                ngf,
                halvings,
                global_blocks: hd.n_blocks_global,
                enhancers: hd.n_local_enhancers,
                blocks: hd.n_blocks_local,
                norm,
            }
            .into()),
            other => {
                let why = format!("{other}: `model` pix2pixHD has global and local");
                Err(Error::config("netG", why))
            }
        }
    }

    fn discriminator(&self) -> DiscriminatorKind {
        match self.nets.net_d {
            NetD::Basic => DiscriminatorKind::Patch { n_layers: 3 },
            NetD::NLayers => DiscriminatorKind::Patch { n_layers: self.nets.n_layers_d },
            NetD::Pixel => DiscriminatorKind::Pixel,
        }
    }
}
