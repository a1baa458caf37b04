//! Files by a pattern, as shells have them: `*`, `?`, `[a-z]`, and `**` for folders in folders.

use pixtape::{Error, Result};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

const SPECIAL: [char; 3] = ['*', '?', '['];

/// The files that a pattern finds, in the order of their names; none where `path` is no pattern.
pub(crate) fn files(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    let Some(pattern) = path.to_str().filter(|p| p.contains(SPECIAL)) else { return Ok(None) };
    let found = glob::glob(pattern).map_err(|e| Error::file(path, format!("no pattern: {e}")))?;
    // What cannot be looked at is an error, not left out.
    let mut found = found
        .collect::<std::result::Result<Vec<PathBuf>, _>>()
        .map_err(|e| Error::file(e.path(), format!("cannot be read: {e}")))?;
    // As in a shell, * is no hidden file. Of a link to nowhere is said that it cannot be opened.
    let dangles = |p: &Path| p.symlink_metadata().is_ok_and(|m| m.is_symlink()) && !p.exists();
    found.retain(|p| (p.is_file() || dangles(p)) && !is_hidden(p, Path::new(pattern)));
    if found.is_empty() {
        return Err(Error::file(path, "no file has such a name"));
    }
    Ok(Some(found))
}

/// The folder that all files of a pattern lie in, at any depth: what comes before its first part
/// with a special character.
pub(crate) fn folder(pattern: &Path) -> PathBuf {
    let plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(SPECIAL);
    pattern.components().take_while(plain).collect()
}

/// Whether a name in a path that a pattern found begins with a dot where the pattern does not.
fn is_hidden(found: &Path, pattern: &Path) -> bool {
    fn names(path: &Path) -> Vec<&OsStr> {
        let normal = |c: Component<'_>| matches!(c, Component::Normal(_));
        path.components().filter(|c| normal(*c)).map(|c| c.as_os_str()).collect()
    }
    let (names, parts) = (names(found), names(pattern));
    // What ** stands for lies between the names that the pattern has before and behind it.
    let front = parts.iter().take_while(|part| **part != "**").count();
    let back = parts[front..].iter().rev().take_while(|part| **part != "**").count();
    let dotted = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    names.iter().enumerate().any(|(at, name)| {
        let part = match names.len() - at {
            _ if at < front => parts.get(at),
            behind if behind <= back => parts.get(parts.len() - behind),
            _ => None,
        };
        dotted(name) && !part.is_some_and(|part| dotted(part))
    })
}
