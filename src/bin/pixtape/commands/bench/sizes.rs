//! `bench step --sizes --batches`: cost per pixel over image sizes and batch sizes.

use crate::commands::bench::measure::{LR, Timing, about, round, warm_trainer};
use crate::commands::bench::options::StepOptions;
use crate::commands::bench::roofline;
use crate::messages::with_flags;
use pixtape::gpu::Gpu;
use pixtape::io::write_aside;
use pixtape::picture::borrowed;
use pixtape::plan::Clock;
use pixtape::{Error, Result};
use plotters::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Limits of the number of measured steps per size.
const STEPS: std::ops::RangeInclusive<usize> = 2..=100;

/// A measured size and batch size.
#[derive(Clone, Copy, Debug)]
struct Row {
    side: u32,
    batch: u32,
    time: Timing,
    planned: u64,
}

impl Row {
    /// Seconds per pixel and image.
    fn cost(&self) -> f64 {
        self.time.median / f64::from(self.side * self.side * self.batch)
    }

    /// The largest growth of the cost, compared with the next smaller size at the same batch size
    /// and the next smaller batch size at the same size.
    fn growth(&self, rows: &[Row]) -> Option<f64> {
        let smaller = |f: &dyn Fn(&&Row) -> bool| {
            rows.iter().filter(f).max_by_key(|r| (r.side, r.batch)).map(|r| self.cost() / r.cost())
        };
        let by_side = smaller(&|r| r.batch == self.batch && r.side < self.side);
        let by_batch = smaller(&|r| r.side == self.side && r.batch < self.batch);
        by_side.into_iter().chain(by_batch).max_by(f64::total_cmp)
    }

    fn json(&self, rows: &[Row]) -> Value {
        let ns = round(1e9 * self.cost());
        json!({
            "side": self.side, "batch_size": self.batch, "done_ms": self.time.json(),
            "ns_per_pixel": ns, "growth": self.growth(rows).map(round),
            "planned_bytes": self.planned,
        })
    }
}

/// Measures every batch size at every size, the small ones first. What does not fit is reported and
/// left out.
pub(crate) fn run(options: &StepOptions) -> Result<()> {
    let args = &options.args;
    if let Some(path) = &args.svg {
        roofline::check_path(path)?;
    }
    let gpu = options.device().open()?;
    let (mut sizes, mut batches) = (args.sizes.clone(), args.batches.clone());
    if sizes.is_empty() {
        sizes.push(options.train.data.crop_size.width);
    }
    if batches.is_empty() {
        batches.push(options.train.data.batch_size);
    }
    sizes.sort_unstable();
    batches.sort_unstable();
    let mut rows: Vec<Row> = Vec::new();
    if !args.json {
        println!("{} ({} kernels), {}", gpu.name(), gpu.family(), options.train.nets.net_g);
        println!(
            "{:>6}  {:>5}  {:>12}  {:>14}  {:>10}  {:>8}",
            "side", "batch", "ms/step", "ns per pixel", "growth", "MiB"
        );
    }
    for side in sizes {
        for &batch in &batches {
            match measure(&gpu, options, side, batch) {
                Ok(row) => {
                    if !args.json {
                        let growth = row
                            .growth(&rows)
                            .map_or_else(|| "-".into(), |g| format!("{:+.1} %", 100.0 * (g - 1.0)));
                        let (ms, ns, mib) =
                            (1e3 * row.time.median, 1e9 * row.cost(), row.planned >> 20);
                        println!(
                            "{side:>6}  {batch:>5}  {ms:>12.2}  {ns:>14.1}  {growth:>10}  {mib:>8}"
                        );
                    }
                    rows.push(row);
                }
                Err(
                    e @ (Error::MemoryLimit { .. }
                    | Error::OutOfMemory { .. }
                    | Error::Limit { .. }),
                ) => eprintln!("note: {side}x{side}, batch {batch}: {}", with_flags(e)),
                Err(e) => return Err(e),
            }
        }
    }
    if args.json {
        let all: Vec<Value> = rows.iter().map(|r| r.json(&rows)).collect();
        println!(
            "{:#}",
            json!({ "about": about(&gpu), "flags": options.words.join(" "), "rows": all })
        );
    }
    args.svg
        .as_deref()
        .filter(|_| !rows.is_empty())
        .map_or(Ok(()), |path| write(path, &gpu, &options.train.nets.net_g.to_string(), &rows))
}

fn measure(gpu: &Gpu, options: &StepOptions, side: u32, batch_size: u32) -> Result<Row> {
    let config = options.config(Some((side, batch_size)))?;
    let tuned = options.tuned(gpu, &config)?;
    let (mut trainer, planes) = warm_trainer(gpu, config, tuned.options(options.plan()))?;
    let (started, mut done) = (Instant::now(), Vec::new());
    while done.len() < *STEPS.start()
        || (started.elapsed().as_secs_f64() < options.args.seconds && done.len() < *STEPS.end())
    {
        let start = Instant::now();
        trainer.step(&borrowed(&planes), LR)?;
        gpu.wait("step")?;
        done.push(start.elapsed().as_secs_f64());
    }
    let planned = trainer.program().plan().memory().total();
    Ok(Row { side, batch: batch_size, time: Timing::of(done, Clock::Wall), planned })
}

const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];
const INK: RGBColor = RGBColor(40, 40, 40);

/// Draws a line for each batch size: cost per pixel over the side.
fn write(path: &Path, gpu: &Gpu, net: &str, rows: &[Row]) -> Result<()> {
    let text = draw(&format!("Cost of a training step, {net}: {}", gpu.name()), rows)
        .map_err(|e| Error::Internal(format!("the plot of sizes: {e}")))?;
    write_aside(path, text.as_bytes())
}

fn draw(
    title: &str,
    rows: &[Row],
) -> std::result::Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (900, 560)).into_drawing_area();
        root.fill(&WHITE)?;
        let font = |size: f64| ("sans-serif", size).into_font().color(&INK);
        let (least, most) =
            rows.iter().fold((u32::MAX, 0), |(a, b), r| (a.min(r.side), b.max(r.side)));
        let top = rows.iter().map(|r| 1e9 * r.cost()).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(&root)
            .caption(title, font(20.0))
            .margin(16)
            .margin_right(32)
            .x_label_area_size(50)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (f64::from(least) * 0.95..f64::from(most) * 1.05).log_scale().base(2.0),
                0.0..1.1 * top,
            )?;
        let whole = |v: &f64| format!("{v:.0}");
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .axis_style(INK)
            .x_desc("side of the square images, pixels")
            .y_desc("nanoseconds per pixel and image")
            .x_label_formatter(&whole)
            .y_label_formatter(&whole)
            .label_style(font(14.0))
            .axis_desc_style(font(15.0))
            .draw()?;
        let mut batches: Vec<u32> = rows.iter().map(|r| r.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        for (at, batch) in batches.into_iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let points: Vec<(f64, f64)> = rows
                .iter()
                .filter(|r| r.batch == batch)
                .map(|r| (f64::from(r.side), 1e9 * r.cost()))
                .collect();
            let line = LineSeries::new(points, colour.stroke_width(2)).point_size(4);
            chart.draw_series(line)?.label(format!("batch {batch}")).legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(3))
            });
        }
        let corner = SeriesLabelPosition::LowerLeft;
        chart
            .configure_series_labels()
            .position(corner)
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(200, 200, 200))
            .label_font(font(14.0))
            .draw()?;
        root.present()?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(side: u32, batch: u32, ms: f64) -> Row {
        Row { side, batch, time: Timing::of(vec![1e-3 * ms], Clock::Wall), planned: 1 }
    }

    #[test]
    fn growth_is_against_the_next_smaller_size_and_batch() {
        let rows =
            [row(64, 1, 4.096), row(128, 1, 12.288), row(64, 2, 9.0112), row(128, 2, 32.768)];
        let all: Vec<Option<f64>> =
            rows.iter().map(|r| r.growth(&rows).map(|g| (100.0 * g).round())).collect();
        // 1000, 750, 1100 and 1000 ns per pixel.
        assert_eq!(all, [None, Some(75.0), Some(110.0), Some(133.0)]);
    }

    #[test]
    fn the_plot_has_a_line_for_each_batch() {
        let text =
            draw("a <card>", &[row(64, 1, 4.0), row(128, 1, 12.0), row(64, 8, 20.0)]).unwrap();
        for part in ["a &lt;card&gt;", "batch 1", "batch 8", "nanoseconds per pixel"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("batch 2"));
    }
}
