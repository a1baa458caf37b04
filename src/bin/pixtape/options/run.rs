//! Flags of a training: where a run is kept, how long it goes on, what it says.

use crate::options::train::TrainArgs;
use clap::Args;
use pixtape::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a run is kept, how long it goes on, what it says.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// Name of the run: its folder under --checkpoints_dir.
    #[arg(long, default_value = "experiment_name")]
    pub name: String,
    /// Where runs are kept.
    #[arg(long, default_value = "./checkpoints")]
    pub checkpoints_dir: PathBuf,
    /// Stop after this many steps, counted from the run's first; a run that goes on does not
    /// inherit it: give it again.
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
    /// Save a checkpoint (checkpoints/step_N and latest_*) every so many pictures.
    #[arg(long, default_value_t = 5000)]
    pub save_latest_freq: u64,
    /// Keep the weights of each of these as iter_PICTURES_net_*.safetensors.
    #[arg(long)]
    #[serde(default)]
    pub save_by_iter: bool,
    /// Checkpoints to keep; the best weights and those of epochs stay besides.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(default = "two")]
    pub keep: u64,
    /// Measure L1, PSNR and SSIM on val/ every so many epochs; 0: never.
    #[arg(long, default_value_t = 1)]
    #[serde(default = "one")]
    pub val_freq: u64,
    /// Stop when L1 on val/ has not become better for this many validations.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(default)]
    pub early_stop: Option<u64>,
    /// Write TensorBoard's event files too, into tensorboard/ of the run's folder.
    #[arg(long)]
    #[serde(default)]
    pub tensorboard: bool,
    /// Print the losses every so many pictures, where there is no progress bar.
    #[arg(long, default_value_t = 100)]
    pub print_freq: u64,
}

// Of options of earlier versions.
fn one() -> u64 {
    1
}

fn two() -> u64 {
    2
}

/// A training and what it says.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct TrainCommand {
    #[command(flatten)]
    pub train: TrainArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What a training says, and where else its options come from.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Run")]
pub(crate) struct TalkArgs {
    /// Say nothing but errors.
    #[arg(long)]
    pub quiet: bool,
    /// Say everything as JSON, a line each.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Options from a TOML file, NAME = VALUE as the flags; the command line wins over it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Flags of `resume`.
#[derive(Args, Clone, Debug)]
#[command(
    rename_all = "snake_case",
    mut_arg("continue_train", |a| a.hide(true)),
    mut_arg("overwrite", |a| a.hide(true)),
    mut_arg("name", |a| a.hide(true)),
    mut_arg("checkpoints_dir", |a| a.hide(true))
)]
pub(crate) struct ResumeArgs {
    /// The run's folder.
    pub run_folder: PathBuf,
    #[command(flatten)]
    pub command: TrainCommand,
}

impl ResumeArgs {
    /// The same as a continued training.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such folder.
    pub fn train(self) -> Result<TrainCommand> {
        let folder = self.run_folder.canonicalize().map_err(|e| {
            Error::file(
                &self.run_folder,
                format!("no such folder ({e}); pixtape resume takes the folder of a run"),
            )
        })?;
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(Error::file(folder, "cannot be the folder of a run"));
        };
        let mut command = self.command;
        (
            command.train.run.checkpoints_dir,
            command.train.run.name,
            command.train.run.continue_train,
        ) = (parent.into(), name.to_string_lossy().into(), true);
        Ok(command)
    }
}

/// Flags of `info`.
#[derive(Args, Clone, Debug)]
pub(crate) struct InfoArgs {
    /// A run's folder, a checkpoint's folder, or a safetensors file.
    pub path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
