//! `pixtape demo`: draws its own images, trains a small network on them, and shows the result.

mod animals;
mod args;
mod draw;
mod draw_animals;
mod draw_figure;
mod draw_house;
mod draw_map;
mod draw_scene;
mod draw_street;
mod facades;
mod page;
mod paired;
mod streets;
mod task;
mod tasks;
mod training;
mod unpaired;

pub(crate) use args::DemoArgs;
pub(crate) use facades::facade_pair;

use args::TaskName;
use pixtape::io::create_dir;
use pixtape::{Error, Result};
use tasks::Paintings;
use training::{PAIRS, SIDE};

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let name = args.task();
    let task = tasks::task(name, &gpu, args.seed)?;
    let steps = args.steps.unwrap_or_else(|| match name {
        TaskName::Labels => facades::steps_for(&gpu),
        TaskName::Zebra | TaskName::Paintings => unpaired::steps_for(&gpu),
        TaskName::Streets => streets::steps_for(&gpu),
        _ => task.as_ref().map_or(0, |task| task.steps()[usize::from(!gpu.is_software())]),
    });
    if steps == 0 || steps > u64::from(u32::MAX) {
        return Err(Error::Usage(format!("--steps {steps}: expected from 1 to 2^32 - 1")));
    }
    create_dir(&args.out)?;
    let what = match name {
        TaskName::Labels => format!("{PAIRS} drawn facades, {SIDE}x{SIDE}"),
        TaskName::Zebra => {
            format!("{PAIRS} drawn horses and {PAIRS} drawn zebras, unpaired, {SIDE}x{SIDE}")
        }
        TaskName::Paintings => {
            format!("{PAIRS} drawn photographs and {PAIRS} paintings, unpaired, {SIDE}x{SIDE}")
        }
        TaskName::Streets => streets::what(),
        _ => {
            let count = task.as_ref().map_or(0, |task| task.count());
            format!("{count} drawn pairs, {SIDE}x{SIDE}")
        }
    };
    println!("{} ({} kernels): {steps} steps on {what}", gpu.name(), gpu.family());
    let summary = match task {
        Some(task) => paired::run(&gpu, args, steps, &*task)?,
        None if name == TaskName::Zebra => animals::run(&gpu, args, steps)?,
        None if name == TaskName::Paintings => unpaired::run(&gpu, args, steps, &Paintings)?,
        None if name == TaskName::Streets => streets::demo(&gpu, args, steps)?,
        None => facades::run(&gpu, args, steps)?,
    };
    println!("{summary}");
    println!(
        "see {} and {}",
        args.out.join("index.html").display(),
        args.out.join("grid.png").display()
    );
    Ok(())
}
