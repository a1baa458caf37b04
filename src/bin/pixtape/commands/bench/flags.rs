//! Flags of `bench`.

use crate::commands::bench::options::StepWords;
use crate::options::{FamilyName, Preset};
use clap::{Args, Subcommand};
use pixtape::run::options::Bytes;
use std::path::PathBuf;

/// Flags of `bench`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum What {
    /// Measure every operation at the layer sizes of pix2pix-256, pix2pix-128 and cycle_gan-256,
    /// and those on maps at 1024x512.
    Kernels(KernelsArgs),
    /// A whole training step: its time, its parts, or two sets of options compared.
    #[command(disable_help_flag = true)]
    Step(StepWords),
    /// Device memory that a training step takes, with and without --recompute, planned without a
    /// device. Takes the flags of step.
    #[command(disable_help_flag = true)]
    Memory(StepWords),
    /// What a training step would take on GPUs that are not here: a model from the plan and from
    /// what compilers make of its kernels, or with --measure beside what it takes here.
    Model(ModelArgs),
}

/// Flags of `bench model`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct ModelArgs {
    /// The step.
    #[arg(long, value_enum, default_value = "pix2pix-256")]
    pub preset: Preset,
    /// Images per step.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_size: u32,
    /// Only these GPUs of the table: "RTX 3060,Apple M2".
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub gpu: Vec<String>,
    /// Registers and loops of the kernels, as benches/static/run --json writes them [default: as
    /// they were when this program was made].
    #[arg(long, value_name = "FILE")]
    pub counts: Option<PathBuf>,
    /// Measure the step on the adapter too, part by part.
    #[arg(long)]
    pub measure: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Adapter to measure on: an index of `pixtape devices`, or part of a name.
    #[arg(long, requires = "measure")]
    pub adapter: Option<String>,
}

/// Flags of `bench kernels`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct KernelsArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Draw a roofline plot into this file (SVG).
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Compare with the times of an earlier --json, largest slowdown first.
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Rows whose name, or net and name, match this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub only: Option<String>,
    /// Images per step, one or more: 1,4,16.
    #[arg(long, default_value = "1", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_size: Vec<u32>,
    /// Longest time to measure each row, in seconds.
    #[arg(long, default_value_t = 1.0)]
    pub seconds: f64,
    /// Skip what needs more device memory than this (bytes; 500MiB and 2GiB are understood).
    #[arg(long)]
    pub memory_limit: Option<Bytes>,
    /// Convolution tile: subgroup, register, workgroup; the device's own by default.
    #[arg(long)]
    pub family: Option<FamilyName>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}
