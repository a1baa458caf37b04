//! Files of several folders that belong together: by sorted order, as pix2pixHD's loaders take
//! them, since names may differ (`x_gtFine_labelIds.png`, `x_leftImg8bit.png`).

use crate::error::shown;
use crate::io::picture::{LeftOut, Listing, name_key};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lists the images of each folder, sorted by path, and joins the first ones, the second ones and
/// so on: a row per sample, a file per folder.
///
/// Where all folders have the same names, but for an ending that all files of a folder share, the
/// names decide: `a_1_label.png` comes after `a_10_label.png`, `a_1.png` before `a_10.png`. Rows
/// are in the order of the first folder.
///
/// # Errors
/// [`Error::File`] for a folder that is empty or cannot be read; for folders of different counts,
/// with the counts and, where names tell, with files that have no partner; and for equal counts of
/// which most, but not all, have partners of their names.
pub fn matched_by_order(folders: &[impl AsRef<Path>]) -> Result<Vec<Vec<PathBuf>>> {
    matched(folders).map(|(rows, _)| rows)
}

/// The same for files that are listed already, each list with the folder that it lies in: names are
/// compared from there on.
///
/// # Errors
/// As for [`matched_by_order`].
pub fn matched_files(lists: &[(PathBuf, Vec<PathBuf>)]) -> Result<Vec<Vec<PathBuf>>> {
    let listed = |(folder, files): &'_ (PathBuf, Vec<PathBuf>)| {
        Listed::new(folder.clone(), files.clone(), LeftOut::default())
    };
    rows(&lists.iter().map(listed).collect::<Result<Vec<_>>>()?)
}

/// The same, with what the folders hold besides.
pub(in crate::io) fn matched(folders: &[impl AsRef<Path>]) -> Result<(Vec<Vec<PathBuf>>, LeftOut)> {
    let lists = folders.iter().map(|f| Listed::read(f.as_ref())).collect::<Result<Vec<_>>>()?;
    let mut left_out = LeftOut::default();
    lists.iter().for_each(|list| left_out.add(&list.left_out));
    Ok((rows(&lists)?, left_out))
}

fn rows(lists: &[Listed]) -> Result<Vec<Vec<PathBuf>>> {
    let Some((first, others)) = lists.split_first() else { return Ok(Vec::new()) };
    let mut rows: Vec<Vec<PathBuf>> = first.files.iter().map(|file| vec![file.clone()]).collect();
    for other in others {
        let known: BTreeMap<&Vec<u8>, &PathBuf> = other.keys.iter().zip(&other.files).collect();
        let partners = first.keys.iter().filter_map(|key| known.get(key).copied());
        let partners: Vec<&PathBuf> = partners.collect();
        let (mine, theirs) = (first.files.len(), other.files.len());
        let column: Vec<&PathBuf> = match first.is_told_apart() && other.is_told_apart() {
            true if partners.len() == mine && theirs == mine => partners,
            true if 2 * partners.len() >= mine.min(theirs) => {
                let alone = [first.alone(other), other.alone(first)];
                return Err(refusal(lists, alone.into_iter().flatten()));
            }
            _ if theirs != mine => return Err(refusal(lists, std::iter::empty())),
            _ => other.files.iter().collect(),
        };
        rows.iter_mut().zip(column).for_each(|(row, file)| row.push(file.clone()));
    }
    Ok(rows)
}

/// The images of a folder, sorted.
struct Listed {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// What tells the files apart: their paths in the folder without extension and without the
    /// ending that all share.
    keys: Vec<Vec<u8>>,
    left_out: LeftOut,
}

impl Listed {
    fn read(folder: &Path) -> Result<Listed> {
        let Listing { files, left_out } = Listing::of(folder)?;
        Listed::new(folder.into(), files, left_out)
    }

    fn new(folder: PathBuf, files: Vec<PathBuf>, left_out: LeftOut) -> Result<Listed> {
        if files.is_empty() {
            return Err(Error::file(folder, format!("no images in it{}", left_out.ending())));
        }
        let name = |file: &PathBuf| {
            let inner = file.strip_prefix(&folder).unwrap_or(file);
            name_key(inner).into_os_string().into_encoded_bytes()
        };
        let mut keys: Vec<Vec<u8>> = files.iter().map(name).collect();
        let alike = |key: &Vec<u8>| {
            let ends = key.iter().rev().zip(keys[0].iter().rev());
            ends.take_while(|(a, b)| a == b).count()
        };
        let shared = keys.iter().map(alike).min().unwrap_or(0);
        keys.iter_mut().for_each(|key| key.truncate(key.len() - shared));
        Ok(Listed { folder, files, keys, left_out })
    }

    /// Whether no two files have the same key: extensions alone may differ.
    fn is_told_apart(&self) -> bool {
        self.keys.iter().collect::<BTreeSet<_>>().len() == self.keys.len()
    }

    /// The first file without a partner in another folder, in words.
    fn alone(&self, other: &Listed) -> Option<String> {
        let known: BTreeSet<&Vec<u8>> = other.keys.iter().collect();
        let mut files = self.files.iter().zip(&self.keys);
        let (file, _) = files.find(|(_, key)| !known.contains(key))?;
        Some(format!("; {} has no partner in {}", shown(file), shown(&other.folder)))
    }
}

fn refusal(lists: &[Listed], alone: impl Iterator<Item = String>) -> Error {
    let count = |list: &Listed| format!("{} in {}", list.files.len(), shown(&list.folder));
    let mut why = "belongs together with others by sorted order".to_string();
    why += &match lists.iter().all(|list| list.files.len() == lists[0].files.len()) {
        true => ", but names say otherwise".into(),
        false => {
            let counts: Vec<String> = lists.iter().map(count).collect();
            format!(", but there are {}", counts.join(", "))
        }
    };
    why.extend(alone);
    Error::file(&lists[0].folder, why + "; complete the rows or move the rest away")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders with empty files of these names.
    fn folders(names: &[&[&str]]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = |(at, files): (usize, &&[&str])| {
            let folder = dir.path().join(format!("f{at}"));
            for file in *files {
                std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
                std::fs::write(folder.join(file), b"").unwrap();
            }
            folder
        };
        let all = names.iter().enumerate().map(folder).collect();
        (dir, all)
    }

    fn rows(names: &[&[&str]]) -> Result<Vec<Vec<String>>> {
        let (_dir, folders) = folders(names);
        let name = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
        Ok(matched_by_order(&folders)?.iter().map(|row| row.iter().map(name).collect()).collect())
    }

    #[test]
    fn files_go_together_by_order_or_by_names_with_an_ending() {
        let city = rows(&[
            &["ulm/ulm_02_labelIds.png", "aachen/aachen_01_labelIds.png"],
            &["ulm/ulm_02_leftImg8bit.jpg", "aachen/aachen_01_leftImg8bit.png"],
        ]);
        assert_eq!(city.unwrap()[0], ["aachen_01_labelIds.png", "aachen_01_leftImg8bit.png"]);
        let unlike = rows(&[&["x.png", "y.png"], &["2.png", "1.png"], &["b.npy", "a.npy"]]);
        assert_eq!(unlike.unwrap(), [["x.png", "1.png", "a.npy"], ["y.png", "2.png", "b.npy"]]);
        // By order alone the first would get the second's image.
        let tens = rows(&[&["a_1_label.png", "a_10_label.png"], &["a_1.png", "a_10.png"]]);
        assert_eq!(tens.unwrap(), [["a_10_label.png", "a_10.png"], ["a_1_label.png", "a_1.png"]]);
        assert_eq!(rows(&[&["only.png"], &["one.png"]]).unwrap(), [["only.png", "one.png"]]);
    }

    #[test]
    fn listed_files_are_compared_from_their_folders_on() {
        let (_dir, folders) = folders(&[
            &["ulm/1_ids.png", "ulm/1_color.png", "bonn/2_ids.png", "bonn/2_color.png"],
            &["bonn/2.png", "ulm/1.png"],
        ]);
        let list = |folder: &PathBuf, ending: &str| {
            let mut files = Listing::of(folder).unwrap().files;
            files.retain(|file| file.to_string_lossy().ends_with(ending));
            (folder.clone(), files)
        };
        let lists = [list(&folders[0], "_ids.png"), list(&folders[1], ".png")];
        let [ids, photos] = &folders[..] else { panic!() };
        let want = [
            [ids.join("bonn/2_ids.png"), photos.join("bonn/2.png")],
            [ids.join("ulm/1_ids.png"), photos.join("ulm/1.png")],
        ];
        assert_eq!(matched_files(&lists).unwrap(), want);
    }

    #[test]
    fn counts_that_differ_and_partners_that_are_missing_are_named() {
        let refusal = |names: &[&[&str]]| rows(names).unwrap_err().to_string();
        let fewer = refusal(&[&["1_l.png", "2_l.png", "3_l.png"], &["1.png", "3.png"]]);
        for part in ["3 in ", "f0, 2 in ", "f1; ", "2_l.png has no partner in "] {
            assert!(fewer.contains(part), "{part}: {fewer}");
        }
        let unlike = refusal(&[&["a.png", "b.png"], &["1.png", "2.png", "3.png"]]);
        assert!(unlike.contains("2 in ") && !unlike.contains("partner"), "{unlike}");
        // As many, but not the same: by order 2 would get the image of 3.
        let shifted = refusal(&[
            &["1.png", "2.png", "3.png", "4.png"],
            &["1.png", "3.png", "4.png", "5.png"],
        ]);
        assert!(
            shifted.contains("2.png has no partner") && shifted.contains("5.png has no partner"),
            "{shifted}"
        );
        assert!(refusal(&[&["1.png"], &["readme.txt"]]).contains("f1: no images"));
    }
}
