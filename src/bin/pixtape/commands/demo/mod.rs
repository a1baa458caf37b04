//! `pixtape demo`: draws its own images, trains a small network on them, and shows the result.

mod animals;
mod args;
mod draw;
mod draw_animals;
mod draw_street;
mod facades;
mod page;
mod streets;
mod training;

pub(crate) use args::DemoArgs;
pub(crate) use facades::facade_pair;

use args::DemoModel;
use pixtape::io::create_dir;
use pixtape::{Error, Result};
use training::{PAIRS, SIDE};

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let steps = args.steps.unwrap_or_else(|| match args.model {
        DemoModel::Pix2Pix => facades::steps_for(&gpu),
        DemoModel::CycleGan => animals::steps_for(&gpu),
        DemoModel::Pix2PixHd => streets::steps_for(&gpu),
    });
    if steps == 0 || steps > u64::from(u32::MAX) {
        return Err(Error::Usage(format!("--steps {steps}: expected from 1 to 2^32 - 1")));
    }
    create_dir(&args.out)?;
    let what = match args.model {
        DemoModel::Pix2Pix => format!("{PAIRS} drawn facades, {SIDE}x{SIDE}"),
        DemoModel::CycleGan => {
            format!("{PAIRS} drawn horses and {PAIRS} drawn zebras, unpaired, {SIDE}x{SIDE}")
        }
        DemoModel::Pix2PixHd => streets::what(),
    };
    println!("{} ({} kernels): {steps} steps on {what}", gpu.name(), gpu.family());
    let summary = match args.model {
        DemoModel::Pix2Pix => facades::run(&gpu, args, steps)?,
        DemoModel::CycleGan => animals::run(&gpu, args, steps)?,
        DemoModel::Pix2PixHd => streets::demo(&gpu, args, steps)?,
    };
    println!("{summary}");
    println!(
        "see {} and {}",
        args.out.join("index.html").display(),
        args.out.join("grid.png").display()
    );
    Ok(())
}
