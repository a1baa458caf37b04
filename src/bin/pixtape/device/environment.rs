//! Environment variables that the program reads. The library reads none.

use etcetera::BaseStrategy;
use pixtape::gpu::Request;
use pixtape::ops::PartialVariant;
use pixtape::{Error, Result};
use std::path::PathBuf;

/// What to look for: `adapter`, or what `PIXTAPE_ADAPTER` says; checked shaders if
/// `PIXTAPE_CHECKED` is set.
pub(crate) fn request(adapter: Option<&str>) -> Request {
    let var = |name| std::env::var(name).ok();
    let off = |v: String| v == "1" || v.eq_ignore_ascii_case("true");
    Request {
        adapter: adapter.map(String::from).or_else(|| var("PIXTAPE_ADAPTER")),
        checked: std::env::var_os("PIXTAPE_CHECKED").is_some(),
        no_driver_cache: var("MESA_SHADER_CACHE_DISABLE").is_some_and(off),
        ..Request::default()
    }
}

/// Parts of a variant that `PIXTAPE_VARIANT` forces on every convolution: a method, a tile, a
/// split. For measuring and for tests.
///
/// # Errors
/// [`Error::Usage`] if it is no variant.
pub(crate) fn forced() -> Result<PartialVariant> {
    match std::env::var("PIXTAPE_VARIANT") {
        Ok(text) => text.parse().map_err(|e| Error::Usage(format!("PIXTAPE_VARIANT: {e}"))),
        Err(_) => Ok(PartialVariant::default()),
    }
}

/// Folder for files that may be deleted at any time: the platform's, or `PIXTAPE_CACHE_DIR` (empty:
/// nothing is kept). It need not exist. `None` where there is no such place.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    match std::env::var_os("PIXTAPE_CACHE_DIR") {
        Some(folder) => (!folder.is_empty()).then(|| folder.into()),
        None => etcetera::choose_base_strategy().ok().map(|base| base.cache_dir().join("pixtape")),
    }
}
