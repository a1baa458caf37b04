//! Finding the image files in a folder.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Extensions of image files, in lower or upper case.
pub const EXTENSIONS: [&str; 10] =
    ["jpg", "jpeg", "png", "ppm", "bmp", "tif", "tiff", "webp", "exr", "npy"];

/// Every image file in `dir` and its subfolders, sorted by path. Links are followed.
///
/// # Errors
/// [`Error::File`] when a folder cannot be read.
pub fn list_pictures(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(dir, &mut Vec::new(), &mut found)?;
    // By bytes, as the reference sorts strings: Path's own order would put a/b before a-b.
    found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    Ok(found)
}

/// `above` holds the real paths from the root down to here, so that links cannot form a cycle.
fn walk(dir: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |e: std::io::Error| {
        Error::file(dir, format!("cannot be read: {e}; check the path and its permissions"))
    };
    let real = dir.canonicalize().map_err(unreadable)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            walk(&path, above, found)?;
        } else if is_picture(&path) {
            found.push(path);
        }
    }
    above.pop();
    Ok(())
}

/// Whether the file's name ends in one of [`EXTENSIONS`], in any case.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}
