//! The configuration of each model, from the options that it has.

use super::choice::NetD;
use super::table::Options;
use crate::Result;
use crate::nets::DiscriminatorKind;
use crate::train::{CycleGanConfig, Pix2PixConfig};

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

    fn discriminator(&self) -> DiscriminatorKind {
        match self.nets.net_d {
            NetD::Basic => DiscriminatorKind::Patch { n_layers: 3 },
            NetD::NLayers => DiscriminatorKind::Patch { n_layers: self.nets.n_layers_d },
            NetD::Pixel => DiscriminatorKind::Pixel,
        }
    }
}
