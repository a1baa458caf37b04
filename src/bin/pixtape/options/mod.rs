//! Flags: names and defaults of the reference implementation, and a few of our own.

mod commands;
mod files;
mod preset;
#[cfg(test)]
mod tests;
mod train;
mod training;
mod translate;
mod values;

pub(crate) use commands::{
    CompareArgs, DemoArgs, DemoModel, DevArgs, DevicesArgs, EvalArgs, ReportArgs, TuneArgs, dev,
};
pub(crate) use files::{ExportArgs, Format, ImportArgs};
pub(crate) use preset::Preset;
pub(crate) use train::{InfoArgs, ResumeArgs, TalkArgs, TrainCommand};
pub(crate) use training::{Training, hide_apart};
pub(crate) use translate::{Sequence, TranslateArgs};
pub(crate) use values::FamilyName;

use clap::{Parser, Subcommand};

/// Trains and runs pix2pix and CycleGAN on any GPU.
#[derive(Parser, Debug)]
#[command(
    name = "pixtape",
    version,
    about = "Trains and runs pix2pix and CycleGAN on any GPU: hand-written WGSL kernels, no \
             framework.",
    arg_required_else_help = true,
    args_override_self = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Train on pairs of images, on photos, or on two folders without pairs.
    Train(Box<TrainCommand>),
    /// Resume a run from its last checkpoint.
    Resume(Box<ResumeArgs>),
    /// Show what a checkpoint or a run's folder is.
    Info(InfoArgs),
    /// Run a trained generator on images.
    Translate(TranslateArgs),
    /// L1, PSNR and SSIM of a checkpoint on a split, or of two folders of images.
    Eval(EvalArgs),
    /// Rewrite report.html, the page of a run, from what lies in its folder.
    Report(ReportArgs),
    /// Put runs side by side in one page.
    Compare(CompareArgs),
    /// Convert weights of other programs (.pth, .pict) to safetensors.
    Import(ImportArgs),
    /// Write a generator for other programs (safetensors, ONNX), or in fewer bytes.
    Export(ExportArgs),
    /// List adapters and what they offer.
    Devices(DevicesArgs),
    /// Measure kernels, or a training step.
    Bench(super::commands::bench::BenchArgs),
    /// Find the fastest kernels for a training on this device, and keep them.
    Tune(Box<TuneArgs>),
    /// Train a small net on images drawn on the spot, and show its progress.
    Demo(DemoArgs),
    /// Prepare images for training: combine, split, edges, tiles and more.
    Prepare(super::commands::prepare::PrepareArgs),
    /// Tools for people who work on pixtape.
    #[command(hide = true)]
    Dev(DevArgs),
}

/// Upstream's flags that have no meaning here, and whether a value follows.
const IGNORED: &[(&str, bool)] = &[
    ("gpu_ids", true),
    ("display_freq", true),
    ("display_ncols", true),
    ("display_id", true),
    ("display_server", true),
    ("display_env", true),
    ("display_port", true),
    ("display_winsize", true),
    ("update_html_freq", true),
    ("no_html", false),
    ("use_wandb", false),
    ("wandb_project_name", true),
    ("verbose", false),
    ("suffix", true),
];

/// Whether a flag of upstream has no meaning here.
pub(crate) fn is_ignored(name: &str) -> bool {
    IGNORED.iter().any(|(n, _)| *n == name)
}

/// Takes `-` and `_` alike in flag names (a word with blanks is no flag: `bench step --against`
/// takes such), and drops upstream's flags that have no meaning here, with a note for each.
pub(crate) fn normalise(words: impl Iterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut notes) = (Vec::new(), Vec::new());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").filter(|f| !f.is_empty() && !f.contains(' '))
        else {
            kept.push(word);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v)));
        let name = name.replace('-', "_");
        match IGNORED.iter().find(|(n, _)| *n == name) {
            Some((_, takes_value)) => {
                if *takes_value && value.is_none() {
                    words.next_if(|w| !w.starts_with("--"));
                }
                notes.push(format!("--{name} has no meaning here and is ignored"));
            }
            None => {
                kept.push(value.map_or_else(|| format!("--{name}"), |v| format!("--{name}={v}")))
            }
        }
    }
    (kept, notes)
}
