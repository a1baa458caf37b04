//! `bench kernels --svg`: speed over arithmetic intensity, below the adapter's measured ceilings.

use crate::commands::bench::probe::Ceilings;
use crate::commands::bench::table::Row;
use pixtape::gpu::Gpu;
use pixtape::io::write_aside;
use pixtape::{Error, Result};
use plotters::coord::Shift;
use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Kinds of operations, in colours that colour-blind people can distinguish (Okabe and Ito's).
const KINDS: [(&str, RGBColor); 6] = [
    ("convolution", RGBColor(0, 114, 178)),
    ("gradient of a convolution's input", RGBColor(86, 180, 233)),
    ("gradient of a convolution's weight", RGBColor(213, 94, 0)),
    ("norm", RGBColor(0, 158, 115)),
    ("elementwise, losses, sums", RGBColor(204, 121, 167)),
    ("Adam", RGBColor(230, 159, 0)),
];

fn kind(op: &str) -> usize {
    match op {
        "adam" => 5,
        _ if op.starts_with("batch_norm") => 3,
        _ if !op.starts_with("conv") => 4,
        _ if op.ends_with("_bwd_w") => 2,
        _ if op.ends_with("_bwd_x") => 1,
        _ => 0,
    }
}

/// Rows with less arithmetic are launches and copies, and would take up half of the plot.
const LEAST_FLOP: u64 = 10_000;

/// A row in the plot.
#[derive(Clone, Copy, Debug)]
struct Point {
    kind: usize,
    /// Index of its batch size among those that were measured.
    batch: usize,
    intensity: f64,
    gflops: f64,
    share: f64,
}

/// The contents of a plot.
#[derive(Clone, Debug)]
struct Plot {
    title: String,
    subtitle: String,
    /// GFLOP/s and GB/s.
    peak: f64,
    copy: f64,
    points: Vec<Point>,
    batches: Vec<u32>,
    /// Rows with hardly any arithmetic are left out.
    left_out: usize,
}

/// Refuses a path that could not be written, before anything is measured.
pub(crate) fn check_path(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; --svg takes the name of a file"));
    }
    if !folder.is_dir() {
        return Err(Error::file(
            path,
            format!(
                "there is no folder {}; create it or correct the path of --svg",
                folder.display()
            ),
        ));
    }
    Ok(())
}

/// Draws the rows into an SVG file.
pub(crate) fn write(path: &Path, gpu: &Gpu, ceilings: Ceilings, rows: &[Row]) -> Result<()> {
    let mut batches: Vec<u32> = rows.iter().map(|r| r.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    let point = |row: &Row| Point {
        kind: kind(row.op),
        batch: batches.iter().position(|b| *b == row.batch).unwrap_or_default(),
        intensity: row.measured.cost.flop as f64 / row.measured.cost.bytes as f64,
        gflops: row.rates().0 / 1e9,
        share: row.share.unwrap_or_default(),
    };
    let points: Vec<Point> =
        rows.iter().filter(|r| r.measured.cost.flop >= LEAST_FLOP).map(point).collect();
    let info = gpu.info();
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    let plot = Plot {
        title: format!("Roofline: {}", gpu.name()),
        subtitle: [
            driver.trim(),
            &format!("{} kernels", gpu.family()),
            &format!("pixtape {}", env!("CARGO_PKG_VERSION")),
            &date(SystemTime::now()),
        ]
        .join(" · "),
        peak: ceilings.flops / 1e9,
        copy: ceilings.bytes / 1e9,
        left_out: rows.len() - points.len(),
        points,
        batches,
    };
    let text = plot.draw().map_err(|e| Error::Internal(format!("the roofline plot: {e}")))?;
    write_aside(path, text.as_bytes())
}

const SIZE: (u32, u32) = (1100, 760);
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);

type Area<'a, C = Shift> = DrawingArea<SVGBackend<'a>, C>;
type Axes = Cartesian2d<LogCoord<f64>, LogCoord<f64>>;
type Drawn<T = ()> = std::result::Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// From the power of ten below the smallest value to the one above the largest, and slightly more,
/// so that the ends have labels.
fn decades(values: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    0.999 * 10f64.powf(least.log10().floor())..1.001 * 10f64.powf(most.log10().ceil())
}

impl Plot {
    fn draw(&self) -> Drawn<String> {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            root.fill(&WHITE)?;
            let style =
                |size: f64, colour: RGBColor| ("sans-serif", size).into_font().color(&colour);
            root.draw(&Text::new(self.title.clone(), (30, 18), style(22.0, INK)))?;
            root.draw(&Text::new(
                self.subtitle.clone(),
                (30, 48),
                style(14.0, RGBColor(90, 90, 90)),
            ))?;
            let ridge = self.peak / self.copy;
            let x = decades(self.points.iter().map(|p| p.intensity).chain([ridge]));
            let y = decades(self.points.iter().map(|p| p.gflops).chain([self.peak]));
            // Room above the ceiling for its label.
            let y = y.start..y.end.max(2.0 * self.peak);
            let mut chart = ChartBuilder::on(&root)
                .margin(12)
                .margin_top(78)
                .margin_right(28)
                .x_label_area_size(54)
                .y_label_area_size(70)
                .build_cartesian_2d(x.clone().log_scale(), y.clone().log_scale())?;
            let short = |v: &f64| format!("{v}");
            chart
                .configure_mesh()
                .bold_line_style(FAINT)
                .light_line_style(FAINT.mix(0.35))
                .axis_style(INK)
                .x_desc("arithmetic intensity, FLOP per byte that must be moved")
                .y_desc("GFLOP/s")
                .x_label_formatter(&short)
                .y_label_formatter(&short)
                .label_style(style(14.0, INK))
                .axis_desc_style(style(15.0, INK))
                .draw()?;
            self.ceilings(chart.plotting_area(), &x, &y, &style(14.0, INK))?;
            // Large marks first, so that none hides another.
            let mut points = self.points.clone();
            points.sort_by(|a, b| b.share.total_cmp(&a.share));
            for p in points {
                mark(
                    &root,
                    chart.backend_coord(&(p.intensity, p.gflops)),
                    p.batch,
                    3.5 + 30.0 * p.share.sqrt(),
                    KINDS[p.kind].1,
                )?;
            }
            self.legend(&root, &style)?;
            root.present()?;
        }
        Ok(text)
    }

    /// The two ceilings, each with its label.
    fn ceilings(
        &self,
        area: &Area<'_, Axes>,
        x: &std::ops::Range<f64>,
        y: &std::ops::Range<f64>,
        font: &TextStyle<'_>,
    ) -> Drawn {
        let ridge = self.peak / self.copy;
        let from = x.start.max(y.start / self.copy);
        let line = [(from, from * self.copy), (ridge, self.peak), (x.end, self.peak)];
        area.draw(&PathElement::new(line.to_vec(), INK.stroke_width(2)))?;
        let right = font.clone().pos(Pos::new(HPos::Right, VPos::Bottom));
        let above = |v: f64| v * 1.06;
        // Right of the ridge, where few marks are, or at the right end if there is no room.
        let (at, side) = if ridge * 30.0 < x.end {
            (ridge * 1.1, HPos::Left)
        } else {
            (x.end * 0.95, HPos::Right)
        };
        let text = format!("multiply-adds, measured: {:.0} GFLOP/s", self.peak);
        area.draw(&Text::new(
            text,
            (at, above(self.peak)),
            font.clone().pos(Pos::new(side, VPos::Bottom)),
        ))?;
        // On the slope's left side, somewhat below its middle.
        let at = (from * ridge).sqrt();
        area.draw(&Text::new(
            format!("copying, measured: {:.1} GB/s", self.copy),
            (at * 0.93, above(at * self.copy)),
            right,
        ))?;
        Ok(())
    }

    fn legend(
        &self,
        root: &Area<'_>,
        style: &dyn Fn(f64, RGBColor) -> TextStyle<'static>,
    ) -> Drawn {
        let used: Vec<usize> =
            (0..KINDS.len()).filter(|k| self.points.iter().any(|p| p.kind == *k)).collect();
        let mut lines: Vec<(String, Option<(usize, RGBColor)>)> =
            used.iter().map(|k| (KINDS[*k].0.to_string(), Some((0, KINDS[*k].1)))).collect();
        if self.batches.len() > 1 {
            lines.extend(
                self.batches
                    .iter()
                    .enumerate()
                    .map(|(at, batch)| (format!("batch {batch}"), Some((at, INK)))),
            );
        }
        lines.push(("area: share of a training step".into(), None));
        if self.left_out > 0 {
            lines.push((format!("not drawn: {} rows of less than 10 kFLOP", self.left_out), None));
        }
        let (width, height) = (290, 22 * lines.len() as i32 + 14);
        let (left, top) = (SIZE.0 as i32 - width - 44, SIZE.1 as i32 - height - 86);
        let corners = [(left, top), (left + width, top + height)];
        root.draw(&Rectangle::new(corners, WHITE.mix(0.9).filled()))?;
        root.draw(&Rectangle::new(corners, RGBColor(200, 200, 200)))?;
        for (row, (text, shown)) in (0..).zip(lines) {
            let y = top + 18 + 22 * row;
            let anchored = style(13.5, INK).pos(Pos::new(HPos::Left, VPos::Center));
            let indent = if shown.is_some() { 32 } else { 12 };
            root.draw(&Text::new(text, (left + indent, y), anchored))?;
            if let Some((batch, colour)) = shown {
                mark(root, (left + 18, y), batch, 5.5, colour)?;
            }
        }
        Ok(())
    }
}

/// A disc, triangle, cross or ring: one for each batch size.
fn mark(root: &Area<'_>, at: (i32, i32), batch: usize, radius: f64, colour: RGBColor) -> Drawn {
    let radius = radius.round() as i32;
    match batch % 4 {
        0 => {
            root.draw(&Circle::new(at, radius, colour.mix(0.6).filled()))?;
            root.draw(&Circle::new(at, radius, colour))
        }
        1 => root.draw(&TriangleMarker::new(at, radius + 1, colour.mix(0.6).filled())),
        2 => root.draw(&Cross::new(at, radius, colour.stroke_width(2))),
        _ => root.draw(&Circle::new(at, radius, colour.stroke_width(2))),
    }
}

/// Year, month and day in UTC.
fn date(now: SystemTime) -> String {
    let days = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / 86_400) as i64;
    // Howard Hinnant's days-to-civil: years begin in March, and eras have 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) =
        (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{}-{month:02}-{day:02}", year + era * 400 + i64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_plot_shows_its_ceilings_its_kinds_and_what_it_leaves_out() {
        let point =
            |kind, batch, intensity, gflops| Point { kind, batch, intensity, gflops, share: 0.1 };
        let plot = Plot {
            title: "Roofline: a <card>".into(),
            subtitle: "driver".into(),
            peak: 123.0,
            copy: 9.5,
            points: vec![
                point(0, 0, 30.0, 40.0),
                point(3, 1, 0.2, 1.5),
                point(5, 2, 0.3, 2.0),
                point(2, 3, 90.0, 1.0),
            ],
            batches: vec![1, 4, 16, 32],
            left_out: 3,
        };
        let text = plot.draw().unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        for part in [
            "a &lt;card&gt;",
            "123 GFLOP/s",
            "9.5 GB/s",
            "convolution",
            "norm",
            "Adam",
            "batch 16",
            "not drawn: 3",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("elementwise"), "only kinds that are there");
    }

    #[test]
    fn dates_are_the_calendars() {
        for (seconds, want) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_767_225_600, "2026-01-01"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), want);
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            check_path(&dir.path().join("plot.svg")).is_ok()
                && check_path(Path::new("plot.svg")).is_ok()
        );
        let message = check_path(&dir.path().join("none/plot.svg")).unwrap_err().to_string();
        assert!(message.contains("no folder") && message.contains("--svg"), "{message}");
        assert!(check_path(dir.path()).is_err());
    }
}
