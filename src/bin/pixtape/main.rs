//! The command line program: see `pixtape --help`.

mod cli;
mod commands;
mod device;
mod messages;
mod options;
mod outputs;

use std::process::ExitCode;

fn main() -> ExitCode {
    // `pixtape devices | head` ends quietly rather than in a panic.
    sigpipe::reset();
    cli::main()
}
