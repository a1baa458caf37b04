//! Images inside a page: sample grids over time, thinned and compressed so that the page opens
//! quickly.

use crate::outputs::report::folder::Run;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use pixtape::Result;
use pixtape::io::Picture;
use std::path::{Path, PathBuf};

/// The most sample grids in a page.
const FRAMES: usize = 40;
/// Approximate limit of the bytes of sample grids in a page; base64 adds a third.
const BUDGET: usize = 12 << 20;
const JPEG_QUALITY: u8 = 88;

/// An image embedded in a page.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub width: u32,
    pub height: u32,
    /// `data:` address.
    pub address: String,
}

/// A sample grid.
#[derive(Debug)]
pub(crate) struct Frame {
    /// `epoch 5`, or `latest`.
    pub label: String,
    /// The step after which it was made, if known.
    pub step: Option<u64>,
    pub picture: Embedded,
}

/// A sample grid's file and time.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    path: PathBuf,
    label: String,
    step: Option<u64>,
    /// Order by epoch or step, for runs whose losses do not give the steps of an epoch.
    order: (u64, u64),
}

/// The run's sample grids, oldest first, the last one always among them. Files that are not images
/// are left out.
pub(crate) fn frames(run: &Run) -> Result<Vec<Frame>> {
    embed(spread(found(run), FRAMES), BUDGET)
}

/// The last grid alone.
pub(crate) fn last_frame(run: &Run) -> Result<Option<Frame>> {
    let last = found(run).pop();
    Ok(embed(last.into_iter().collect(), BUDGET / 8)?.pop())
}

/// An image of the run's folder, if it exists.
pub(crate) fn picture(path: &Path) -> Option<Embedded> {
    let bytes = pixtape::io::file::read(path).ok()?;
    embedded(path, bytes, BUDGET / 8)
}

fn found(run: &Run) -> Vec<Found> {
    let starts = run.epoch_starts();
    // An epoch's last step is the one before the next epoch's first.
    let last_step_of = |epoch: u64| match starts.get(epoch as usize) {
        Some(next) => Some((*next as u64).saturating_sub(1)),
        None => (starts.len() as u64 == epoch).then(|| run.step()),
    };
    let files = std::fs::read_dir(run.folder.join("samples"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<Found> = files
        .filter(|path| path.extension().is_some_and(|e| e == "png"))
        .filter_map(|path| {
            let stem = path.file_stem()?.to_string_lossy().into_owned();
            let (word, number) =
                stem.split_at(stem.find(|c: char| c.is_ascii_digit()).unwrap_or(stem.len()));
            let number = number.parse::<u64>().ok();
            let (label, step, order) = match (word, number) {
                ("epoch", Some(epoch)) => {
                    (format!("epoch {epoch}"), last_step_of(epoch), (epoch, u64::MAX))
                }
                ("step", Some(step)) => (
                    "early".into(),
                    Some(step),
                    (starts.iter().filter(|s| **s as u64 <= step).count() as u64, step),
                ),
                ("latest", None) => ("latest".into(), Some(run.step()), (u64::MAX, u64::MAX)),
                _ => return None,
            };
            Some(Found { path, label, step, order })
        })
        .collect();
    found.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.path.cmp(&b.path)));
    // At the end of an epoch `latest` is the same grid again.
    if let [.., before, last] = found.as_slice()
        && last.label == "latest"
        && pixtape::io::file::read(&before.path).ok() == pixtape::io::file::read(&last.path).ok()
    {
        found.pop();
    }
    found
}

/// At most `count` of a list, evenly spread, the first and the last among them.
fn spread<T>(list: Vec<T>, count: usize) -> Vec<T> {
    let (len, count) = (list.len(), count.max(1));
    if len <= count {
        return list;
    }
    let places: Vec<usize> = if count == 1 {
        vec![len - 1]
    } else {
        (0..count).map(|i| i * (len - 1) / (count - 1)).collect()
    };
    list.into_iter()
        .enumerate()
        .filter(|(at, _)| places.binary_search(at).is_ok())
        .map(|(_, item)| item)
        .collect()
}

fn embed(found: Vec<Found>, budget: usize) -> Result<Vec<Frame>> {
    let share = budget / found.len().max(1);
    let frame = |found: Found| {
        let bytes = pixtape::io::file::read(&found.path).ok()?;
        Some(Frame {
            picture: embedded(&found.path, bytes, share)?,
            label: found.label,
            step: found.step,
        })
    };
    let frames: Vec<Frame> = found.into_iter().filter_map(frame).collect();
    let largest = frames.iter().map(|f| f.picture.address.len() * 3 / 4).max().unwrap_or(0).max(1);
    Ok(spread(frames, budget / largest))
}

/// The file itself if it is small enough, else a JPEG; `None` if it is not an image.
fn embedded(path: &Path, bytes: Vec<u8>, limit: usize) -> Option<Embedded> {
    let (width, height) = Picture::dimensions(path).ok()?;
    let (kind, bytes) = if bytes.len() <= limit {
        ("png", bytes)
    } else {
        ("jpeg", jpeg(&Picture::load(path, 3).ok()?)?)
    };
    Some(Embedded {
        width,
        height,
        address: format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes)),
    })
}

fn jpeg(picture: &Picture) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .write_image(&picture.data, picture.width, picture.height, ExtendedColorType::Rgb8)
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::report::tests::{noise, run_folder};

    #[test]
    fn an_even_choice_keeps_both_ends() {
        let chosen = spread((0..1000).collect(), 40);
        assert_eq!((chosen.len(), chosen[0], chosen[39]), (40, 0, 999));
        assert_eq!(spread(vec![1, 2, 3], 40), [1, 2, 3]);
        assert_eq!(spread(vec![1, 2, 3], 1), [3]);
        assert_eq!(spread(vec![1, 2, 3], 0), [3]);
    }

    #[test]
    fn grids_come_in_time_and_what_is_no_picture_is_left_out() {
        let dir = run_folder(30, 10);
        let samples = dir.path().join("samples");
        for (name, seed) in
            [("epoch002", 2), ("epoch010", 10), ("epoch001", 1), ("step00005", 5), ("latest", 3)]
        {
            noise(8, 8, seed).save_png(&samples.join(name).with_extension("png")).unwrap();
        }
        std::fs::write(samples.join("epoch003.png"), b"no picture").unwrap();
        std::fs::write(samples.join("notes.png"), b"?").unwrap();
        let run = Run::read(dir.path()).unwrap();
        let all: Vec<_> = frames(&run).unwrap().into_iter().map(|f| (f.label, f.step)).collect();
        let want = [
            ("early", Some(5)),
            ("epoch 1", Some(10)),
            ("epoch 2", Some(20)),
            ("epoch 10", None),
            ("latest", Some(30)),
        ];
        assert_eq!(all, want.map(|(l, s)| (l.to_string(), s)));
        // The same grid twice is shown once.
        std::fs::copy(samples.join("epoch010.png"), samples.join("latest.png")).unwrap();
        assert_eq!(frames(&run).unwrap().last().unwrap().label, "epoch 10");
        assert_eq!(last_frame(&run).unwrap().unwrap().label, "epoch 10");
    }

    #[test]
    fn many_large_grids_stay_within_the_budget() {
        let dir = tempfile::tempdir().unwrap();
        let found: Vec<Found> = (0..20)
            .map(|i| {
                let path = dir.path().join(format!("{i}.png"));
                noise(64, 64, i).save_png(&path).unwrap();
                Found { path, label: i.to_string(), step: None, order: (i, 0) }
            })
            .collect();
        let png = std::fs::metadata(&found[0].path).unwrap().len() as usize;
        let size = |frames: &[Frame]| {
            frames.iter().map(|f| f.picture.address.len() * 3 / 4).sum::<usize>()
        };
        let whole = embed(found.clone(), 40 * png).unwrap();
        assert!(
            whole.len() == 20
                && whole[0].picture.address.starts_with("data:image/png;base64,iVBOR")
        );
        for budget in [10 * png, 3 * png] {
            let frames = embed(found.clone(), budget).unwrap();
            assert!(
                size(&frames) <= budget && frames.len() > 1,
                "{} frames of {} in {budget}",
                frames.len(),
                size(&frames)
            );
            assert!(frames[0].picture.address.starts_with("data:image/jpeg;base64,/9j/"));
            assert_eq!(
                (frames[0].label.as_str(), frames.last().unwrap().label.as_str()),
                ("0", "19")
            );
            assert_eq!((frames[0].picture.width, frames[0].picture.height), (64, 64));
        }
    }
}
