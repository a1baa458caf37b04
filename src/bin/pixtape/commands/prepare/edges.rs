//! `prepare edges`: edge maps of photographs, on the device.

use crate::commands::prepare::work::{Common, beside, one_to_one, run_all, tell_of_depth};
use crate::options::ReadingArgs;
use clap::Args;
use pixtape::Result;
use pixtape::filters::{EdgeFilter, EdgeOptions};
use pixtape::io::Picture;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Number of image sizes whose filters are cached.
const KEPT: usize = 8;

/// Flags of `prepare edges`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct EdgesArgs {
    /// A folder of images, or one image.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the results: black lines on white.
    #[arg(long)]
    output: PathBuf,
    /// Sigma of the blur, in pixels (0 to 4): more gives fewer and smoother lines.
    #[arg(long, default_value_t = EdgeOptions::default().sigma)]
    sigma: f32,
    /// Smallest gradient of a weak edge (Sobel's filters on brightness from 0 to 1).
    #[arg(long, default_value_t = EdgeOptions::default().low)]
    low: f32,
    /// Smallest gradient of a strong edge; weak edges count where they touch a strong one.
    #[arg(long, default_value_t = EdgeOptions::default().high)]
    high: f32,
    /// Remove lines of fewer pixels.
    #[arg(long, default_value_t = EdgeOptions::default().min_pixels)]
    min_pixels: u32,
    /// The images are line drawings, dark on bright: only thin their lines to one pixel and remove
    /// specks.
    #[arg(long)]
    drawings: bool,
    /// Write A|B pairs: edges on the left, the image on the right.
    #[arg(long)]
    pairs: bool,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    adapter: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &EdgesArgs) -> Result<()> {
    let reading = args.reading.reading();
    let options = EdgeOptions {
        sigma: args.sigma,
        low: args.low,
        high: args.high,
        min_pixels: args.min_pixels,
    };
    let jobs = one_to_one(&args.input, &args.output)?;
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    // The device processes one image at a time; reading and writing continue meanwhile.
    let filters: Mutex<HashMap<(u32, u32), EdgeFilter>> = Mutex::default();
    tell_of_depth(jobs.iter().flat_map(|j| &j.from));
    run_all(&args.common, &jobs, |_, job| {
        let picture = Picture::load_as(&job.from[0], 3, reading)?;
        let size = (picture.width, picture.height);
        let drawing = args.drawings.then(|| picture.clone().into_channels(1).data);
        let bytes = {
            let mut filters = filters.lock().unwrap_or_else(PoisonError::into_inner);
            if !filters.contains_key(&size) {
                if filters.len() >= KEPT {
                    filters.clear();
                }
                filters.insert(size, EdgeFilter::new(&gpu, size, 3, options)?);
            }
            let filter = &filters[&size];
            pollster::block_on(async {
                match &drawing {
                    Some(drawing) => filter.thin(drawing).await,
                    None => filter.run(&picture.data).await,
                }
            })?
        };
        let edges = Picture::new(size.0, size.1, 1, bytes)?;
        let result = if args.pairs { beside(edges, picture)? } else { edges };
        result.save_png(&job.to[0])
    })
}
