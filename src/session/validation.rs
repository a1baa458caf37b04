//! Validation: the metrics of `val/`, the best weights, and when to stop.

use super::samples::{Samples, row};
use super::scores::{Scores, worst_first};
use crate::io::{Dataset, DatasetOptions, Picture};
use crate::run::write_json;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Images in the grid of the worst.
const WORST: usize = 4;

/// The pairs of `val/`, and how the validations went so far.
#[derive(Debug)]
pub struct Validation {
    dataset: Dataset,
    /// The smallest mean L1.
    best: Option<f64>,
    /// Validations since then.
    since: u64,
}

impl Validation {
    /// Opens `val/`, where there is one; `before` are the lines of `validation.jsonl`.
    ///
    /// # Errors
    /// Why it cannot be used, which is no reason not to train.
    pub fn open(
        trained: &Dataset,
        before: &[Value],
    ) -> std::result::Result<Option<Validation>, String> {
        let options = trained.options();
        if !options.has_phase("val") {
            return Ok(None);
        }
        let dataset =
            Dataset::open(DatasetOptions { max_dataset_size: None, ..options.plain("val") })
                .map_err(|e| e.to_string())?;
        let (found, size) = (dataset.frame().content, trained.frame().content);
        if found != size {
            return Err(format!(
                "its images become {}x{}, those trained on {}x{}",
                found.0, found.1, size.0, size.1
            ));
        }
        if (dataset.channels(), dataset.depths()) != (trained.channels(), trained.depths()) {
            return Err("its images have other channels or depths than those trained on".into());
        }
        let mut validation = Validation { dataset, best: None, since: 0 };
        before.iter().filter_map(|row| row["l1"].as_f64()).for_each(|l1| validation.count(l1));
        Ok(Some(validation))
    }

    /// Images in it.
    pub fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Whether a mean L1 is the best so far.
    pub fn is_better(&self, l1: f64) -> bool {
        self.best.is_none_or(|best| l1 < best)
    }

    /// Counts a validation.
    pub fn count(&mut self, l1: f64) {
        if self.is_better(l1) {
            (self.best, self.since) = (Some(l1), 0);
        } else {
            self.since += 1;
        }
    }

    /// Validations since the best one.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Translates an image and measures the result.
    ///
    /// # Errors
    /// [`Error::File`] for an image that cannot be read, and what the device reports.
    pub fn measure(&self, samples: &Samples, index: usize, all: &mut Measured) -> Result<()> {
        let pair = self.dataset.sample(1, index)?;
        let output = pollster::block_on(samples.translate(&self.dataset, &pair))?;
        let figures = self
            .dataset
            .measure(&pair, &output)
            .map_err(|e| Error::file(&pair.path, e.to_string()))?;
        all.rows.push(Scores::of(&pair.path, figures));
        all.worst.push((index, row(&self.dataset, &pair, &output)?.to_vec()));
        let kept = &worst_first(&all.rows)[..WORST.min(all.rows.len())];
        all.worst.retain(|(place, _)| kept.contains(place));
        Ok(())
    }
}

/// What a validation has measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Of each image.
    pub rows: Vec<Scores>,
    /// The worst so far, by index: not all images are kept.
    worst: Vec<(usize, Vec<Picture>)>,
}

impl Measured {
    /// Writes rows and worst cases into a folder.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be written.
    pub fn write(&mut self, folder: &Path, step: u64, epoch: u64) -> Result<()> {
        let Measured { rows, worst } = self;
        let places = &worst_first(rows)[..WORST.min(rows.len())];
        worst.sort_by_key(|(index, _)| places.iter().position(|p| p == index));
        let names: Vec<&str> = places.iter().map(|p| rows[*p].name.as_str()).collect();
        let pictures: Vec<Vec<Picture>> = worst.drain(..).map(|(_, row)| row).collect();
        Picture::grid(&pictures, 4)?.save_png(&folder.join("worst.png"))?;
        write_json(&folder.join("worst.json"), &json!(names))?;
        write_json(
            &folder.join("rows.json"),
            &json!({
                "step": step, "epoch": epoch,
                "rows": rows.iter().map(Scores::json).collect::<Vec<_>>(),
            }),
        )
    }
}
