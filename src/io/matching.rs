//! Files of several folders that belong together: by sorted order, as pix2pixHD's loaders take
//! them, since names may differ (`x_gtFine_labelIds.png`, `x_leftImg8bit.png`).

use crate::io::picture::list_pictures;
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
    let folders: Vec<&Path> = folders.iter().map(AsRef::as_ref).collect();
    let mut lists = Vec::with_capacity(folders.len());
    for folder in &folders {
        let files = list_pictures(folder)?;
        if files.is_empty() {
            return Err(Error::file(*folder, "no images in it"));
        }
        lists.push(files);
    }
    let keys: Vec<Vec<Vec<u8>>> =
        folders.iter().zip(&lists).map(|(folder, files)| keys(folder, files)).collect();
    let Some((first, others)) = lists.split_first() else { return Ok(Vec::new()) };
    let mut columns = vec![first.clone()];
    for (at, files) in others.iter().enumerate() {
        let (mine, theirs) = (&keys[0], &keys[at + 1]);
        let named: BTreeMap<&Vec<u8>, &PathBuf> = theirs.iter().zip(files).collect();
        let partners: Vec<_> = mine.iter().filter_map(|key| named.get(key)).collect();
        let unique = |keys: &[Vec<u8>]| keys.iter().collect::<BTreeSet<_>>().len() == keys.len();
        let by_name = unique(mine) && unique(theirs);
        let column = if by_name && partners.len() == mine.len() && files.len() == mine.len() {
            partners.into_iter().map(|file| (*file).clone()).collect()
        } else if by_name && 2 * partners.len() >= mine.len().min(files.len()) {
            let alone = alone([(folders[0], first, mine), (folders[at + 1], files, theirs)]);
            return Err(refusal(&folders, &lists, &alone));
        } else if files.len() != first.len() {
            return Err(refusal(&folders, &lists, &[]));
        } else {
            files.clone()
        };
        columns.push(column);
    }
    Ok((0..first.len()).map(|row| columns.iter().map(|c| c[row].clone()).collect()).collect())
}

/// What tells the files of a folder apart: their paths in it without extension and without the
/// ending that all share.
fn keys(folder: &Path, files: &[PathBuf]) -> Vec<Vec<u8>> {
    let name = |file: &PathBuf| {
        let inner = file.strip_prefix(folder).unwrap_or(file);
        inner.with_extension("").into_os_string().into_encoded_bytes()
    };
    let mut names: Vec<Vec<u8>> = files.iter().map(name).collect();
    let alike =
        |a: &[u8], b: &[u8]| a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let shared = names.iter().map(|name| alike(&names[0], name)).min().unwrap_or(0);
    names.iter_mut().for_each(|name| name.truncate(name.len() - shared));
    names
}

/// The first file of each of two folders without a partner in the other.
fn alone(sides: [(&Path, &Vec<PathBuf>, &Vec<Vec<u8>>); 2]) -> Vec<String> {
    let [(a, ..), (b, ..)] = sides;
    let mut lines = Vec::new();
    for (here, there, folder) in [(0, 1, b), (1, 0, a)] {
        let known: BTreeSet<&Vec<u8>> = sides[there].2.iter().collect();
        let mut files = sides[here].1.iter().zip(sides[here].2);
        if let Some((file, _)) = files.find(|(_, key)| !known.contains(key)) {
            lines.push(format!("{} has no partner in {}", file.display(), folder.display()));
        }
    }
    lines
}

fn refusal(folders: &[&Path], lists: &[Vec<PathBuf>], alone: &[String]) -> Error {
    let count = |(folder, files): (&&Path, &Vec<PathBuf>)| {
        format!("{} in {}", files.len(), folder.display())
    };
    let counts: Vec<String> = folders.iter().zip(lists).map(count).collect();
    let mut why = "belongs together with others by sorted order".to_string();
    why += &match lists.iter().all(|files| files.len() == lists[0].len()) {
        true => ", but names say otherwise".into(),
        false => format!(", but there are {}", counts.join(", ")),
    };
    alone.iter().for_each(|line| why += &format!("; {line}"));
    Error::file(folders[0], why + "; complete the rows or move the rest away")
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
