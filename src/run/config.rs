//! Options in a TOML file: `name = value`, the names of the flags.

use crate::{Error, Result};
use std::path::Path;

/// The table of a file.
///
/// # Errors
/// [`Error::File`] if it cannot be read or is no TOML, with the line.
pub fn table(file: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(file).map_err(|e| {
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
    format!("no TOML{at}: {}", error.message().lines().next().unwrap_or_default())
}
