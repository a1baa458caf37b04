//! Flags of `train`.

use crate::options::data::DataArgs;
use crate::options::device::DeviceArgs;
use crate::options::networks::NetworkArgs;
use crate::options::optimiser::OptimiserArgs;
use crate::options::run::RunArgs;
use clap::Args;
use pixtape::nets::{DiscriminatorKind, GeneratorConfig, UnetConfig};
use pixtape::train::{AnyModel, CycleGanConfig, Pix2PixConfig};
use pixtape::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name of the model without pairs.
pub(crate) const CYCLE_GAN: &str = "cycle_gan";

/// Flags of `train`; names and defaults are the reference's where it has them.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case")]
pub(crate) struct TrainArgs {
    /// Folder with train/ (and val/ or test/): pictures with A on the left and B on the right, or
    /// trainA/ and trainB/, or train.tsv; or a list file, each row input TAB target. For cycle_gan
    /// trainA/ and trainB/, which need not be pairs.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// pix2pix (pairs), colorization (pix2pix with --dataset_mode colorization), cycle_gan (two
    /// folders without pairs).
    #[arg(long, default_value = "pix2pix")]
    pub model: String,
    #[command(flatten)]
    #[serde(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub nets: NetworkArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub optim: OptimiserArgs,
}

impl TrainArgs {
    /// The generator.
    pub fn generator(&self) -> Result<GeneratorConfig> {
        let like = UnetConfig {
            input_nc: self.nets.input_nc.unwrap_or(3),
            output_nc: self.nets.output_nc.unwrap_or(3),
            ngf: self.nets.ngf,
            norm: self.nets.norm.parse()?,
            dropout: !self.nets.no_dropout,
            upsample: self.nets.upsample.parse()?,
            ..UnetConfig::default()
        };
        GeneratorConfig::named(&self.nets.net_g, like)?
            .with_padding(self.nets.padding_type.parse()?)
    }

    /// The step's configuration for pictures of a size.
    pub fn config(&self, (width, height): (u32, u32)) -> Result<AnyModel> {
        let discriminator = match self.nets.net_d.as_str() {
            "basic" => DiscriminatorKind::Patch { n_layers: 3 },
            "n_layers" => DiscriminatorKind::Patch { n_layers: self.nets.n_layers_d },
            "pixel" => DiscriminatorKind::Pixel,
            other => {
                return Err(Error::Usage(format!(
                    "--netD {other}: choose basic, n_layers or pixel"
                )));
            }
        };
        let (generator, ndf, norm_d) = (
            self.generator()?,
            self.nets.ndf,
            self.nets.norm_d.as_deref().map(str::parse).transpose()?,
        );
        let (batch_size, pictures, gan_mode) =
            (self.data.batch_size, self.data.pictures(), self.optim.gan_mode.parse()?);
        let (beta1, seed) = (self.optim.beta1, self.run.seed);
        let (init_type, init_gain) = (self.nets.init_type.parse()?, self.nets.init_gain);
        let OptimiserArgs { lambda_a, lambda_b, lambda_identity, pool_size, .. } = self.optim;
        if self.unpaired() {
            let config = CycleGanConfig {
                generator,
                discriminator,
                ndf,
                norm_d,
                batch_size,
                width,
                height,
                pictures,
                gan_mode,
                lambda_a,
                lambda_b,
                lambda_identity,
                pool_size,
                beta1,
                init_type,
                init_gain,
                seed,
            };
            return Ok(AnyModel::CycleGan(config));
        }
        let OptimiserArgs {
            accumulate,
            lambda_l1,
            lambda_gan,
            lambda_tv,
            lambda_gp,
            label_smoothing,
            ema,
            ..
        } = self.optim;
        Ok(AnyModel::Pix2Pix(Pix2PixConfig {
            generator,
            discriminator,
            ndf,
            norm_d,
            condition_d: self.nets.condition_d == "on",
            batch_size,
            accumulate,
            width,
            height,
            pictures,
            gan_mode,
            lambda_l1,
            lambda_gan,
            lambda_tv,
            lambda_gp,
            label_smoothing,
            ema,
            beta1,
            init_type,
            init_gain,
            seed,
        }))
    }

    /// Whether the model takes two folders that need not be pairs.
    pub fn unpaired(&self) -> bool {
        self.model == CYCLE_GAN
    }

    /// Defaults that hang on `--model`, for what was not `given` (by clap's names).
    pub fn model_defaults(&mut self, given: impl Fn(&str) -> bool) {
        let set = |id: &str, place: &mut String, value: &str| {
            if !given(id) {
                *place = value.into();
            }
        };
        match self.model.as_str() {
            "colorization" => self.data.dataset_mode = "colorization".into(),
            CYCLE_GAN => {
                set("dataset_mode", &mut self.data.dataset_mode, "unaligned");
                set("net_g", &mut self.nets.net_g, "resnet_9blocks");
                set("norm", &mut self.nets.norm, "instance");
                set("gan_mode", &mut self.optim.gan_mode, "lsgan");
                self.nets.no_dropout = !self.nets.dropout;
            }
            _ => {}
        }
    }

    /// Writes down what a dataset's files said.
    pub fn resolve(&mut self, dataset: &pixtape::io::Dataset) {
        let [input_nc, output_nc] = dataset.channels();
        (self.nets.input_nc, self.nets.output_nc) = (Some(input_nc), Some(output_nc));
        self.data.resolve(dataset);
    }

    /// The folder of the pictures: given, or the run's own.
    pub fn dataroot(&self) -> Result<&Path> {
        self.dataroot
            .as_deref()
            .ok_or_else(|| Error::Usage("--dataroot: which folder holds the pictures?".into()))
    }

    /// The folder of the run.
    pub fn folder(&self) -> PathBuf {
        self.run.checkpoints_dir.join(&self.run.name)
    }
}
