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
use crate::commands::demo::paired::Net;
use crate::commands::demo::training::SIDE;
pub(super) use crate::commands::demo::unpaired::levels;
use pixtape::gpu::Gpu;
use pixtape::io::Picture;
use pixtape::picture::PictureValues;
use pixtape::run::Options;
use pixtape::{Error, Result};
use std::ops::Range;

/// A pair to train on or to be held out.
pub(super) struct Pair {
    /// Values of the input, `[64, 64, channels]`.
    pub input: PictureValues,
    /// Values of the target.
    pub target: PictureValues,
    /// Input and target as RGB images.
    pub shown: [Picture; 2],
    /// Number of the drawing, from which a measure may know more about it.
    pub index: u64,
}

impl Pair {
    /// Of two images of 8 bits.
    fn new(index: u64, input: Picture, target: Picture) -> Pair {
        let bytes = |picture: &Picture| PictureValues::Bytes(picture.data.clone());
        let (from, to) = (bytes(&input), bytes(&target));
        let shown = [input, target].map(|picture| picture.into_channels(3));
        Pair { input: from, target: to, shown, index }
    }
}

/// What a task says about itself.
pub(super) struct Words {
    /// The page's heading.
    pub title: &'static str,
    /// What is to be seen, in a paragraph.
    pub about: &'static str,
    /// One line for the terminal.
    pub lead: &'static str,
    /// Steps to the same with one's own images, and their commands.
    pub own: &'static [(&'static str, &'static str)],
}

/// Further images of a page: file, rows, caption.
pub(super) type Extra = (String, Vec<Vec<Picture>>, String);

/// A task on pairs, for pix2pix.
pub(super) trait Task {
    /// What the page says.
    fn words(&self) -> Words;

    /// Pairs that are trained on.
    fn count(&self) -> u64 {
        256
    }

    /// Steps on a CPU, by whatever driver, and on a GPU: by the class of a device and not by its
    /// speed, so that the same seed gives the same images.
    fn steps(&self) -> [u64; 2] {
        [1500, 4000]
    }

    /// Changes the options of the small network that all tasks begin with.
    fn options(&self, _options: &mut Options) {}

    /// Draws pairs of a set. The same arguments give the same bytes.
    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>>;

    /// What a network made, as an RGB image.
    fn shown(&self, _pair: &Pair, made: PictureValues) -> Result<Picture> {
        match made {
            PictureValues::Bytes(bytes) => Picture::new(SIDE, SIDE, 3, bytes),
            PictureValues::Floats(_) => Err(Error::Internal("floats came back".into())),
        }
    }

    /// Numbers that say whether it works, of one image.
    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>>;

    /// More for the page, made by the trained network.
    fn more(&self, _net: &Net<'_>, _seed: u64) -> Result<Vec<Extra>> {
        Ok(Vec::new())
    }
}

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
