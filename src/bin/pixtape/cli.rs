//! The command line program.

use crate::commands::{
    bench, demo, devices, eval, export, import, info, prepare, report, train, translate, tune,
};
use crate::messages;
use crate::options::{self, Cli, Command, config};
use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// Runs the program on the process's own arguments. Exit code 0: done, 1: the user can fix it, 2:
/// our fault.
pub fn main() -> ExitCode {
    messages::know(&Cli::command());
    let (words, notes) = options::normalise(std::env::args());
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let words = match config::expand(words, &Cli::command()) {
        Ok(words) => words,
        Err(e) => {
            eprintln!("error: {}", messages::error(&e));
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
        .map_err(|e| pixtape::Error::Usage(e.to_string()))
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
            Command::Compare(args) => report::compare(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Tune(args) => tune::run(&args, matches.subcommand().map(|(_, m)| m)),
            Command::Demo(args) => demo::run(&args),
            Command::Prepare(args) => prepare::run(&args),
            Command::Dev(args) => options::dev(&args),
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {}", messages::error(&e));
            ExitCode::from(e.exit_code())
        }
    }
}
