//! The command line program.

use crate::commands::{
    bench, demo, devices, eval, export, import, info, prepare, report, train, translate, tune,
};
use crate::messages;
use crate::options::{self, Cli, Command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use std::error::Error as _;
use std::process::ExitCode;

/// Runs the program on the process's own arguments. Exit code 0: done, 1: the user can fix it, 2:
/// our fault.
pub fn main() -> ExitCode {
    messages::know(&Cli::command());
    let (words, notes) = options::normalise(std::env::args());
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let cli = Cli::try_parse_from(words).unwrap_or_else(|e| refuse(&e));
    let done = match cli.command {
        Command::Train(args) => train::run(*args),
        Command::Resume(args) => train::resume(*args),
        Command::Info(args) => info::run(&args),
        Command::Translate(args) => translate::run(&args),
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
        Command::Dev(args) => options::dev(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {}", messages::error(&e));
            ExitCode::from(e.exit_code())
        }
    }
}

/// Prints help, or what is wrong with a flag, and ends the program.
pub(crate) fn refuse(error: &clap::Error) -> ! {
    match one_line(error) {
        Some(line) => eprintln!("error: {line}"),
        None => drop(error.print()),
    }
    std::process::exit(i32::from(error.use_stderr()))
}

/// A value that an option does not take, in the words of the option.
fn one_line(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    };
    let why = error.source().filter(|_| error.kind() == ErrorKind::ValueValidation)?;
    let flag = text(ContextKind::InvalidArg)?.split_whitespace().next()?;
    Some(format!("{flag} {}: {why}", text(ContextKind::InvalidValue)?))
}
