//! Training steps by name, for those who measure them.

use clap::ValueEnum;
use pixtape::Result;
use pixtape::run::Options;
use pixtape::run::options::Layer;
use pixtape::train::AnyModel;

/// Steps by name.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Preset {
    #[value(name = "pix2pix-256")]
    Pix2Pix256,
    #[value(name = "pix2pix-128")]
    Pix2Pix128,
    #[value(name = "small")]
    Small,
    #[value(name = "cycle_gan-256")]
    CycleGan256,
    #[value(name = "pix2pixHD-512")]
    Pix2PixHd512,
    #[value(name = "pix2pixHD-1024")]
    Pix2PixHd1024,
}

impl Preset {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Pix2Pix256 => "pix2pix-256",
            Preset::Pix2Pix128 => "pix2pix-128",
            Preset::Small => "small",
            Preset::CycleGan256 => "cycle_gan-256",
            Preset::Pix2PixHd512 => "pix2pixHD-512",
            Preset::Pix2PixHd1024 => "pix2pixHD-1024",
        }
    }

    /// The options that it stands for.
    pub fn layer(self) -> Result<Layer> {
        Layer::of(match self {
            Preset::Pix2Pix256 => &[],
            Preset::Pix2Pix128 => &[
                ("netG", "unet_128"),
                ("ngf", "32"),
                ("ndf", "32"),
                ("load_size", "143"),
                ("crop_size", "128"),
            ],
            Preset::Small => &[
                ("netG", "unet_64"),
                ("ngf", "32"),
                ("ndf", "32"),
                ("load_size", "72"),
                ("crop_size", "64"),
            ],
            Preset::CycleGan256 => &[("model", "cycle_gan")],
            Preset::Pix2PixHd512 => &[("model", "pix2pixHD"), ("load_size", "512")],
            Preset::Pix2PixHd1024 => &[("model", "pix2pixHD")],
        })
    }

    /// The step that it stands for.
    pub fn config(self, batch_size: u32) -> Result<AnyModel> {
        let mut options = Options::from_layers(None, &[&self.layer()?])?;
        options.data.batch_size = batch_size;
        options.resolve_without_data()
    }
}
