//! What a task on pairs is: what it draws, says and measures, and the trained net that it may use.

use crate::commands::demo::training::SIDE;
use pixtape::gpu::Gpu;
use pixtape::io::Picture;
use pixtape::nets::Mode;
use pixtape::ops::NormMode;
use pixtape::picture::{PictureFormat, PictureValues, Values};
use pixtape::plan::PlanOptions;
use pixtape::run::Options;
use pixtape::train::{Pix2Pix, Strips, Translator};
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
    pub fn new(index: u64, input: Picture, target: Picture) -> Pair {
        let bytes = |picture: &Picture| PictureValues::Bytes(picture.data.clone());
        let (from, to) = (bytes(&input), bytes(&target));
        let shown = [input, target].map(|picture| picture.into_channels(3));
        Pair { input: from, target: to, shown, index }
    }

    /// The input as a file that the network reads, where it is an image.
    pub fn image(&self) -> Result<Option<Picture>> {
        let PictureValues::Bytes(bytes) = &self.input else { return Ok(None) };
        let channels = bytes.len() as u32 / (SIDE * SIDE);
        if channels > 3 {
            return Ok(None);
        }
        Picture::new(SIDE, SIDE, channels, bytes.clone()).map(Some)
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
    pub commands: &'static [(&'static str, &'static str)],
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

    /// Steps on a CPU and on a GPU.
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

/// The trained net, as a task may use it.
pub(super) struct Net<'a> {
    pub task: &'a dyn Task,
    pub trainer: &'a Pix2Pix,
    pub translator: &'a Translator,
}

impl Net<'_> {
    /// What the net makes of a pair's input, as it is shown.
    pub fn run(&self, pair: &Pair) -> Result<Picture> {
        let input = values(&pair.input);
        let made = pollster::block_on(self.translator.run_planes(&[("input", input)], 0, 0))?;
        self.task.shown(pair, made)
    }

    /// Its device.
    pub fn gpu(&self) -> &Gpu {
        self.trainer.program().gpu()
    }

    /// The steps it was trained for.
    pub fn steps(&self) -> u64 {
        self.trainer.steps()
    }

    /// What it makes of an RGB image of any size, in strips of so many rows.
    pub fn large(&self, image: &Picture, rows: u32) -> Result<Picture> {
        let (trainer, size) = (self.trainer, (image.width, image.height));
        let (gpu, store, net) = (trainer.program().gpu(), trainer.store(), trainer.generator());
        let (mode, options) = (Mode::run(NormMode::Batch, false), PlanOptions::default());
        let strips = Strips::new(gpu, store, net, mode, PictureFormat::Bytes, rows, options)?;
        let (values, _) = pollster::block_on(strips.run(Values::Bytes(&image.data), size, None))?;
        let byte = |v: &f32| ((v + 1.0) * 127.5 + 0.5).clamp(0.0, 255.0) as u8;
        Picture::new(size.0, size.1, 3, values.iter().map(byte).collect())
    }
}

fn values(of: &PictureValues) -> Values<'_> {
    of.into()
}
