//! The crate's error type. A message is one line: what went wrong, where, the numbers, what to try.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Shorthand used throughout the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. [`Error::exit_code`] says whether the caller can fix it.
///
/// Messages name options by their public names in backticks, `` `batch_size` `` for example, so
/// that a program can show them as it spells them: as a flag, a field of a form, a line of a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value that cannot work, alone or together with others.
    #[error("`{field}` {}", printable(why))]
    Config {
        /// Public name of the option: `batch_size`, `netG`.
        field: &'static str,
        /// Its value, what is wrong with it, and what to try; continues a sentence that begins
        /// with the name.
        why: String,
    },
    /// An operation was recorded with operands that do not fit each other.
    #[error("{op} {label:?}: {message}")]
    Shape {
        /// The operation, `conv2d` for example.
        op: &'static str,
        /// The label it was recorded under, `G/down3` for example.
        label: String,
        /// Shapes, the rule they break, and what to try.
        message: String,
    },
    /// There is no adapter, none that matches the request, or it makes no device.
    #[error("{0}")]
    Adapter(String),
    /// The adapter lacks something that a kernel or a tensor needs.
    #[error("{what} needs {needed}, the adapter offers {available}; {hint}")]
    Limit {
        /// The thing that needs it.
        what: String,
        /// How much is needed, with its unit.
        needed: String,
        /// How much there is, with its unit.
        available: String,
        /// What to lower or choose instead.
        hint: String,
    },
    /// The plan would take more memory than allowed. Raised before anything is allocated.
    #[error(
        "the plan needs {planned} bytes, the limit is {limit} bytes; the largest tensors are \
         {largest}; lower `batch_size`, `crop_size` or `ngf`, or set `recompute`"
    )]
    MemoryLimit {
        /// Planned bytes: parameters, gradients, moments, activations, uniforms.
        planned: u64,
        /// The limit in bytes ([`PlanOptions::memory_limit`](crate::PlanOptions::memory_limit)).
        limit: u64,
        /// The three largest tensors with their bytes.
        largest: String,
    },
    /// The device ran out of memory.
    #[error(
        "out of device memory at {label:?}: {message}; lower `batch_size`, `crop_size` or `ngf`, \
         or set `memory_limit`"
    )]
    OutOfMemory {
        /// The node or buffer being handled.
        label: String,
        /// The driver's message.
        message: String,
    },
    /// The device is gone: unplugged, reset by a watchdog, or its driver crashed.
    #[error(
        "the device was lost at {label:?}: {message}; request a new one and resume from the last \
         checkpoint"
    )]
    DeviceLost {
        /// The node or segment being run.
        label: String,
        /// The driver's message.
        message: String,
    },
    /// A step was computed twice from the same state, and differently.
    #[error(
        "the device computes wrong now and then: {what}; the cause is its hardware (overclocking, \
         heat, memory) or its driver (`pixtape devices` can check it)"
    )]
    Unsteady {
        /// The step.
        step: u64,
        /// What was found in it.
        what: String,
    },
    /// wgpu refused a call: a bug in this crate.
    #[error("internal: the GPU interface refused {label:?}: {message}")]
    Validation {
        /// The node or object being handled.
        label: String,
        /// wgpu's message.
        message: String,
    },
    /// The device reported an error outside of any call that could be asked for it. Browsers report
    /// this way; the next call returns it.
    #[error("the device reported an error before {label:?}: {message}")]
    Uncaptured {
        /// The call that returned the report.
        label: String,
        /// wgpu's message.
        message: String,
    },
    /// The checked run found a node whose output is wrong.
    #[error("checked run: node {node} {label:?}: {message}")]
    Check {
        /// Index of the node in the plan.
        node: usize,
        /// The node's label.
        label: String,
        /// What was found: a NaN, a word written outside, an element never written.
        message: String,
    },
    /// Weights, moments or statistics are NaN or infinite; they are not saved.
    #[error("{name} holds {value}: training has diverged")]
    NotFinite {
        /// Public name of the tensor.
        name: String,
        /// NaN or an infinity.
        value: f32,
    },
    /// A training ended on an error; the steps that were finished are saved, or most of them.
    #[error("{error}; {}", kept(*step, *saved, unsaved.as_deref(), folder))]
    Stopped {
        /// Why it ended.
        error: Box<Error>,
        /// The run's folder.
        folder: PathBuf,
        /// Steps done.
        step: u64,
        /// The step of the run's last checkpoint, which a resumed run continues from.
        saved: u64,
        /// Why that is an earlier one, if saving was tried.
        unsaved: Option<Box<Error>>,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {}", shown(path), printable_report(message))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What happened and what to try.
        message: String,
    },
    /// A call with arguments that cannot work: a wrong number of values, for example.
    #[error("{}", printable(.0))]
    Usage(String),
    /// A bug in this crate.
    #[error("internal: {0}")]
    Internal(String),
}

/// What a training that ended on an error has kept.
fn kept(step: u64, saved: u64, unsaved: Option<&Error>, folder: &Path) -> String {
    let folder = folder.to_string_lossy();
    let folder = printable(&folder);
    let lost = step.saturating_sub(saved);
    match (lost, unsaved) {
        (0, _) => format!("the steps up to {saved} are saved in {folder}"),
        (_, None) => format!("the last checkpoint in {folder} is of step {saved}"),
        (_, Some(why)) => format!(
            "saving the {lost} steps since the last checkpoint, of step {saved}, failed too: {why}"
        ),
    }
}

impl Error {
    /// Exit code for a program: 1 if the caller can fix it, 2 if it is a bug in this crate.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Validation { .. }
            | Error::Uncaptured { .. }
            | Error::Internal(_)
            | Error::Check { .. } => 2,
            Error::Stopped { error, .. } => error.exit_code(),
            _ => 1,
        }
    }

    /// An error about a file or folder: `message` says what happened and what to try.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Error::File { path: path.into(), message: message.into() }
    }

    /// An error about an option: `why` continues a sentence that begins with its name.
    pub fn config(field: &'static str, why: impl Into<String>) -> Self {
        Error::Config { field, why: why.into() }
    }
}

/// A path without its middle where it is longer than any file's: a list may name such.
fn brief(path: &str) -> Cow<'_, str> {
    const END: usize = 500;
    let cut = |(at, _): (usize, char)| at;
    match (path.char_indices().nth(END).map(cut), path.char_indices().rev().nth(END).map(cut)) {
        (Some(from), Some(to)) if path.len() > 4096 => {
            format!("{}…{}", &path[..from], &path[to..]).into()
        }
        _ => path.into(),
    }
}

/// A text for a terminal, a log or a page: characters that move a cursor, ring a bell, turn the
/// direction of writing or begin a line are shown as escapes (`\u{1b}`), since names of files may
/// have any of them.
pub fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if acts(letter) { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown.into()
}

/// The same for a message that may go on in indented lines, as a report on many files does: these
/// line ends stay.
pub fn printable_report(text: &str) -> Cow<'_, str> {
    const INDENT: &str = "\n  ";
    match text.contains(INDENT) {
        false => printable(text),
        true => text.split(INDENT).map(printable).collect::<Vec<_>>().join(INDENT).into(),
    }
}

/// A path as [`printable`] text.
pub(crate) fn shown(path: &Path) -> String {
    printable(&brief(&path.to_string_lossy())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_escape_sequences_reach_no_terminal() {
        let evil = "a\x1b]0;owned\x07\nb\u{9b}31m\u{202e}gpj.exe\u{2028}";
        let text = Error::file(evil, format!("is not {evil}")).to_string();
        assert!(
            !text.contains(['\x1b', '\x07', '\n', '\u{9b}', '\u{202e}', '\u{2028}']),
            "{text:?}"
        );
        assert!(text.starts_with(r"a\u{1b}]0;owned\u{7}\nb\u{9b}31m\u{202e}gpj.exe"), "{text:?}");
        for text in [Error::config("name", evil).to_string(), Error::Usage(evil.into()).to_string()]
        {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
        let report = Error::file("data", "2 do not fit:\n  a\nb: is empty\n  c: too").to_string();
        assert_eq!(report, "data: 2 do not fit:\n  a\\nb: is empty\n  c: too");
        let long = Error::file("é/".repeat(1 << 20), "no").to_string();
        assert!(long.len() < 2000 && long.contains('…') && long.ends_with("/: no"), "{long}");
        assert_eq!(printable("Grün 日本 🎨 'x' \"y\" \\"), "Grün 日本 🎨 'x' \"y\" \\");
    }
}
