//! The demo's page: one `index.html` that shows images, loss curves and facts, with nothing
//! fetched from elsewhere.
//!
//! Curves are inline SVG: an axis, a faint line of the measured values and a strong one smoothed
//! over them, since GAN losses jump. Values that are not finite are left out of the curves and
//! mentioned below them, never written into a path.

use crate::commands::demo::training::{ENLARGED, enlarge};
use crate::outputs::report::html::{escape, facts, put};
use pixtape::Result;
use pixtape::io::Picture;
use pixtape::train::Losses;
use std::fmt::Write;
use std::path::Path;

/// Contents of the page.
pub struct DemoPage<'a> {
    /// The heading, plain text.
    pub title: &'a str,
    /// What is to be seen, plain text; may be empty.
    pub about: &'a str,
    /// Adapter and driver, plain text.
    pub device: &'a str,
    /// Images beside the page.
    pub figures: &'a [Figure],
    /// Titles of charts and the losses in each, at most four.
    pub charts: &'a [(&'a str, &'a [&'a str])],
    /// The losses of every step.
    pub losses: &'a [Losses],
    /// Titles of tables, and names and values.
    pub tables: &'a [(&'a str, &'a [(String, String)])],
    /// Names and values of further facts: steps, seconds, memory.
    pub facts: &'a [(String, String)],
}

/// An image beside the page.
pub struct Figure {
    /// Its file, relative to the page.
    pub file: String,
    /// What it shows, plain text.
    pub caption: String,
    /// Whether it is narrow enough for two in a row.
    pub half: bool,
}

impl Figure {
    /// Saves a grid of images, enlarged, to a file in a folder.
    pub fn save(out: &Path, file: &str, rows: &[Vec<Picture>], caption: String) -> Result<Figure> {
        let rows: Vec<Vec<Picture>> =
            rows.iter().map(|row| row.iter().map(enlarge).collect()).collect();
        let grid = Picture::grid(&rows, 2 * ENLARGED)?;
        grid.save_png(&out.join(file))?;
        Ok(Figure { file: file.into(), caption, half: grid.width <= HALF })
    }
}

/// Points of a curve: step and value.
type Curve = Vec<(f64, f64)>;

/// Size of a chart in SVG units, with room for the axes on the left and below.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;
/// Pixels of an image that is no wider than half a page.
const HALF: u32 = 500;
/// The most points per curve: more than the pixels of a screen would only make the page large.
const POINTS: usize = 400;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2026;--dim:#626a76;--line:#d9dde3;--page:#f7f8fa;--card:#fff;--c0:#1f6feb;--c1:#c2410c;--c2:#15803d;--c3:#a21caf}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--dim:#9aa3b0;--line:#343a44;--page:#14171c;--card:#1d2128;--c0:#6cb0ff;--c1:#ff9a5c;--c2:#5fd38a;--c3:#e58bf5}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:1.5rem 1rem 3rem;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{margin:0;font-size:1.7rem;line-height:1.2}h2{margin:2rem 0 .6rem;font-size:1.15rem}
p,figcaption{color:var(--dim);margin:.4rem 0}
figure{margin:0 0 1rem;padding:.8rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem}
img{display:block;width:100%;height:auto;image-rendering:pixelated;border-radius:.3rem}
.charts,.images{display:grid;gap:1rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
.charts figure,.images figure{margin:0}.wide{grid-column:1/-1}
svg{display:block;width:100%;height:auto}svg text{fill:var(--dim);font:14px system-ui,sans-serif}
.grid{stroke:var(--line);stroke-width:1}.raw,.smooth{fill:none;stroke-linejoin:round}.raw{stroke-width:1;opacity:.3}.smooth{stroke-width:2.2}
.key{display:inline-block;width:1.1em;height:.22em;margin:0 .35em .25em 0;vertical-align:middle}.key+span{margin-right:1em}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%;background:var(--card)}
th,td{padding:.4rem .7rem;border:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600;width:35%}
@media(max-width:40rem){th,td{display:block;width:auto;border-bottom-width:0}
tr:last-child td{border-bottom-width:1px}}
";

/// Writes the page. Everything given is escaped; empty images, losses or facts leave their
/// section out or say that there are none.
pub fn render(page: &DemoPage) -> String {
    let mut html = String::new();
    let title = escape(page.title);
    let (device, about) = (escape(page.device), escape(page.about));
    let about = if about.is_empty() { about } else { format!("<p>{about}</p>\n") };
    put(
        &mut html,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta \
             name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n<body>\n<h1>{title}</h1>\n\
             {about}<p>{device}</p>\n"
        ),
    );
    if !page.figures.is_empty() {
        html.push_str("<h2>Images</h2>\n<div class=\"images\">\n");
        for Figure { file, caption, half } in page.figures {
            let caption = escape(caption);
            let address = escape(&address(file));
            let class = if *half { "" } else { " class=\"wide\"" };
            put(
                &mut html,
                format_args!(
                    "<figure{class}><img src=\"{address}\" \
                     alt=\"{caption}\"><figcaption>{caption}</figcaption></figure>\n"
                ),
            );
        }
        html.push_str("</div>\n");
    }
    for (title, rows) in page.tables {
        table(&mut html, title, rows);
    }
    html.push_str("<h2>Losses</h2>\n");
    if page.losses.is_empty() {
        html.push_str("<p>No step was recorded.</p>\n");
    } else {
        html.push_str("<div class=\"charts\">\n");
        let mut colour = 0;
        for (title, names) in page.charts {
            let curve = |name: &str| -> Curve {
                page.losses
                    .iter()
                    .filter_map(|row| Some((row.step as f64, f64::from(row.get(name)?))))
                    .collect()
            };
            let curves: Vec<_> = names
                .iter()
                .map(|name| (*name, curve(name)))
                .filter(|(_, curve)| !curve.is_empty())
                .collect();
            // Colours continue from chart to chart.
            let curves: Vec<_> = curves
                .into_iter()
                .enumerate()
                .map(|(at, (name, curve))| (name, (colour + at) % 4, curve))
                .collect();
            colour += curves.len();
            chart(&mut html, title, &curves);
        }
        html.push_str("</div>\n");
    }
    table(&mut html, "Facts", page.facts);
    html.push_str("</body>\n</html>\n");
    html
}

/// A table under its title; nothing if it is empty.
fn table(html: &mut String, title: &str, rows: &[(String, String)]) {
    if !rows.is_empty() {
        put(html, format_args!("<h2>{}</h2>\n", escape(title)));
        facts(html, rows);
    }
}

/// One chart of several named curves, each with the number of its colour.
fn chart(html: &mut String, title: &str, curves: &[(&str, usize, Curve)]) {
    let finite = || curves.iter().flat_map(|curve| &curve.2).filter(|point| point.1.is_finite());
    let lost = curves.iter().map(|curve| curve.2.len()).sum::<usize>() - finite().count();
    let (mut first, mut last, mut low, mut high) = (f64::MAX, f64::MIN, 0.0f64, 0.0f64);
    for point in finite() {
        (first, last) = (first.min(point.0), last.max(point.0));
        // The two largest floats apart is still a finite distance after this.
        let value = point.1.clamp(-1e300, 1e300);
        (low, high) = (low.min(value), high.max(value));
    }
    html.push_str("<figure>");
    if first <= last {
        // The axis holds zero, so that curves can be compared; one step alone still needs a width.
        let across =
            Axis::new(first, if last > first { last } else { first + 1.0 }, LEFT, WIDTH - RIGHT);
        let step = round_step((high - low).max(1e-9) / 4.0);
        let (floor, ceiling) = ((low / step).floor() * step, (high / step).ceil().max(1.0) * step);
        let up = Axis::new(floor, ceiling, HEIGHT - BOTTOM, TOP);
        put(
            html,
            format_args!(
                "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}: loss \
                 against step\">"
            ),
        );
        axes(html, &across, &up, step);
        for (_, colour, points) in curves {
            for (class, line) in [("raw", thin(points)), ("smooth", thin(&smooth(points)))] {
                let path = path(&line, &across, &up);
                put(
                    html,
                    format_args!(
                        "<path class=\"{class}\" style=\"stroke:var(--c{colour})\" d=\"{path}\"/>"
                    ),
                );
            }
        }
        html.push_str("</svg>");
    }
    put(html, format_args!("<figcaption>{title}<br>"));
    for (name, colour, _) in curves {
        put(
            html,
            format_args!(
                "<span class=\"key\" \
                 style=\"background:var(--c{colour})\"></span><span>{name}</span>"
            ),
        );
    }
    if lost > 0 {
        put(html, format_args!("<br>Left out because not finite: {lost}."));
    }
    html.push_str("</figcaption></figure>\n");
}

/// Grid lines, numbers and names of both axes.
fn axes(html: &mut String, across: &Axis, up: &Axis, step: f64) {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    // Counted in whole steps: adding up steps would end at 6e-17 instead of 0.
    let (lowest, highest) = ((up.from / step).round() as i64, (up.to / step).round() as i64);
    for value in (lowest..=highest).map(|count| count as f64 * step) {
        let y = up.place(value);
        let (text_x, text_y, text) = (LEFT - 6.0, y + 4.0, number(value));
        put(
            html,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{text_x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{text}</text>"
            ),
        );
    }
    let step = round_step((across.to - across.from) / 5.0).max(1.0);
    let mut value = (across.from / step).ceil() * step;
    while value <= across.to {
        let (x, text_y, text) = (across.place(value), bottom + 18.0, number(value));
        put(
            html,
            format_args!("<text x=\"{x:.1}\" y=\"{text_y}\" text-anchor=\"middle\">{text}</text>"),
        );
        value += step;
    }
    let (middle_x, middle_y, name_y) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0, HEIGHT - 8.0);
    put(
        html,
        format_args!(
            "<text x=\"{middle_x}\" y=\"{name_y}\" text-anchor=\"middle\">step</text>\
             <text x=\"12\" y=\"{middle_y}\" text-anchor=\"middle\" transform=\"rotate(-90 12 \
                       {middle_y})\">loss</text>"
        ),
    );
}

/// A linear map from values to positions on the page.
struct Axis {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Axis {
    fn new(from: f64, to: f64, low: f64, high: f64) -> Self {
        Axis { from, to, low, high }
    }

    fn place(&self, value: f64) -> f64 {
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.low + (self.high - self.low) * share
    }
}

/// The next of 1, 2, 5, 10, … that is not below a value.
fn round_step(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .iter()
        .map(|factor| factor * power)
        .find(|step| *step >= value)
        .unwrap_or(power * 10.0)
}

fn number(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A centred running mean over a twentieth of the run; values that are not finite are skipped and
/// leave no gap.
fn smooth(points: &[(f64, f64)]) -> Curve {
    let finite: Vec<_> = points.iter().copied().filter(|point| point.1.is_finite()).collect();
    let keep = 1.0 - 1.0 / (finite.len() as f64 / 40.0).max(1.0);
    let pass = |line: &mut dyn Iterator<Item = &(f64, f64)>| -> Vec<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        // Scaled before summing, so that values near the largest float do not overflow.
        line.map(|point| {
            sum = sum * keep + point.1 * (1.0 - keep);
            weight = weight * keep + (1.0 - keep);
            sum / weight
        })
        .collect()
    };
    let (ahead, back) = (pass(&mut finite.iter()), pass(&mut finite.iter().rev()));
    let both = ahead.iter().zip(back.iter().rev());
    finite.iter().zip(both).map(|(point, (a, b))| (point.0, a / 2.0 + b / 2.0)).collect()
}

/// At most [`POINTS`] points of a curve: the mean of each interval, or no point if nothing in it is
/// finite.
fn thin(points: &[(f64, f64)]) -> Curve {
    let stretch = points.len().div_ceil(POINTS).max(1);
    points
        .chunks(stretch)
        .map(|part| {
            let finite: Vec<_> = part.iter().filter(|point| point.1.is_finite()).collect();
            let mean = finite.iter().map(|point| point.1 / finite.len() as f64).sum::<f64>();
            (part[part.len() / 2].0, if finite.is_empty() { f64::NAN } else { mean })
        })
        .collect()
}

/// The `d` of an SVG path; the line breaks where a value is not finite.
fn path(points: &[(f64, f64)], across: &Axis, up: &Axis) -> String {
    let mut text = String::new();
    let mut pen = 'M';
    for (x, y) in points {
        if !y.is_finite() {
            pen = 'M';
            continue;
        }
        let (x, y) = (across.place(*x), up.place(*y));
        let _ = write!(text, "{pen}{x:.1} {y:.1}");
        pen = 'L';
    }
    // A lone point has no length; a line to itself shows as a dot only with round caps, so draw a
    // short dash.
    if text.starts_with('M') && !text.contains('L') {
        text.push_str("h3");
    }
    text
}

/// A file name as a relative address: `#`, `?`, `%` and `:` mean something else there.
fn address(file: &str) -> String {
    let mut safe = String::from("./");
    for letter in file.chars() {
        match letter {
            '%' | '#' | '?' | ':' | ' ' => {
                let _ = write!(safe, "%{:02X}", u32::from(letter));
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    const CHARTS: [(&str, &[&str]); 2] =
        [("distance", &["G_L1"]), ("game", &["G_GAN", "D_real", "D_fake"])];

    fn page(losses: &[(u32, f32, f32, f32, f32)]) -> String {
        let named = |&(step, l1, gan, real, fake): &(u32, f32, f32, f32, f32)| Losses {
            step: step.into(),
            named: vec![("G_L1", l1), ("G_GAN", gan), ("D_real", real), ("D_fake", fake)],
        };
        let losses: Vec<Losses> = losses.iter().map(named).collect();
        render(&DemoPage {
            title: "t",
            about: "",
            device: "d",
            figures: &[],
            charts: &CHARTS,
            losses: &losses,
            tables: &[],
            facts: &[],
        })
    }

    #[test]
    fn everything_given_is_escaped() {
        let evil = String::from("<script>\"'&");
        let pairs = [(evil.clone(), evil.clone())];
        let html = render(&DemoPage {
            title: &evil,
            about: &evil,
            device: &evil,
            figures: &[Figure { file: evil.clone(), caption: evil.clone(), half: true }],
            charts: &[],
            losses: &[],
            tables: &[],
            facts: &pairs,
        });
        assert!(!html.contains("<script>"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;&quot;&#39;&amp;").count(), 9);
        assert!(html.contains("src=\"./&lt;script"), "{html}");
    }

    #[test]
    fn file_names_become_addresses() {
        assert_eq!(address("a b#1.png"), "./a%20b%231.png");
    }

    #[test]
    fn values_that_are_not_finite_stay_out_of_the_curves() {
        let losses: Vec<_> = (1..=900u32)
            .map(|step| match step % 5 {
                0 => (step, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5),
                _ => (step, 100.0 / step as f32, f32::MAX, 0.7, -0.0),
            })
            .collect();
        for losses in [&losses[..], &losses[..1], &losses[4..5]] {
            let html = page(losses);
            let curves: Vec<_> =
                html.split(" d=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            assert!(!curves.is_empty());
            for word in ["NaN", "inf"] {
                assert!(curves.iter().all(|curve| !curve.contains(word)), "{word} in {curves:?}");
                assert!(
                    !html.contains(&format!("\"{word}")) && !html.contains(&format!(">{word}")),
                    "{word} in {html}"
                );
            }
        }
        assert!(page(&losses).contains("not finite: 180."));
    }

    #[test]
    fn no_losses_and_only_bad_losses_still_make_a_page() {
        let html = page(&[]);
        assert!(html.contains("No step was recorded") && !html.contains("<svg"));
        let html = page(&[(1, f32::NAN, f32::NAN, f32::NAN, f32::NAN)]);
        assert!(html.contains("not finite") && !html.contains("<svg"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let html = page(&[(1, 1.0, 1.0, 1.0, 1.0), (2, 0.5, 1.0, 1.0, 1.0)]);
        assert!(!html.contains("http") && !html.contains("url("), "{html}");
        assert_eq!(html.matches("<path").count(), 8);
    }

    #[test]
    fn steps_of_the_axis_are_round() {
        for (value, step) in
            [(0.03, 0.05), (1.0, 1.0), (1.1, 2.0), (4.0, 5.0), (6.0, 10.0), (230.0, 500.0)]
        {
            assert!(abs_diff_eq!(round_step(value), step, epsilon = 1e-9 * step), "{value}");
        }
    }
}
