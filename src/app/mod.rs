//! The command line program.

mod bench;
mod config;
mod demo;
mod devices;
mod eval;
mod export;
mod flags;
mod import;
mod info;
mod loader_speed;
mod pipelines;
mod prepare;
mod readers;
mod report;
mod run_folder;
mod samples;
mod scores;
mod starting;
mod tensorboard;
mod train;
mod translate;
mod tune;

pub use readers::READERS;

use crate::error::Result;
use crate::gpu::{Family, Gpu, Request};
use clap::{CommandFactory, FromArgMatches};
use flags::{Cli, Command};
use std::process::ExitCode;

/// Runs the program on the process's own arguments. Exit code 0: done, 1: the user can mend it, 2:
/// our fault.
pub fn main() -> ExitCode {
    let (words, notes) = flags::normalise(std::env::args());
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let words = match config::expand(words, &Cli::command()) {
        Ok(words) => words,
        Err(e) => {
            eprintln!("error: {e}");
            return ExitCode::from(e.exit_code());
        }
    };
    let matches = match Cli::command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    let done = Cli::from_arg_matches(&matches)
        .map_err(|e| crate::Error::Usage(e.to_string()))
        .and_then(|cli| match cli.command {
            Command::Train(args) => train::run(*args, matches.subcommand().map(|(_, m)| m)),
            Command::Resume(args) => {
                args.train().and_then(|args| train::run(args, matches.subcommand().map(|(_, m)| m)))
            }
            Command::Info(args) => info::run(&args),
            Command::Translate(args) => translate::run(&args),
            Command::Eval(args) => eval::run(&args),
            Command::Import(args) => import::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Compare(args) => report::run_compare(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Tune(args) => tune::run(&args, matches.subcommand().map(|(_, m)| m)),
            Command::Demo(args) => demo::run(&args),
            Command::Prepare(args) => prepare::run(&args),
            Command::Dev(args) => flags::dev(&args),
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

/// A training of whichever model the flags say.
type Trainer = crate::train::Training<crate::train::AnyModel>;

/// The device that a command runs on.
fn gpu(adapter: Option<&str>) -> Result<Gpu> {
    gpu_with(adapter, None)
}

/// The same with the tile that `--family` asks for.
fn gpu_with(adapter: Option<&str>, family: Option<&str>) -> Result<Gpu> {
    let family = match family {
        // The number of lanes is the device's own.
        Some("subgroup") => Some(Family::Subgroup(0)),
        Some("register") => Some(Family::Register),
        Some("workgroup") => Some(Family::Workgroup),
        _ => None,
    };
    pollster::block_on(Gpu::request(&Request {
        adapter: adapter.map(String::from),
        family,
        ..Request::default()
    }))
}
