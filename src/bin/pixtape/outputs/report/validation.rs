//! Validation on the page: curves with the best value marked, a table by image, the worst cases.

use crate::outputs::report::curves::{Charts, Look, best, less_is_better};
use crate::outputs::report::folder::Run;
use crate::outputs::report::html::{escape, grouped, number, put};
use crate::outputs::report::parts::{figure, grid_columns, heads, image, shown_width};
use crate::outputs::report::pictures;

/// Columns of the log that are not metrics.
const COUNTS: &[&str] = &["epoch", "pictures"];

/// A metric's name as it is usually written.
pub(crate) fn label(metric: &str) -> String {
    match metric {
        "l1" => "L1".into(),
        "psnr" => "PSNR, dB".into(),
        "ssim" => "SSIM".into(),
        other => other.into(),
    }
}

/// Metrics of a run, in the order of its log.
pub(crate) fn metrics(run: &Run) -> impl Iterator<Item = (&str, &[f64])> {
    let columns =
        run.validation.columns.iter().map(|(name, values)| (name.as_str(), values.as_slice()));
    columns.filter(|(name, _)| !COUNTS.contains(name))
}

/// The first metric's best: its label, value and step.
pub(crate) fn headline(run: &Run) -> Option<(String, f64, u64)> {
    let (metric, values) = metrics(run).next()?;
    let at = best(metric, values)?;
    Some((label(metric), values[at], run.validation.steps[at] as u64))
}

/// A chart's heading for a metric.
pub(crate) fn title(metric: &str) -> String {
    format!(
        "{} ({} is better)",
        label(metric),
        if less_is_better(metric) { "lower" } else { "higher" }
    )
}

pub(crate) fn section(html: &mut String, charts: &mut Charts, run: &Run) {
    html.push_str("<h2 id=\"validation\">Validation</h2>\n");
    if run.validation.steps.is_empty() {
        let why = if !run.model().paired {
            "None: without pairs there is nothing to compare with. Pairs that you have are \
             measured by <code>pixtape eval</code>."
        } else {
            "None yet: images that are not used for training are compared with their targets if \
             the data has a folder val."
        };
        put(html, format_args!("<p class=\"dim\">{why}</p>\n"));
        return;
    }
    if let (Some(step), Some(value)) = (run.best["step"].as_u64(), run.best["value"].as_f64()) {
        let metric = label(run.best["metric"].as_str().unwrap_or_default());
        put(
            html,
            format_args!(
                "<p>Best weights so far (kept): {} {} after step {}.</p>\n",
                escape(&metric),
                number(value),
                grouped(step)
            ),
        );
    }
    html.push_str("<div class=\"charts three\">\n");
    let curves = charts.log(&run.validation, |name| !COUNTS.contains(&name));
    for curve in curves {
        let metric = curve.name().to_string();
        let values = run.validation.column(&metric).unwrap_or_default();
        let mark = best(&metric, values).map(|at| {
            (run.validation.steps[at], values[at], format!("best: {}", number(values[at])))
        });
        figure(
            html,
            charts,
            &[curve.named(&label(&metric))],
            &Look { title: title(&metric), mark, ..Look::default() },
        );
    }
    html.push_str("</div>\n");
    worst(html, run);
    rows(html, run);
}

fn worst(html: &mut String, run: &Run) {
    let Some(picture) = pictures::picture(&run.folder.join("validation/worst.png")) else { return };
    put(
        html,
        format_args!(
            "<section class=\"card\"><h3>Largest errors</h3>\n<div class=\"strip\" \
             style=\"width:{}px\">\n",
            shown_width(&picture)
        ),
    );
    heads(html, &grid_columns(run));
    let names = run.worst.join(", ");
    image(
        html,
        &picture,
        &format!(
            "Worst of the last validation, one per row: {names}. Each row is input, output, target"
        ),
    );
    put(
        html,
        format_args!("</div>\n<p class=\"dim\">From the top: {}.</p></section>\n", escape(&names)),
    );
}

/// The table of the last validation; its columns sort.
fn rows(html: &mut String, run: &Run) {
    let Some(rows) = run.rows["rows"].as_array().filter(|rows| !rows.is_empty()) else { return };
    let metrics: Vec<&String> = rows[0]
        .as_object()
        .into_iter()
        .flat_map(|row| row.keys())
        .filter(|key| *key != "name")
        .collect();
    let step = run.rows["step"]
        .as_u64()
        .map_or_else(String::new, |s| format!(" after step {}", grouped(s)));
    put(
        html,
        format_args!(
            "<h3>By image{step}</h3>\n<div class=\"table tall\" tabindex=\"0\" \
             role=\"region\" aria-label=\"Validation by image\"><table>\n<thead><tr>"
        ),
    );
    put(
        html,
        format_args!(
            "<th scope=\"col\" data-sort=\"text\"><button type=\"button\">image</button></th>"
        ),
    );
    for metric in &metrics {
        put(
            html,
            format_args!(
                "<th scope=\"col\" data-sort=\"number\"><button type=\"button\">{}</button></th>",
                escape(&label(metric))
            ),
        );
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        put(
            html,
            format_args!(
                "<tr><th scope=\"row\">{}</th>",
                escape(row["name"].as_str().unwrap_or_default())
            ),
        );
        for metric in &metrics {
            let value = row[metric.as_str()].as_f64();
            // Missing values sort behind all others.
            let sorts = value.map_or("Infinity".into(), |v| v.to_string());
            put(
                html,
                format_args!(
                    "<td data-value=\"{sorts}\">{}</td>",
                    value.map_or("–".into(), number)
                ),
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

/// The last value of a column, where it has one.
pub(crate) fn last(values: &[f64]) -> Option<f64> {
    values.last().copied().filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::report::tests::{page_of, run_folder};
    use serde_json::Value;

    #[test]
    fn the_table_is_escaped_and_sorts_by_full_values() {
        let dir = run_folder(4, 2);
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::create_dir(dir.path().join("validation")).unwrap();
        write(
            "validation.jsonl",
            "{\"step\":2,\"epoch\":1,\"pictures\":2,\"l1\":0.5,\"psnr\":9.0}\n{\"step\":4,\"epoch\":2,\"pictures\":2,\"l1\":0.25,\"psnr\":12.5}\n",
        );
        write(
            "validation/rows.json",
            r#"{"step":4,"rows":[{"name":"<i>a","l1":0.123456789,"psnr":null},{"name":"b","l1":0.2,"psnr":3}]}"#,
        );
        let html = page_of(dir.path());
        assert!(html.contains("&lt;i&gt;a") && !html.contains("<i>a"));
        assert!(
            html.contains("data-value=\"0.123456789\">0.1235<")
                && html.contains("data-value=\"Infinity\">–<")
        );
        assert!(html.contains("Best validation L1</dt><dd>0.25<small>after step 4"));
        assert!(html.contains("best: 0.25") && html.contains("best: 12.5"));
        let run = Run::read(dir.path()).unwrap();
        assert_eq!(
            metrics(&run).map(|(m, v)| (m, last(v))).collect::<Vec<_>>(),
            [("l1", Some(0.25)), ("psnr", Some(12.5))]
        );
        assert_eq!(Value::Null, run.best);
    }
}
