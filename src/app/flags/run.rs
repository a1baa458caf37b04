//! Flags of a training: where a run is kept, how long it goes on, what it says.

use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a run is kept, how long it goes on, what it says.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Run")]
pub(in crate::app) struct RunArgs {
    /// Name of the run: its folder under --checkpoints_dir.
    #[arg(long, default_value = "experiment_name")]
    pub name: String,
    /// Where runs are kept.
    #[arg(long, default_value = "./checkpoints")]
    pub checkpoints_dir: PathBuf,
    /// Stop after this many steps.
    #[arg(long)]
    pub max_steps: Option<u64>,
    /// Seed of weights, dropout, order and augmentation.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Go on from the last checkpoint of this run; flags not given are the run's own.
    #[arg(long)]
    #[serde(skip)]
    pub continue_train: bool,
    /// Replace a run of the same name.
    #[arg(long)]
    #[serde(skip)]
    pub overwrite: bool,
    /// Save EPOCH_net_*.safetensors every so many epochs.
    #[arg(long, default_value_t = 5)]
    pub save_epoch_freq: u64,
    /// Save latest_* every so many pictures.
    #[arg(long, default_value_t = 5000)]
    pub save_latest_freq: u64,
    /// Print the losses every so many pictures where there is no progress bar.
    #[arg(long, default_value_t = 100)]
    pub print_freq: u64,
}
