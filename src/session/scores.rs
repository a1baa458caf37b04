//! Metrics of images against their targets.

use crate::io::{Picture, metrics};
use crate::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The metrics of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Its file's name, without extension.
    pub name: String,
    /// Mean absolute difference, from 0 to 1.
    pub l1: f64,
    /// Peak signal-to-noise ratio, in dB.
    pub psnr: f64,
    /// Structural similarity.
    pub ssim: f64,
}

impl Scores {
    /// Measures a result; `path` names it.
    ///
    /// # Errors
    /// [`Error::File`] if the two differ in size or channels.
    pub fn new(path: &Path, result: &Picture, target: &Picture) -> Result<Scores> {
        let named = |e: Error| Error::file(path, e.to_string());
        let [l1, psnr, ssim] = [metrics::l1::<u8>, metrics::psnr, metrics::ssim]
            .map(|metric| metric(result, target).map_err(named));
        Ok(Scores::of(path, [l1?, psnr?, ssim?]))
    }

    /// L1, PSNR and SSIM of the image that `path` names.
    pub fn of(path: &Path, [l1, psnr, ssim]: [f64; 3]) -> Scores {
        Scores { name: stem(path), l1, psnr, ssim }
    }

    /// The means.
    pub fn mean(rows: &[Scores]) -> Scores {
        let of =
            |value: fn(&Scores) -> f64| rows.iter().map(value).sum::<f64>() / rows.len() as f64;
        Scores { name: "mean".into(), l1: of(|r| r.l1), psnr: of(|r| r.psnr), ssim: of(|r| r.ssim) }
    }

    /// As a JSON object. An infinite PSNR (equal images) becomes null: JSON has no infinity.
    pub fn json(&self) -> Value {
        json!({ "name": self.name, "l1": self.l1, "psnr": self.psnr, "ssim": self.ssim })
    }
}

/// Indices of the rows, the largest L1 first; equal ones stay in order.
pub fn worst_first(rows: &[Scores]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_by(|a, b| rows[*b].l1.total_cmp(&rows[*a].l1));
    places
}

/// A file's name without folder and extension.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_worst_come_first_and_the_mean_is_of_all() {
        let row =
            |name: &str, l1: f64| Scores { name: name.into(), l1, psnr: f64::INFINITY, ssim: 1.0 };
        let rows = [row("a", 0.1), row("b", 0.3), row("c", 0.2), row("d", 0.3)];
        assert_eq!(worst_first(&rows), [1, 3, 2, 0]);
        assert_abs_diff_eq!(Scores::mean(&rows).l1, 0.225, epsilon = 1e-12);
        assert_eq!(rows[0].json()["psnr"], Value::Null);
    }
}
