//! The command line.

use clap::Parser;
use std::path::PathBuf;

/// Compiles the kernels that a GPU takes with real GPU compilers, on a machine without a GPU, and
/// shows what they made of them.
#[derive(Parser, Debug)]
#[command(name = "benches/static/run", version)]
pub struct Args {
    /// Only kernels whose name contains one of these.
    #[arg(value_name = "KERNEL")]
    pub kernels: Vec<String>,
    /// Also the compilers of Mesa 26 (fetched from Debian sid once, about 350 MB).
    #[arg(long)]
    pub all: bool,
    /// Only these targets; see --list.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub target: Vec<String>,
    /// List targets and kernels.
    #[arg(long)]
    pub list: bool,
    /// Show the listing of the kernel whose name contains this, its hot loop marked: `>` a read
    /// from memory, `!` a wait for one with no arithmetic before it, `|` the rest of the loop.
    #[arg(long, value_name = "KERNEL")]
    pub isa: Option<String>,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Show what changed since this file was written.
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Hold the kernels against benches/static/budget.toml: fails where one takes more.
    #[arg(long)]
    pub budget: bool,
    /// Write that file anew from today's figures; reasons stay.
    #[arg(long, conflicts_with = "budget")]
    pub write_budget: bool,
    /// No tables.
    #[arg(long, short)]
    pub quiet: bool,
    /// Where Mesa 26 is unpacked.
    #[arg(long, hide = true, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Compile for the target that the environment selects, and print for the caller.
    #[arg(long, hide = true, value_name = "NAME")]
    pub worker: Option<String>,
}
