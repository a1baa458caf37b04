//! Sample grids: the same few pictures after every epoch, input | output | target.

use super::flags::TrainArgs;
use crate::error::Result;
use crate::io::dataset::has_phase;
use crate::io::{AlignedDataset, AnyPicture, Picture, Sample};
use crate::nets::Mode;
use crate::ops::NormMode;
use crate::plan::{PlanOptions, Progress};
use crate::train::{Pix2Pix, Translator};
use std::path::Path;

/// Pictures in a grid.
const ROWS: usize = 4;

/// A fixed set of pairs and a generator for their size.
#[derive(Debug)]
pub(super) struct Samples {
    dataset: AlignedDataset,
    pairs: Vec<Sample>,
    translator: Translator,
}

impl Samples {
    /// Takes the first pairs of the validation folder, or of the test or training folder where there is none.
    pub fn new(trainer: &Pix2Pix, args: &TrainArgs, trained: &AlignedDataset, plan_options: PlanOptions, progress: Progress<'_>) -> Result<Samples> {
        let root = args.dataroot()?;
        let phase = ["val", "test"].into_iter().find(|p| has_phase(root, p)).unwrap_or(&args.data.phase);
        let options = |phase: &str| crate::io::AlignedOptions { max_dataset_size: Some(ROWS), ..trained.options().plain(phase) };
        // A validation folder of other pictures is no reason not to train.
        let same = |d: &AlignedDataset| (d.frame(), d.channels(), d.format()) == (trained.frame(), trained.channels(), trained.format());
        let dataset = AlignedDataset::open(options(phase)).ok().filter(same).map_or_else(|| AlignedDataset::open(options(&args.data.phase)), Ok)?;
        let pairs = (0..dataset.len().min(ROWS)).map(|i| dataset.pair(1, i)).collect::<Result<_>>()?;
        let mode = Mode { norm: NormMode::Batch, update_running: false, dropout: false };
        let gpu = trainer.program().gpu();
        let (format, size) = (trained.format(), trained.image_size());
        let translator = Translator::with_progress(gpu, trainer.store(), trainer.best_generator(), size, mode, format, plan_options, progress)?;
        Ok(Samples { dataset, pairs, translator })
    }

    /// What the generator makes of a sample of a dataset whose pictures are like those trained on.
    pub async fn translate(&self, dataset: &AlignedDataset, sample: &Sample) -> Result<AnyPicture> {
        made(dataset, &self.translator, sample).await
    }

    /// Translates the set and writes the grid; returns its rows: input, output, target.
    pub async fn write(&self, path: &Path) -> Result<Vec<Vec<Picture>>> {
        let mut rows = Vec::new();
        for sample in &self.pairs {
            let output = self.translate(&self.dataset, sample).await?;
            rows.push(row(&self.dataset, sample, &output)?);
        }
        Picture::grid(&rows, 4)?.save_png(path)?;
        Ok(rows)
    }
}

/// What a generator makes of a sample's input, without dropout: a picture that compares with its target.
pub(super) async fn made(dataset: &AlignedDataset, translator: &Translator, sample: &Sample) -> Result<AnyPicture> {
    dataset.decode(translator.run_values(&dataset.encode(&sample.input)?, 0, 0).await?)
}

/// Input, output and target as they are shown.
pub(super) fn row(dataset: &AlignedDataset, sample: &Sample, output: &AnyPicture) -> Result<Vec<Picture>> {
    Ok(vec![dataset.visible_input(sample), dataset.visible_output(sample, output)?, dataset.visible_output(sample, &sample.target)?])
}
