//! `pixtape dev`: tools for people who work on pixtape.

use crate::commands::loader_speed;
use crate::options::{Dev, DevArgs};
use pixtape::gpu::Family;
use pixtape::run::{Options, Trainer};
use pixtape::{PlanOptions, Result};

/// Runs one of them.
pub(crate) fn run(args: &DevArgs) -> Result<()> {
    match &args.what {
        Dev::Flatten { file } => print!("{}", pixtape::shader::load(file, &[])?.text),
        Dev::Loader(args) => loader_speed::run(&Options::from_layers(None, &[&args.given])?)?,
        Dev::Plan { preset, recompute } => {
            let options = PlanOptions { recompute: *recompute, ..PlanOptions::default() };
            println!("{}", Trainer::plan(&preset.config(1)?, Family::Workgroup, options)?);
        }
    }
    Ok(())
}
