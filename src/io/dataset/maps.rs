//! Maps beside the images of a sample: labels, instances or masks, in folders of their own.

use super::layout::{Entry, Misfit, by_name};
use super::options::{DatasetOptions, Preprocess};
use super::scan::{Pair, header};
use crate::Result;
use crate::io::picture::Depth;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files of an entry's maps, in the order of [`DatasetOptions::maps`].
pub(super) type Maps = Vec<PathBuf>;

/// Finds the maps of all pairs: `ROOT/PHASE_NAME/` holds a file of the name of each pair's first
/// one. A pair whose maps are missing or do not fit becomes `None`.
///
/// # Errors
/// [`Error::File`](crate::Error::File) for a folder that cannot be read.
pub(super) fn find(
    o: &DatasetOptions,
    entries: &[Entry],
    pairs: &mut [Option<Pair>],
    misfits: &mut Vec<Misfit>,
) -> Result<Vec<Maps>> {
    let mut maps = vec![Maps::new(); entries.len()];
    for plane in &o.maps {
        let folder = o.root.join(format!("{}_{}", o.phase, plane.name));
        let files = match folder.is_dir() {
            true => by_name(&folder, misfits)?,
            false => BTreeMap::new(),
        };
        for ((entry, pair), maps) in entries.iter().zip(pairs.iter_mut()).zip(&mut maps) {
            let Some([first, _]) = pair else { continue };
            let fits = match files.get(&key(o, entry.path())) {
                Some(file) => check(o, file, (first.width, first.height)).map(|()| file),
                None => {
                    let message = format!("has no map of that name in {}", folder.display());
                    Err(Misfit::new(entry.path(), message))
                }
            };
            match fits {
                Ok(file) => maps.push(file.clone()),
                Err(misfit) => {
                    misfits.push(misfit);
                    *pair = None;
                }
            }
        }
    }
    Ok(maps)
}

/// Refuses what is no map of indices, or of another size than its pair.
fn check(o: &DatasetOptions, file: &Path, size: (u32, u32)) -> Result<(), Misfit> {
    let map = header(file)?;
    if map.channels != 1 || map.depth == Depth::F32 {
        let message = format!(
            "has {} channels of {}; a map has one of 8 or 16 bits, an index per pixel",
            map.channels, map.depth
        );
        return Err(Misfit::new(file, message));
    }
    if (map.width, map.height) != size && o.preprocess != Preprocess::ResizeAndCrop {
        let message = format!(
            "is {}x{}, its pair {}x{}; make them one size, or use `preprocess` resize_and_crop",
            map.width, map.height, size.0, size.1
        );
        return Err(Misfit::new(file, message));
    }
    Ok(())
}

/// The path of a pair's first file in its folder, without extension.
fn key(o: &DatasetOptions, path: &Path) -> Vec<u8> {
    let (root, phase) = (&o.root, &o.phase);
    let folders = [root.join(phase), root.join(format!("{phase}A")), root.join("A").join(phase)];
    let inner = folders.iter().find_map(|folder| path.strip_prefix(folder).ok());
    let name = inner.unwrap_or(Path::new(path.file_name().unwrap_or(OsStr::new(""))));
    name.with_extension("").into_os_string().into_encoded_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, options};
    use super::*;
    use crate::io::{Dataset, Picture, PlaneData};
    use crate::picture::{Encoding, Plane};
    use crate::{Error, Result};

    const LABEL: Plane = Plane { name: "label", channels: 1, encoding: Encoding::Labels };

    /// A map with the first channel of a pair's A, so that any disagreement shows.
    fn draw(root: &Path, name: &str, channels: u32) {
        let pair = Picture::load(&root.join("train").join(name), 3).unwrap();
        let half = pair.crop(0, 0, pair.width / 2, pair.height).unwrap();
        let data = half.data.chunks(3).flat_map(|pixel| vec![pixel[0]; channels as usize]);
        let map = Picture::new(half.width, half.height, channels, data.collect()).unwrap();
        map.save_png(&root.join("train_label").join(name)).unwrap();
    }

    fn open(root: &Path, plane: Plane) -> Result<Dataset> {
        let preprocess = Preprocess::Crop;
        Dataset::open(DatasetOptions { preprocess, maps: vec![plane], ..options(root) })
    }

    #[test]
    fn maps_are_cropped_and_mirrored_as_their_pair() {
        let dir = folder(&[(32, 16), (32, 16)]);
        std::fs::create_dir(dir.path().join("train_label")).unwrap();
        ["00.png", "01.png"].iter().for_each(|name| draw(dir.path(), name, 1));
        let data = open(dir.path(), LABEL).unwrap();
        let names: Vec<_> = data.planes().iter().map(|plane| plane.name).collect();
        assert_eq!(names, ["input", "target", "label"]);
        for epoch in 1..=10 {
            let sample = data.pair(epoch, 0).unwrap();
            let input = sample.input().unwrap().as_8bit().unwrap();
            let PlaneData::Map(map) = sample.plane("label").unwrap() else { panic!() };
            let first: Vec<u32> = input.data.chunks(3).map(|pixel| pixel[0].into()).collect();
            assert_eq!(map.data, first);
        }
    }

    #[test]
    fn maps_that_are_missing_or_no_maps_are_named() {
        let dir = folder(&[(32, 16), (32, 16)]);
        let refusal = |plane| open(dir.path(), plane).unwrap_err().to_string();
        std::fs::create_dir(dir.path().join("train_label")).unwrap();
        draw(dir.path(), "01.png", 1);
        assert!(refusal(LABEL).contains("00.png: has no map of that name in"));
        draw(dir.path(), "00.png", 3);
        assert!(refusal(LABEL).contains("has 3 channels of u8; a map has one"));
        Picture::new(2, 2, 1, vec![0; 4])
            .unwrap()
            .save_png(&dir.path().join("train_label/00.png"))
            .unwrap();
        assert!(refusal(LABEL).contains("is 2x2, its pair 16x16"));
        let vector = Plane { encoding: Encoding::Vector, ..LABEL };
        assert!(matches!(open(dir.path(), vector), Err(Error::Config { .. })));
    }
}
