//! Options of runs: those that differ from the defaults, or from run to run, and all of them.

use crate::outputs::report::folder::Run;
use crate::outputs::report::html::{plain, put, table};
use pixtape::run::Options;
use pixtape::run::options::{Choice, Flag, ModelKind};
use serde_json::{Map, Value};

/// Defaults of a run's options, by name.
fn defaults(run: &Run) -> Map<String, Value> {
    let model = ModelKind::of_word(run.option("model")).unwrap_or(ModelKind::Pix2Pix);
    match Options::new(model).to_json() {
        Value::Object(options) => options,
        _ => Map::new(),
    }
}

/// An option as it is written on the command line; what the data decide has no flag.
fn written(name: &str) -> String {
    if help(name).is_empty() { name.into() } else { format!("--{name}") }
}

/// What a flag's help says.
fn help(name: &str) -> String {
    Flag::named(name)
        .filter(|(flag, _)| !flag.inferred)
        .map(|(flag, _)| flag.help())
        .unwrap_or_default()
}

/// Equality as displayed: 1 equals 1.0, and an f32 equals its short form.
fn same(a: &Value, b: &Value) -> bool {
    plain(a) == plain(b)
}

/// The section of one run's options.
pub(crate) fn section(html: &mut String, run: &Run) {
    let defaults = defaults(run);
    let default = |name: &str| defaults.get(name).unwrap_or(&Value::Null);
    let row = |(name, value): (&String, &Value)| {
        vec![written(name), plain(value), plain(default(name)), help(name)]
    };
    let (changed, rest): (Vec<_>, Vec<_>) =
        run.options.iter().partition(|(name, value)| !same(value, default(name)));
    html.push_str("<h2 id=\"options\">Options</h2>\n");
    let head = ["option", "here", "default", "what it does"].map(String::from);
    if changed.is_empty() {
        html.push_str("<p class=\"dim\">All at their defaults.</p>\n");
    } else {
        table(html, &head, &changed.into_iter().map(row).collect::<Vec<_>>());
    }
    put(
        html,
        format_args!("<details><summary>{} options at their defaults</summary>\n", rest.len()),
    );
    table(html, &head, &rest.into_iter().map(row).collect::<Vec<_>>());
    html.push_str("</details>\n");
}

/// The options in which runs differ, one column per run, except names and folders of runs.
pub(crate) fn differences(html: &mut String, runs: &[Run], names: &[String]) {
    let defaults: Vec<_> = runs.iter().map(defaults).collect();
    let mut flags: Vec<&String> = Vec::new();
    for flag in runs.iter().flat_map(|run| run.options.keys()) {
        if !flags.contains(&flag) && !["name", "checkpoints_dir"].contains(&flag.as_str()) {
            flags.push(flag);
        }
    }
    let value = |(run, defaults): (&Run, &Map<String, Value>), flag: &String| {
        plain(run.options.get(flag).or_else(|| defaults.get(flag)).unwrap_or(&Value::Null))
    };
    let mut rows = Vec::new();
    for flag in flags {
        let values: Vec<String> = runs.iter().zip(&defaults).map(|of| value(of, flag)).collect();
        if values.iter().any(|v| *v != values[0]) {
            rows.push(std::iter::once(written(flag)).chain(values).chain([help(flag)]).collect());
        }
    }
    html.push_str("<h2 id=\"options\">Options that differ</h2>\n");
    if rows.is_empty() {
        html.push_str("<p class=\"dim\">None.</p>\n");
    } else {
        let head: Vec<String> = std::iter::once("option".into())
            .chain(names.iter().cloned())
            .chain(["what it does".into()])
            .collect();
        table(html, &head, &rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_the_flags_and_every_option_has_its_help() {
        let Value::Object(defaults) = Options::default().to_json() else { panic!() };
        assert_eq!(
            (
                plain(&defaults["lambda_L1"]),
                plain(&defaults["init_gain"]),
                plain(&defaults["netG"])
            ),
            ("100".into(), "0.02".into(), "unet_256".into())
        );
        for flag in defaults.keys() {
            assert!(!help(flag).is_empty(), "--{flag} has no help");
        }
        assert!(
            help("depths").is_empty() && written("depths") == "depths" && written("lr") == "--lr"
        );
        assert!(
            same(&json!(0.02f32), &json!(0.02))
                && same(&json!(100), &json!(100.0))
                && !same(&json!(1), &json!(2))
        );
    }
}
