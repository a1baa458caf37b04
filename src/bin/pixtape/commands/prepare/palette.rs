//! `prepare palette`: converts label colours to label numbers and back.

use crate::commands::prepare::work::{Common, each, one_to_one, run_all};
use crate::messages::shown;
use crate::options::ReadingArgs;
use clap::{Args, ValueEnum};
use pixtape::io::palette::{Color, MOST, read};
use pixtape::io::{IndexMap, Picture, Reading, create_dir, write_aside};
use pixtape::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Flags of `prepare palette`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct PaletteArgs {
    /// A folder of label maps, or one label map.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the results.
    #[arg(long)]
    output: PathBuf,
    /// index (colours to numbers, 8-bit gray) or color (numbers to colours).
    #[arg(long, value_enum)]
    to: To,
    /// A text file with one colour per line, `#0000aa name` or `0 0 170 name`, the first one being
    /// label 0; or find: from the images, written to OUTPUT/palette.txt.
    #[arg(long, value_name = "FILE|find")]
    palette: String,
    /// Take the nearest colour of the palette where there is none: for maps that were saved as JPEG
    /// or smoothed.
    #[arg(long)]
    nearest: bool,
    /// With find: this many colours, the most frequent ones.
    #[arg(long, value_name = "N")]
    colors: Option<usize>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

/// What label maps become.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    Index,
    Color,
}

fn hex(color: Color) -> String {
    format!("#{:02x}{:02x}{:02x}", color[0], color[1], color[2])
}

pub(crate) fn run(args: &PaletteArgs) -> Result<()> {
    let reading = args.reading.reading();
    let jobs = one_to_one(&args.input, &args.output)?;
    let find = args.palette == "find";
    if find && args.to == To::Color {
        return Err(Error::Usage(
            "--palette find is for --to index: numbers do not tell their \
                                 colours; name a palette file"
                .into(),
        ));
    }
    let palette = if find {
        let files: Vec<&Path> = jobs.iter().map(|j| j.from[0].as_path()).collect();
        found(args, &files)?
    } else {
        read(Path::new(&args.palette))?
    };
    let labels: HashMap<Color, u8> =
        palette.iter().enumerate().map(|(at, c)| (*c, at as u8)).collect();
    run_all(&args.common, &jobs, |_, job| {
        let from = &job.from[0];
        let result = if args.to == To::Index {
            indices(from, &palette, &labels, args.nearest || args.colors.is_some(), reading)
        } else {
            colors(from, &palette, reading)
        };
        result?.save_png(&job.to[0])
    })?;
    if find {
        create_dir(&args.output)?;
        let path = args.output.join("palette.txt");
        let text: String = palette.iter().map(|c| hex(*c) + "\n").collect();
        write_aside(&path, text.as_bytes())?;
        println!("{} colours in {}", palette.len(), shown(&path));
    }
    Ok(())
}

/// All colours of the images, by value; with --colors the most frequent, the more frequent first.
fn found(args: &PaletteArgs, files: &[&Path]) -> Result<Vec<Color>> {
    let reading = args.reading.reading();
    let target = args.output.join("palette.txt");
    if target.exists() && !args.common.overwrite {
        return Err(Error::file(
            &target,
            "exists already; choose another folder, or give --overwrite",
        ));
    }
    let counts: Mutex<BTreeMap<Color, u64>> = Mutex::default();
    each(&args.common, files.len(), |at| {
        let mut own: HashMap<Color, u64> = HashMap::new();
        for pixel in Picture::load_as(files[at], 3, reading)?.data.chunks_exact(3) {
            *own.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
        }
        let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
        own.into_iter().for_each(|(color, count)| *all.entry(color).or_default() += count);
        Ok(())
    })?;
    let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    match args.colors {
        None if counts.len() > MOST => Err(Error::Usage(format!(
            "the images have {} colours, label maps at most {MOST}: smoothed or saved as JPEG? \
             --colors 12 takes the 12 most frequent and the nearest of them for the rest",
            counts.len()
        ))),
        None => Ok(counts.into_keys().collect()),
        Some(n) if n == 0 || n > MOST.min(counts.len()) => Err(Error::Usage(format!(
            "--colors {n}: from 1 to {} for these images",
            MOST.min(counts.len())
        ))),
        Some(n) => {
            let mut all: Vec<(u64, Color)> =
                counts.into_iter().map(|(color, count)| (count, color)).collect();
            all.sort_by_key(|(count, color)| (std::cmp::Reverse(*count), *color));
            Ok(all.into_iter().take(n).map(|(_, color)| color).collect())
        }
    }
}

/// Colours to numbers.
fn indices(
    from: &Path,
    palette: &[Color],
    labels: &HashMap<Color, u8>,
    nearest: bool,
    reading: Reading,
) -> Result<Picture> {
    let picture = Picture::load_as(from, 3, reading)?;
    let mut known = labels.clone();
    let mut data = Vec::with_capacity(picture.data.len() / 3);
    for (at, pixel) in (0u32..).zip(picture.data.chunks_exact(3)) {
        let color = [pixel[0], pixel[1], pixel[2]];
        let label = match known.get(&color) {
            Some(label) => *label,
            None if nearest => {
                let distance = |c: &Color| {
                    c.iter().zip(&color).map(|(a, b)| i32::from(a.abs_diff(*b)).pow(2)).sum::<i32>()
                };
                // The first of equals.
                let label =
                    (0..palette.len()).min_by_key(|i| distance(&palette[*i])).unwrap_or(0) as u8;
                known.insert(color, label);
                label
            }
            None => {
                let (x, y) = (at % picture.width, at / picture.width);
                let message = format!(
                    "the colour {} at ({x}, {y}) is not in the palette; add it, or give --nearest",
                    hex(color)
                );
                return Err(Error::file(from, message));
            }
        };
        data.push(label);
    }
    Picture::new(picture.width, picture.height, 1, data)
}

/// Numbers to colours.
fn colors(from: &Path, palette: &[Color], reading: Reading) -> Result<Picture> {
    let map = IndexMap::load_as(from, reading)?;
    let mut data = Vec::with_capacity(map.data.len() * 3);
    for (at, label) in (0u32..).zip(&map.data) {
        let Some(color) = palette.get(*label as usize) else {
            let (x, y) = (at % map.width, at / map.width);
            let message = format!(
                "label {label} at ({x}, {y}) is out of range: the palette has {}, 0 to {}",
                palette.len(),
                palette.len() - 1
            );
            return Err(Error::file(from, message));
        };
        data.extend(color);
    }
    Picture::new(map.width, map.height, 3, data)
}
