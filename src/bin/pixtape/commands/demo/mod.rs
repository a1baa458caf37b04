//! `pixtape demo`: draws its own images, trains a small network on them, and shows the result.

mod animals;
mod args;
mod draw;
mod draw_animals;
mod facades;
mod page;
mod training;

pub(crate) use args::DemoArgs;
pub(crate) use draw::facade_pair;

use args::DemoModel;
use pixtape::io::create_dir;
use pixtape::{Error, Result};
use training::{PAIRS, SIDE};

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let cycle = args.model == DemoModel::CycleGan;
    let steps = args
        .steps
        .unwrap_or_else(|| if cycle { animals::steps_for(&gpu) } else { facades::steps_for(&gpu) });
    if steps == 0 || steps > u64::from(u32::MAX) {
        return Err(Error::Usage(format!("--steps {steps}: expected from 1 to 2^32 - 1")));
    }
    create_dir(&args.out)?;
    let what = if cycle {
        format!("{PAIRS} drawn horses and {PAIRS} drawn zebras, unpaired")
    } else {
        format!("{PAIRS} drawn facades")
    };
    println!("{} ({} kernels): {steps} steps on {what}, {SIDE}x{SIDE}", gpu.name(), gpu.family());
    let summary =
        if cycle { animals::run(&gpu, args, steps)? } else { facades::run(&gpu, args, steps)? };
    println!("{summary}");
    println!(
        "see {} and {}",
        args.out.join("index.html").display(),
        args.out.join("grid.png").display()
    );
    Ok(())
}
