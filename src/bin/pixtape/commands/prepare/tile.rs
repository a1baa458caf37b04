//! `prepare tile`: cuts large images into overlapping tiles of one size that cover everything.

use crate::commands::prepare::work::{
    Common, Job, beside, by_key, key, pictures, run_all, size, tell_of_depth,
};
use crate::messages::shown;
use crate::options::ReadingArgs;
use clap::Args;
use pixtape::io::{Header, Picture};
use pixtape::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Flags of `prepare tile`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct TileArgs {
    /// A folder of images, or one image.
    #[arg(long)]
    input: PathBuf,
    /// A second folder with images of the same names and sizes: tiles are written as A|B pairs.
    #[arg(long = "input_B", value_name = "DIR")]
    input_b: Option<PathBuf>,
    /// Folder for the tiles: NAME_X_Y.png, by the position of the top left corner.
    #[arg(long)]
    output: PathBuf,
    /// Size of a tile, of each half with --pairs: 256, or 512x256 (width x height).
    #[arg(long, value_parser = size)]
    size: (u32, u32),
    /// Smallest overlap of neighbouring tiles, in pixels.
    #[arg(long, default_value_t = 0)]
    overlap: u32,
    /// The images are A|B pairs: write pairs of tiles from the same position of both halves.
    #[arg(long, conflicts_with = "input_b")]
    pairs: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

/// Positions of tiles along a side: as few as cover it with the overlap, evenly spaced, the last
/// one ending at the border.
fn places(side: u32, tile: u32, overlap: u32) -> Vec<u32> {
    let room = side - tile;
    let count = room.div_ceil(tile - overlap);
    (0..=count)
        .map(|at| {
            if count == 0 { 0 } else { (u64::from(room) * u64::from(at) / u64::from(count)) as u32 }
        })
        .collect()
}

pub(crate) fn run(args: &TileArgs) -> Result<()> {
    let reading = args.reading.reading();
    let (w, h) = args.size;
    if args.overlap >= w.min(h) {
        return Err(Error::Usage(format!(
            "--overlap {} of tiles of {w}x{h}: expected less than a side",
            args.overlap
        )));
    }
    let second: HashMap<PathBuf, PathBuf> = match &args.input_b {
        Some(folder) => by_key(folder, &args.output)?,
        None => HashMap::new(),
    };
    let files = pictures(&args.input, &args.output)?;
    let planned: Vec<(Job, Vec<(u32, u32)>)> =
        files.iter().map(|file| plan(args, file, &second)).collect::<Result<_>>()?;
    let (jobs, corners): (Vec<Job>, Vec<Vec<(u32, u32)>>) = planned.into_iter().unzip();
    tell_of_depth(jobs.iter().flat_map(|j| &j.from));
    run_all(&args.common, &jobs, |at, job| {
        let picture = Picture::load_as(&job.from[0], 3, reading)?;
        let halves = match job.from.get(1) {
            Some(b) => vec![picture, Picture::load_as(b, 3, reading)?],
            None if args.pairs => <[Picture; 2]>::from(picture.split_pair()?).into(),
            None => vec![picture],
        };
        for (&(x, y), to) in corners[at].iter().zip(&job.to) {
            let a = halves[0].crop(x, y, w, h)?;
            let tile = match halves.get(1) {
                Some(b) => beside(a, b.crop(x, y, w, h)?)?,
                None => a,
            };
            tile.save_png(to)?;
        }
        Ok(())
    })
}

/// The tiles of a file.
fn plan(
    args: &TileArgs,
    file: &Path,
    second: &HashMap<PathBuf, PathBuf>,
) -> Result<(Job, Vec<(u32, u32)>)> {
    let reading = args.reading.reading();
    let (w, h) = args.size;
    let Header { mut width, height, .. } = Header::read_as(file, reading)?;
    if args.pairs {
        width /= 2;
    }
    if width < w || height < h {
        return Err(Error::file(
            file,
            format!(
                "is {width}x{height}{}, smaller than a tile of {w}x{h}; lower --size",
                if args.pairs { " a half" } else { "" }
            ),
        ));
    }
    let name = key(file, &args.input);
    let mut from = vec![file.to_path_buf()];
    if let Some(folder) = &args.input_b {
        let missing = || Error::file(folder, format!("has no image named {}", shown(&name)));
        let b = second.get(&name).ok_or_else(missing)?;
        let other = Header::read_as(b, reading)?;
        let size = (other.width, other.height);
        if size != (width, height) {
            return Err(Error::file(
                b,
                format!(
                    "is {}x{}, {} is {width}x{height}; a pair has one size",
                    size.0,
                    size.1,
                    shown(file)
                ),
            ));
        }
        from.push(b.clone());
    }
    let rows = places(height, h, args.overlap);
    let corners: Vec<(u32, u32)> = rows
        .iter()
        .flat_map(|y| places(width, w, args.overlap).into_iter().map(move |x| (x, *y)))
        .collect();
    let to = corners
        .iter()
        .map(|(x, y)| args.output.join(format!("{}_{x}_{y}.png", name.display())))
        .collect();
    Ok((Job { from, to }, corners))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_everything_and_overlap_enough() {
        for (side, tile, overlap) in [
            (256, 256, 0),
            (257, 256, 32),
            (1000, 256, 64),
            (700, 256, 255),
            (512, 256, 0),
            (70_000, 512, 64),
        ] {
            let at = places(side, tile, overlap);
            assert_eq!((at[0], at[at.len() - 1] + tile), (0, side));
            for pair in at.windows(2) {
                assert!(
                    pair[1] > pair[0] && pair[0] + tile >= pair[1] + overlap,
                    "{side} {tile} {overlap}: {pair:?}"
                );
            }
        }
        assert_eq!(places(512, 256, 0), [0, 256]);
    }
}
