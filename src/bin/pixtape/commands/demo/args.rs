//! Flags of `demo`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// pix2pix (facades from labels), cycle_gan (horses and zebras without pairs) or pix2pixHD
    /// (streets from maps of labels and instances, in several looks).
    #[arg(long, value_enum, default_value = "pix2pix")]
    pub model: DemoModel,
    /// Folder for the images and the page.
    #[arg(long, default_value = "demo")]
    pub out: PathBuf,
    /// Seed of images and weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Steps to train, instead of what fits the device.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// What the demo trains.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub(crate) enum DemoModel {
    #[value(name = "pix2pix")]
    Pix2Pix,
    CycleGan,
    #[value(name = "pix2pixHD")]
    Pix2PixHd,
}
