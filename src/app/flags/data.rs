//! Flags of a training: what is trained on.

use super::values::underscored;
use clap::Args;
use serde::{Deserialize, Serialize};

/// What is trained on.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Data")]
pub(in crate::app) struct DataArgs {
    /// AtoB or BtoA.
    #[arg(long, default_value = "AtoB")]
    pub direction: String,
    /// aligned.
    #[arg(long, default_value = "aligned", hide = true)]
    pub dataset_mode: String,
    /// Folder under --dataroot to train on.
    #[arg(long, default_value = "train")]
    pub phase: String,
    /// Take pictures in order, without shuffling.
    #[arg(long)]
    pub serial_batches: bool,
    /// Threads that decode ahead.
    #[arg(long, default_value_t = 4)]
    pub num_threads: usize,
    /// Pictures a step.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_size: u32,
    /// Side that pictures are resized to before they are cropped.
    #[arg(long, default_value_t = 286)]
    pub load_size: u32,
    /// Side of the crop that is trained on.
    #[arg(long, default_value_t = 256)]
    pub crop_size: u32,
    /// Use at most this many pictures.
    #[arg(long)]
    pub max_dataset_size: Option<usize>,
    /// resize_and_crop, crop, scale_width, scale_width_and_crop, none.
    #[arg(long, default_value = "resize_and_crop", value_parser = underscored)]
    pub preprocess: String,
    /// Do not mirror pictures at random.
    #[arg(long)]
    pub no_flip: bool,
}
