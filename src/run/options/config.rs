//! Options in a TOML file: `name = value`, the names of the flags.

use super::layers::Layer;
use super::table::{Flag, Options, flags};
use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

impl Layer {
    /// The options of a TOML file. `other` is asked about names that are no option: whether it
    /// takes them.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or is not TOML, with the line; for an unknown name,
    /// with the nearest one; for a value that its option does not take.
    pub fn of_toml(
        file: &Path,
        other: &mut dyn FnMut(&str, &toml::Value) -> Result<bool>,
    ) -> Result<Layer> {
        let mut layer = Layer::default();
        for (key, value) in &table(file)? {
            let name = key.replace('-', "_");
            let Some((flag, negated)) = Flag::named(&name).filter(|(flag, _)| !flag.inferred)
            else {
                if other(&name, value)? {
                    continue;
                }
                return Err(Error::file(file, unknown(key, &name)));
            };
            let word = match (value, flag.switch) {
                (toml::Value::Boolean(on), true) => (*on != negated).to_string(),
                (_, true) => {
                    let message = format!("{key} = {value}: expected true or false");
                    return Err(Error::file(file, message));
                }
                (value, false) => word(value).ok_or_else(|| {
                    Error::file(file, format!("{key} = {value}: expected one value"))
                })?,
            };
            // `dropout = false` asks for nothing.
            if negated && word == "true" {
                continue;
            }
            if flag.opposite.is_some() && layer.gives(flag.name) {
                let message = format!("{key} and its contrary are both there; leave one out");
                return Err(Error::file(file, message));
            }
            let set = flag
                .parse(&word)
                .map_err(|why| Error::file(file, format!("{key} = {value}: {why}")))?;
            layer.give(flag, set);
        }
        Ok(layer)
    }
}

impl Options {
    /// Options as such a file. What the data decide (depths) is no option, and options of other
    /// models are left out.
    ///
    /// # Errors
    /// [`Error::Internal`] for a value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let mut text = String::from(
            "# The options of this run as they were resolved; pixtape train --config FILE takes \
             them.\n",
        );
        for (name, value) in self.to_json().as_object().into_iter().flatten() {
            let of_model = |(flag, _): &(&Flag, _)| !flag.inferred && flag.is_of(self.model);
            if Flag::named(name).filter(of_model).is_none() {
                continue;
            }
            let value = match value {
                Value::Null => continue,
                // A flag with several values that was not given.
                Value::Array(all) if all.is_empty() => continue,
                value => toml::Value::try_from(value)
                    .map_err(|e| Error::Internal(format!("option {name} is {value}: {e}")))?
                    .to_string(),
            };
            text += &format!("{name} = {value}\n");
        }
        Ok(text)
    }
}

/// The table of a file.
fn table(file: &Path) -> Result<toml::Table> {
    let text = crate::io::file::read_text(file).map_err(|e| {
        Error::file(file, format!("cannot be read: {e}; `config` names a TOML file of options"))
    })?;
    text.parse().map_err(|e: toml::de::Error| Error::file(file, one_line(&e, &text)))
}

/// The first line of what the parser says, with the line it is about.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let at = error
        .span()
        .map(|s| format!(" in line {}", 1 + text[..s.start.min(text.len())].matches('\n').count()))
        .unwrap_or_default();
    format!("not TOML{at}: {}", error.message().lines().next().unwrap_or_default())
}

/// A value as it would stand on the command line.
fn word(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
            Some(value.to_string())
        }
        toml::Value::Array(all) => {
            all.iter().map(word).collect::<Option<Vec<_>>>().map(|all| all.join(","))
        }
        _ => None,
    }
}

fn unknown(key: &str, name: &str) -> String {
    let nearest = flags()
        .filter(|flag| !flag.inferred)
        .map(|flag| {
            let [known, given] = [flag.name, name].map(str::to_lowercase);
            (strsim::jaro_winkler(&known, &given), flag.name)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest
        .filter(|(near, _)| *near > 0.7)
        .map(|(_, name)| format!("; did you mean {name}?"))
        .unwrap_or_default();
    format!("no option is named {key}{hint} (pixtape train --help lists them)")
}
