//! `pixtape demo`: draws its own images, trains a small network on them, and shows the result.

mod args;
mod draw;
mod draw_animals;
mod draw_figure;
mod draw_house;
mod draw_map;
mod draw_scene;
mod draw_street;
mod looks;
mod page;
mod paired;
mod streets;
mod task;
mod tasks;
mod training;
mod unpaired;

pub(crate) use args::DemoArgs;
pub(crate) use tasks::facade_pair;

use pixtape::io::create_dir;
use pixtape::{Error, Result};
use tasks::AnyTask;
use training::{PAIRS, SIDE};

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let task = tasks::task(args.task(), &gpu, args.seed)?;
    let (usual, what) = match &task {
        AnyTask::Paired(task) => {
            (task.steps(), format!("{} drawn pairs, {SIDE}x{SIDE}", task.count()))
        }
        AnyTask::Unpaired(task) => {
            let [a, b] = task.names();
            (task.steps(), format!("{PAIRS} drawn {a}s and {PAIRS} {b}s, unpaired, {SIDE}x{SIDE}"))
        }
        AnyTask::Streets => (streets::STEPS, streets::what()),
    };
    // By the class of the device and not by its speed, so that the same seed gives the same images.
    let steps = args.steps.unwrap_or(usual[usize::from(!gpu.is_software())]);
    if steps == 0 || steps > u64::from(u32::MAX) {
        return Err(Error::Usage(format!("--steps {steps}: expected from 1 to 2^32 - 1")));
    }
    create_dir(&args.out)?;
    println!("{} ({} kernels): {steps} steps on {what}", gpu.name(), gpu.family());
    let summary = match task {
        AnyTask::Paired(task) => paired::run(&gpu, args, steps, &*task)?,
        AnyTask::Unpaired(task) => unpaired::run(&gpu, args, steps, &*task)?,
        AnyTask::Streets => streets::demo(&gpu, args, steps)?,
    };
    println!("{summary}");
    println!(
        "see {} and {}",
        args.out.join("index.html").display(),
        args.out.join("grid.png").display()
    );
    Ok(())
}
