//! Several runs side by side in one page.

use crate::outputs::report::curves::{self, Charts, Curve, Look};
use crate::outputs::report::folder::Run;
use crate::outputs::report::html::{self, duration, escape, grouped, mib, number, plain, put};
use crate::outputs::report::parts::{
    Speed, figure, grid_columns, heads, image, label, last_mean, shown_width, tools,
};
use crate::outputs::report::{options, pictures, validation};
use pixtape::Result;
use pixtape::train::{Description, Loss};
use serde_json::Value;

/// The page that compares runs, in the order given.
pub(crate) fn render(runs: &[Run]) -> Result<String> {
    let names = names(runs);
    let mut charts = Charts::default();
    let mut html = String::new();
    put(
        &mut html,
        format_args!(
            "<header>\n<h1>{} runs side by side</h1>\n<p class=\"dim\">{}</p>\n</header>\n",
            runs.len(),
            escape(&names.join(" · "))
        ),
    );
    figures(&mut html, runs, &names);
    options::differences(&mut html, runs, &names);
    last_samples(&mut html, runs, &names)?;
    losses(&mut html, &mut charts, runs, &names);
    metrics(&mut html, &mut charts, runs, &names);
    speed(&mut html, &mut charts, runs, &names);
    // Epochs may begin at different steps in each run, so only steps are shown.
    Ok(html::page("Runs side by side · pixtape", &html, &charts.data(&[])))
}

/// Names of runs; where two share one, their folders.
fn names(runs: &[Run]) -> Vec<String> {
    let unique = |run: &Run| runs.iter().filter(|other| other.name == run.name).count() == 1;
    runs.iter()
        .map(|run| if unique(run) { run.name.clone() } else { run.folder.display().to_string() })
        .collect()
}

/// The curve of a column in each run that has it, named by the run.
fn overlay(
    charts: &mut Charts,
    runs: &[Run],
    names: &[String],
    log: fn(&Run) -> &crate::outputs::report::folder::Columns,
    column: &str,
) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (run, name) in runs.iter().zip(names) {
        curves.extend(charts.log(log(run), |c| c == column).into_iter().map(|c| c.named(name)));
    }
    curves
}

/// All names of columns, in the order in which they first appear.
fn columns<'a>(runs: impl Iterator<Item = Vec<&'a str>>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for name in runs.flatten() {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn loss_names(runs: &[Run]) -> Vec<&str> {
    columns(
        runs.iter().map(|r| {
            r.losses.columns.iter().map(|c| c.0.as_str()).filter(|n| *n != "epoch").collect()
        }),
    )
}

fn losses(html: &mut String, charts: &mut Charts, runs: &[Run], names: &[String]) {
    html.push_str("<h2 id=\"losses\">Losses</h2>\n");
    let losses = loss_names(runs);
    if losses.is_empty() {
        html.push_str("<p class=\"dim\">No step was recorded yet.</p>\n");
        return;
    }
    tools(html);
    let models: Vec<Description> = runs.iter().map(Run::model).collect();
    html.push_str("<div class=\"charts\">\n");
    for loss in losses {
        let level = |model: &Description| model.loss(loss)?.chance;
        let mut levels: Vec<Option<f64>> = Vec::new();
        for level in models.iter().map(level) {
            if !levels.contains(&level) {
                levels.push(level);
            }
        }
        // A run without a level of chance measures the loss differently from one with a level.
        let note = if levels.len() > 1 {
            "These runs measure it differently (--gan_mode, --lambda_GAN, --label_smoothing): \
             compare shapes, not values."
        } else {
            ""
        };
        let look = Look {
            title: models
                .iter()
                .find_map(|model| model.loss(loss))
                .map_or_else(|| loss.into(), Loss::title),
            note: note.into(),
            loss: true,
            lines: levels
                .into_iter()
                .flatten()
                .map(|level| (level, curves::level_label(level)))
                .collect(),
            ..Look::default()
        };
        let curves = overlay(charts, runs, names, |run| &run.losses, loss);
        figure(html, charts, &curves, &look);
    }
    html.push_str("</div>\n");
}

fn metrics(html: &mut String, charts: &mut Charts, runs: &[Run], names: &[String]) {
    let metrics =
        columns(runs.iter().map(|run| validation::metrics(run).map(|(m, _)| m).collect()));
    if metrics.is_empty() {
        return;
    }
    html.push_str("<h2 id=\"validation\">Validation</h2>\n<div class=\"charts three\">\n");
    for metric in metrics {
        let curves = overlay(charts, runs, names, |run| &run.validation, metric);
        figure(
            html,
            charts,
            &curves,
            &Look { title: validation::title(metric), ..Look::default() },
        );
    }
    html.push_str("</div>\n");
}

fn speed(html: &mut String, charts: &mut Charts, runs: &[Run], names: &[String]) {
    let curves: Vec<[Curve; 2]> = runs
        .iter()
        .zip(names)
        .filter_map(|(run, name)| Some(charts.speed(run)?.map(|c| c.named(name))))
        .collect();
    if curves.is_empty() {
        return;
    }
    html.push_str("<h2 id=\"speed\">Speed</h2>\n<div class=\"charts\">\n");
    for (at, title) in
        ["Images per second", "Share of time spent waiting for data, %"].into_iter().enumerate()
    {
        let curves: Vec<Curve> = curves.iter().map(|pair| pair[at].clone()).collect();
        figure(html, charts, &curves, &Look { title: title.into(), zero: true, ..Look::default() });
    }
    html.push_str("</div>\n");
}

/// Results of the runs, one column per run.
fn figures(html: &mut String, runs: &[Run], names: &[String]) {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: String, value: &dyn Fn(&Run) -> Option<String>| {
        let values: Vec<Option<String>> = runs.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            rows.push(
                std::iter::once(name)
                    .chain(values.into_iter().map(|v| v.unwrap_or("–".into())))
                    .collect(),
            );
        }
    };
    row("steps".into(), &|run| {
        Some(run.total().map_or_else(
            || grouped(run.step()),
            |t| format!("{} of {}", grouped(run.step()), grouped(t)),
        ))
    });
    for loss in loss_names(runs) {
        row(format!("{loss}, mean over the last 5 % of steps"), &|run| {
            run.losses.column(loss).and_then(last_mean).map(number)
        });
    }
    for metric in columns(runs.iter().map(|run| validation::metrics(run).map(|(m, _)| m).collect()))
    {
        row(format!("validation {}, best", validation::label(metric)), &|run| {
            let values = run.validation.column(metric)?;
            let at = curves::best(metric, values)?;
            Some(format!(
                "{} (step {})",
                number(values[at]),
                grouped(run.validation.steps[at] as u64)
            ))
        });
        row(format!("validation {}, last", validation::label(metric)), &|run| {
            validation::last(run.validation.column(metric)?).map(number)
        });
    }
    row("images per second".into(), &|run| Speed::of(run).map(|s| number(s.images)));
    row("seconds per step".into(), &|run| Speed::of(run).map(|s| number(s.step)));
    row("time in steps".into(), &|run| Speed::of(run).map(|s| duration(s.total)));
    row("waiting for data".into(), &|run| {
        Speed::of(run).map(|s| format!("{} %", number(s.waiting)))
    });
    let nets = |run: &Run| -> Vec<String> {
        run.info["parameters"]
            .as_object()
            .into_iter()
            .flat_map(|nets| nets.keys().cloned())
            .collect()
    };
    let all: Vec<Vec<String>> = runs.iter().map(nets).collect();
    for net in columns(all.iter().map(|nets| nets.iter().map(String::as_str).collect())) {
        row(format!("weights of {net}"), &|run| run.info["parameters"][net].as_u64().map(grouped));
    }
    row("planned memory".into(), &|run| run.info["memory"]["total"].as_u64().map(mib));
    let plain_of = |value: &Value| (!value.is_null()).then(|| plain(value));
    row("device".into(), &|run| plain_of(&run.info["adapter"]));
    row("pixtape".into(), &|run| plain_of(&run.info["version"]));
    html.push_str("<h2 id=\"figures\">Figures</h2>\n");
    let head: Vec<String> = std::iter::once(String::new()).chain(names.iter().cloned()).collect();
    html::table(html, &head, &rows);
}

fn last_samples(html: &mut String, runs: &[Run], names: &[String]) -> Result<()> {
    let mut any = false;
    for (run, name) in runs.iter().zip(names) {
        let Some(frame) = pictures::last_frame(run)? else { continue };
        if !any {
            html.push_str("<h2 id=\"pictures\">Last samples</h2>\n<div class=\"side\">\n");
            any = true;
        }
        put(
            html,
            format_args!(
                "<figure><h3>{}</h3><figcaption>{}</figcaption>",
                escape(name),
                escape(&label(&frame))
            ),
        );
        put(
            html,
            format_args!(
                "<div class=\"strip\" style=\"width:{}px\">\n",
                shown_width(&frame.picture)
            ),
        );
        let columns = grid_columns(run);
        heads(html, &columns);
        image(
            html,
            &frame.picture,
            &format!("Last samples of {name}: each row is {}", columns.join(", ")),
        );
        html.push_str("</div></figure>\n");
    }
    if any {
        html.push_str("</div>\n");
    }
    Ok(())
}
