//! The command line program.

#[cfg(test)]
mod tests;

use crate::commands::{
    bench, demo, dev, devices, eval, export, features, import, info, prepare, report, train,
    translate, tune,
};
use crate::messages;
use crate::options::{normalise, refuse};
use crate::print;
use crate::signals::{self, Listens};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

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
    /// Train on pairs of images, on photos, or on unpaired image sets.
    Train(Box<train::TrainCommand>),
    /// Resume a run from its last checkpoint.
    Resume(Box<train::ResumeArgs>),
    /// Show what a checkpoint or a run's folder holds.
    Info(info::InfoArgs),
    /// Run a trained generator on images.
    Translate(translate::TranslateArgs),
    /// Collect the looks of things by label, for translate (pix2pixHD).
    Features(features::FeaturesArgs),
    /// Measure L1, PSNR and SSIM of a checkpoint on a split, or between two folders of images.
    Eval(eval::EvalArgs),
    /// Rewrite report.html, the page of a run, from the files in its folder.
    Report(report::ReportArgs),
    /// Compare runs side by side on one page.
    Compare(report::CompareArgs),
    /// Convert weights from other programs (.pth, .pict) to safetensors.
    Import(import::ImportArgs),
    /// Export a generator for other programs (safetensors, ONNX), or in fewer bytes.
    Export(export::ExportArgs),
    /// List adapters and what they offer.
    Devices(devices::DevicesArgs),
    /// Measure kernels, or a training step.
    Bench(bench::BenchArgs),
    /// Find the fastest kernels for a training on this device, and store them.
    Tune(Box<tune::TuneArgs>),
    /// Train a small network on images that it draws, and show its progress.
    Demo(demo::DemoArgs),
    /// Prepare images for training: combine, split, edges, tiles and more.
    Prepare(prepare::PrepareArgs),
    /// Tools for people who work on pixtape.
    #[command(hide = true)]
    Dev(dev::DevArgs),
}

/// Runs the program on the process's own arguments. Exit code 0: done, 1: the user can fix it, 2:
/// our fault.
pub fn main() -> ExitCode {
    messages::know(&Cli::command());
    let (words, notes) = normalise(std::env::args_os());
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let cli = Cli::try_parse_from(words).unwrap_or_else(|e| refuse(&e));
    match &cli.command {
        // Hours of work are worth more than who listens to it.
        Command::Train(_) | Command::Resume(_) => {
            print::go_on();
            signals::listen(Listens::WithWarnings);
        }
        // `pixtape devices | head` ends quietly.
        _ => {
            sigpipe::reset();
            signals::listen(Listens::ToEnds);
        }
    }
    let done = match cli.command {
        Command::Train(args) => train::run(*args),
        Command::Resume(args) => train::resume(*args),
        Command::Info(args) => info::run(&args),
        Command::Translate(args) => translate::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => report::compare(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Prepare(args) => prepare::run(&args),
        Command::Dev(args) => dev::run(&args),
    };
    match (done, print::failure()) {
        (Ok(()), None) => signals::exit_code(),
        (Ok(()), Some(e)) => {
            eprintln!("error: stdout cannot be written: {e}; the output is not whole");
            ExitCode::FAILURE
        }
        (Err(e), _) => {
            eprintln!("error: {}", messages::error(&e));
            ExitCode::from(e.exit_code())
        }
    }
}
