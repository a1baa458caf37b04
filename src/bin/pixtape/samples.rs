//! Sample grids: the same few pictures after every epoch, input | output | target.

use crate::options::TrainArgs;
use pixtape::Result;
use pixtape::io::dataset::has_phase;
use pixtape::io::{AnyPicture, Dataset, Picture, Sample};
use pixtape::nets::Mode;
use pixtape::ops::NormMode;
use pixtape::plan::{PlanOptions, Progress};
use pixtape::run::Trainer;
use pixtape::train::Translator;
use std::path::Path;

/// Pictures in a grid.
const ROWS: usize = 4;

/// A fixed set of pairs, and generators for their size: one, or both of a cycle.
#[derive(Debug)]
pub(crate) struct Samples {
    dataset: Dataset,
    pairs: Vec<Sample>,
    translators: Vec<Translator>,
    /// Whether a cycle's generators are shown on pictures of their own targets too.
    identity: bool,
}

impl Samples {
    /// Takes the first pairs (or pictures of both sides) of the validation folder, or of the test
    /// or training folder where there are none.
    pub fn new(
        trainer: &Trainer,
        args: &TrainArgs,
        trained: &Dataset,
        plan_options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Samples> {
        let root = args.dataroot()?;
        let options = |phase: &str| pixtape::io::DatasetOptions {
            max_dataset_size: Some(ROWS),
            ..trained.options().plain(phase)
        };
        // A validation folder of other pictures is no reason not to train.
        let same = |d: &Dataset| {
            (d.frame(), d.channels(), d.format())
                == (trained.frame(), trained.channels(), trained.format())
        };
        let held_out = ["val", "test"].into_iter().filter(|phase| has_phase(root, phase));
        let dataset = held_out.filter_map(|phase| Dataset::open(options(phase)).ok()).find(same);
        let dataset = dataset.map_or_else(|| Dataset::open(options(&args.data.phase)), Ok)?;
        let pairs =
            (0..dataset.len().min(ROWS)).map(|i| dataset.pair(1, i)).collect::<Result<_>>()?;
        let mode = Mode { norm: NormMode::Batch, update_running: false, dropout: false };
        let (gpu, store, format, size) =
            (trainer.program().gpu(), trainer.store(), trained.format(), trained.image_size());
        let nets = trainer.best_generators().into_iter();
        let translators = nets
            .map(|net| {
                Translator::with_progress(
                    gpu,
                    store,
                    net,
                    size,
                    mode,
                    format,
                    plan_options.clone(),
                    progress,
                )
            })
            .collect::<Result<_>>()?;
        Ok(Samples { dataset, pairs, translators, identity: args.optim.lambda_identity > 0.0 })
    }

    /// What the generator (from A to B) makes of a sample of a dataset whose pictures are like
    /// those trained on.
    pub async fn translate(&self, dataset: &Dataset, sample: &Sample) -> Result<AnyPicture> {
        made(dataset, &self.translators[0], sample).await
    }

    /// Translates the set and writes the grid: input, output, target; of a cycle real_A, fake_B,
    /// rec_A, idt_B, real_B, fake_A, rec_B, idt_A (the `idt_*` where there are identity terms).
    /// Returns for each generator input, output and target of each sample (another picture of the
    /// target's kind where there are no pairs).
    pub async fn write(&self, path: &Path) -> Result<Vec<Vec<[Picture; 3]>>> {
        let mut judged = vec![Vec::new(); self.translators.len()];
        let mut grid = Vec::new();
        for sample in &self.pairs {
            let row = match self.translators.len() {
                1 => row(&self.dataset, sample, &self.translate(&self.dataset, sample).await?)?
                    .to_vec(),
                _ => self.cycle(sample).await?,
            };
            // In a cycle's row the other direction begins in the middle.
            let half = row.len() / 2;
            match &mut judged[..] {
                [one] => one.push([0, 1, 2].map(|at| row[at].clone())),
                both => both
                    .iter_mut()
                    .zip([[0, 1, half], [half, half + 1, 0]])
                    .for_each(|(of, places)| of.push(places.map(|at| row[at].clone()))),
            }
            grid.push(row);
        }
        Picture::grid(&grid, 4)?.save_png(path)?;
        Ok(judged)
    }

    /// Both directions of a sample: the real picture, what is made of it, what is made back of
    /// that, and what the other generator, which should leave it alone, makes of it.
    async fn cycle(&self, sample: &Sample) -> Result<Vec<Picture>> {
        let mut row = Vec::new();
        for (side, real) in [&sample.input, &sample.target].into_iter().enumerate() {
            let (there, back) = (&self.translators[side], &self.translators[1 - side]);
            let values = self.dataset.encode(real)?;
            let fake = there.run_values(&values, 0, 0).await?;
            row.push(self.dataset.visible(real));
            row.push(self.dataset.visible(&self.dataset.decode_as(fake.clone(), 1 - side)?));
            row.push(
                self.dataset
                    .visible(&self.dataset.decode_as(back.run_values(&fake, 0, 0).await?, side)?),
            );
            if self.identity {
                row.push(self.dataset.visible(
                    &self.dataset.decode_as(back.run_values(&values, 0, 0).await?, side)?,
                ));
            }
        }
        Ok(row)
    }

    /// How the outputs of a cycle's generators go with their inputs: Pearson's correlation of all
    /// gray values of the set; `None` where there is no cycle.
    pub async fn correlations(&self) -> Result<Option<[f64; 2]>> {
        if self.translators.len() < 2 {
            return Ok(None);
        }
        let mut found = [0.0; 2];
        for (side, found) in found.iter_mut().enumerate() {
            let mut points = Vec::new();
            for sample in &self.pairs {
                let real = [&sample.input, &sample.target][side];
                let fake =
                    self.translators[side].run_values(&self.dataset.encode(real)?, 0, 0).await?;
                let [x, y] = [
                    self.dataset.visible(real),
                    self.dataset.visible(&self.dataset.decode_as(fake, 1 - side)?),
                ]
                .map(|p| gray(&p));
                points.extend(x.into_iter().zip(y));
            }
            *found = correlation(&points);
        }
        Ok(Some(found))
    }
}

/// Sums over the channels: whole numbers, so that what does not vary has a variance of exactly 0.
fn gray(picture: &Picture) -> Vec<f64> {
    picture
        .data
        .chunks(picture.channels as usize)
        .map(|pixel| pixel.iter().map(|v| f64::from(*v)).sum())
        .collect()
}

/// Pearson's correlation; NaN where one side does not vary.
fn correlation(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    // Sums first: they are exact for levels, so that the mean of what does not vary is its value.
    let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
    let (mx, my) = (mx / n, my / n);
    let (xy, xx, yy) = points.iter().fold((0.0, 0.0, 0.0), |(xy, xx, yy), (x, y)| {
        let (x, y) = (x - mx, y - my);
        (xy + x * y, xx + x * x, yy + y * y)
    });
    xy / (xx * yy).sqrt()
}

/// What a generator makes of a sample's input, without dropout: a picture that compares with its
/// target.
pub(crate) async fn made(
    dataset: &Dataset,
    translator: &Translator,
    sample: &Sample,
) -> Result<AnyPicture> {
    dataset.decode(translator.run_values(&dataset.encode(&sample.input)?, 0, 0).await?)
}

/// Input, output and target as they are shown.
pub(crate) fn row(dataset: &Dataset, sample: &Sample, output: &AnyPicture) -> Result<[Picture; 3]> {
    Ok([
        dataset.visible_input(sample),
        dataset.visible_output(sample, output)?,
        dataset.visible_output(sample, &sample.target)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_correlate_by_minus_one() {
        let points = |slope: f64| {
            (0..50).map(|i| (f64::from(i % 7), 3.0 + slope * f64::from(i % 7))).collect::<Vec<_>>()
        };
        assert!(
            (correlation(&points(2.0)) - 1.0).abs() < 1e-12
                && (correlation(&points(-0.5)) + 1.0).abs() < 1e-12
        );
        assert!(correlation(&points(0.0)).is_nan());
        let across: Vec<(f64, f64)> =
            (0..6).flat_map(|x| (0..6).map(move |y| (f64::from(x), f64::from(y)))).collect();
        assert!(correlation(&across).abs() < 1e-12);
    }
}
