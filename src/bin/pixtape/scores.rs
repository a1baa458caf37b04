//! How near results are to their targets, picture by picture: what `eval` prints and what a
//! training's validation keeps.

use pixtape::io::{Picture, metrics};
use pixtape::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The figures of one picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub name: String,
    pub l1: f64,
    pub psnr: f64,
    pub ssim: f64,
}

impl Row {
    /// Measures a result; `path` names it.
    pub fn new(path: &Path, result: &Picture, target: &Picture) -> Result<Row> {
        let named = |e: Error| Error::file(path, e.to_string());
        let [l1, psnr, ssim] = [metrics::l1::<u8>, metrics::psnr, metrics::ssim]
            .map(|metric| metric(result, target).map_err(named));
        Ok(Row::of(path, [l1?, psnr?, ssim?]))
    }

    /// L1, PSNR and SSIM of the picture that `path` names.
    pub fn of(path: &Path, [l1, psnr, ssim]: [f64; 3]) -> Row {
        Row { name: stem(path), l1, psnr, ssim }
    }

    /// The means.
    pub fn mean(rows: &[Row]) -> Row {
        let of = |value: fn(&Row) -> f64| rows.iter().map(value).sum::<f64>() / rows.len() as f64;
        Row { name: "mean".into(), l1: of(|r| r.l1), psnr: of(|r| r.psnr), ssim: of(|r| r.ssim) }
    }

    /// An infinite PSNR (equal pictures) becomes null: JSON has no word for it.
    pub fn json(&self) -> Value {
        json!({ "name": self.name, "l1": self.l1, "psnr": self.psnr, "ssim": self.ssim })
    }
}

/// Places of the rows, the largest L1 first; equal ones stay in order.
pub(crate) fn worst_first(rows: &[Row]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_by(|a, b| rows[*b].l1.total_cmp(&rows[*a].l1));
    places
}

/// A table of `worst` pictures, the largest L1 first, then the means.
pub(crate) fn table(rows: &[Row], worst: usize) -> String {
    let shown = &worst_first(rows)[..worst.min(rows.len())];
    let width = shown.iter().map(|i| rows[*i].name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!("{:width$}  {:>8}  {:>9}  {:>7}\n", "picture", "L1", "PSNR", "SSIM");
    let mut line = |r: &Row| {
        text += &format!("{:width$}  {:>8.5}  {:>6.2} dB  {:>7.4}\n", r.name, r.l1, r.psnr, r.ssim)
    };
    shown.iter().for_each(|i| line(&rows[*i]));
    let left_out = rows.len() - shown.len();
    line(&Row { name: "mean".into(), ..Row::mean(rows) });
    if left_out > 0 && worst > 0 {
        text += &format!(
            "the worst {} of {} pictures; --worst N shows more or fewer\n",
            shown.len(),
            rows.len()
        );
    } else {
        text += &format!("{} pictures\n", rows.len());
    }
    text
}

pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_the_mean_is_of_all() {
        let row =
            |name: &str, l1: f64| Row { name: name.into(), l1, psnr: f64::INFINITY, ssim: 1.0 };
        let rows = [row("a", 0.1), row("b", 0.3), row("c", 0.2), row("d", 0.3)];
        assert_eq!(worst_first(&rows), [1, 3, 2, 0]);
        let text = table(&rows, 2);
        let names: Vec<&str> = text.lines().map(|l| l.split_whitespace().next().unwrap()).collect();
        assert_eq!(names, ["picture", "b", "d", "mean", "the"]);
        assert!(text.contains("0.22500") && text.contains("worst 2 of 4"), "{text}");
        assert!(table(&rows, 9).contains("4 pictures"));
        assert_eq!(rows[0].json()["psnr"], Value::Null);
    }
}
