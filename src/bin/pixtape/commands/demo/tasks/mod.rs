//! What people translate images for, each on images that a program draws: a task is its images,
//! its options, its measure and its words. A new one is a file here and a line in [`task`].

mod colorize;
mod edges;
mod map;
mod night;
mod paintings;
mod pose;
mod text;

pub(super) use paintings::Paintings;

use crate::commands::demo::args::TaskName;
use crate::commands::demo::task::Task;
use pixtape::Result;
use pixtape::gpu::Gpu;

/// The task of a name; none for those that train another model.
pub(super) fn task(name: TaskName, gpu: &Gpu, seed: u64) -> Result<Option<Box<dyn Task>>> {
    Ok(Some(match name {
        TaskName::Colorize => Box::new(colorize::Colorize { seed }),
        TaskName::Edges => Box::new(edges::Edges::new(gpu)?),
        TaskName::Night => Box::new(night::Night),
        TaskName::Map => Box::new(map::Map { to_aerial: false }),
        TaskName::Aerial => Box::new(map::Map { to_aerial: true }),
        TaskName::Pose => Box::new(pose::Figures),
        TaskName::Text => Box::new(text::Text { seed }),
        TaskName::Labels | TaskName::Paintings | TaskName::Zebra | TaskName::Streets => {
            return Ok(None);
        }
    }))
}
