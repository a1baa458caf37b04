//! The options that a run has written down.

use crate::run::names::{FORMAT, OPTIONS};
use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// What options.json of a run's folder holds: the options as they were resolved.
///
/// # Errors
/// [`Error::File`] if it cannot be read, is not JSON, or is of a later version.
pub fn written(folder: &Path) -> Result<Value> {
    let file = folder.join(OPTIONS);
    let text = crate::io::file::read_text(&file).map_err(|e| {
        Error::file(
            &file,
            format!("cannot be read: {e}; is {} the folder of a run?", folder.display()),
        )
    })?;
    let mut whole: Value =
        serde_json::from_str(&text).map_err(|e| Error::file(&file, format!("not JSON: {e}")))?;
    match whole["format_version"].as_u64() {
        Some(version) if version <= u64::from(FORMAT) => Ok(whole["options"].take()),
        found => Err(Error::file(
            &file,
            format!("unknown format version {found:?}; this pixtape reads up to {FORMAT}"),
        )),
    }
}
