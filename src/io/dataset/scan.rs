//! Every file's header, read once before a run, and whether all files fit together.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::{Entry, Misfit};
use super::options::{DatasetOptions, Direction, Preprocess, Size, Task};
use super::slot::{Head, Kind, Slot};
use crate::error::shown;
use crate::io::picture::{Depth, Header};
use crate::io::{IndexHeader, IndexMap};
use crate::{Error, Result};

/// Misfits that a report names one by one.
const NAMED: usize = 20;

/// The planes of a sample as their headers describe them, bands added up.
pub(super) type Heads = Vec<Head>;

/// Called with the number of files read and of all.
pub type ScanProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Reads the headers of all samples on several threads, of label maps the pixels as well; `None`
/// where a sample does not fit.
pub(super) fn read(
    o: &DatasetOptions,
    slots: &[Slot],
    entries: &[Entry],
    misfits: &mut Vec<Misfit>,
    progress: ScanProgress<'_>,
) -> Vec<Option<Heads>> {
    // A thread is worth some headers, or a map.
    let share = if o.labels().is_some() { 1 } else { 16 };
    let threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(entries.len() / share + 1);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Heads, Misfit>)>> =
        Mutex::new(Vec::with_capacity(entries.len()));
    let work = || {
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(entry) = entries.get(index)
        {
            let heads = heads(o, slots, entry);
            let mut done = done.lock().unwrap_or_else(|e| e.into_inner());
            done.push((index, heads));
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
    done.into_iter().map(|(_, heads)| heads.map_err(|misfit| misfits.push(misfit)).ok()).collect()
}

/// An error as a misfit; of a file that it does not name itself.
pub(super) fn misfit(path: &Path, error: Error) -> Misfit {
    match error {
        Error::File { path, message } => Misfit { path, message },
        other => Misfit::new(path, other.to_string()),
    }
}

fn header(o: &DatasetOptions, path: &Path) -> Result<Header, Misfit> {
    Header::read_as(path, o.reading).map_err(|e| misfit(path, e))
}

fn heads(o: &DatasetOptions, slots: &[Slot], entry: &Entry) -> Result<Heads, Misfit> {
    let mut heads = match entry {
        // The one picture's header for both.
        Entry::Photo(path) | Entry::Alone(_, path) => vec![Head::Image(header(o, path)?); 2],
        Entry::Halves(path) => {
            let whole = header(o, path)?;
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
            vec![Head::Image(Header { width: width / 2, ..whole }); 2]
        }
        Entry::Files(files) => {
            let of_slot = |(files, slot): (&Vec<PathBuf>, &Slot)| head(o, slot.kind, files);
            let heads = files.iter().zip(slots).map(of_slot).collect::<Result<Heads, _>>()?;
            let (w, h) = heads[0].size();
            for (other, (x, y)) in files.iter().zip(heads.iter().map(Head::size)).skip(1) {
                if (x, y) != (w, h) && o.preprocess != Preprocess::ResizeAndCrop {
                    let message = format!(
                        "is {w}x{h}, its partner {} {x}x{y}: they do not cover each other; make \
                         them one size, or use `preprocess` resize_and_crop",
                        shown(&other[0])
                    );
                    return Err(Misfit::new(&files[0][0], message));
                }
            }
            heads
        }
    };
    if o.direction == Direction::BtoA {
        heads.swap(0, 1);
    }
    Ok(heads)
}

/// The header of a plane's files. Of label maps all labels are read.
fn head(o: &DatasetOptions, kind: Kind, files: &[PathBuf]) -> Result<Head, Misfit> {
    let file = &files[0];
    let advice = match kind {
        Kind::Image | Kind::Regions => return bands(o, files).map(Head::Image),
        Kind::Labels => {
            "`pixtape prepare palette` converts colours to labels, and `label_nc` 0 trains on \
             colours as they are"
        }
        Kind::Instances => {
            "`pixtape prepare coco` and `pixtape prepare instances` make such maps, and \
             `no_instance` does without"
        }
    };
    let header = IndexHeader::read_as(file, o.reading).map_err(|e| misfit(file, e))?;
    if header.channels != 1 {
        let message = format!(
            "has {} channels, where a map has one, an index per pixel; {advice}",
            header.channels
        );
        return Err(Misfit::new(file, message));
    }
    match o.labels().filter(|_| kind == Kind::Labels) {
        None => Ok(Head::Instances(header)),
        Some(labels) => {
            let map = IndexMap::load_as(file, o.reading).map_err(|e| misfit(file, e))?;
            let largest = map.data.iter().copied().max().unwrap_or(0);
            match largest < labels.classes {
                true => Ok(Head::Labels { header, largest }),
                false => Err(Misfit::new(file, no_class(&map, labels.classes, largest))),
            }
        }
    }
}

/// Names the first label that is no class.
fn no_class(map: &IndexMap, classes: u32, largest: u32) -> String {
    let at = map.data.iter().position(|label| *label >= classes).unwrap_or(0);
    let (x, y) = (at % map.width as usize, at / map.width as usize);
    let ignored = match largest {
        255 => " (255 often marks what is to be ignored)",
        _ => "",
    };
    format!(
        "label {} at ({x}, {y}), where `label_nc` {classes} has classes 0 to {}; the largest of \
         the file is {largest}{ignored}: raise `label_nc` to {}, or renumber with `pixtape prepare \
         palette`",
        map.data[at],
        classes - 1,
        u64::from(largest) + 1
    )
}

/// One header for the bands of a side.
fn bands(o: &DatasetOptions, paths: &[PathBuf]) -> Result<Header, Misfit> {
    let mut joint = header(o, &paths[0])?;
    for path in &paths[1..] {
        let band = header(o, path)?;
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

/// Fills in what the files of each plane have in common.
pub(super) fn describe(
    o: &DatasetOptions,
    slots: &mut [Slot],
    entries: &[Entry],
    heads: &[Option<Heads>],
    misfits: &mut Vec<Misfit>,
) {
    if o.task == Task::Colorization {
        // Whatever is a photo will do.
        channels(0, slots[0].name, Some(3), entries, heads, misfits);
        for (slot, channels) in slots.iter_mut().zip([1, 2]) {
            (slot.channels, slot.depth) = (channels, Depth::F32);
        }
        return;
    }
    for (place, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.kind.is_image()) {
        let given = match slot.kind {
            Kind::Regions => None,
            _ if place == 0 => o.input_nc,
            _ => o.output_nc,
        };
        slot.channels = channels(place, slot.name, given, entries, heads, misfits);
        let headers = of_plane(place, entries, heads);
        slot.depth = headers.map(|header| header.depth).max().unwrap_or(Depth::U8);
    }
}

/// Channels of a plane's images: given, or inferred from the files; all must be convertible to it.
fn channels(
    place: usize,
    name: &str,
    given: Option<u32>,
    entries: &[Entry],
    heads: &[Option<Heads>],
    misfits: &mut Vec<Misfit>,
) -> u32 {
    let headers = || of_plane(place, entries, heads);
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
    let option = if place == 0 { "`input_nc`" } else { "`output_nc`" };
    for (entry, heads) in entries.iter().zip(heads) {
        let Some(h) = heads.as_ref().filter(|_| entry.has(place)).and_then(|h| h[place].image())
        else {
            continue;
        };
        let colors = h.colors() == 1 || h.colors() == 3;
        let fits = h.channels == wanted
            || (colors && matches!(wanted, 1 | 3 | 4))
            || (h.alpha && h.colors() == wanted);
        if !fits {
            let message = format!(
                "has {} channels as {name} where {wanted} are expected{}",
                h.channels,
                if given.is_some() { format!(" ({option})") } else { String::new() }
            );
            misfits.push(Misfit::new(entry.path(), message));
        }
    }
    wanted
}

/// The headers of a plane's images.
fn of_plane(
    place: usize,
    entries: &[Entry],
    heads: &[Option<Heads>],
) -> impl Iterator<Item = Header> {
    entries
        .iter()
        .zip(heads)
        .filter(move |(entry, _)| entry.has(place))
        .filter_map(move |(_, heads)| heads.as_ref()?[place].image().copied())
}

/// Size of a picture before cropping.
pub(super) fn scaled(o: &DatasetOptions, (w, h): (u32, u32)) -> (u32, u32) {
    let (load, crop) = (o.load_size, o.crop_size);
    match o.preprocess {
        Preprocess::ResizeAndCrop => (load.width, load.height),
        Preprocess::ScaleWidth | Preprocess::ScaleWidthAndCrop => {
            let height = u64::from(load.width) * u64::from(h) / u64::from(w.max(1));
            let height = u32::try_from(height).unwrap_or(u32::MAX);
            match o.labels() {
                None => (load.width, height.max(crop.height)),
                Some(_) if o.preprocess.crops() && height < crop.height => cover((w, h), crop),
                Some(_) => (load.width, height.max(1)),
            }
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
    heads: &[Option<Heads>],
    misfits: &mut Vec<Misfit>,
) -> ((u32, u32), usize) {
    let (mode, crop) = (o.preprocess, (o.crop_size.width, o.crop_size.height));
    let mut first: Option<(&Path, (u32, u32))> = None;
    let mut enlarged = 0;
    for (entry, heads) in entries.iter().zip(heads) {
        let Some(heads) = heads else { continue };
        let whole = heads[0].size();
        let size = scaled(o, whole);
        if mode.crops() {
            enlarged += usize::from(match mode {
                Preprocess::Crop => size != whole,
                Preprocess::ScaleWidthAndCrop => size.0 > o.load_size.width,
                _ => false,
            });
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
                    shown(other),
                    one.0,
                    one.1
                );
                misfits.push(Misfit::new(entry.path(), message));
            }
        }
    }
    (first.map_or(crop, |(_, size)| size), enlarged)
}

/// One error for all misfits of so many samples, with advice if there is some.
pub(super) fn report(
    o: &DatasetOptions,
    all: usize,
    misfits: &[Misfit],
    advice: Option<&str>,
) -> Result<()> {
    let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
    match misfits {
        [] => Ok(()),
        [one] => Err(Error::file(&one.path, format!("{}{advice}", one.message))),
        many => {
            let mut text = format!("{} of {all} files do not fit{advice}:", many.len());
            for misfit in many.iter().take(NAMED) {
                text += &format!("\n  {}: {}", shown(&misfit.path), misfit.message);
            }
            if many.len() > NAMED {
                text += &format!("\n  and {} more", many.len() - NAMED);
            }
            Err(Error::file(o.place(), text))
        }
    }
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
