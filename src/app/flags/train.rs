//! Flags of `train`.

use super::data::DataArgs;
use super::device::DeviceArgs;
use super::networks::NetworkArgs;
use super::optimiser::OptimiserArgs;
use super::run::RunArgs;
use crate::error::{Error, Result};
use crate::nets::{GeneratorConfig, UnetConfig};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Flags of `train`; names and defaults are the reference's where it has them.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case")]
pub(in crate::app) struct TrainArgs {
    /// Folder with train/ (and val/ or test/): pictures with A on the left and B on the right, or trainA/ and trainB/, or train.tsv; or a list file, each
    /// row input TAB target.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// pix2pix, or colorization (pix2pix with --dataset_mode colorization).
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
        GeneratorConfig::named(&self.nets.net_g, like)
    }

    /// The step's configuration for pictures of a size.
    pub fn config(&self, (width, height): (u32, u32)) -> Result<crate::train::Pix2PixConfig> {
        use crate::nets::DiscriminatorKind;
        let discriminator = match self.nets.net_d.as_str() {
            "basic" => DiscriminatorKind::Patch { n_layers: 3 },
            "n_layers" => DiscriminatorKind::Patch { n_layers: self.nets.n_layers_d },
            "pixel" => DiscriminatorKind::Pixel,
            other => return Err(Error::Usage(format!("--netD {other}: choose basic, n_layers or pixel"))),
        };
        Ok(crate::train::Pix2PixConfig {
            generator: self.generator()?,
            discriminator,
            ndf: self.nets.ndf,
            norm_d: self.nets.norm_d.as_deref().map(str::parse).transpose()?,
            condition_d: self.nets.condition_d == "on",
            batch_size: self.data.batch_size,
            accumulate: self.optim.accumulate,
            width,
            height,
            pictures: self.data.pictures(),
            gan_mode: self.optim.gan_mode.parse()?,
            lambda_l1: self.optim.lambda_l1,
            lambda_gan: self.optim.lambda_gan,
            lambda_tv: self.optim.lambda_tv,
            lambda_gp: self.optim.lambda_gp,
            label_smoothing: self.optim.label_smoothing,
            ema: self.optim.ema,
            beta1: self.optim.beta1,
            init_type: self.nets.init_type.parse()?,
            init_gain: self.nets.init_gain,
            seed: self.run.seed,
        })
    }

    /// Writes down what a dataset's files said.
    pub fn resolve(&mut self, dataset: &crate::io::AlignedDataset) {
        let [input_nc, output_nc] = dataset.channels();
        (self.nets.input_nc, self.nets.output_nc) = (Some(input_nc), Some(output_nc));
        self.data.resolve(dataset);
    }

    /// The folder of the pictures: given, or the run's own.
    pub fn dataroot(&self) -> Result<&Path> {
        self.dataroot.as_deref().ok_or_else(|| Error::Usage("--dataroot: which folder holds the pairs?".into()))
    }

    /// The folder of the run.
    pub fn folder(&self) -> PathBuf {
        self.run.checkpoints_dir.join(&self.run.name)
    }
}
