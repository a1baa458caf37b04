//! Messages of the library as the command line shows them. The library calls options by their
//! public names in backticks, `` `batch_size` ``; here they are flags, `--batch_size`.

use pixtape::{Error, printable, printable_report};
use std::fmt::Display;
use std::path::Path;
use std::sync::OnceLock;

/// Names of all flags, from [`know`].
static FLAGS: OnceLock<Vec<String>> = OnceLock::new();

/// Says which flags there are; without it options stay in backticks.
pub(crate) fn know(command: &clap::Command) {
    FLAGS.get_or_init(|| flags(command));
}

/// A message of the library with its options as flags.
pub(crate) fn with_flags(message: impl Display) -> String {
    let text = printable_report(&message.to_string()).into_owned();
    FLAGS.get().map_or_else(|| text.clone(), |flags| replace(&text, flags))
}

/// Lines with names in them as a terminal may have them.
pub(crate) fn lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| {
            let (own, end) = part.split_at(part.trim_end_matches(['\n', '\t']).len());
            format!("{}{end}", printable(own))
        })
        .collect()
}

/// A path as a terminal may have it.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// JSON without a character that a terminal acts on: such stand in texts only, where there are
/// escapes for them. Line ends are between values.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        let own = printable(letter.encode_utf8(&mut [0; 4])).len() == letter.len_utf8();
        if own || letter == '\n' {
            safe.push(letter);
        } else {
            safe += &format!("\\u{:04x}", u32::from(letter));
        }
    }
    safe
}

/// An error as the program's last line.
pub(crate) fn error(error: &Error) -> String {
    match error {
        Error::DeviceLost { .. } => format!("{error} (--continue_train)"),
        Error::Stopped { folder, .. } => {
            format!("{}; resume with: {}", with_flags(error), resume(folder))
        }
        _ => with_flags(error),
    }
}

/// The command that resumes the run in a folder.
pub(crate) fn resume(folder: &Path) -> String {
    let path = folder.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-+:=@%,".contains(c);
    if path.chars().all(plain) && !path.starts_with('-') {
        format!("pixtape resume {path}")
    } else if cfg!(windows) {
        format!("pixtape resume \"{path}\"")
    } else {
        format!("pixtape resume '{}'", path.replace('\'', "'\\''"))
    }
}

/// Names of the flags of a command and of all below it.
fn flags(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|a| a.get_long()).map(String::from);
    own.chain(command.get_subcommands().flat_map(flags)).collect()
}

fn replace(text: &str, flags: &[String]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        shown += before;
        match after.split_once('`').filter(|(name, _)| flags.iter().any(|f| f == name)) {
            Some((name, after)) => {
                shown += "--";
                shown += name;
                rest = after;
            }
            None => {
                shown.push('`');
                rest = after;
            }
        }
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_in_lines_and_in_json() {
        let evil = "x\x1b[2J\u{9b}\u{7f}\u{202e}";
        assert_eq!(lines(&format!("a\n{evil}")), "a\nx\\u{1b}[2J\\u{9b}\\u{7f}\\u{202e}");
        assert_eq!(with_flags(evil), r"x\u{1b}[2J\u{9b}\u{7f}\u{202e}");
        let value = serde_json::json!({ evil: [evil] });
        for text in [value.to_string(), format!("{value:#}")] {
            let safe = json(&text);
            assert!(!safe.contains(['\x1b', '\u{9b}', '\u{7f}', '\u{202e}']), "{safe:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        }
    }

    #[test]
    fn options_are_shown_as_flags_and_other_backticks_stay() {
        know(&Cli::command());
        let error = Error::config("load_size", "12 is smaller than `crop_size` 16; lower it");
        assert_eq!(super::error(&error), "--load_size 12 is smaller than --crop_size 16; lower it");
        for same in ["a ` b", "`pixtape devices` lists them", "no_such_option `x", "``", "plain"] {
            assert_eq!(with_flags(same), same);
        }
        assert_eq!(with_flags("`a `netG` b"), "`a --netG b");
        let lost = Error::DeviceLost { label: "step".into(), message: "gone".into() };
        assert!(super::error(&lost).ends_with("from the last checkpoint (--continue_train)"));
        let stopped = |folder: &str, step, saved, unsaved: Option<Error>| {
            super::error(&Error::Stopped {
                error: Error::file("a.png", "cannot be decoded").into(),
                folder: folder.into(),
                step,
                saved,
                unsaved: unsaved.map(Box::new),
            })
        };
        assert_eq!(
            stopped("runs/it's", 7, 7, None),
            "a.png: cannot be decoded; the steps up to 7 are saved in runs/it's; resume with: \
             pixtape resume 'runs/it'\\''s'"
        );
        let full = stopped("r", 7, 4, Some(Error::file("r/x", "cannot be written: full")));
        assert_eq!(
            full,
            "a.png: cannot be decoded; saving the 3 steps since the last checkpoint, of step 4, \
             failed too: r/x: cannot be written: full; resume with: pixtape resume r"
        );
    }
}
