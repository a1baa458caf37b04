//! `prepare check`: reports on a folder and its misfits.

use crate::commands::prepare::work::{Common, each, key, pictures, relative, some};
use crate::messages::{shown, with_flags};
use clap::Args;
use pixtape::io::{
    Checked, Dataset, DatasetOptions, Depth, Header, IndexHeader, LabelSet, Preprocess, Presence,
    Size, Task,
};
use pixtape::{Error, Result, printable};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Flags of `prepare check`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct CheckArgs {
    /// The folder to check.
    #[arg(long)]
    input: PathBuf,
    /// Number of threads [default: number of processors].
    #[arg(long)]
    num_threads: Option<usize>,
}

/// Size, channels and depth from a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    width: u32,
    height: u32,
    channels: u32,
    bits: u32,
}

impl Head {
    /// Reads the header only: of an image, or of a map of indices, which may have widths that
    /// images have not.
    fn read(path: &Path) -> Result<Head> {
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
}

/// A folder that directly contains images.
#[derive(Debug, Default)]
struct Folder {
    files: Vec<(PathBuf, Head)>,
}

impl Folder {
    /// Values with their counts, the most frequent first.
    fn counts<T: Ord + Copy>(&self, of: impl Fn(&Head) -> T) -> Vec<(T, usize)> {
        let mut counts: BTreeMap<T, usize> = BTreeMap::new();
        self.files.iter().for_each(|(_, head)| *counts.entry(of(head)).or_default() += 1);
        let mut all: Vec<_> = counts.into_iter().collect();
        all.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
        all
    }

    fn describe(&self) -> String {
        let sizes = self.counts(|h| (h.width, h.height));
        let sizes = sizes
            .iter()
            .map(
                |((w, h), n)| {
                    if sizes.len() == 1 { format!("{w}x{h}") } else { format!("{n} of {w}x{h}") }
                },
            )
            .collect::<Vec<_>>();
        let kinds = self.counts(|h| (h.channels, h.bits));
        let kinds = kinds
            .iter()
            .map(|((c, b), _)| format!("{c} channel(s) of {b} bits"))
            .collect::<Vec<_>>();
        format!("{} images, {}; {}", self.files.len(), some(&sizes), kinds.join(" and "))
    }
}

pub(crate) fn run(args: &CheckArgs) -> Result<()> {
    let files = pictures(&args.input, Path::new(""))?;
    let heads: Mutex<Vec<(usize, Result<Head>)>> = Mutex::default();
    let common = Common { overwrite: false, num_threads: args.num_threads };
    each(&common, files.len(), |at| {
        let head = Head::read(&files[at]);
        heads.lock().unwrap_or_else(|e| e.into_inner()).push((at, head));
        Ok(())
    })?;
    let mut heads = heads.into_inner().unwrap_or_else(|e| e.into_inner());
    heads.sort_by_key(|(at, _)| *at);
    let (mut folders, mut misfits): (BTreeMap<PathBuf, Folder>, Vec<String>) = Default::default();
    for (at, head) in heads {
        let folder =
            relative(&files[at], &args.input).parent().unwrap_or(Path::new("")).to_path_buf();
        match head {
            Ok(head) => folders.entry(folder).or_default().files.push((files[at].clone(), head)),
            Err(e) => misfits.push(with_flags(e)),
        }
    }
    for (name, folder) in &folders {
        println!("{}: {}", shown(&args.input.join(name)), folder.describe());
        let kinds = folder.counts(|h| (h.channels, h.bits));
        for (path, head) in folder.files.iter().filter(|(_, h)| (h.channels, h.bits) != kinds[0].0)
        {
            let ((channels, bits), _) = kinds[0];
            misfits.push(format!(
                "{}: {} channel(s) of {} bits among images of {channels} of {bits}",
                path.display(),
                head.channels,
                head.bits
            ));
        }
    }
    let mut layouts = layouts(&args.input, &folders, &mut misfits);
    for (root, phase, set) in label_sets(&args.input, &folders) {
        layouts.extend(labelled(&root, &phase, set, &mut misfits));
    }
    layouts.iter().for_each(|l| println!("layout: {}", printable(l)));
    misfits.iter().for_each(|m| println!("misfit: {}", printable(m)));
    if misfits.is_empty() {
        println!("no misfits");
        return Ok(());
    }
    Err(Error::file(&args.input, format!("{} misfit(s), listed above", misfits.len())))
}

/// What is left of a folder's name before an ending of pix2pixHD's layout, and the ending.
fn phase_of(name: &Path) -> Option<(String, String)> {
    let text = name.to_string_lossy().into_owned();
    let (phase, ending) = text.rsplit_once('_')?;
    let known = ["label", "inst", "img", "feat", "A", "B"].contains(&ending) && !phase.is_empty();
    known.then(|| (phase.into(), ending.into()))
}

/// The sets of label maps and images (or images and images) in pix2pixHD's layout: root, phase,
/// what there is.
fn label_sets(
    root: &Path,
    folders: &BTreeMap<PathBuf, Folder>,
) -> Vec<(PathBuf, String, LabelSet)> {
    let mut sets: BTreeMap<(PathBuf, String), BTreeSet<String>> = BTreeMap::new();
    for folder in folders.keys() {
        // Images may lie in subfolders: aachen, ulm.
        for name in folder.ancestors() {
            let last = Path::new(name.file_name().unwrap_or_default());
            if let Some((phase, ending)) = phase_of(last) {
                let parent = name.parent().unwrap_or(Path::new(""));
                sets.entry((root.join(parent), phase)).or_default().insert(ending);
            }
        }
    }
    let set = |((root, phase), endings): ((PathBuf, String), BTreeSet<String>)| {
        let has = |ending: &str| endings.contains(ending);
        let classes = match () {
            () if has("label") && has("img") => u32::MAX,
            () if has("A") && has("B") => 0,
            () => return None,
        };
        let set = LabelSet { classes, instances: Presence::Found, features: has("feat") };
        Some((root, phase, set))
    };
    sets.into_iter().filter_map(set).collect()
}

/// A set of label maps as training would read it, in a line or several.
fn labelled(root: &Path, phase: &str, set: LabelSet, misfits: &mut Vec<String>) -> Vec<String> {
    let options = DatasetOptions {
        root: root.into(),
        phase: phase.into(),
        task: Task::Labels(set),
        // Sizes may differ from sample to sample, not within one.
        preprocess: Preprocess::Crop,
        crop_size: Size::square(1),
        ..DatasetOptions::default()
    };
    let Checked { samples, misfits: found, dataset } = match Dataset::check(options, &|_, _| ()) {
        Ok(checked) => checked,
        Err(error) => {
            misfits.push(with_flags(error));
            return Vec::new();
        }
    };
    misfits
        .extend(found.iter().map(|m| with_flags(format!("{}: {}", m.path.display(), m.message))));
    let planes: Vec<&str> = dataset.planes().iter().map(|plane| plane.name).collect();
    let labels = match dataset.largest_label() {
        Some(largest) => {
            let classes = u64::from(largest) + 1;
            format!("; labels 0 to {largest}: --label_nc {classes} or more")
        }
        None if set.classes == 0 => "; --label_nc 0".into(),
        None => String::new(),
    };
    let mut lines = vec![format!(
        "label maps and images (pix2pixHD), {}: {samples} samples of {}{labels}",
        root.join(phase).display(),
        planes.join(", ")
    )];
    lines.extend(dataset.notes().iter().map(with_flags));
    lines
}

/// The data layouts that training could read the folders as, but for those with label maps.
fn layouts(
    root: &Path,
    folders: &BTreeMap<PathBuf, Folder>,
    misfits: &mut Vec<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    let sets: Vec<(PathBuf, String)> =
        label_sets(root, folders).into_iter().map(|(root, phase, _)| (root, phase)).collect();
    let in_set = |name: &Path| {
        name.ancestors().any(|folder| {
            let last = Path::new(folder.file_name().unwrap_or_default());
            let parent = root.join(folder.parent().unwrap_or(Path::new("")));
            phase_of(last).is_some_and(|(phase, _)| sets.contains(&(parent, phase)))
        })
    };
    for (name, a) in folders.iter().filter(|(name, _)| !in_set(name)) {
        let text = name.to_string_lossy();
        // trainA and trainB, or A and B.
        if let Some(phase) = text.strip_suffix('A')
            && let Some((other, b)) = folders.get_key_value(Path::new(&format!("{phase}B")))
        {
            let count = partners(root, (name, a), (other, b), misfits);
            found.push(format!(
                "two folders, {} and {}: {count} pairs by name",
                root.join(name).display(),
                root.join(other).display()
            ));
            continue;
        }
        if text
            .strip_suffix('B')
            .is_some_and(|phase| folders.contains_key(Path::new(&format!("{phase}A"))))
        {
            continue;
        }
        let stem = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let sides: Vec<String> = a.files.iter().map(|(p, _)| stem(p)).collect();
        if sides.iter().all(|s| s.ends_with("_A") || s.ends_with("_B")) {
            found.push(format!(
                "{}: x_A and x_B in one folder; prepare combine makes A|B files of them",
                root.join(name).display()
            ));
        } else if a.files.iter().all(|(_, h)| h.width >= 2 && h.width * 2 >= h.height * 3) {
            let halves = a
                .counts(|h| (h.width / 2, h.height))
                .into_iter()
                .map(|((w, h), _)| format!("{w}x{h}"))
                .collect::<Vec<_>>();
            found.push(format!(
                "{}: A|B files, if the images are pairs: halves of {}",
                root.join(name).display(),
                some(&halves)
            ));
        } else {
            found.push(format!("{}: single images", root.join(name).display()));
        }
    }
    found
}

/// Number of pairs; an image without a partner, or with one of another size, is a misfit.
fn partners(
    root: &Path,
    (name_a, a): (&PathBuf, &Folder),
    (name_b, b): (&PathBuf, &Folder),
    misfits: &mut Vec<String>,
) -> usize {
    let by_name = |name: &PathBuf, folder: &Folder| -> BTreeMap<PathBuf, (PathBuf, Head)> {
        folder
            .files
            .iter()
            .map(|(p, head)| (key(p, &root.join(name)), (p.clone(), *head)))
            .collect()
    };
    let (a, b) = (by_name(name_a, a), by_name(name_b, b));
    for (here, there, folder) in [(&a, &b, name_b), (&b, &a, name_a)] {
        for (path, _) in
            here.iter().filter(|(name, _)| !there.contains_key(*name)).map(|(_, file)| file)
        {
            misfits.push(format!(
                "{}: no partner in {}",
                path.display(),
                root.join(folder).display()
            ));
        }
    }
    let pairs = a.iter().filter_map(|(name, file)| b.get(name).map(|other| (file, other)));
    let mut count = 0;
    for ((path, head), (other, size)) in pairs {
        count += 1;
        if (head.width, head.height) != (size.width, size.height) {
            misfits.push(format!(
                "{} is {}x{}, {} is {}x{}",
                path.display(),
                head.width,
                head.height,
                other.display(),
                size.width,
                size.height
            ));
        }
    }
    count
}
