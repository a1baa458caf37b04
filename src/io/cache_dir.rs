//! Where files go that may be deleted at any time.

use etcetera::BaseStrategy;
use std::path::PathBuf;

/// The platform's folder for such files, or what `PIXTAPE_CACHE_DIR` says (empty: nothing is to be
/// kept). It need not exist. `None` where there is no such place.
pub fn cache_dir() -> Option<PathBuf> {
    match std::env::var_os("PIXTAPE_CACHE_DIR") {
        Some(folder) => (!folder.is_empty()).then(|| folder.into()),
        None => etcetera::choose_base_strategy().ok().map(|base| base.cache_dir().join("pixtape")),
    }
}
