//! `pixtape bench`: times of the kernels and of a whole training step on a device.

mod against;
mod compare;
mod data;
mod flags;
mod kernels;
mod maps;
mod measure;
mod memory;
mod model;
mod options;
mod probe;
mod problem;
mod roofline;
mod sizes;
mod step;
mod table;
mod whereto;

pub(crate) use flags::BenchArgs;

use flags::What;
use pixtape::Result;

/// Runs one of the benches.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("note: this is a debug build; host times are not meaningful");
    }
    match &args.what {
        What::Kernels(args) => kernels::run(args),
        What::Step(words) => step::run(&words.words),
        What::Memory(words) => memory::run(&words.words),
        What::Model(args) => model::run(args),
    }
}
