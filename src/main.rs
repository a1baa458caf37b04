//! The command line program: see `pixtape --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pixtape::app::main()
}
