//! How long a training loop waits for images: real files, decoded by the loader of training.

use crate::commands::bench::measure::LR;
use crate::commands::demo::facade_pair;
use pixtape::io::{Dataset, IndexMap, Loader, Picture, Size, create_dir};
use pixtape::run::options::DatasetMode;
use pixtape::run::{Options, Trainer};
use pixtape::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// Number of pairs to draw if no folder is given; a larger batch gets as many as it needs.
const PAIRS: usize = 16;

/// A folder of images to load.
pub(crate) struct Data {
    dataset: Arc<Dataset>,
    threads: usize,
    /// The temporary folder of drawn pairs, deleted afterwards.
    drawn: Option<TempDir>,
}

impl Data {
    /// The folder that the flags name, or drawn pairs of the training size.
    pub fn open(options: &mut Options) -> Result<Data> {
        let drawn = match &options.dataroot {
            Some(_) => None,
            None => Some(draw(options)?),
        };
        if let Some(folder) = &drawn {
            options.dataroot = Some(folder.path().into());
        }
        Ok(Data {
            dataset: Arc::new(Dataset::open(options.dataset()?)?),
            threads: options.data.num_threads,
            drawn,
        })
    }

    /// What is loaded.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Description of the data, for the report.
    pub fn describe(&self) -> String {
        let threads = self.threads;
        match self.drawn {
            Some(_) => format!(
                "{} drawn pairs (--dataroot for others), {threads} threads",
                self.dataset.len()
            ),
            None => format!(
                "{} pairs of {}, {threads} threads",
                self.dataset.len(),
                self.dataset.options().root.display()
            ),
        }
    }

    /// Seconds per step that a loop waits for its batches. The first one, which could not be
    /// decoded ahead, does not count.
    pub fn wait(&self, trainer: &mut Trainer, steps: usize) -> Result<f64> {
        let mut loader = Loader::new(self.dataset.clone(), 1, 0, self.threads)?;
        let mut waited = 0.0;
        for step in 0..=steps {
            let start = Instant::now();
            let batch = loader.next()?;
            if step > 0 {
                waited += start.elapsed().as_secs_f64();
            }
            trainer.step(&batch.values(), LR)?;
        }
        trainer.finish()?;
        Ok(waited / steps.max(1) as f64)
    }
}

/// Draws pairs, A on the left, as files in a temporary folder.
fn draw(options: &Options) -> Result<TempDir> {
    let failed = |e: std::io::Error| {
        Error::file(
            std::env::temp_dir(),
            format!("cannot create a temporary folder: {e}; set TMPDIR, or give --dataroot"),
        )
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    if options.data.dataset_mode == DatasetMode::Labels {
        draw_maps(options, folder.path())?;
        return Ok(folder);
    }
    let phases: Vec<_> = if options.unpaired() { vec!["A", "B"] } else { vec![""] };
    let phases: Vec<_> = phases
        .iter()
        .map(|side| folder.path().join(format!("{}{side}", options.data.phase)))
        .collect();
    phases.iter().try_for_each(std::fs::create_dir_all).map_err(failed)?;
    for index in 0..PAIRS.max(options.data.batch_size as usize) {
        let (left, right) = facade_pair(1, (index % PAIRS) as u64, options.data.crop_size.width);
        match &phases[..] {
            [one] => join(&left, &right)?.save_png(&file(one, index))?,
            sides => sides
                .iter()
                .zip([&left, &right])
                .try_for_each(|(side, picture)| picture.save_png(&file(side, index)))?,
        }
    }
    Ok(folder)
}

/// Draws maps of labels and instances, in blocks, and images.
fn draw_maps(options: &Options, folder: &Path) -> Result<()> {
    let Size { width, height } = options.data.load_size;
    let height = if width == height { height / 2 } else { height };
    let classes = options.hd.label_nc.max(1);
    let map = |value: &dyn Fn(u32, u32) -> u32| {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let data = places.map(|(x, y)| value(8 * x / width, 8 * y / height)).collect();
        IndexMap::new(width, height, data)
    };
    let labels = map(&|x, y| (x + y) % classes)?;
    let instances = map(&|x, y| 8 * y + x)?;
    let phase = &options.data.phase;
    let names = match options.hd.label_nc {
        0 => ["A", "inst", "B"],
        _ => ["label", "inst", "img"],
    };
    let folders = names.map(|name| folder.join(format!("{phase}_{name}")));
    folders.iter().try_for_each(|path| create_dir(path))?;
    for index in 0..PAIRS.max(options.data.batch_size as usize) {
        let [first, second, image] = folders.each_ref().map(|folder| file(folder, index));
        let (left, right) = facade_pair(1, (index % PAIRS) as u64, width);
        match options.hd.label_nc {
            0 => right.crop(0, 0, width, height)?.save_png(&first)?,
            _ => labels.save(&first, 16)?,
        }
        instances.save(&second, 16)?;
        left.crop(0, 0, width, height)?.save_png(&image)?;
    }
    Ok(())
}

fn file(phase: &Path, index: usize) -> std::path::PathBuf {
    phase.join(format!("{index:04}.png"))
}

/// Two images of the same size side by side.
fn join(left: &Picture, right: &Picture) -> Result<Picture> {
    let row = (left.width * left.channels) as usize;
    let data = left
        .data
        .chunks(row)
        .zip(right.data.chunks(row))
        .flat_map(|(l, r)| l.iter().chain(r).copied())
        .collect();
    Picture::new(2 * left.width, left.height, left.channels, data)
}
