//! The command line program: see `pixtape --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // `pixtape devices | head` ends quietly rather than in a panic.
    sigpipe::reset();
    pixtape::app::main()
}
