//! `prepare blank`: fills a square or a mask of each image with one colour, for inpainting.

use crate::commands::prepare::work::{
    Common, Job, beside, by_key, key, one_to_one, run_all, tell_of_depth,
};
use crate::messages::shown;
use crate::options::ReadingArgs;
use clap::{Args, ValueEnum};
use pixtape::io::Picture;
use pixtape::rng::{fold_seed, random};
use pixtape::{Error, Result};
use std::collections::HashMap;
use std::path::PathBuf;

/// Flags of `prepare blank`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct BlankArgs {
    /// A folder of images, or one image.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the results.
    #[arg(long)]
    output: PathBuf,
    /// Position of the square: center, or random (by --seed and the image's index in the sorted
    /// list).
    #[arg(long, value_enum, default_value = "center")]
    place: Place,
    /// Side of the blank rectangle as a share of the image's; 0.3 is what pix2pix-tensorflow's
    /// process.py blanks.
    #[arg(long, default_value_t = 0.5)]
    share: f64,
    /// Use masks with the images' names instead, or one named `mask` for all: bright pixels are
    /// blanked; masks are resized to the image.
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    /// Gray value of blanked pixels.
    #[arg(long, default_value_t = 255)]
    value: u8,
    /// Seed of random positions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write A|B pairs: blanked on the left, the image on the right.
    #[arg(long)]
    pairs: bool,
    /// Write the masks as well, white where blanked, to this folder.
    #[arg(long, value_name = "DIR")]
    masks_output: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

/// Where a blank square lies.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Center,
    Random,
}

pub(crate) fn run(args: &BlankArgs) -> Result<()> {
    let reading = args.reading.reading();
    if !(args.share > 0.0 && args.share <= 1.0) {
        return Err(Error::Usage(format!(
            "--share {}: expected more than 0 and at most 1",
            args.share
        )));
    }
    let mut jobs = one_to_one(&args.input, &args.output)?;
    add_masks(args, &mut jobs)?;
    tell_of_depth(jobs.iter().map(|j| &j.from[0]));
    run_all(&args.common, &jobs, |at, job| {
        let picture = Picture::load_as(&job.from[0], 3, reading)?;
        let mask = match job.from.get(1) {
            Some(path) => {
                Picture::load_as(path, 1, reading)?.resize(picture.width, picture.height)?
            }
            None => square(args, &picture, at as u32)?,
        };
        let mut blanked = picture.clone();
        for (pixel, mask) in blanked.data.chunks_exact_mut(3).zip(&mask.data) {
            if *mask > 127 {
                pixel.fill(args.value);
            }
        }
        if let Some(to) = job.to.get(1) {
            let data = mask.data.iter().map(|v| if *v > 127 { 255 } else { 0 }).collect();
            Picture::new(mask.width, mask.height, 1, data)?.save_png(to)?;
        }
        let result = if args.pairs { beside(blanked, picture)? } else { blanked };
        result.save_png(&job.to[0])
    })
}

/// Adds each image's mask to the files to read and to write.
fn add_masks(args: &BlankArgs, jobs: &mut [Job]) -> Result<()> {
    let masks: HashMap<PathBuf, PathBuf> = match &args.masks {
        Some(folder) => by_key(folder, &args.output)?,
        None => HashMap::new(),
    };
    for job in jobs {
        let name = key(&job.from[0], &args.input);
        if let Some(folder) = &args.masks {
            let found = masks.get(&name).or(masks.get(&PathBuf::from("mask")));
            let missing = || {
                Error::file(
                    folder,
                    format!("has no mask named {} (nor one named mask, for all)", shown(&name)),
                )
            };
            job.from.push(found.ok_or_else(missing)?.clone());
        }
        if let Some(folder) = &args.masks_output {
            job.to.push(folder.join(format!("{}.png", name.display())));
        }
    }
    Ok(())
}

/// The mask, white where the image is blanked. The central half is rows and columns from a quarter
/// to three quarters, as in the first release.
fn square(args: &BlankArgs, picture: &Picture, number: u32) -> Result<Picture> {
    let words = random(number, 0, 0, fold_seed(args.seed));
    let range = |side: u32, word: u32| {
        let len = ((f64::from(side) * args.share).round() as u32).clamp(1, side);
        let first =
            if args.place == Place::Center { (side - len) / 2 } else { word % (side - len + 1) };
        first..first + len
    };
    let (columns, rows) = (range(picture.width, words[0]), range(picture.height, words[1]));
    let data = (0..picture.height).flat_map(|y| {
        let (columns, row) = (columns.clone(), rows.contains(&y));
        (0..picture.width).map(move |x| if row && columns.contains(&x) { 255 } else { 0 })
    });
    Picture::new(picture.width, picture.height, 1, data.collect())
}
