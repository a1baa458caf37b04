//! Flags of a training: losses, optimiser and schedule.

use clap::Args;
use serde::{Deserialize, Serialize};

/// Losses, optimiser and schedule.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Optimiser")]
pub(in crate::app) struct OptimiserArgs {
    /// Epochs at the full learning rate.
    #[arg(long, default_value_t = 100)]
    pub n_epochs: u64,
    /// Epochs of decay after them.
    #[arg(long, default_value_t = 100)]
    pub n_epochs_decay: u64,
    /// Learning rate.
    #[arg(long, default_value_t = 2e-4)]
    pub lr: f64,
    /// Adam's decay of the first moment.
    #[arg(long, default_value_t = 0.5)]
    pub beta1: f64,
    /// linear, step, cosine.
    #[arg(long, default_value = "linear")]
    pub lr_policy: String,
    /// Epochs between steps of --lr_policy step.
    #[arg(long, default_value_t = 50)]
    pub lr_decay_iters: u64,
    /// vanilla or lsgan.
    #[arg(long, default_value = "vanilla")]
    pub gan_mode: String,
    /// Weight of the L1 term.
    #[arg(long = "lambda_L1", default_value_t = 100.0)]
    #[serde(rename = "lambda_L1")]
    pub lambda_l1: f32,
}
