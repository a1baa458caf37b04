//! Sample grids: the same few pictures after every epoch, input | output | target.

use super::flags::TrainArgs;
use crate::error::Result;
use crate::io::{AlignedDataset, AlignedOptions, Picture};
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
    pairs: Vec<(Picture, Picture)>,
    translator: Translator,
}

/// Options for pictures that are shown, not trained on: no crop at random, no mirror, in order.
pub(super) fn plain(options: &AlignedOptions, phase: &str) -> AlignedOptions {
    AlignedOptions { phase: phase.into(), load_size: options.crop_size, flip: false, serial_batches: true, batch_size: 1, ..options.clone() }
}

impl Samples {
    /// Takes the first pairs of the validation folder, or of the test or training folder where there is none.
    pub fn new(trainer: &Pix2Pix, args: &TrainArgs, options: &AlignedOptions, plan_options: PlanOptions, progress: Progress<'_>) -> Result<Samples> {
        let root = args.dataroot()?;
        let phase = ["val", "test"].into_iter().find(|p| root.join(p).is_dir()).unwrap_or(&args.data.phase);
        let c = trainer.config();
        // A validation folder of other sizes is no reason not to train.
        let dataset = AlignedDataset::open(plain(options, phase))
            .ok()
            .filter(|d| d.image_size() == (c.width, c.height))
            .map_or_else(|| AlignedDataset::open(plain(options, &args.data.phase)), Ok)?;
        let pairs = (0..dataset.len().min(ROWS)).map(|i| dataset.pair(1, i).map(|s| (s.input, s.target))).collect::<Result<_>>()?;
        let mode = Mode { norm: NormMode::Batch, update_running: false, dropout: false };
        let gpu = trainer.program().gpu();
        let translator = Translator::with_progress(gpu, trainer.store(), trainer.best_generator(), dataset.image_size(), mode, plan_options, progress)?;
        Ok(Samples { pairs, translator })
    }

    /// What the generator makes of a picture of the set's size.
    pub async fn translate(&self, input: &Picture, output_nc: u32) -> Result<Picture> {
        let bytes = self.translator.run(&input.data, 0, 0).await?;
        Picture::new(input.width, input.height, output_nc, bytes)
    }

    /// Translates the set and writes the grid; returns its rows: input, output, target.
    pub async fn write(&self, output_nc: u32, path: &Path) -> Result<Vec<Vec<Picture>>> {
        let mut rows = Vec::new();
        for (input, target) in &self.pairs {
            rows.push(vec![input.clone(), self.translate(input, output_nc).await?, target.clone()]);
        }
        Picture::grid(&rows, 4)?.save_png(path)?;
        Ok(rows)
    }
}
