//! Flags of a training: the networks.

use crate::options::values::{channels, underscored};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

// What runs of earlier versions do not say.
fn on() -> String {
    "on".into()
}

fn transpose() -> String {
    "transpose".into()
}

fn reflect() -> String {
    "reflect".into()
}

/// The networks.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Networks")]
pub(crate) struct NetworkArgs {
    /// Channels of the input; told from the files where it is left out.
    #[arg(long, value_parser = channels)]
    pub input_nc: Option<u32>,
    /// Channels of the output; told from the files where it is left out.
    #[arg(long, value_parser = channels)]
    pub output_nc: Option<u32>,
    /// Channels of the generator's first layer.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub ngf: u32,
    /// Channels of the discriminator's first layer.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub ndf: u32,
    /// Generator: unet_32, unet_64, unet_128, unet_256, unet_512, encoder_decoder_32 …
    /// encoder_decoder_512 (the same without skips), resnet_6blocks, resnet_9blocks (the default of
    /// --model cycle_gan).
    #[arg(long = "netG", default_value = "unet_256", value_parser = underscored)]
    #[serde(rename = "netG")]
    pub net_g: String,
    /// Discriminator: basic, n_layers, pixel.
    #[arg(long = "netD", default_value = "basic", value_parser = underscored)]
    #[serde(rename = "netD")]
    pub net_d: String,
    /// Strided layers of --netD n_layers.
    #[arg(long = "n_layers_D", default_value_t = 3)]
    #[serde(rename = "n_layers_D")]
    pub n_layers_d: u32,
    /// Whether the discriminator sees the input beside the output: on, off.
    #[arg(long = "condition_D", default_value = "on", value_parser = ["on", "off"])]
    #[serde(rename = "condition_D", default = "on")]
    pub condition_d: String,
    /// Norm: batch, instance (the default of --model cycle_gan), instance_affine, none.
    #[arg(long, default_value = "batch", value_parser = underscored)]
    pub norm: String,
    /// Norm of the discriminator; --norm's by default.
    #[arg(long = "norm_D", value_parser = underscored)]
    #[serde(rename = "norm_D", default)]
    pub norm_d: Option<String>,
    /// How the generator enlarges: transpose, or a convolution behind nearest or bilinear (no
    /// checkerboard).
    #[arg(long, default_value = "transpose")]
    #[serde(default = "transpose")]
    pub upsample: String,
    /// What stands around a picture in the residual blocks of --netG resnet_*: reflect, replicate,
    /// zero.
    #[arg(long, default_value = "reflect")]
    #[serde(default = "reflect")]
    pub padding_type: String,
    /// How weights begin: normal, xavier, kaiming, orthogonal.
    #[arg(long, default_value = "normal")]
    pub init_type: String,
    /// Scale of the initial weights.
    #[arg(long, default_value_t = 0.02)]
    pub init_gain: f32,
    /// Leave out dropout; --model cycle_gan does so by default.
    #[arg(long)]
    pub no_dropout: bool,
    /// Use dropout where it is left out by default.
    #[arg(long, conflicts_with = "no_dropout")]
    #[serde(skip)]
    pub dropout: bool,
    /// Start the generator from a safetensors file.
    #[arg(long = "init_G", value_name = "FILE")]
    #[serde(default, rename = "init_G", skip_serializing_if = "Option::is_none")]
    pub init_g: Option<PathBuf>,
    /// Start the discriminator from a safetensors file.
    #[arg(long = "init_D", value_name = "FILE")]
    #[serde(default, rename = "init_D", skip_serializing_if = "Option::is_none")]
    pub init_d: Option<PathBuf>,
    /// Start the first generator of --model cycle_gan (from A to B; with --direction BtoA from B to
    /// A) from a safetensors file.
    #[arg(long = "init_G_A", value_name = "FILE")]
    #[serde(default, rename = "init_G_A", skip_serializing_if = "Option::is_none")]
    pub init_g_a: Option<PathBuf>,
    /// The same of the generator that goes back.
    #[arg(long = "init_G_B", value_name = "FILE")]
    #[serde(default, rename = "init_G_B", skip_serializing_if = "Option::is_none")]
    pub init_g_b: Option<PathBuf>,
    /// The same of the discriminator that judges what G_A makes.
    #[arg(long = "init_D_A", value_name = "FILE")]
    #[serde(default, rename = "init_D_A", skip_serializing_if = "Option::is_none")]
    pub init_d_a: Option<PathBuf>,
    /// The same of the one that judges what G_B makes.
    #[arg(long = "init_D_B", value_name = "FILE")]
    #[serde(default, rename = "init_D_B", skip_serializing_if = "Option::is_none")]
    pub init_d_b: Option<PathBuf>,
}

impl NetworkArgs {
    /// Weights that networks start from, by the networks' names.
    pub fn init(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let all = [
            ("G", &self.init_g),
            ("D", &self.init_d),
            ("G_A", &self.init_g_a),
            ("G_B", &self.init_g_b),
            ("D_A", &self.init_d_a),
            ("D_B", &self.init_d_b),
        ];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?)))
    }
}
