//! `prepare grayscale`: converts images to gray.

use crate::commands::prepare::work::{Common, beside, one_to_one, run_all, tell_of_depth};
use crate::options::ReadingArgs;
use clap::Args;
use pixtape::Result;
use pixtape::io::Picture;
use std::path::PathBuf;

/// Flags of `prepare grayscale`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct GrayscaleArgs {
    /// A folder of images, or one image.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the results.
    #[arg(long)]
    output: PathBuf,
    /// Write A|B pairs: gray on the left, the image on the right.
    #[arg(long)]
    pairs: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &GrayscaleArgs) -> Result<()> {
    let reading = args.reading.reading();
    let jobs = one_to_one(&args.input, &args.output)?;
    tell_of_depth(jobs.iter().flat_map(|j| &j.from));
    run_all(&args.common, &jobs, |_, job| {
        let picture = Picture::load_as(&job.from[0], 3, reading)?;
        let gray = picture.clone().into_channels(1);
        let result = if args.pairs { beside(gray, picture)? } else { gray };
        result.save_png(&job.to[0])
    })
}
