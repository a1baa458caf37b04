//! The page of one run.

use crate::messages::with_flags;
use crate::outputs::report::curves::{self, Charts, Look};
use crate::outputs::report::folder::Run;
use crate::outputs::report::html::{self, duration, escape, grouped, mib, number, plain, put};
use crate::outputs::report::parts::{
    Speed, figure, grid_columns, heads, image, label, last_mean, loss_charts, shown_width, tools,
};
use crate::outputs::report::pictures::{self, Frame};
use crate::outputs::report::{options, validation};
use pixtape::Result;
use serde_json::Value;

/// The page of a run, from its folder.
pub(crate) fn render(run: &Run) -> Result<String> {
    let mut charts = Charts::default();
    let mut html = String::new();
    header(&mut html, run);
    samples(&mut html, &pictures::frames(run)?, &grid_columns(run));
    losses(&mut html, &mut charts, run);
    validation::section(&mut html, &mut charts, run);
    speed(&mut html, &mut charts, run);
    memory(&mut html, &run.info);
    device(&mut html, run);
    options::section(&mut html, run);
    Ok(html::page(&format!("{} · pixtape", run.name), &html, &charts.data(&run.epoch_starts())))
}

fn header(html: &mut String, run: &Run) {
    let about = [run.option("model"), run.option("netG"), run.option("gan_mode")]
        .map(escape)
        .into_iter()
        .filter(|t| !t.is_empty())
        .collect::<Vec<_>>();
    put(
        html,
        format_args!(
            "<header>\n<h1>{}</h1>\n<p class=\"dim\">{}</p>\n",
            escape(&run.name),
            about.join(" · ")
        ),
    );
    let (step, total) = (run.step(), run.total());
    let finished = total.is_some_and(|total| step >= total);
    let of = total.map_or_else(String::new, |total| format!(" of {}", grouped(total)));
    if let Some(total) = total.filter(|_| !finished) {
        put(
            html,
            format_args!(
                "<progress max=\"{total}\" value=\"{step}\" aria-label=\"Steps done\"></progress>\n"
            ),
        );
    }
    let when =
        run.written.map_or_else(String::new, |ms| format!(" <time data-ms=\"{ms}\"></time>"));
    let state = if finished { "Finished" } else { "As of" };
    put(html, format_args!("<p>{state}{when}: step {}{of}.", grouped(step)));
    if !finished {
        html.push_str(
            " <label><input type=\"checkbox\" id=\"follow\"> Follow: reload every \
                       20 seconds</label>",
        );
    }
    html.push_str("</p>\n<dl class=\"figures\">\n");
    let mut figure = |name: &str, value: &str, more: &str| {
        put(
            html,
            format_args!(
                "<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>\n",
                escape(name),
                escape(value),
                escape(more)
            ),
        );
    };
    let epoch = run.losses.column("epoch").and_then(|e| e.last()).filter(|e| e.is_finite());
    let epochs = run
        .number("n_epochs")
        .map(|n| format!(" of {}", n + run.number("n_epochs_decay").unwrap_or(0.0)))
        .unwrap_or_default();
    figure(
        "Steps",
        &grouped(step),
        &epoch.map_or_else(String::new, |e| format!("epoch {e}{epochs}")),
    );
    for (name, value) in last_distances(run) {
        figure(&name, &number(value), "mean over the last 5 % of steps");
    }
    if let Some((metric, value, step)) = validation::headline(run) {
        figure(
            &format!("Best validation {metric}"),
            &number(value),
            &format!("after step {}", grouped(step)),
        );
    }
    if let Some(s) = Speed::of(run) {
        figure("Images per second", &number(s.images), &format!("{} s per step", number(s.step)));
        figure(
            "Time in steps",
            &duration(s.total),
            &format!("{} % of it waiting for data", number(s.waiting)),
        );
    }
    html.push_str("</dl>\n");
    remarks(html, run);
    html.push_str("</header>\n");
}

/// The losses that measure a distance, each averaged over the last twentieth of the run.
fn last_distances(run: &Run) -> Vec<(String, f64)> {
    let model = run.model();
    let named = run.losses.columns.iter().filter(|(name, _)| curves::falls(&model, name));
    named.filter_map(|(name, values)| Some((name.clone(), last_mean(values)?))).collect()
}

fn remarks(html: &mut String, run: &Run) {
    let unreadable = run.losses.unreadable + run.timing.unreadable + run.validation.unreadable;
    if run.events.is_empty() && unreadable == 0 {
        return;
    }
    html.push_str("<ul class=\"remarks\" aria-label=\"Warnings\">\n");
    for event in &run.events {
        let message = event["message"].as_str().or(event["kind"].as_str()).unwrap_or_default();
        let step = event["step"]
            .as_u64()
            .map_or_else(String::new, |s| format!("<b>Step {}</b>: ", grouped(s)));
        put(html, format_args!("<li>{step}{}</li>\n", escape(&with_flags(message))));
    }
    if unreadable > 0 {
        put(
            html,
            format_args!(
                "<li>{unreadable} lines of this run's logs cannot be read and are left out.</li>\n"
            ),
        );
    }
    html.push_str("</ul>\n");
}

fn samples(html: &mut String, frames: &[Frame], columns: &[&str]) {
    html.push_str("<h2 id=\"pictures\">Samples over time</h2>\n");
    let Some(last) = frames.last() else {
        html.push_str(
            "<p class=\"dim\">None yet: samples are written at the end of each epoch.</p>\n",
        );
        return;
    };
    html.push_str("<section class=\"card\">\n");
    let most = frames.len() - 1;
    if most > 0 {
        put(
            html,
            format_args!(
                "<div class=\"moments\"><label for=\"moment\">Moment</label><input type=\"range\" \
                 id=\"moment\" min=\"0\" max=\"{most}\" value=\"{most}\">\
                 <output id=\"when\" for=\"moment\"></output><button type=\"button\" \
                              id=\"play\">Play</button></div>\n"
            ),
        );
    }
    put(
        html,
        format_args!("<div class=\"strip\" style=\"width:{}px\">\n", shown_width(&last.picture)),
    );
    heads(html, columns);
    for (at, frame) in frames.iter().enumerate() {
        let label = label(frame);
        let hidden = if at == most { "" } else { " hidden" };
        put(html, format_args!("<div class=\"frame\" data-label=\"{}\"{hidden}>", escape(&label)));
        image(
            html,
            &frame.picture,
            &format!("Samples, {label}: each row is {}", columns.join(", ")),
        );
        html.push_str("</div>\n");
    }
    html.push_str("</div>\n</section>\n");
}

fn losses(html: &mut String, charts: &mut Charts, run: &Run) {
    html.push_str("<h2 id=\"losses\">Losses</h2>\n");
    if run.losses.steps.is_empty() {
        html.push_str("<p class=\"dim\">No step was recorded yet.</p>\n");
        return;
    }
    tools(html);
    let curves = charts.log(&run.losses, |name| name != "epoch");
    loss_charts(html, charts, curves, &run.model());
}

fn speed(html: &mut String, charts: &mut Charts, run: &Run) {
    html.push_str("<h2 id=\"speed\">Speed and learning rate</h2>\n");
    let (g, d) = (run.timing.column("lr_G"), run.timing.column("lr_D"));
    // Most runs have one rate for both networks.
    let mut rates = charts.log(&run.timing, |name| name == "lr_G" || (name == "lr_D" && d != g));
    if let [both] = rates.as_mut_slice() {
        *both = both.clone().named("all networks");
    }
    let speed = charts.speed(run);
    if speed.is_none() && rates.is_empty() {
        html.push_str("<p class=\"dim\">No times were recorded yet.</p>\n");
        return;
    }
    html.push_str("<div class=\"charts three\">\n");
    if let Some([images, waiting]) = speed {
        let look = |title: &str| Look { title: title.into(), ..Look::default() };
        figure(html, charts, &[images], &Look { zero: true, ..look("Images per second") });
        figure(
            html,
            charts,
            &[waiting],
            &Look { zero: true, ..look("Share of time spent waiting for data, %") },
        );
    }
    if !rates.is_empty() {
        figure(
            html,
            charts,
            &rates,
            &Look { title: "Learning rate".into(), zero: true, ..Look::default() },
        );
    }
    html.push_str("</div>\n");
}

/// Parts of the planned memory, as a bar with a key.
fn memory(html: &mut String, info: &Value) {
    let Some(parts) = info["memory"].as_object() else { return };
    let parts: Vec<(&str, u64)> = parts
        .iter()
        .filter_map(|(k, v)| Some((k.as_str(), v.as_u64()?)))
        .filter(|(k, v)| *k != "total" && *v > 0)
        .collect();
    let sum: u64 = parts.iter().map(|p| p.1).sum();
    let total = info["memory"]["total"].as_u64().unwrap_or(sum);
    if total == 0 {
        return;
    }
    html.push_str("<h2 id=\"memory\">Memory</h2>\n<section class=\"card\">\n");
    let peak = info["process_peak_bytes"]
        .as_u64()
        .map_or_else(String::new, |b| format!(" Peak memory of the program: {}.", mib(b)));
    put(
        html,
        format_args!(
            "<p>Planned on the device: {}.{peak}</p>\n<div class=\"bar\" aria-hidden=\"true\">",
            mib(total)
        ),
    );
    let width = |bytes: u64| 100.0 * bytes as f64 / total.max(sum) as f64;
    for (at, (_, bytes)) in parts.iter().enumerate() {
        put(
            html,
            format_args!(
                "<i style=\"width:{:.2}%;background:var(--c{})\"></i>",
                width(*bytes),
                at % 8
            ),
        );
    }
    html.push_str("</div>\n<ul class=\"parts\">\n");
    for (at, (name, bytes)) in parts.iter().enumerate() {
        put(
            html,
            format_args!(
                "<li><i style=\"background:var(--c{})\"></i>{} {}</li>\n",
                at % 8,
                escape(&name.replace('_', " ")),
                mib(*bytes)
            ),
        );
    }
    html.push_str("</ul>\n</section>\n");
}

fn device(html: &mut String, run: &Run) {
    let info = &run.info;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |name: &str, value: &Value| {
        if !value.is_null() {
            facts.push((name.into(), plain(value)));
        }
    };
    for (name, key) in [("Device", "adapter"), ("Driver", "driver"), ("Kernels", "kernels")] {
        fact(name, &info[key]);
    }
    if let Some(nets) = info["parameters"].as_object() {
        let counts: Vec<_> = nets
            .iter()
            .filter_map(|(net, n)| Some(format!("{net} {}", grouped(n.as_u64()?))))
            .collect();
        fact("Weights", &counts.join(", ").into());
    }
    let data = &info["data"];
    fact("Images from", run.options.get("dataroot").unwrap_or(&Value::Null));
    if let Some(pairs) = data["pairs"].as_u64() {
        let batches = data["batches_per_epoch"]
            .as_u64()
            .map_or_else(String::new, |n| format!(", {} steps per epoch", grouped(n)));
        let what = if run.model().paired { "Pairs" } else { "Images per epoch" };
        fact(what, &format!("{}{batches}", grouped(pairs)).into());
    }
    if let (Some(w), Some(h)) = (data["width"].as_u64(), data["height"].as_u64()) {
        fact("Image size", &format!("{w}x{h}, batch size {}", plain(&data["batch_size"])).into());
    }
    fact("pixtape", &info["version"]);
    fact("Commit", &info["commit"]);
    html.push_str("<h2 id=\"device\">Data and device</h2>\n");
    html::facts(html, &facts);
}
