//! `pixtape dev`: tools for people who work on pixtape.

use crate::commands::loader_speed;
use crate::options::{Preset, Training};
use clap::{Args, Subcommand};
use pixtape::gpu::Family;
use pixtape::run::{Options, Trainer};
use pixtape::{PlanOptions, Result};

/// Flags of `dev`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevArgs {
    #[command(subcommand)]
    pub what: Dev,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Dev {
    /// Print what a shader file expands to.
    Flatten {
        /// File in `shaders`, without extension.
        file: String,
    },
    /// Measure the loader alone: pairs per second through an epoch, decoded and from the cache.
    Loader(Box<Training>),
    /// Print the plan of a training step.
    Plan {
        /// The step.
        preset: Preset,
        /// Recompute activations instead of keeping them.
        #[arg(long)]
        recompute: bool,
    },
}

/// Runs one of them.
pub(crate) fn run(args: &DevArgs) -> Result<()> {
    match &args.what {
        Dev::Flatten { file } => print!("{}", pixtape::testing::shader::load(file, &[])?.text),
        Dev::Loader(args) => loader_speed::run(&Options::from_layers(None, &[&args.given])?)?,
        Dev::Plan { preset, recompute } => {
            let options = PlanOptions { recompute: *recompute, ..PlanOptions::default() };
            println!("{}", Trainer::plan(&preset.config(1)?, Family::Workgroup, options)?);
        }
    }
    Ok(())
}
