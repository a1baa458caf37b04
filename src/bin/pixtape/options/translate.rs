//! Flags of `translate`.

use crate::options::device::{Tune, tune};
use crate::options::values::bytes;
use clap::Args;
use std::path::PathBuf;

/// Flags of `translate`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct TranslateArgs {
    /// A run's folder, or a generator's file: safetensors, .pth of PyTorch, .pict.
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// A picture, a folder of pictures, a pattern ("photos/*.jpg"), or - for standard input.
    #[arg(long)]
    pub input: PathBuf,
    /// Folder for the results, PNGs of the same names; for one picture also a file (ending in
    /// .png), or - for standard output.
    #[arg(long)]
    pub output: PathBuf,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// AtoB or BtoA: which of the two generators of a run of cycle_gan; by default the way the run
    /// was trained to go first.
    #[arg(long, value_parser = ["AtoB", "BtoA"])]
    pub direction: Option<String>,
    /// Statistics of the norms: batch (of each picture), running, instance.
    #[arg(long, default_value = "batch", value_parser = ["batch", "running", "instance"])]
    pub norm_mode: String,
    /// Dropout: on (with --seed) or off.
    #[arg(long, default_value = "off", value_parser = ["on", "off"])]
    pub dropout: String,
    /// Seed of dropout.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Have no more than this many rows of a picture on the device at a time. By default whole
    /// pictures, or what --memory_limit allows; the result is the same either way.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub tile: Option<u32>,
    /// The pictures are frames of a film, in the order of their names: keep the norms' statistics
    /// of the first one, or smooth them from frame to frame, so that nothing flickers.
    #[arg(long, value_parser = ["first", "smooth"])]
    pub sequence: Option<String>,
    /// Share of the frames before in smoothed statistics.
    #[arg(long, default_value_t = 0.9, value_parser = share, requires = "sequence")]
    pub smooth: f64,
    /// Put the input beside each result.
    #[arg(long)]
    pub side_by_side: bool,
    /// Also write one picture with a row for each: input, result, and the patch map with --heat.
    #[arg(long, value_name = "FILE")]
    pub grid: Option<PathBuf>,
    /// Also write what the run's discriminator makes of each result, NAME_heat.png: dark where it
    /// is taken for made, bright where for real.
    #[arg(long)]
    pub heat: bool,
    /// Which kernels: auto and cache (measured before), now (measured first), off (a built-in
    /// rule), or a file of `pixtape tune --out`.
    #[arg(long, value_parser = tune, value_name = "auto|off|cache|now|FILE")]
    pub tune: Option<Tune>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
    /// Use no more device memory than this (bytes; 500MiB and 2GiB are understood): what is larger
    /// goes in strips.
    #[arg(long, value_parser = bytes)]
    pub memory_limit: Option<u64>,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .ok()
        .filter(|s| (0.0..1.0).contains(s))
        .ok_or_else(|| "a share is at least 0 and below 1".into())
}
