//! Flags of `translate`.

use crate::options::{ReadingArgs, TUNE, choice};
use clap::{Args, ValueEnum};
use pixtape::io::{Direction, LabelEdit, Reading};
use pixtape::ops::NormMode;
use pixtape::run::Checkpoint;
use pixtape::run::options::{Bytes, OnOff, Tune};
use std::path::PathBuf;

/// Flags of `translate`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct TranslateArgs {
    /// A run's folder, or a generator's file: safetensors, .pth of PyTorch, .pict.
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// An image, a folder of images, a pattern ("photos/*.jpg"), or - for standard input.
    #[arg(long)]
    pub input: PathBuf,
    /// Folder for the results, PNGs of the same names; for one image also a file (ending in
    /// .png), or - for standard output.
    #[arg(long)]
    pub output: PathBuf,
    /// Maps of instances that go with label maps (pix2pixHD): a folder whose files are in the order
    /// of those of --input, or a file.
    #[arg(long, value_name = "PATH")]
    pub instances: Option<PathBuf>,
    /// Images whose features the results take over (pix2pixHD with --instance_feat): a folder in
    /// the order of --input, or a file.
    #[arg(long, value_name = "PATH")]
    pub images: Option<PathBuf>,
    /// The encoder of these features, where --checkpoint is a file; a run has its own.
    #[arg(long, value_name = "FILE")]
    pub encoder: Option<PathBuf>,
    /// Take the features of --images, as --images alone does.
    #[arg(long, requires = "images")]
    pub use_encoded_image: bool,
    /// Features by label, as `pixtape features` writes them: each instance gets some of its label.
    /// By default those of the run, where there are no --images.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "encoder"])]
    pub features: Option<PathBuf>,
    /// Give all instances of a label the same of its features, by number: 0 is the most frequent
    /// look. Without it each instance gets its own, by --seed.
    #[arg(long, value_name = "N", conflicts_with_all = ["images", "encoder"])]
    pub style: Option<u64>,
    /// Give an instance of a label map another label, 26001=7, or remove it, 26001=; several with
    /// commas between them. Without maps of instances the numbers are labels.
    #[arg(long, value_name = "INSTANCE=LABEL", value_delimiter = ',')]
    pub edit: Vec<LabelEdit>,
    /// Of several networks in a PyTorch checkpoint the one at this key (dots for nesting): netG,
    /// state_dict.generator. Without it the only generator is taken.
    #[arg(long)]
    pub key: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, alias = "which_epoch", default_value = "latest")]
    pub epoch: String,
    /// AtoB or BtoA: which of the two generators of a run of cycle_gan; by default the direction of
    /// the training.
    #[arg(long, value_parser = choice::<Direction>())]
    pub direction: Option<Direction>,
    /// Statistics of the norms: batch (of each image), running, instance.
    #[arg(long, default_value = "batch", value_parser = choice::<NormMode>())]
    pub norm_mode: NormMode,
    /// Dropout: on (with --seed) or off.
    #[arg(long, default_value = "off", value_parser = choice::<OnOff>())]
    pub dropout: OnOff,
    /// Seed of dropout, and of the looks of instances.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Hold no more than this many rows of an image on the device at a time. By default whole
    /// images, or what --memory_limit allows; the result is the same either way.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub tile: Option<u32>,
    /// The images are frames of a video, in the order of their names: keep the norms' statistics of
    /// the first one, or smooth them from frame to frame, so that nothing flickers.
    #[arg(long, value_enum)]
    pub sequence: Option<Sequence>,
    /// Share of the previous frames in smoothed statistics.
    #[arg(long, default_value_t = 0.9, value_parser = share, requires = "sequence")]
    pub smooth: f64,
    /// Put the input beside each result.
    #[arg(long)]
    pub side_by_side: bool,
    /// Also write one image with a row for each: input, result, and the patch map with --heat.
    #[arg(long, value_name = "FILE")]
    pub grid: Option<PathBuf>,
    /// Also write how the run's discriminator judges each result, NAME_heat.png: dark where it
    /// judges it fake, bright where real.
    #[arg(long)]
    pub heat: bool,
    /// How kernels are chosen: auto and cache (by stored measurements), now (measure them first),
    /// off (by a built-in rule), or a file written by `pixtape tune --out`.
    #[arg(long, value_name = TUNE)]
    pub tune: Option<Tune>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
    /// Use no more device memory than this (bytes; 500MiB and 2GiB are understood): larger images
    /// are processed in strips.
    #[arg(long)]
    pub memory_limit: Option<Bytes>,
}

impl TranslateArgs {
    /// How files of images are read: as in the training, unless flags say otherwise.
    pub fn reading(&self, checkpoint: &Checkpoint) -> Reading {
        self.reading.over(checkpoint.reading())
    }
}

/// What frames keep of the statistics of those before.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sequence {
    First,
    Smooth,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .ok()
        .filter(|s| (0.0..1.0).contains(s))
        .ok_or_else(|| "a share is at least 0 and below 1".into())
}
