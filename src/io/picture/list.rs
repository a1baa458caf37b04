//! Finding the image files in a folder.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::kind::Kind;
use crate::{Error, Result};

/// Extensions of image files, in lower or upper case.
pub const EXTENSIONS: [&str; 26] = [
    "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp", "png", "apng", "ppm", "pgm", "pbm", "pnm",
    "pam", "bmp", "dib", "gif", "tga", "tif", "tiff", "webp", "exr", "hdr", "qoi", "ff", "npy",
];

/// Names of what systems leave beside a user's files, in lower case. Names that begin with a dot
/// need no row.
const OF_SYSTEMS: [&str; 14] = [
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__macosx",
    "@eadir",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
];

/// The files of a folder and its subfolders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Image files, sorted by path.
    pub files: Vec<PathBuf>,
    /// What is no image that is read.
    pub left_out: LeftOut,
}

/// Files of a folder that are not used, counted by kind. Its text is `2 HEIC, 1 AVIF, 3 other
/// files`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    kinds: BTreeMap<String, usize>,
    others: usize,
    /// Images of kinds that are not read.
    unread: Vec<PathBuf>,
}

impl Listing {
    /// Every image file in `dir` and its subfolders. Links are followed, and what is called as
    /// nothing but a link to nowhere is listed too, for whoever opens it to complain.
    ///
    /// A file with one of the [`EXTENSIONS`] is an image; one without any is, if its content is an
    /// image that is read. Everything else is counted, but for entries whose names begin with a dot
    /// and those of systems (`Thumbs.db`, `__MACOSX`), which are passed over.
    ///
    /// # Errors
    /// [`Error::File`] when a folder cannot be read.
    pub fn of(dir: &Path) -> Result<Listing> {
        let mut found = Listing::default();
        found.walk(dir, &mut Vec::new())?;
        // By bytes, as the reference sorts strings: Path's own order would put a/b before a-b.
        let bytes = |path: &PathBuf| path.as_os_str().as_encoded_bytes().to_vec();
        found
            .files
            .sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
        found.left_out.unread.sort_by_key(bytes);
        Ok(found)
    }

    /// `above` holds the real paths from the root down to here, so that links cannot form a cycle.
    fn walk(&mut self, dir: &Path, above: &mut Vec<PathBuf>) -> Result<()> {
        let unreadable = |e: std::io::Error| {
            Error::file(dir, format!("cannot be read: {e}; check the path and its permissions"))
        };
        let real = dir.canonicalize().map_err(unreadable)?;
        if above.contains(&real) {
            return Ok(());
        }
        above.push(real);
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if is_of_system(&entry) {
                continue;
            }
            let path = entry.path();
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.walk(&path, above)?,
                Ok(metadata) if metadata.is_file() => self.sort(path),
                // Reading a pipe or a device would wait for ever.
                Ok(_) => self.left_out.others += 1,
                Err(_) if is_picture(&path) => self.files.push(path),
                Err(_) => self.left_out.others += 1,
            }
        }
        above.pop();
        Ok(())
    }

    /// Decides what a file is.
    fn sort(&mut self, path: PathBuf) {
        if is_picture(&path) {
            return self.files.push(path);
        }
        let extension = extension(&path).map(str::to_string);
        let left_out = &mut self.left_out;
        match (Kind::of_file(&path), extension) {
            (Ok(Kind::Read(_)), None) => self.files.push(path),
            // A copy that some program keeps: x.png.bak, x.jpg_original.
            (Ok(Kind::Read(name)), Some(e)) => left_out.count(format!("{name} named .{e}")),
            (Ok(Kind::Unread(name)), _) => {
                left_out.count(name.into());
                left_out.unread.push(path);
            }
            _ => left_out.others += 1,
        }
    }
}

impl LeftOut {
    fn count(&mut self, kind: String) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.others == 0
    }

    /// Adds what was left out of another folder.
    pub fn add(&mut self, other: &LeftOut) {
        for (kind, count) in &other.kinds {
            *self.kinds.entry(kind.clone()).or_default() += count;
        }
        self.others += other.others;
        self.unread.extend(other.unread.iter().cloned());
    }

    /// Images of kinds that are not read, sorted by path.
    pub fn unread(&self) -> &[PathBuf] {
        &self.unread
    }

    /// The same as a sentence, where there is something.
    pub fn note(&self) -> Option<String> {
        let advice = match self.unread.is_empty() {
            true => "",
            false => "; convert images of these kinds to PNG or TIFF to use them",
        };
        (!self.is_empty()).then(|| format!("left out: {self}{advice}"))
    }

    /// The same as the end of a message about a folder without images.
    pub fn ending(&self) -> String {
        self.note().map_or_else(String::new, |note| format!("; {note}"))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let mut parts: Vec<String> =
            kinds.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        match self.others {
            0 => {}
            1 => parts.push("1 other file".into()),
            n => parts.push(format!("{n} other files")),
        }
        f.write_str(&parts.join(", "))
    }
}

/// Every image file in `dir` and its subfolders, sorted by path: the files of [`Listing::of`].
///
/// # Errors
/// As there.
pub fn list_pictures(dir: &Path) -> Result<Vec<PathBuf>> {
    Listing::of(dir).map(|found| found.files)
}

/// Whether an entry of a folder is the system's or hidden.
fn is_of_system(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b".")
        || OF_SYSTEMS.iter().any(|known| bytes.eq_ignore_ascii_case(known.as_bytes()))
}

/// The extension of a file's name, if it has one: `frame.0001` has none.
fn extension(path: &Path) -> Option<&str> {
    let extension = path.extension()?.to_str()?.trim();
    (!extension.is_empty() && !extension.bytes().all(|b| b.is_ascii_digit())).then_some(extension)
}

/// Whether the file's name ends in one of [`EXTENSIONS`], in any case.
pub fn is_picture(path: &Path) -> bool {
    let known = |e: &str| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e));
    extension(path).is_some_and(known)
}

/// A path without the extension of an image file; others are part of a name.
pub fn without_extension(path: &Path) -> PathBuf {
    if is_picture(path) { path.with_extension("") } else { path.into() }
}

/// What files of two folders have in common if they belong together by name: the path below the
/// folder without extension. Accented letters may be one character or two, as systems differ in it.
pub fn name_key(path: &Path) -> PathBuf {
    let path = without_extension(path);
    match path.to_str() {
        Some(text) if !text.is_ascii() => text.nfc().collect::<String>().into(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        dir
    }

    fn names(root: &Path) -> Vec<String> {
        let found = list_pictures(root).unwrap();
        let below = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        found.iter().map(below).collect()
    }

    #[test]
    fn what_systems_leave_in_folders_is_passed_over() {
        let dir = folder(&[
            (".hidden/data/a.png", PNG),
            (".hidden/data/._a.png", b"\0\x05\x16\x07"),
            (".hidden/data/.ipynb_checkpoints/a-checkpoint.png", PNG),
            (".hidden/data/__MACOSX/a.png", PNG),
            (".hidden/data/sub/@eaDir/SYNOPHOTO_THUMB.jpg", PNG),
            (".hidden/data/sub/Thumbs.db", b"\xd0\xcf"),
            (".hidden/data/sub/Desktop.ini", b"[x]"),
            (".hidden/data/$RECYCLE.BIN/b.png", PNG),
            (".hidden/data/sub/b.PNG", PNG),
        ]);
        // The root itself may be hidden, or below what is.
        let root = dir.path().join(".hidden/data");
        let found = Listing::of(&root).unwrap();
        assert_eq!(names(&root), ["a.png", "sub/b.PNG"]);
        assert!(found.left_out.is_empty() && found.left_out.note().is_none(), "{found:?}");
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn images_are_known_by_extension_or_content_and_the_rest_is_counted() {
        let dir = folder(&[
            ("a.jfif", b"\xff\xd8\xff"),
            ("b.JPE", b"\xff\xd8\xff"),
            ("c.pgm", b"P5 1 1 255 x"),
            ("d", PNG),
            ("frame.0001", PNG),
            ("x.heic", HEIC),
            ("y.heif", HEIC),
            ("z.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"),
            ("raw.NEF", b"II\x2a\0\x08\0\0\0"),
            ("a.png.bak", PNG),
            ("notes.txt", b"notes"),
            ("labels.json", b"{}"),
            ("empty", b""),
        ]);
        let found = Listing::of(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["a.jfif", "b.JPE", "c.pgm", "d", "frame.0001"]);
        assert_eq!(
            found.left_out.to_string(),
            "2 HEIC, 1 AVIF, 1 PNG named .bak, 1 camera raw, 3 other files"
        );
        assert_eq!(found.left_out.unread().len(), 4);
        assert!(found.left_out.note().unwrap().contains("convert"), "{:?}", found.left_out.note());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_neither_loop_nor_wait() {
        use std::os::unix::fs::symlink;
        let dir = folder(&[("data/a.png", PNG), ("data/sub/b.png", PNG), ("photo.png", PNG)]);
        let at = |name: &str| dir.path().join("data").join(name);
        symlink("../..", at("sub/up")).unwrap();
        symlink("itself.png", at("itself.png")).unwrap();
        symlink("../photo.png", at("linked.png")).unwrap();
        symlink("gone", at("gone.png")).unwrap();
        symlink("gone", at("gone")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(at("pipe.png")).status().unwrap();
        assert!(fifo.success());
        let found = Listing::of(&at("")).unwrap();
        let want = ["a.png", "gone.png", "itself.png", "linked.png", "sub/b.png"];
        // By way of `up` what lies beside the folder is there, but not the folder itself again.
        assert_eq!(names(&at(""))[..4], want[..4]);
        assert_eq!(names(&at(""))[4..], ["sub/b.png", "sub/up/photo.png"]);
        assert_eq!(found.left_out.to_string(), "2 other files");
    }

    #[test]
    fn names_are_the_same_with_other_extensions_and_forms() {
        let key = |name: &str| name_key(Path::new(name)).to_str().unwrap().to_string();
        assert_eq!(key("x/a.b.PNG"), "x/a.b");
        assert_eq!((key("frame.0001"), key("v1.final")), ("frame.0001".into(), "v1.final".into()));
        assert_eq!(key("cafe\u{301}.jpg"), key("caf\u{e9}.png"));
    }
}
