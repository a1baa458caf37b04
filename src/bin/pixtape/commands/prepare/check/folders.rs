//! What the headers of a folder's files say.

use crate::commands::prepare::work::{Common, each, relative, some};
use crate::messages::shown;
use pixtape::Result;
use pixtape::io::{Depth, Header, IndexHeader};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Size, channels and depth from a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    channels: u32,
    bits: u32,
}

impl Head {
    /// Reads the header only: of an image, or of a map of indices, which may have widths that
    /// images have not.
    pub fn read(path: &Path) -> Result<Head> {
        let map = || -> Result<Head> {
            let IndexHeader { width, height, channels, bits } = IndexHeader::read(path)?;
            Ok(Head { width, height, channels, bits })
        };
        // A palette's index is one value, not three.
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        if folder.ends_with("_label") || folder.ends_with("_inst") {
            return map();
        }
        let image = Header::read(path).map(|header| Head {
            width: header.width,
            height: header.height,
            channels: header.channels,
            bits: match header.depth {
                Depth::U8 => 8,
                Depth::U16 => 16,
                Depth::F32 => 32,
            },
        });
        image.or_else(|error| map().map_err(|_| error))
    }

    fn kind(&self) -> (u32, u32) {
        (self.channels, self.bits)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { width, height, channels, bits } = self;
        write!(f, "{width}x{height}; {channels} channel(s) of {bits} bits")
    }
}

/// The files of each folder that directly contains images, by its path below the root. Files
/// without a header that can be read are there without one.
#[derive(Debug, Default)]
pub(super) struct Folders {
    all: BTreeMap<PathBuf, Vec<(PathBuf, Option<Head>)>>,
}

impl Folders {
    pub fn read(common: &Common, root: &Path, files: Vec<PathBuf>) -> Result<Folders> {
        let heads: Mutex<Vec<Option<Head>>> = Mutex::new(vec![None; files.len()]);
        each(common, files.len(), |at| {
            // What is wrong with a header is reported by whoever reads the file as a sample.
            let head = Head::read(&files[at]).ok();
            heads.lock().unwrap_or_else(|e| e.into_inner())[at] = head;
            Ok(())
        })?;
        let mut folders = Folders::default();
        let heads = heads.into_inner().unwrap_or_else(|e| e.into_inner());
        for (file, head) in files.into_iter().zip(heads) {
            let folder = relative(&file, root).parent().unwrap_or(Path::new("")).to_path_buf();
            folders.all.entry(folder).or_default().push((file, head));
        }
        Ok(folders)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Folders that directly contain images.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        self.all.keys().map(PathBuf::as_path)
    }

    /// Files in a folder and its subfolders; `folder` begins with the root.
    pub fn below(&self, folder: &Path, root: &Path) -> Vec<PathBuf> {
        self.heads(folder, root).map(|(file, _)| file.clone()).collect()
    }

    /// The same with their headers.
    pub fn heads<'a>(
        &'a self,
        folder: &'a Path,
        root: &'a Path,
    ) -> impl Iterator<Item = &'a (PathBuf, Option<Head>)> {
        let inside = move |name: &Path| root.join(name).starts_with(folder);
        self.all.iter().filter(move |(name, _)| inside(name)).flat_map(|(_, files)| files)
    }

    /// A line on each folder.
    pub fn lines<'a>(&'a self, root: &'a Path) -> impl Iterator<Item = String> + 'a {
        self.all.iter().map(|(name, files)| {
            let heads: Vec<&Head> = files.iter().filter_map(|(_, head)| head.as_ref()).collect();
            let sizes = counts(&heads, |h| (h.width, h.height));
            let size = |((w, h), n): &((u32, u32), usize)| match sizes.len() {
                1 => format!("{w}x{h}"),
                _ => format!("{n} of {w}x{h}"),
            };
            let kinds = counts(&heads, |head| head.kind());
            let kind = |((c, b), _): &((u32, u32), usize)| format!("{c} channel(s) of {b} bits");
            let sizes = some(&sizes.iter().map(size).collect::<Vec<_>>());
            let kinds = kinds.iter().map(kind).collect::<Vec<_>>().join(" and ");
            let folder = root.join(name);
            format!("{}: {} images, {sizes}; {kinds}", shown(&folder), files.len())
        })
    }

    /// Files that are of another kind than most of their folder. A training converts them if it
    /// can.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for files in self.all.values() {
            let heads: Vec<&Head> = files.iter().filter_map(|(_, head)| head.as_ref()).collect();
            let kinds = counts(&heads, |head| head.kind());
            let [((channels, bits), _), _, ..] = kinds[..] else { continue };
            let other = files.iter().filter_map(|(file, head)| Some((file, (*head)?)));
            let other = other.filter(|(_, head)| head.kind() != (channels, bits));
            let other: Vec<String> = other
                .map(|(file, head)| {
                    format!("{}: {} channel(s) of {} bits", shown(file), head.channels, head.bits)
                })
                .collect();
            notes.push(format!("{} among images of {channels} of {bits}", some(&other)));
        }
        notes
    }
}

/// Values with their counts, the most frequent first.
pub(super) fn counts<T: Ord + Copy>(heads: &[&Head], of: impl Fn(&Head) -> T) -> Vec<(T, usize)> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    heads.iter().for_each(|head| *counts.entry(of(head)).or_default() += 1);
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
    all
}
