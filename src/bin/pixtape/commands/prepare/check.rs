//! `prepare check`: reports on a folder and its misfits.

use crate::commands::prepare::work::{Common, each, key, pictures, relative, some};
use crate::messages::with_flags;
use clap::Args;
use image::{ImageDecoder, ImageReader};
use pixtape::{Error, Result};
use std::collections::BTreeMap;
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
pub(crate) struct Head {
    pub width: u32,
    pub height: u32,
    pub channels: u8,
    pub bits: u16,
}

impl Head {
    /// Reads the header only.
    pub fn read(path: &Path) -> Result<Head> {
        let broken = |e: &dyn std::fmt::Display| {
            Error::file(
                path,
                format!(
                    "cannot be read: {}; remove it or repair it",
                    e.to_string().replace('\n', " ")
                ),
            )
        };
        let reader = ImageReader::open(path)
            .and_then(ImageReader::with_guessed_format)
            .map_err(|e| broken(&e))?;
        let decoder = reader.into_decoder().map_err(|e| broken(&e))?;
        let ((width, height), color) = (decoder.dimensions(), decoder.color_type());
        Ok(Head {
            width,
            height,
            channels: color.channel_count(),
            bits: color.bits_per_pixel() / u16::from(color.channel_count()),
        })
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
        println!("{}: {}", args.input.join(name).display(), folder.describe());
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
    let layouts = layouts(&args.input, &folders, &mut misfits);
    layouts.iter().for_each(|l| println!("layout: {l}"));
    misfits.iter().for_each(|m| println!("misfit: {m}"));
    if misfits.is_empty() {
        println!("no misfits");
        return Ok(());
    }
    Err(Error::file(&args.input, format!("{} misfit(s), listed above", misfits.len())))
}

/// The data layouts that training could read the folders as.
fn layouts(
    root: &Path,
    folders: &BTreeMap<PathBuf, Folder>,
    misfits: &mut Vec<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, a) in folders {
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
