//! Samples to train on: which files, in which order, cropped how.
//!
//! Nothing here keeps a position. Order and augmentation are functions of (seed, epoch, index), so
//! a run resumed at (epoch, batch) sees what an uninterrupted one sees.

mod cache;
mod coding;
mod describe;
mod entry;
mod frame;
#[cfg(test)]
mod label_tests;
mod labels;
mod layout;
mod mask;
mod options;
mod pairs;
mod plane;
mod prepare;
mod random;
mod rows;
mod scan;
mod slot;
#[cfg(test)]
pub(crate) mod tests;
mod verify;

pub use entry::Misfit;
pub use frame::Frame;
pub use options::{DatasetOptions, Direction, LabelSet, Mask, Preprocess, Presence, Size, Task};
pub use plane::{PlaneData, Sample};
pub use scan::ScanProgress;

use std::path::PathBuf;

use cache::Cache;
use entry::Entry;
use layout::Found;
use mask::Holes;
use random::{CUT, ORDER, Random, TARGET};
use scan::Heads;
use slot::Slot;

use crate::error::shown;
use crate::io::lab;
use crate::io::picture::{AnyPicture, Depth, LeftOut};
use crate::picture::Plane;
use crate::{Error, Result};

/// The samples of one phase: pairs, unpaired images, photos, or label maps with images. Opening
/// reads every file's header, and the pixels of label maps alone.
#[derive(Debug)]
pub struct Dataset {
    options: DatasetOptions,
    entries: Vec<Entry>,
    paths: Vec<PathBuf>,
    /// Of each entry its planes, as they were when it was opened.
    heads: Vec<Heads>,
    /// The planes of its samples.
    slots: Vec<Slot>,
    /// The folder of instances that was looked for and is not there.
    no_instances: Option<PathBuf>,
    /// Files of its folders that are not used.
    left_out: LeftOut,
    /// What its list is worth noting for.
    list_notes: Vec<String>,
    /// Numbers of inputs and targets where they share no pair: entries are first all of the one,
    /// then all of the other.
    unpaired_counts: Option<[usize; 2]>,
    frame: Frame,
    enlarged: usize,
    holes: Option<Holes>,
    cache: Cache,
}

/// What checking a dataset found.
#[derive(Debug)]
pub struct Checked {
    /// Number of samples, whether they fit or not.
    pub samples: usize,
    /// What does not fit.
    pub misfits: Vec<Misfit>,
    /// What to try instead where nothing fits.
    pub advice: Option<String>,
    /// The samples that fit; it may have none, or less than a batch.
    pub dataset: Dataset,
}

impl Dataset {
    /// Lists the files, reads their headers and decides the size of a batch's pictures.
    ///
    /// # Errors
    /// [`Error::File`] for a missing or empty folder (with the layout expected), and for files that
    /// do not fit: the first twenty are named, all are counted. [`Error::Config`] for options that
    /// cannot work together.
    pub fn open(options: DatasetOptions) -> Result<Self> {
        Self::open_with(options, &|_, _| ())
    }

    /// Like [`open`](Self::open), saying how far reading the headers has come.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(options: DatasetOptions, progress: ScanProgress<'_>) -> Result<Self> {
        let Checked { samples, misfits, advice, dataset } = Self::check(options, progress)?;
        scan::report(&dataset.options, samples, &misfits, advice.as_deref())?;
        dataset.fills_a_batch()?;
        Ok(dataset)
    }

    /// What opening would find, and all files that do not fit.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for what does not fit.
    pub fn check(mut options: DatasetOptions, progress: ScanProgress<'_>) -> Result<Checked> {
        options.check()?;
        let no_instances = options.decide_instances();
        let Found { mut entries, mut misfits, advice, left_out, notes: list_notes } =
            layout::find(&options)?;
        let apart = misfits.len();
        if options.task != Task::Unaligned {
            entries.truncate(options.max_dataset_size.unwrap_or(usize::MAX));
        }
        let mut slots = options.slots();
        let heads = scan::read(&options, &slots, &entries, &mut misfits, progress);
        scan::describe(&options, &mut slots, &entries, &heads, &mut misfits);
        let (content, enlarged) = scan::common_size(&options, &entries, &heads, &mut misfits);
        let frame = Frame::new(content, options.multiple_of);
        let holes = match &options.task {
            Task::Inpaint(mask) => Some(Holes::open(mask)?),
            _ => None,
        };
        let samples = entries.len() + apart;
        let fitting = entries.into_iter().zip(heads);
        let (entries, heads): (Vec<_>, Vec<_>) =
            fitting.filter_map(|(entry, heads)| Some((entry, heads?))).unzip();
        let paths = entries.iter().filter(|e| e.has(0)).map(|e| e.path().to_owned()).collect();
        let unpaired_counts = (options.task == Task::Unaligned)
            .then(|| [0, 1].map(|side| entries.iter().filter(|e| e.has(side)).count()));
        let cache = Cache::new(options.cache);
        let dataset = Self {
            options,
            entries,
            paths,
            heads,
            slots,
            no_instances,
            left_out,
            list_notes,
            unpaired_counts,
            frame,
            enlarged,
            holes,
            cache,
        };
        Ok(Checked { samples, misfits, advice, dataset })
    }

    /// Refuses a dataset that has no whole batch.
    ///
    /// # Errors
    /// [`Error::Config`] with the numbers.
    pub fn fills_a_batch(&self) -> Result<()> {
        let (len, what, batch) = (self.len(), self.things(), self.options.batch_size);
        if len >= batch {
            return Ok(());
        }
        let folder = self.options.folder();
        let why = format!(
            "{batch}: the {len} {what} of {} do not fill one batch; lower it or add images",
            shown(&folder)
        );
        Err(Error::config("batch_size", why))
    }

    /// The options it was opened with; of [`Presence::Found`] what was found.
    pub fn options(&self) -> &DatasetOptions {
        &self.options
    }

    /// Number of samples; of the images of the larger side where there are no pairs.
    #[expect(clippy::len_without_is_empty, reason = "open refuses empty folders")]
    pub fn len(&self) -> usize {
        self.unpaired_counts.map_or(self.paths.len(), |sides| sides[0].max(sides[1]))
    }

    /// Numbers of images of the input's side and of the target's, where they share no pair.
    pub fn unpaired_counts(&self) -> Option<[usize; 2]> {
        self.unpaired_counts
    }

    /// The planes of its samples, in their order: `input` and `target`; `A` and `B` where they
    /// share no pair; of [`Task::Labels`] `label` (`input` with 0 classes), `instances` if they are
    /// used, `image`, and `features` if they are.
    pub fn planes(&self) -> Vec<Plane> {
        self.slots.iter().map(|slot| slot.plane(self.format())).collect()
    }

    /// Which of the planes is the image that a generator should make.
    pub fn target(&self) -> usize {
        let place = self.slots.iter().position(|slot| slot.name == "image");
        place.unwrap_or(1)
    }

    /// Whole batches in an epoch, at least 1. Shapes are fixed, so samples that do not fill a batch
    /// are left out; the shuffle leaves out different ones each epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.len() / self.options.batch_size
    }

    /// The file of each pair (or input), sorted; positions in here are what [`order`](Self::order)
    /// shuffles.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Width and height in pixels of what the net sees: [`Frame::padded`].
    pub fn image_size(&self) -> (u32, u32) {
        self.frame.padded
    }

    /// Size of the pictures, and of what the net sees.
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// Channels of the input (of labels the number of classes) and of the target: given, fixed by
    /// the task, or inferred from the files.
    pub fn channels(&self) -> [u32; 2] {
        let input = match self.options.labels() {
            Some(labels) if labels.classes > 0 => labels.classes,
            _ => self.slots[0].channels,
        };
        [input, self.slots[self.target()].channels]
    }

    /// Kinds of the values of what a generator is given as images, and of the target, the deepest
    /// of all files.
    pub fn depths(&self) -> [Depth; 2] {
        let target = self.target();
        let given = self.slots.iter().enumerate().filter(|(place, _)| *place != target);
        let deepest = given.map(|(_, slot)| slot.depth).max();
        [deepest.unwrap_or(Depth::U8), self.slots[target].depth]
    }

    /// Positions into [`paths`](Self::paths) in the order in which `epoch` visits them: a shuffle
    /// that only the seed and the epoch decide, or 0, 1, 2 … with `serial_batches`.
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        if !self.options.serial_batches {
            let mut random = Random::new([self.options.seed, epoch, ORDER]);
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i as u64 + 1) as usize);
            }
        }
        order
    }

    /// The pair at place `index_in_epoch` of the epoch's order. Shuffles anew on each call: to walk
    /// an epoch, take [`order`](Self::order) once and call [`sample`](Self::sample).
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn pair(&self, epoch: u64, index_in_epoch: usize) -> Result<Sample> {
        match self.order(epoch).get(index_in_epoch) {
            Some(&index) => self.sample(epoch, index as usize),
            None => Err(self.no_such(index_in_epoch)),
        }
    }

    /// Decodes the sample of file `index` (a position in [`paths`](Self::paths)) and augments it
    /// for `epoch`: same crop, same mirroring for all its planes.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be decoded or is not what it was when the dataset was
    /// opened; [`Error::Usage`] when there is no such index.
    pub fn sample(&self, epoch: u64, index: usize) -> Result<Sample> {
        if let Some(sides) = self.unpaired_counts {
            return self.unpaired(epoch, index, sides);
        }
        let Some(path) = self.paths.get(index) else {
            return Err(self.no_such(index));
        };
        let mut random = Random::new([self.options.seed, epoch, CUT ^ index as u64]);
        let cuts = self.cut(index, &mut random)?;
        if let Task::Labels(_) = self.options.task {
            let planes = self.slots.iter().map(|slot| slot.name).zip(cuts).collect();
            return Ok(Sample { planes, target: self.target(), path: path.clone() });
        }
        let (input, target) = match (&self.options.task, &cuts[..]) {
            (Task::Aligned, [input, target]) => {
                (input.as_image()?.clone(), target.as_image()?.clone())
            }
            (Task::Colorization, [photo]) => {
                let (light, color) = lab::split(photo.as_image()?.as_8bit()?);
                (AnyPicture::F32(light), AnyPicture::F32(color))
            }
            (Task::Inpaint(_), [photo]) => {
                let (photo, holes) = (photo.as_image()?, self.holes.as_ref());
                let holes = holes.expect("opened with the task");
                (holes.cut(photo, self.options.reading, &mut random)?, photo.clone())
            }
            _ => return Err(Error::Internal(format!("{} planes of pair {index}", cuts.len()))),
        };
        let images = [self.channelled(input, 0, path)?, self.channelled(target, 1, path)?];
        Ok(Sample::pair(self.names(), images, path))
    }

    /// The names of the planes of a pair.
    fn names(&self) -> [&'static str; 2] {
        [self.slots[0].name, self.slots[1].name]
    }

    /// Input `index` and a target of its own choice (in order with `serial_batches`), each cut on
    /// its own. The smaller set starts again at its end.
    fn unpaired(&self, epoch: u64, index: usize, sides: [usize; 2]) -> Result<Sample> {
        if index >= self.len() {
            return Err(self.no_such(index));
        }
        let seed = self.options.seed;
        let [mut a, mut b] =
            [CUT, CUT | TARGET].map(|stream| Random::new([seed, epoch, stream ^ index as u64]));
        let chosen =
            Random::new([seed, epoch, TARGET ^ index as u64]).below(sides[1] as u64) as usize;
        let input = index % sides[0];
        let target = sides[0] + if self.options.serial_batches { index % sides[1] } else { chosen };
        let one = |side: usize, entry: usize, random: &mut Random| -> Result<AnyPicture> {
            let plane = self.cut(entry, random)?.pop().ok_or_else(|| self.no_such(index))?;
            self.channelled(plane.as_image()?.clone(), side, self.entries[entry].path())
        };
        let images = [one(0, input, &mut a)?, one(1, target, &mut b)?];
        Ok(Sample::pair(self.names(), images, &self.paths[input]))
    }

    fn no_such(&self, index: usize) -> Error {
        Error::Usage(format!("pair {index} was asked for, the dataset has {}", self.len()))
    }
}
