//! Where files go that may be deleted at any time.

use std::path::PathBuf;

/// The platform's folder for such files, or what `PIXTAPE_CACHE_DIR` says. It need not exist. `None` where there is no such place.
pub fn cache_dir() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(own) = var("PIXTAPE_CACHE_DIR") {
        return Some(own);
    }
    let base = if cfg!(windows) {
        var("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        var("HOME").map(|home| home.join("Library/Caches"))
    } else {
        // A relative one is to be ignored, says the specification.
        var("XDG_CACHE_HOME").filter(|p| p.is_absolute()).or_else(|| var("HOME").map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("pixtape"))
}
