//! Sample grids: the same few images after every epoch, in the columns that the model names.

use super::watch::Spread;
use crate::io::{AnyPicture, Dataset, DatasetOptions, Picture, PlaneData, Sample};
use crate::picture::{PictureValues, PlaneValues, borrowed};
use crate::plan::{PlanOptions, Progress};
use crate::run::Trainer;
use crate::train::{Content, Description, Mapping, Translator};
use crate::{Error, Result};

/// Rows of a grid.
const ROWS: usize = 4;

/// A fixed set of samples, and the model's generators for their size.
#[derive(Debug)]
pub struct Samples {
    dataset: Dataset,
    pairs: Vec<Sample>,
    translators: Vec<Translator>,
    model: Description,
}

impl Samples {
    /// Takes the first pairs (or images of both sides) of the validation folder, or of the test or
    /// training folder where there is none.
    pub fn new(
        trainer: &Trainer,
        trained: &Dataset,
        plan_options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Samples> {
        let options = |phase: &str| DatasetOptions {
            max_dataset_size: Some(ROWS),
            ..trained.options().plain(phase)
        };
        // A validation folder of other images is no reason not to train.
        let same = |d: &Dataset| {
            (d.frame(), d.channels(), d.format())
                == (trained.frame(), trained.channels(), trained.format())
        };
        let held_out = ["val", "test"].into_iter().filter(|p| trained.options().has_phase(p));
        let dataset = held_out.filter_map(|phase| Dataset::open(options(phase)).ok()).find(same);
        let dataset =
            dataset.map_or_else(|| Dataset::open(options(&trained.options().phase)), Ok)?;
        let pairs =
            (0..dataset.len().min(ROWS)).map(|i| dataset.pair(1, i)).collect::<Result<_>>()?;
        let (format, size) = (trained.format(), trained.image_size());
        let model = trainer.description().clone();
        let translators = (0..model.generators.len())
            .map(|at| trainer.translator(at, size, format, plan_options.clone(), progress))
            .collect::<Result<_>>()?;
        Ok(Samples { dataset, pairs, translators, model })
    }

    /// Translates a sample (from A to B) of a dataset whose images are like those trained on.
    pub async fn translate(&self, dataset: &Dataset, sample: &Sample) -> Result<AnyPicture> {
        translated(dataset, &self.translators[0], sample).await
    }

    /// Translates the set. Returns the grid, of the columns that the model names, and for each
    /// generator input, output and target of each sample (another image of the target's kind where
    /// there are no pairs).
    pub async fn draw(&self) -> Result<(Picture, Vec<Vec<[Picture; 3]>>)> {
        let mut grid = Vec::new();
        for sample in &self.pairs {
            grid.push(self.columns(sample).await?);
        }
        let picture = Picture::grid(&grid, 4)?;
        let generators = self.model.generators.iter();
        let places = generators.filter_map(|generator| self.places(generator));
        let triples = |places: [usize; 3]| {
            grid.iter().map(|row| places.map(|at| row[at].clone())).collect::<Vec<_>>()
        };
        Ok((picture, places.map(triples).collect()))
    }

    /// Columns of a generator's inputs, of what it makes of them, and of the images that it
    /// imitates.
    fn places(&self, generator: &Mapping) -> Option<[usize; 3]> {
        let columns = &self.model.columns;
        let of = |content: Content| columns.iter().position(|column| column.content == content);
        let input = of(Content::Plane(generator.from))?;
        let output = of(Content::generated(generator.name, columns[input].name))?;
        Some([input, output, of(Content::Plane(generator.to))?])
    }

    /// A row of the grid.
    async fn columns(&self, sample: &Sample) -> Result<Vec<Picture>> {
        // Of each column its name, and the values that a generator may take.
        let mut values: Vec<(&str, PlaneValues)> = Vec::new();
        let mut row = Vec::new();
        for column in &self.model.columns {
            let made = match column.content {
                Content::Plane(plane) => {
                    let plane = sample.plane(plane)?;
                    row.push(match plane {
                        PlaneData::Image(real) if !std::ptr::eq(plane, &sample.planes[0].1) => {
                            self.dataset.visible_output(sample, real)?
                        }
                        other => self.dataset.visible_plane(other)?,
                    });
                    self.dataset.encode_plane(plane)?
                }
                Content::Generated { generator, from } => {
                    let named = |(name, _): &&(&str, PlaneValues)| *name == from;
                    let (_, input) = values.iter().find(named).ok_or_else(|| no_such(from))?;
                    let at = self.model.generators.iter().position(|g| g.name == generator);
                    let at = at.ok_or_else(|| no_such(generator))?;
                    let made = self.generated(at, sample, input).await?;
                    let side = self.side(self.model.generators[at].to);
                    let picture = self.dataset.decode_as(made.clone(), side)?;
                    row.push(match side {
                        0 => self.dataset.visible(&picture),
                        _ => self.dataset.visible_output(sample, &picture)?,
                    });
                    PlaneValues::Image(made)
                }
            };
            values.push((column.name, made));
        }
        Ok(row)
    }

    /// What a generator makes of the values of its first plane, and of the sample's other planes.
    async fn generated(
        &self,
        generator: usize,
        sample: &Sample,
        first: &PlaneValues,
    ) -> Result<PictureValues> {
        let translator = &self.translators[generator];
        let mut planes: Vec<(&'static str, PlaneValues)> = Vec::new();
        for (at, plane) in translator.planes().enumerate() {
            let values = match at {
                0 => first.clone(),
                _ => self.dataset.encode_plane(sample.plane(plane.name)?)?,
            };
            planes.push((plane.name, values));
        }
        translator.run_planes(&borrowed(&planes), 0, 0).await
    }

    /// Which of a sample's planes one is.
    fn side(&self, plane: &str) -> usize {
        let planes = self.dataset.planes();
        planes.iter().position(|p| p.name == plane).unwrap_or(self.dataset.target())
    }

    /// The correlation between each generator's outputs and inputs, by its name: Pearson's, of all
    /// gray values of the set; `None` where there are pairs.
    pub async fn correlations(&self) -> Result<Option<Vec<(&'static str, f64)>>> {
        if self.model.paired {
            return Ok(None);
        }
        let mut found = Vec::new();
        for (generator, translator) in self.model.generators.iter().zip(&self.translators) {
            let mut points = Vec::new();
            let to = self.side(generator.to);
            for sample in &self.pairs {
                let real = sample.image(generator.from)?;
                let fake = translator.run_values(&self.dataset.encode(real)?, 0, 0).await?;
                let fake = self.dataset.decode_as(fake, to)?;
                let [x, y] = [real, &fake].map(|picture| gray(&self.dataset.visible(picture)));
                points.extend(x.into_iter().zip(y));
            }
            found.push((generator.name, correlation(&points)));
        }
        Ok(Some(found))
    }
}

fn no_such(name: &str) -> Error {
    Error::Internal(format!("a column of the sample grid is made of {name}, which is not there"))
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

/// Translates a sample's input, without dropout: an image that can be compared with the sample's
/// target.
///
/// # Errors
/// What the device reports.
pub async fn translated(
    dataset: &Dataset,
    translator: &Translator,
    sample: &Sample,
) -> Result<AnyPicture> {
    let mut planes: Vec<(&'static str, PlaneValues)> = Vec::new();
    for (at, plane) in translator.planes().enumerate() {
        // A generator of one image takes the first, whatever it is called.
        let data = match (at, sample.planes.first()) {
            (0, Some((_, first))) => first,
            _ => sample.plane(plane.name)?,
        };
        planes.push((plane.name, dataset.encode_plane(data)?));
    }
    dataset.decode(translator.run_planes(&borrowed(&planes), 0, 0).await?)
}

/// Input, output and target as they are shown.
pub fn row(dataset: &Dataset, sample: &Sample, output: &AnyPicture) -> Result<[Picture; 3]> {
    Ok([
        dataset.visible_input(sample)?,
        dataset.visible_output(sample, output)?,
        dataset.visible_output(sample, sample.target()?)?,
    ])
}

/// How a sample grid's columns differ.
pub(super) fn spread(rows: &[[Picture; 3]]) -> Spread {
    let deviation = |p: &Picture| {
        let n = p.data.len() as f64;
        let mean = p.data.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        (p.data.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    let difference = |a: &Picture, b: &Picture| {
        a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
            / a.data.len() as f64
    };
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let within = |column: usize| largest(&mut rows.iter().map(|row| deviation(&row[column])));
    let between = |column: usize| {
        largest(&mut rows.iter().skip(1).map(|row| difference(&rows[0][column], &row[column])))
    };
    Spread { within: within(1), targets: within(2), between: between(1), inputs: between(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn negatives_correlate_by_minus_one() {
        let points = |slope: f64| {
            (0..50).map(|i| (f64::from(i % 7), 3.0 + slope * f64::from(i % 7))).collect::<Vec<_>>()
        };
        assert_abs_diff_eq!(correlation(&points(2.0)), 1.0, epsilon = 1e-12);
        assert_abs_diff_eq!(correlation(&points(-0.5)), -1.0, epsilon = 1e-12);
        assert!(correlation(&points(0.0)).is_nan());
        let across: Vec<(f64, f64)> =
            (0..6).flat_map(|x| (0..6).map(move |y| (f64::from(x), f64::from(y)))).collect();
        assert_abs_diff_eq!(correlation(&across), 0.0, epsilon = 1e-12);
    }
}
