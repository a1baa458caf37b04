//! The command line program: see `pixtape --help`.

// First: its macros count in all modules below.
#[macro_use]
mod print;

mod cli;
mod commands;
mod device;
mod many;
mod messages;
mod options;
mod outputs;
mod patterns;
mod signals;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
