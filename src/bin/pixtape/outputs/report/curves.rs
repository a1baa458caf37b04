//! Curves of a page: logs thinned to the resolution of a screen, and marks beside them.

use crate::outputs::report::folder::{Columns, Run};
use pixtape::train::{Description, Loss};
use serde_json::{Value, json};

/// Points of a thinned curve; each keeps the mean, minimum and maximum of its interval.
const POINTS: usize = 1500;
/// Points of a speed curve, each the mean of its interval.
const SPEED_POINTS: usize = 240;

/// Charts of a page with the steps they are drawn over.
#[derive(Debug, Default)]
pub(crate) struct Charts {
    /// Lists of steps, each shared by several curves.
    steps: Vec<Value>,
    charts: Vec<Value>,
}

/// One curve of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    name: String,
    /// Index of its list of steps.
    at: usize,
    mean: Vec<f64>,
    /// Minimum and maximum of each interval, if intervals are longer than one step.
    range: Option<(Vec<f64>, Vec<f64>)>,
}

/// Appearance of a chart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// Heading.
    pub title: String,
    /// A sentence below it.
    pub note: String,
    /// Smoothed as the page's slider says; the axis begins at 0, and may be logarithmic.
    pub loss: bool,
    /// The axis begins at 0.
    pub zero: bool,
    /// Horizontal lines: value and name.
    pub lines: Vec<(f64, String)>,
    /// A marked point: step, value, name.
    pub mark: Option<(f64, f64, String)>,
}

impl Charts {
    /// Adds a list of steps with values over it, cut into at most `points` intervals of
    /// equal length.
    pub fn thin(&mut self, steps: &[f64], columns: &[(&str, &[f64])], points: usize) -> Vec<Curve> {
        let stretch = steps.len().div_ceil(points).max(1);
        self.steps.push(steps.chunks(stretch).map(|part| json!(part[part.len() / 2])).collect());
        let at = self.steps.len() - 1;
        let curve = |(name, values): &(&str, &[f64])| {
            let (mut mean, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
            for part in values.chunks(stretch) {
                let finite = || part.iter().copied().filter(|v| v.is_finite());
                // Divided before they are summed, so that values near the largest float do not run
                // over.
                let count = finite().count() as f64;
                mean.push(if count == 0.0 { f64::NAN } else { finite().map(|v| v / count).sum() });
                low.push(finite().fold(f64::NAN, f64::min));
                high.push(finite().fold(f64::NAN, f64::max));
            }
            Curve { name: (*name).into(), at, mean, range: (stretch > 1).then_some((low, high)) }
        };
        columns.iter().map(curve).collect()
    }

    /// A log's columns, thinned.
    pub(crate) fn log(&mut self, log: &Columns, wanted: impl Fn(&str) -> bool) -> Vec<Curve> {
        let columns: Vec<_> = log
            .columns
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, values)| (name.as_str(), values.as_slice()))
            .collect();
        if columns.is_empty() { Vec::new() } else { self.thin(&log.steps, &columns, POINTS) }
    }

    /// Images per second and the share of time waited for data, in percent, over the run.
    pub(crate) fn speed(&mut self, run: &Run) -> Option<[Curve; 2]> {
        let (seconds, waits) = (run.timing.column("seconds")?, run.timing.column("data_wait")?);
        let batch = run.pictures();
        let stretch = seconds.len().div_ceil(SPEED_POINTS).max(1);
        let sums = |values: &[f64]| -> Vec<f64> {
            values.chunks(stretch).map(|part| part.iter().filter(|v| v.is_finite()).sum()).collect()
        };
        let (seconds, waits) = (sums(seconds), sums(waits));
        let counts = run.timing.steps.chunks(stretch).map(|part| part.len() as f64);
        let images: Vec<f64> = counts.zip(&seconds).map(|(n, s)| n * batch / s).collect();
        let share: Vec<f64> = waits.iter().zip(&seconds).map(|(w, s)| 100.0 * w / s).collect();
        self.steps.push(
            run.timing.steps.chunks(stretch).map(|part| json!(part[part.len() / 2])).collect(),
        );
        let curve = |name: &str, mean| Curve {
            name: name.into(),
            at: self.steps.len() - 1,
            mean,
            range: None,
        };
        Some([curve("images per second", images), curve("waiting, %", share)])
    }

    /// Adds a chart; returns its number.
    pub fn add(&mut self, curves: &[Curve], look: &Look) -> usize {
        let series = |c: &Curve| {
            let (low, high) = c
                .range
                .as_ref()
                .map_or((Value::Null, Value::Null), |(low, high)| (shorts(low), shorts(high)));
            json!({ "name": c.name, "x": c.at, "y": shorts(&c.mean), "low": low, "high": high })
        };
        let lines = look.lines.iter().map(|(y, label)| json!({ "y": short(*y), "label": label }));
        let mark = look
            .mark
            .as_ref()
            .map(|(x, y, label)| json!({ "x": x, "y": short(*y), "label": label }));
        self.charts.push(json!({
            "title": look.title,
            "loss": look.loss,
            "zero": look.zero || look.loss,
            "lines": lines.collect::<Vec<_>>(),
            "mark": mark,
            "series": curves.iter().map(series).collect::<Vec<_>>(),
        }));
        self.charts.len() - 1
    }

    /// All of it for the page's script; `epochs` are the first steps of the epochs.
    pub fn data(self, epochs: &[f64]) -> Value {
        json!({ "steps": self.steps, "charts": self.charts, "epochs": epochs })
    }
}

impl Curve {
    /// Under another name.
    pub fn named(mut self, name: &str) -> Curve {
        self.name = name.into();
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Five significant digits, more than a screen can show; null for values that are not finite.
fn short(value: f64) -> Value {
    format!("{value:.4e}").parse::<f64>().map_or(Value::Null, |v| {
        if v.fract() == 0.0 && v.abs() < 1e9 { json!(v as i64) } else { json!(v) }
    })
}

fn shorts(values: &[f64]) -> Value {
    values.iter().map(|v| short(*v)).collect()
}

/// A loss's name with what it measures, where that is known.
pub(crate) fn loss_title(model: &Description, name: &str) -> String {
    model.loss(name).map_or_else(|| name.into(), Loss::title)
}

/// Whether a loss falls as the network learns.
pub(crate) fn falls(model: &Description, name: &str) -> bool {
    model.loss(name).is_some_and(|loss| loss.role.falls())
}

/// A level of chance in words.
pub(crate) fn level_label(level: f64) -> String {
    let value = format!("{level:.3}");
    let value = value.trim_end_matches('0').trim_end_matches('.');
    if (level - std::f64::consts::LN_2).abs() < 1e-9 {
        format!("{value} = ln 2: chance")
    } else {
        format!("{value}: chance")
    }
}

/// Lines for a chart of all adversarial losses, named unless all have the same level.
pub(crate) fn chance_lines(model: &Description) -> Vec<(f64, String)> {
    let levels = model.chance_levels();
    let one = levels.len() == 1;
    let label = |(level, names): (f64, String)| {
        let text = level_label(level);
        (level, if one { text } else { format!("{names} {text}") })
    };
    levels.into_iter().map(label).collect()
}

/// Whether less is better in a metric.
pub(crate) fn less_is_better(metric: &str) -> bool {
    !matches!(metric, "psnr" | "ssim")
}

/// Index of the best of a metric's values.
pub(crate) fn best(metric: &str, values: &[f64]) -> Option<usize> {
    let finite = values.iter().enumerate().filter(|(_, v)| v.is_finite());
    // The first of equal values, which was kept.
    let sign = if less_is_better(metric) { 1.0 } else { -1.0 };
    finite.min_by(|(_, a), (_, b)| (sign * **a).total_cmp(&(sign * **b))).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::train::{Model, Pix2PixConfig};

    #[test]
    fn long_curves_keep_their_extremes() {
        let steps: Vec<f64> = (1..=100_000).map(f64::from).collect();
        let mut values: Vec<f64> = steps.iter().map(|s| (s / 1e4).sin()).collect();
        (values[777], values[55_555]) = (99.0, -7.0);
        values[10..90].fill(f64::NAN);
        let mut charts = Charts::default();
        let curve = charts.thin(&steps, &[("a", &values)], POINTS).remove(0);
        assert!(curve.mean.len() <= POINTS && curve.mean.len() > POINTS / 2);
        let (low, high) = curve.range.clone().unwrap();
        assert_eq!(low.iter().copied().fold(f64::NAN, f64::min), -7.0);
        assert_eq!(high.iter().copied().fold(f64::NAN, f64::max), 99.0);
        assert!(curve.mean[0].is_finite() && curve.mean[1].is_finite());
        charts.add(&[curve], &Look::default());
        let text = charts.data(&[]).to_string();
        assert!(text.len() < 60_000, "{}", text.len());
    }

    #[test]
    fn short_curves_stay_as_they_are_and_what_is_not_finite_is_null() {
        let mut charts = Charts::default();
        let curve = charts
            .thin(&[1.0, 2.0, 3.0], &[("a", &[0.123456789, f64::NAN, 1.23456789e300])], POINTS)
            .remove(0);
        assert!(curve.range.is_none());
        charts.add(&[curve], &Look::default());
        let data = charts.data(&[1.0]);
        assert_eq!(data["charts"][0]["series"][0]["y"], json!([0.12346, null, 1.2346e300]));
        assert_eq!(data["steps"][0], json!([1.0, 2.0, 3.0]));
    }

    #[test]
    fn the_best_is_the_first_lowest_or_highest() {
        assert_eq!(best("l1", &[3.0, f64::NAN, 1.0, 1.0]), Some(2));
        assert_eq!(best("psnr", &[3.0, 9.0, 1.0, 9.0]), Some(1));
        assert_eq!(best("l1", &[f64::NAN]), None);
    }

    #[test]
    fn lines_of_chance_are_named_where_they_differ() {
        let lines = |mode: &str, lambda_gan| {
            let gan_mode = mode.parse().unwrap();
            let config = Pix2PixConfig { gan_mode, lambda_gan, ..Pix2PixConfig::default() };
            chance_lines(&config.describe()).into_iter().map(|l| l.1).collect::<Vec<_>>()
        };
        assert_eq!(lines("vanilla", 1.0), ["0.693 = ln 2: chance"]);
        assert_eq!(lines("lsgan", 1.0), ["0.25: chance"]);
        assert_eq!(lines("hinge", 1.0), ["1: chance"]);
        assert_eq!(lines("lsgan", 2.0), ["G_GAN 0.5: chance", "D_real and D_fake 0.25: chance"]);
        assert!(lines("wgangp", 1.0).is_empty());
    }
}
