//! Flags: names and defaults of the reference implementation, and a few of our own.

mod commands;
pub(crate) mod config;
mod data;
mod device;
mod files;
mod networks;
mod optimiser;
mod run;
mod train;
mod translate;
mod values;

pub(crate) use commands::{
    CompareArgs, DemoArgs, DevArgs, DevicesArgs, EvalArgs, ReportArgs, TuneArgs, dev,
};
pub(crate) use data::task;
pub(crate) use device::Tune;
pub(crate) use files::{ExportArgs, ImportArgs};
pub(crate) use run::{InfoArgs, ResumeArgs, RunArgs, TalkArgs, TrainCommand};
pub(crate) use train::{CYCLE_GAN, TrainArgs};
pub(crate) use translate::TranslateArgs;
pub(crate) use values::bytes;

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
    /// Train on pairs of pictures, on photos, or on two folders without pairs.
    Train(Box<TrainCommand>),
    /// Go on with a run from its last checkpoint.
    Resume(Box<ResumeArgs>),
    /// Tell what a checkpoint or a run's folder is.
    Info(InfoArgs),
    /// Run a trained generator on pictures.
    Translate(TranslateArgs),
    /// L1, PSNR and SSIM of a checkpoint on a split, or of two folders of pictures.
    Eval(EvalArgs),
    /// Rewrite report.html, the page of a run, from what lies in its folder.
    Report(ReportArgs),
    /// Put runs side by side in one page.
    Compare(CompareArgs),
    /// Turn weights of other programs (.pth, .pict) into safetensors.
    Import(ImportArgs),
    /// Write a generator for other programs (safetensors, ONNX), or in fewer bytes.
    Export(ExportArgs),
    /// List adapters and what they offer.
    Devices(DevicesArgs),
    /// Measure kernels, or a training step.
    Bench(super::commands::bench::BenchArgs),
    /// Find the fastest kernels for a training on this device, and keep them.
    Tune(Box<TuneArgs>),
    /// Train a small net on pictures drawn on the spot, and show how it goes.
    Demo(DemoArgs),
    /// Make pictures ready for training: combine, split, edges, tiles and more.
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn dashes_and_underscores_are_the_same_and_upstreams_extras_are_dropped() {
        let words = [
            "pixtape",
            "train",
            "--no-flip",
            "--batch-size=4",
            "--gpu_ids",
            "0,1",
            "--use-wandb",
            "--name",
            "a-b",
        ];
        let (kept, notes) = normalise(words.iter().map(|w| w.to_string()));
        assert_eq!(kept, ["pixtape", "train", "--no_flip", "--batch_size=4", "--name", "a-b"]);
        assert_eq!(notes.len(), 2);
        let cli =
            Cli::try_parse_from(["pixtape", "train", "--dataroot", "x", "--netG", "unet-128"])
                .unwrap();
        let Command::Train(args) = cli.command else { panic!() };
        assert_eq!(
            (args.train.nets.net_g.as_str(), args.train.nets.ngf, args.train.optim.lambda_l1),
            ("unet_128", 64, 100.0)
        );
    }
}
