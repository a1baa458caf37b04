//! Pairs of two folders by name: the path below the folder without extension.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::entry::{Entry, Misfit};
use super::layout::Found;
use super::rows::is_inside;
use crate::error::shown;
use crate::io::picture::{LeftOut, Listing, name_key, without_extension};
use crate::{Error, Result};

/// A folder of one side, or of a band of it.
struct Folder {
    /// 0 for A, 1 for B.
    side: usize,
    path: PathBuf,
    /// Its files by name.
    files: BTreeMap<Vec<u8>, PathBuf>,
    left_out: LeftOut,
}

/// Finds the pairs of two folders, or of the folders of their bands.
pub(super) fn two_folders(
    sides: &[PathBuf; 2],
    bands: &[Vec<String>; 2],
    layout: &str,
) -> Result<Found> {
    let mut found = Found::default();
    let folders = folders(sides, bands)?
        .into_iter()
        .map(|(side, path)| Folder::read(side, path, &mut found))
        .collect::<Result<Vec<_>>>()?;
    if folders.iter().all(|folder| folder.files.is_empty()) {
        let ending = found.left_out.ending();
        return Err(Error::file(&sides[0], format!("no images in it; {layout}{ending}")));
    }
    let rows = matched(&folders, &mut found.misfits);
    if rows.is_empty() && folders.iter().all(|folder| !folder.files.is_empty()) {
        found.advice = Some(format!(
            "{} and {} have no name in common; images that need not be pairs train with `model` \
             cycle_gan",
            shown(&sides[0]),
            shown(&sides[1])
        ));
    }
    let entry = |row: Vec<PathBuf>| {
        let of = |side: usize| {
            let files = folders.iter().zip(&row).filter(|(folder, _)| folder.side == side);
            files.map(|(_, file)| file.clone()).collect()
        };
        Entry::Files(vec![of(0), of(1)])
    };
    found.entries = rows.into_values().map(entry).collect();
    Ok(found)
}

/// Of each side its folders: one, or one a band.
fn folders(sides: &[PathBuf; 2], bands: &[Vec<String>; 2]) -> Result<Vec<(usize, PathBuf)>> {
    let mut folders = Vec::new();
    for (side, (dir, bands)) in sides.iter().zip(bands).enumerate() {
        for band in bands {
            let folder = dir.join(band);
            if !folder.is_dir() || !is_inside(Path::new(band)) {
                return Err(Error::file(
                    folder,
                    "no such folder of a band; `bands_A` and `bands_B` name the subfolders that \
                     hold a band each",
                ));
            }
            folders.push((side, folder));
        }
        if bands.is_empty() {
            folders.push((side, dir.clone()));
        }
    }
    Ok(folders)
}

impl Folder {
    fn read(side: usize, path: PathBuf, found: &mut Found) -> Result<Folder> {
        let Listing { files: listed, left_out } = Listing::of(&path)?;
        found.left_out.add(&left_out);
        let mut files: BTreeMap<Vec<u8>, PathBuf> = BTreeMap::new();
        for file in listed {
            let name = without_extension(file.strip_prefix(&path).unwrap_or(&file));
            match files.entry(name.into_os_string().into_encoded_bytes()) {
                std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(file)),
                std::collections::btree_map::Entry::Occupied(other) => {
                    let other = shown(other.get());
                    let message =
                        format!("has the name of {other}: pairs are matched by name; remove one");
                    found.misfits.push(Misfit::new(&file, message));
                }
            }
        }
        Ok(Folder { side, path, files, left_out })
    }

    /// The name of a file whatever way its letters are written.
    fn key(&self, file: &Path) -> String {
        name_key(file.strip_prefix(&self.path).unwrap_or(file)).to_string_lossy().into_owned()
    }

    /// What there is instead of a partner, as the end of a message.
    fn instead(&self, key: &str, rest: &BTreeMap<String, Vec<PathBuf>>) -> String {
        let lower = key.to_lowercase();
        let other_case = || rest.iter().find(|(other, _)| other.to_lowercase() == lower);
        if let Some(two) = rest.get(key).filter(|files| files.len() > 1) {
            let (one, other) = (shown(&two[0]), shown(&two[1]));
            return format!(
                ": {one} and {other} differ in how accented letters are written only; rename one"
            );
        }
        let same = |file: &&PathBuf| self.key(&file.with_extension("")) == key;
        if let Some(file) = self.left_out.unread().iter().find(same) {
            return format!(": {} is of a kind that is not read", shown(file));
        }
        match other_case() {
            Some((_, files)) => {
                format!(": {} differs in upper and lower case; rename one", shown(&files[0]))
            }
            None => String::new(),
        }
    }
}

/// The files of each name that all folders have, a file per folder; what is left is a misfit.
fn matched(folders: &[Folder], misfits: &mut Vec<Misfit>) -> BTreeMap<Vec<u8>, Vec<PathBuf>> {
    let names: BTreeSet<&Vec<u8>> = folders.iter().flat_map(|f| f.files.keys()).collect();
    let in_all = |name: &Vec<u8>| folders.iter().all(|folder| folder.files.contains_key(name));
    let (shared, alone): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| in_all(name));
    let row = |name: &Vec<u8>| folders.iter().map(|folder| folder.files[name].clone()).collect();
    let mut rows: BTreeMap<Vec<u8>, Vec<PathBuf>> =
        shared.into_iter().map(|name| (name.clone(), row(name))).collect();
    // Systems write an accented letter as one character or as two: macOS in archives as two.
    let rest = |folder: &Folder| {
        let mut rest: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for file in alone.iter().filter_map(|name| folder.files.get(*name)) {
            rest.entry(folder.key(file)).or_default().push(file.clone());
        }
        rest
    };
    let rest: Vec<BTreeMap<String, Vec<PathBuf>>> = folders.iter().map(rest).collect();
    let one = |key: &String| -> Option<Vec<PathBuf>> {
        let of = |rest: &BTreeMap<String, Vec<PathBuf>>| match rest.get(key).map(Vec::as_slice) {
            Some([file]) => Some(file.clone()),
            _ => None,
        };
        rest.iter().map(of).collect()
    };
    for name in alone {
        let here = folders.iter().find_map(|f| Some((f, f.files.get(name)?)));
        let (folder, file) = here.expect("the name came from one of them");
        let key = folder.key(file);
        match one(&key) {
            // Once, under the name that the first folder has for it.
            Some(row) if row[0] == *file => drop(rows.insert(name.clone(), row)),
            Some(_) => {}
            None => {
                let lacks = |place: &usize| !folders[*place].files.contains_key(name);
                let missing = (0..folders.len()).find(lacks).expect("it is not in all");
                let instead = folders[missing].instead(&key, &rest[missing]);
                let message = format!(
                    "has no partner of that name in {}{instead}",
                    shown(&folders[missing].path)
                );
                misfits.push(Misfit::new(file, message));
            }
        }
    }
    rows
}
