//! `prepare resize`: resizes images or A|B pairs to one size.

use crate::commands::prepare::work::{Common, beside, one_to_one, run_all, size, tell_of_depth};
use crate::options::ReadingArgs;
use clap::{Args, ValueEnum};
use pixtape::io::{IndexHeader, IndexMap, Picture};
use pixtape::{Error, Result};
use std::path::PathBuf;

/// Flags of `prepare resize`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct ResizeArgs {
    /// A folder of images, or one image.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the results.
    #[arg(long)]
    output: PathBuf,
    /// New size, of each half with --pairs: 256, or 512x256 (width x height).
    #[arg(long, value_parser = size)]
    size: (u32, u32),
    /// stretch; or keep the aspect ratio: crop (cut off the rest), pad (with white), fit (one side
    /// may be shorter).
    #[arg(long, value_enum, default_value = "crop")]
    mode: Mode,
    /// Use the nearest pixel instead of interpolating: for label maps.
    #[arg(long)]
    nearest: bool,
    /// The images are maps of indices (labels, instances): keep the numbers, of a palette the
    /// index, with their bits (32 as TIFF). Implies --nearest.
    #[arg(long, conflicts_with = "pairs")]
    indices: bool,
    /// The images are A|B pairs: resize each half separately.
    #[arg(long)]
    pairs: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

/// How an image of another aspect ratio gets its size.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Stretch,
    Crop,
    Pad,
    Fit,
}

pub(crate) fn run(args: &ResizeArgs) -> Result<()> {
    let reading = args.reading.reading();
    if args.indices {
        return indices(args);
    }
    let jobs = one_to_one(&args.input, &args.output)?;
    tell_of_depth(jobs.iter().flat_map(|j| &j.from));
    run_all(&args.common, &jobs, |_, job| {
        let picture = Picture::load_as(&job.from[0], 3, reading)?;
        let result = if args.pairs {
            let (a, b) = picture.split_pair()?;
            // An odd width makes B one pixel wider; the sizes of both must stay equal.
            let b = if b.width > a.width { b.crop(0, 0, a.width, b.height)? } else { b };
            beside(fitted(args, a)?, fitted(args, b)?)?
        } else {
            fitted(args, picture)?
        };
        result.save_png(&job.to[0])
    })
}

fn indices(args: &ResizeArgs) -> Result<()> {
    let reading = args.reading.reading();
    if args.mode == Mode::Pad {
        let why = "--mode pad is for images: no index is white; use crop, fit or stretch";
        return Err(Error::Usage(why.into()));
    }
    let mut jobs = one_to_one(&args.input, &args.output)?;
    let headers = jobs
        .iter()
        .map(|job| IndexHeader::read_as(&job.from[0], reading))
        .collect::<Result<Vec<_>>>()?;
    for (job, _) in jobs.iter_mut().zip(&headers).filter(|(_, header)| header.bits > 16) {
        job.to[0].set_extension("tiff");
    }
    let (width, height) = args.size;
    run_all(&args.common, &jobs, |at, job| {
        let map = IndexMap::load_as(&job.from[0], reading)?;
        let (w, h) = inner(args, (map.width, map.height));
        let map = map.resize(w, h)?;
        let map = match args.mode {
            Mode::Crop => map.crop((w - width) / 2, (h - height) / 2, width, height)?,
            _ => map,
        };
        map.save(&job.to[0], headers[at].bits.min(32))
    })
}

/// The size of an image before it is cropped or padded.
fn inner(args: &ResizeArgs, (w, h): (u32, u32)) -> (u32, u32) {
    let (width, height) = args.size;
    let [across, down] = [f64::from(width) / f64::from(w), f64::from(height) / f64::from(h)];
    let scale = match args.mode {
        Mode::Stretch => return args.size,
        Mode::Crop => across.max(down),
        Mode::Pad | Mode::Fit => across.min(down),
    };
    let side = |side: u32, wanted: u32| {
        let side = ((f64::from(side) * scale).round() as u32).max(1);
        // Rounding must not leave a gap, nor exceed the size.
        if args.mode == Mode::Crop { side.max(wanted) } else { side.min(wanted) }
    };
    (side(w, width), side(h, height))
}

fn fitted(args: &ResizeArgs, picture: Picture) -> Result<Picture> {
    let (width, height) = args.size;
    let (w, h) = inner(args, (picture.width, picture.height));
    let picture = match args.nearest {
        true => picture.resize_nearest(w, h)?,
        false => picture.resize(w, h)?,
    };
    match args.mode {
        Mode::Crop => picture.crop((w - width) / 2, (h - height) / 2, width, height),
        Mode::Pad => padded(&picture, width, height),
        Mode::Fit | Mode::Stretch => Ok(picture),
    }
}

/// Centres an image on white.
fn padded(picture: &Picture, width: u32, height: u32) -> Result<Picture> {
    let c = picture.channels as usize;
    let mut data = vec![255; width as usize * height as usize * c];
    let (left, top) =
        (((width - picture.width) / 2) as usize, ((height - picture.height) / 2) as usize);
    for (y, row) in picture.data.chunks_exact(picture.width as usize * c).enumerate() {
        data[((top + y) * width as usize + left) * c..][..row.len()].copy_from_slice(row);
    }
    Picture::new(width, height, picture.channels, data)
}
