//! Options in a TOML file: `name = value`, the names of the flags. The command line wins over it.

use crate::options::{Cli, is_ignored};
use clap::{ArgAction, Command, CommandFactory};
use pixtape::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// Commands that take `--config`.
const TAKERS: [&str; 2] = ["train", "resume"];

/// Puts the options of `--config FILE` in front of the other flags: of two that say different
/// things the last one wins.
pub(crate) fn expand(words: Vec<String>, program: &Command) -> Result<Vec<String>> {
    let Some(command) = words
        .get(1)
        .filter(|w| TAKERS.contains(&w.as_str()))
        .and_then(|w| program.find_subcommand(w))
    else {
        return Ok(words);
    };
    let mut expanded = words[..2].to_vec();
    for (at, word) in words.iter().enumerate() {
        let file = match word.strip_prefix("--config") {
            Some("") => words.get(at + 1).map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        if let Some(file) = file {
            expanded.extend(read(Path::new(file), command)?);
        }
    }
    expanded.extend_from_slice(&words[2..]);
    Ok(expanded)
}

/// The words of a file.
fn read(file: &Path, command: &Command) -> Result<Vec<String>> {
    let table = pixtape::run::config::table(file)?;
    let mut words = Vec::new();
    for (key, value) in &table {
        let name = key.replace('-', "_");
        let Some(arg) = command
            .get_arguments()
            .find(|a| a.get_long() == Some(&name))
            .filter(|_| name != "config")
        else {
            if is_ignored(&name) {
                eprintln!("note: {}: {key} has no meaning here and is ignored", file.display());
                continue;
            }
            return Err(Error::file(file, unknown(key, &name, command)));
        };
        let takes_value = !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
        match (value, takes_value) {
            (toml::Value::Boolean(on), false) => words.extend(on.then(|| format!("--{name}"))),
            (_, false) => {
                return Err(Error::file(file, format!("{key} = {value}: true or false is wanted")));
            }
            (value, true) => words.push(format!(
                "--{name}={}",
                word(value).ok_or_else(|| Error::file(
                    file,
                    format!("{key} = {value}: one value is wanted")
                ))?
            )),
        }
    }
    Ok(words)
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

fn unknown(key: &str, name: &str, command: &Command) -> String {
    let names = command.get_arguments().filter_map(|a| a.get_long());
    let nearest = names
        .map(|n| (strsim::jaro_winkler(&n.to_lowercase(), &name.to_lowercase()), n))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest
        .filter(|(near, _)| *near > 0.7)
        .map(|(_, n)| format!("; did you mean {n}?"))
        .unwrap_or_default();
    format!("no option is named {key}{hint} (pixtape {} --help lists them)", command.get_name())
}

/// Options as such a file. What the data told (depths) is no option, and what only other models
/// have is left out.
pub(crate) fn text(options: &Value) -> Result<String> {
    let program = Cli::command();
    let train = program
        .find_subcommand(TAKERS[0])
        .ok_or_else(|| Error::Internal("there is no train".into()))?;
    let mut text = String::from(
        "# The options of this run as they were resolved; pixtape train --config FILE takes \
         them.\n",
    );
    for (name, value) in options.as_object().into_iter().flatten() {
        if !train.get_arguments().any(|a| a.get_long() == Some(name))
            || !crate::commands::train::has_option(
                options["model"].as_str().unwrap_or_default(),
                name,
            )
        {
            continue;
        }
        let value = match value {
            Value::Null => continue,
            // A flag with several values that was not given.
            Value::Array(all) if all.is_empty() => continue,
            Value::Object(_) => {
                return Err(Error::Internal(format!(
                    "option {name} is {value}: TOML files of options hold values and lists"
                )));
            }
            value => toml::Value::try_from(value)
                .map_err(|e| Error::Internal(format!("option {name} is {value}: {e}")))?
                .to_string(),
        };
        text += &format!("{name} = {value}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command as Chosen, TrainArgs};
    use clap::FromArgMatches;

    fn parse(words: &[&str]) -> Result<TrainArgs> {
        let words = expand(words.iter().map(|w| w.to_string()).collect(), &Cli::command())?;
        let cli = Cli::from_arg_matches(
            &Cli::command().try_get_matches_from(words).map_err(|e| Error::Usage(e.to_string()))?,
        )
        .unwrap();
        let Chosen::Train(command) = cli.command else { panic!() };
        Ok(command.train)
    }

    #[test]
    fn a_file_stands_before_the_command_line_and_what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        let path = file.to_str().unwrap();
        std::fs::write(
            &file,
            "netG = \"unet_64\"\nlambda-L1 = 10\nno_flip = true\nno_dropout = \
                               false\nlr = 1e-4\nname = \"a \\\"b\\\"\"\ngpu_ids = 0\nbands_A = \
                               [\"r\", \"nir\"]\n",
        )
        .unwrap();
        let args = parse(&["pixtape", "train", "--lr", "3e-4", "--config", path]).unwrap();
        assert_eq!(
            (
                args.nets.net_g.as_str(),
                args.optim.lambda_l1,
                args.data.no_flip,
                args.nets.no_dropout
            ),
            ("unet_64", 10.0, true, false)
        );
        assert_eq!(
            (args.optim.lr, args.run.name.as_str(), args.data.bands_a.join("+")),
            (3e-4, "a \"b\"", "r+nir".into())
        );
        let options = crate::commands::train::resolved(&args).unwrap();
        std::fs::write(&file, text(&options).unwrap()).unwrap();
        let again = parse(&["pixtape", "train", &format!("--config={path}")]).unwrap();
        assert_eq!(crate::commands::train::resolved(&again).unwrap(), options);
        assert!(std::fs::read_to_string(&file).unwrap().contains("init_gain = 0.02\n"));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        let cases = [
            ("batch_sise = 2", "batch_size"),
            ("netg = \"unet_64\"", "netG"),
            ("no_flip = 3", "true or false"),
            ("lr = { a = 1 }", "one value"),
            ("a = 1\nb = ", "line 2"),
            ("config = \"x\"", "no option"),
        ];
        for (text, part) in cases {
            std::fs::write(&file, text).unwrap();
            let message = parse(&["pixtape", "train", "--config", file.to_str().unwrap()])
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("c.toml")
                    && message.contains(part)
                    && message.lines().count() == 1,
                "{text}: {message}"
            );
        }
        assert!(
            parse(&["pixtape", "train", "--config", "/nonexistent.toml"])
                .unwrap_err()
                .to_string()
                .contains("/nonexistent.toml")
        );
    }
}
