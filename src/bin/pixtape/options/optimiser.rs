//! Flags of a training: losses, optimiser and schedule.

use clap::Args;
use pixtape::Result;
use pixtape::train::{Rates, Schedule, ScheduleState};
use serde::{Deserialize, Serialize};

/// Losses, optimiser and schedule. Runs of earlier versions do not have all of it.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Optimiser")]
pub(crate) struct OptimiserArgs {
    /// Epochs at the full learning rate.
    #[arg(long, default_value_t = 100)]
    pub n_epochs: u64,
    /// Epochs of decay after them.
    #[arg(long, default_value_t = 100)]
    pub n_epochs_decay: u64,
    /// Number of the first epoch: a run that goes on from the weights of another (--init_G) begins
    /// there in the schedule.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(default = "first")]
    pub epoch_count: u64,
    /// Learning rate.
    #[arg(long, default_value_t = 2e-4)]
    pub lr: f64,
    /// Learning rate of the generator; --lr's by default.
    #[arg(long = "lr_G")]
    #[serde(rename = "lr_G", default)]
    pub lr_g: Option<f64>,
    /// Learning rate of the discriminator; --lr's by default.
    #[arg(long = "lr_D")]
    #[serde(rename = "lr_D", default)]
    pub lr_d: Option<f64>,
    /// Adam's decay of the first moment.
    #[arg(long, default_value_t = 0.5)]
    pub beta1: f64,
    /// linear, step, plateau, cosine, constant.
    #[arg(long, default_value = "linear")]
    pub lr_policy: String,
    /// Epochs between steps of --lr_policy step.
    #[arg(long, default_value_t = 50)]
    pub lr_decay_iters: u64,
    /// The reference implementation's schedule as it is: linear falls an epoch early and ends at 0,
    /// plateau sees no metric, cosine rises again.
    #[arg(long)]
    #[serde(default = "compat")]
    pub lr_compat: bool,
    /// Batches a step: gradients are averaged over so many of --batch_size pictures, norm
    /// statistics are each batch's own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    #[serde(default = "one")]
    pub accumulate: u32,
    /// Keep a moving average of the generator with this decay (0.999 for example) as net_G_ema;
    /// samples are made with it.
    #[arg(long, value_name = "DECAY")]
    #[serde(default)]
    pub ema: Option<f64>,
    /// vanilla, lsgan (the default of --model cycle_gan), hinge, wgangp.
    #[arg(long, default_value = "vanilla")]
    pub gan_mode: String,
    /// Weight of the L1 term.
    #[arg(long = "lambda_L1", default_value_t = 100.0)]
    #[serde(rename = "lambda_L1")]
    pub lambda_l1: f32,
    /// Weight of the generator's adversarial term.
    #[arg(long = "lambda_GAN", default_value_t = 1.0)]
    #[serde(rename = "lambda_GAN", default = "whole")]
    pub lambda_gan: f32,
    /// Weight of the total variation of the output.
    #[arg(long = "lambda_TV", default_value_t = 0.0)]
    #[serde(rename = "lambda_TV", default)]
    pub lambda_tv: f32,
    /// Weight of the gradient penalty of --gan_mode wgangp.
    #[arg(long, default_value_t = 10.0)]
    #[serde(default = "ten")]
    pub lambda_gp: f32,
    /// The discriminator's label of real pictures is so much below 1.
    #[arg(long, default_value_t = 0.0)]
    #[serde(default)]
    pub label_smoothing: f32,
    /// Weight of the cycle from A to B to A (cycle_gan).
    #[arg(long = "lambda_A", default_value_t = 10.0)]
    #[serde(rename = "lambda_A", default = "ten")]
    pub lambda_a: f32,
    /// Weight of the cycle from B to A to B (cycle_gan).
    #[arg(long = "lambda_B", default_value_t = 10.0)]
    #[serde(rename = "lambda_B", default = "ten")]
    pub lambda_b: f32,
    /// Weight of the identity terms, times that of the cycle; 0 leaves them out, which saves a
    /// third of the generators' passes (cycle_gan).
    #[arg(long, default_value_t = 0.5)]
    #[serde(default = "half")]
    pub lambda_identity: f32,
    /// Generated pictures that each discriminator's pool keeps; 0: none (cycle_gan).
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    #[serde(default = "fifty")]
    pub pool_size: u32,
}

fn first() -> u64 {
    1
}

fn one() -> u32 {
    1
}

fn whole() -> f32 {
    1.0
}

fn ten() -> f32 {
    10.0
}

fn half() -> f32 {
    0.5
}

fn fifty() -> u32 {
    50
}

/// Runs of versions that did not have the flag followed the reference's schedule, and go on with
/// it.
fn compat() -> bool {
    true
}

impl OptimiserArgs {
    /// The schedule of learning rates, as it begins.
    pub fn schedule(&self) -> Result<Schedule> {
        Ok(Schedule {
            policy: self.lr_policy.parse()?,
            rates: Rates { g: self.lr_g.unwrap_or(self.lr), d: self.lr_d.unwrap_or(self.lr) },
            n_epochs: self.n_epochs,
            n_epochs_decay: self.n_epochs_decay,
            lr_decay_iters: self.lr_decay_iters,
            compat: self.lr_compat,
            state: ScheduleState::default(),
        })
    }
}
