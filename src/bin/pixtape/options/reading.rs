//! Flags of how files of images are read.

use clap::Args;
use pixtape::io::{NoData, Reading};

/// How a command reads files of images.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(rename_all = "snake_case")]
pub(crate) struct ReadingArgs {
    /// Pixels without data (not finite, or a GeoTIFF's no-data value): refuse, keep, nan or a
    /// value, as in training. By default as the run was trained; without a run they are refused.
    #[arg(long, value_name = "refuse|keep|nan|VALUE", allow_hyphen_values = true)]
    nodata: Option<NoData>,
    /// Take images as they are stored, not turned as their files say (EXIF). A run that was trained
    /// so does it anyway.
    #[arg(long)]
    ignore_orientation: bool,
}

impl ReadingArgs {
    /// What the flags say.
    pub fn reading(self) -> Reading {
        self.over(Reading::default())
    }

    /// What the flags say, and a run where they say nothing.
    pub fn over(self, run: Reading) -> Reading {
        Reading {
            ignore_orientation: run.ignore_orientation || self.ignore_orientation,
            nodata: self.nodata.unwrap_or(run.nodata),
        }
    }
}
