//! Every file's header, read once before a run, and whether all files fit together.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::layout::{Entry, Misfit};
use super::options::{DatasetOptions, Direction, Preprocess, Size, Task};
use crate::io::picture::{Depth, Header};
use crate::{Error, Result};

/// Misfits that a report names one by one.
const NAMED: usize = 20;

/// Input and target of a pair as their headers describe them, bands added up.
pub(super) type Pair = [Header; 2];

/// Called with the number of files read and of all.
pub type ScanProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Reads the headers of all pairs on several threads; `None` where a pair does not fit.
pub(super) fn read(
    o: &DatasetOptions,
    entries: &[Entry],
    misfits: &mut Vec<Misfit>,
    progress: ScanProgress<'_>,
) -> Vec<Option<Pair>> {
    let threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(entries.len() / 16 + 1);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Pair, Misfit>)>> =
        Mutex::new(Vec::with_capacity(entries.len()));
    let work = || {
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(entry) = entries.get(index)
        {
            let pair = pair(o, entry);
            let mut done = done.lock().unwrap_or_else(|e| e.into_inner());
            done.push((index, pair));
            progress(done.len(), entries.len());
        }
    };
    // A browser has no threads, and one thread needs no other.
    if threads == 1 {
        work();
    } else {
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    }
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, pair)| pair.map_err(|misfit| misfits.push(misfit)).ok()).collect()
}

pub(super) fn header(path: &Path) -> Result<Header, Misfit> {
    Header::read(path).map_err(|e| match e {
        Error::File { path, message } => Misfit { path, message },
        other => Misfit::new(path, other.to_string()),
    })
}

fn pair(o: &DatasetOptions, entry: &Entry) -> Result<Pair, Misfit> {
    let [a, b] = match entry {
        // The one picture's header for both.
        Entry::Photo(path) => [header(path)?; 2],
        Entry::Alone(_, path) => return Ok([header(path)?; 2]),
        Entry::Halves(path) => {
            let whole = header(path)?;
            let (width, height) = (whole.width, whole.height);
            if width < 2 || height == 0 {
                return Err(Misfit::new(
                    path,
                    format!("is {width}x{height}: no room for A and B; remove it"),
                ));
            }
            if o.preprocess == Preprocess::None && width % 2 == 1 {
                let message = format!(
                    "is {width}x{height}: with an odd width its halves differ; cut a column off \
                     or use `preprocess` resize_and_crop"
                );
                return Err(Misfit::new(path, message));
            }
            // A's size for both: with an odd width B is a pixel wider, and is scaled to the same
            // size or cropped at the same place.
            [Header { width: width / 2, ..whole }; 2]
        }
        Entry::Two([a, b]) => {
            let sides = [bands(a)?, bands(b)?];
            let [x, y] = sides;
            if (x.width, x.height) != (y.width, y.height)
                && o.preprocess != Preprocess::ResizeAndCrop
            {
                let message = format!(
                    "is {}x{}, its partner {} {}x{}: they do not cover each other; make them one \
                     size, or use `preprocess` resize_and_crop",
                    x.width,
                    x.height,
                    b[0].display(),
                    y.width,
                    y.height
                );
                return Err(Misfit::new(&a[0], message));
            }
            sides
        }
    };
    Ok(if o.direction == Direction::BtoA { [b, a] } else { [a, b] })
}

/// One header for the bands of a side.
fn bands(paths: &[std::path::PathBuf]) -> Result<Header, Misfit> {
    let mut joint = header(&paths[0])?;
    for path in &paths[1..] {
        let band = header(path)?;
        if (band.width, band.height, band.depth) != (joint.width, joint.height, joint.depth) {
            let message = format!(
                "is {}x{} of {}, the first band {}x{} of {}",
                band.width, band.height, band.depth, joint.width, joint.height, joint.depth
            );
            return Err(Misfit::new(path, message));
        }
        joint.channels += band.channels;
        joint.alpha = false;
    }
    Ok(joint)
}

/// Channels of a side: given, or inferred from the files; all must be convertible to it.
pub(super) fn channels(
    side: usize,
    given: Option<u32>,
    entries: &[Entry],
    pairs: &[Option<Pair>],
    misfits: &mut Vec<Misfit>,
) -> u32 {
    let headers = || of_side(side, entries, pairs);
    // Gray among RGB counts as RGB of equal values.
    let inferred = || {
        let first = headers().next().map_or(3, |h| h.colors());
        if headers().all(|h| matches!(h.colors(), 1 | 3)) {
            headers().map(|h| h.colors()).max().unwrap_or(3)
        } else {
            first
        }
    };
    let wanted = given.unwrap_or_else(inferred);
    let (name, flag) = [("input", "`input_nc`"), ("target", "`output_nc`")][side];
    for (entry, pair) in entries.iter().zip(pairs) {
        let Some(h) = pair.filter(|_| entry.has(side)).map(|p| p[side]) else { continue };
        let colors = h.colors() == 1 || h.colors() == 3;
        let fits = h.channels == wanted
            || (colors && matches!(wanted, 1 | 3 | 4))
            || (h.alpha && h.channels == 4 && wanted == 4);
        if !fits {
            let message = format!(
                "has {} channels as {name} where {wanted} are expected{}",
                h.channels,
                if given.is_some() { format!(" ({flag})") } else { String::new() }
            );
            misfits.push(Misfit::new(entry.path(), message));
        }
    }
    wanted
}

/// The deepest of each side.
pub(super) fn depths(entries: &[Entry], pairs: &[Option<Pair>]) -> [Depth; 2] {
    [0, 1].map(|side| {
        of_side(side, entries, pairs).map(|header| header.depth).max().unwrap_or(Depth::U8)
    })
}

fn of_side(side: usize, entries: &[Entry], pairs: &[Option<Pair>]) -> impl Iterator<Item = Header> {
    entries
        .iter()
        .zip(pairs)
        .filter(move |(entry, _)| entry.has(side))
        .filter_map(move |(_, pair)| pair.map(|p| p[side]))
}

/// Size of a picture before cropping.
pub(super) fn scaled(o: &DatasetOptions, (w, h): (u32, u32)) -> (u32, u32) {
    let (load, crop) = (o.load_size, o.crop_size);
    match o.preprocess {
        Preprocess::ResizeAndCrop => (load.width, load.height),
        Preprocess::ScaleWidth | Preprocess::ScaleWidthAndCrop => {
            let height = u64::from(load.width) * u64::from(h) / u64::from(w.max(1));
            (load.width, u32::try_from(height).unwrap_or(u32::MAX).max(crop.height))
        }
        Preprocess::ScaleShortsideAndCrop => cover((w, h), load),
        Preprocess::Crop if w < crop.width || h < crop.height => cover((w, h), crop),
        Preprocess::Crop | Preprocess::None => (w, h),
    }
}

/// The smallest size of this aspect that covers `target`.
fn cover((w, h): (u32, u32), target: Size) -> (u32, u32) {
    let [w, h, tw, th] = [w, h, target.width, target.height].map(u64::from);
    // Nearest, but never below the target.
    let along = |side: u64, to: u64, of: u64, least: u64| {
        ((2 * side * to + of) / (2 * of)).max(least).min(u64::from(u32::MAX)) as u32
    };
    if w * th >= h * tw {
        (along(w, th, h, tw), target.height)
    } else {
        (target.width, along(h, tw, w, th))
    }
}

/// The one size of all images, which files prevent it, and how many are enlarged
/// to be cropped.
pub(super) fn common_size(
    o: &DatasetOptions,
    entries: &[Entry],
    pairs: &[Option<Pair>],
    misfits: &mut Vec<Misfit>,
) -> ((u32, u32), usize) {
    let (mode, crop) = (o.preprocess, (o.crop_size.width, o.crop_size.height));
    let mut first: Option<(&Path, (u32, u32))> = None;
    let mut enlarged = 0;
    for (entry, pair) in entries.iter().zip(pairs) {
        let Some([a, _]) = pair else { continue };
        let size = scaled(o, (a.width, a.height));
        if mode.crops() {
            enlarged += usize::from(mode == Preprocess::Crop && size != (a.width, a.height));
            continue;
        }
        match first {
            None => first = Some((entry.path(), size)),
            Some((_, one)) if one == size => {}
            Some((other, one)) => {
                let message = format!(
                    "would be {}x{}, {} {}x{}: `preprocess` {mode} needs one size for all; use \
                     `preprocess` resize_and_crop",
                    size.0,
                    size.1,
                    other.display(),
                    one.0,
                    one.1
                );
                misfits.push(Misfit::new(entry.path(), message));
            }
        }
    }
    (first.map_or(crop, |(_, size)| size), enlarged)
}

/// One error for all misfits.
pub(super) fn report(o: &DatasetOptions, all: usize, misfits: Vec<Misfit>) -> Result<()> {
    match &misfits[..] {
        [] => Ok(()),
        [one] => Err(Error::file(&one.path, one.message.clone())),
        many => {
            let mut text = format!("{} of {all} files do not fit:", many.len());
            for misfit in many.iter().take(NAMED) {
                text += &format!("\n  {}: {}", misfit.path.display(), misfit.message);
            }
            if many.len() > NAMED {
                text += &format!("\n  and {} more", many.len() - NAMED);
            }
            Err(Error::file(o.root.join(if o.root.is_dir() { o.phase.as_str() } else { "" }), text))
        }
    }
}

/// Channels that a task fixes, whatever the files have.
pub(super) fn fixed_channels(o: &DatasetOptions) -> Option<[u32; 2]> {
    (o.task == Task::Colorization).then_some([1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covering_keeps_the_aspect() {
        let target = Size { width: 20, height: 10 };
        assert_eq!(cover((40, 20), target), (20, 10));
        assert_eq!(cover((30, 30), target), (20, 20));
        assert_eq!(cover((100, 10), target), (100, 10));
        assert_eq!(cover((7, 3), target), (23, 10));
    }
}
