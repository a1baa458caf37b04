//! Flags of the other commands.

use crate::options::preset::Preset;
use crate::options::training::Training;
use crate::options::values::{FamilyName, TUNE, choice};
use clap::{Args, Subcommand, ValueEnum};
use pixtape::io::{Direction, Preprocess, Size};
use pixtape::ops::NormMode;
use pixtape::run::options::{Choice, Tune};
use std::path::PathBuf;

/// Flags of `tune`: those of a training, and a few more.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", mut_arg("tune", |a| a.hide(true)), mut_arg("continue_train", |a| a.hide(true)))]
pub(crate) struct TuneArgs {
    /// List what is kept.
    #[arg(long, conflicts_with = "clear")]
    pub list: bool,
    /// Delete what is kept.
    #[arg(long)]
    pub clear: bool,
    /// Measure what is kept as well.
    #[arg(long)]
    pub again: bool,
    /// Write the choices to a file, for --tune FILE.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Seconds to measure for, at most about; by default what fits the kind of device.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Convolution tile: subgroup, register, workgroup; the device's own by default.
    #[arg(long)]
    pub family: Option<FamilyName>,
    /// The training.
    #[command(flatten)]
    pub train: Training,
}

/// Flags of `eval`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct EvalArgs {
    /// A run's folder, or a generator's safetensors file, to run on --dataroot.
    #[arg(long, requires = "dataroot", required_unless_present = "results")]
    pub checkpoint: Option<PathBuf>,
    /// Folder of pairs, as for train.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// Folder under --dataroot.
    #[arg(long, default_value = "val")]
    pub phase: String,
    /// AtoB or BtoA: how the pairs are read, and which of the two generators of a run of cycle_gan;
    /// a run's own by default.
    #[arg(long, value_parser = choice::<Direction>())]
    pub direction: Option<Direction>,
    /// Size that images are resized to: a side, or WIDTHxHEIGHT; a run's own by default.
    #[arg(long)]
    pub crop_size: Option<Size>,
    /// resize_and_crop, crop, scale_width, scale_width_and_crop, scale_shortside_and_crop, none; a
    /// run's own by default.
    #[arg(long, value_parser = Preprocess::of_word)]
    pub preprocess: Option<Preprocess>,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// Statistics of the norms: batch (of each image), running, instance.
    #[arg(long, default_value = "batch", value_parser = choice::<NormMode>())]
    pub norm_mode: NormMode,
    /// Two folders of images with the same names: this one against --targets.
    #[arg(long, conflicts_with = "checkpoint", requires = "targets")]
    pub results: Option<PathBuf>,
    /// What --results is compared with.
    #[arg(long)]
    pub targets: Option<PathBuf>,
    /// Print JSON, with a row for each image.
    #[arg(long)]
    pub json: bool,
    /// Images in the table, those with the largest L1 first.
    #[arg(long, default_value_t = 10)]
    pub worst: usize,
    /// Which kernels: auto and cache (measured before), now (measured first), off (a built-in
    /// rule), or a file of `pixtape tune --out`.
    #[arg(long, value_name = TUNE)]
    pub tune: Option<Tune>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Flags of `devices`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevicesArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Run every kernel family against the CPU on each adapter (or on --adapter).
    #[arg(long)]
    pub check: bool,
    /// Adapter: an index, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// pix2pix (facades from labels) or cycle_gan (horses and zebras without pairs).
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
}

/// Flags of `report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// A run's folder.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

/// Flags of `compare`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareArgs {
    /// Folders of runs.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    pub runs: Vec<PathBuf>,
    /// The page.
    #[arg(long, default_value = "compare.html", value_name = "FILE")]
    pub out: PathBuf,
}

/// Flags of `dev`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevArgs {
    #[command(subcommand)]
    pub what: Dev,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Dev {
    /// Print what a shader file expands to.
    Flatten {
        /// File in `shaders`, without extension.
        file: String,
    },
    /// Measure the loader alone: pairs per second through an epoch, decoded and from the cache.
    Loader(Box<Training>),
    /// Print the plan of a training step.
    Plan {
        /// The step.
        preset: Preset,
        /// Recompute activations instead of keeping them.
        #[arg(long)]
        recompute: bool,
    },
}
