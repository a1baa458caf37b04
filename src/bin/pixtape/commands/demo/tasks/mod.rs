//! What people translate images for, each on images that a program draws: a task is its images,
//! its options, its measure and its words. A new one is a file here and a line in [`task`].

mod colorize;
mod edges;
mod labels;
mod map;
mod night;
mod paintings;
mod pose;
mod text;
mod zebra;

pub(crate) use labels::facade_pair;

use crate::commands::demo::args::TaskName;
use crate::commands::demo::task::Task;
use crate::commands::demo::unpaired::Unpaired;
use pixtape::Result;
use pixtape::gpu::Gpu;

/// A task, by what it trains.
pub(super) enum AnyTask {
    /// pix2pix, on pairs.
    Paired(Box<dyn Task>),
    /// CycleGAN, on two sets.
    Unpaired(Box<dyn Unpaired>),
    /// pix2pixHD, on streets.
    Streets,
}

/// The task of a name.
pub(super) fn task(name: TaskName, gpu: &Gpu, seed: u64) -> Result<AnyTask> {
    let task: Box<dyn Task> = match name {
        TaskName::Labels => Box::new(labels::Labels),
        TaskName::Colorize => Box::new(colorize::Colorize { seed }),
        TaskName::Edges => Box::new(edges::Edges::new(gpu)?),
        TaskName::Night => Box::new(night::Night),
        TaskName::Map => Box::new(map::Map { to_aerial: false }),
        TaskName::Aerial => Box::new(map::Map { to_aerial: true }),
        TaskName::Pose => Box::new(pose::Figures),
        TaskName::Text => Box::new(text::Text { seed }),
        TaskName::Paintings => return Ok(AnyTask::Unpaired(Box::new(paintings::Paintings))),
        TaskName::Zebra => return Ok(AnyTask::Unpaired(Box::new(zebra::Zebra))),
        TaskName::Streets => return Ok(AnyTask::Streets),
    };
    Ok(AnyTask::Paired(task))
}
