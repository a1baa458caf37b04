//! Flags: names and defaults of the reference implementation, and a few of our own.

use crate::error::{Error, Result};
use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Trains and runs pix2pix on any GPU.
#[derive(Parser, Debug)]
#[command(
    name = "pixtape",
    version,
    about = "Trains and runs pix2pix on any GPU: hand-written WGSL kernels, no framework.",
    arg_required_else_help = true,
    args_override_self = true
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Train on a folder of A|B pairs.
    Train(Box<TrainArgs>),
    /// Run a trained generator on pictures.
    Translate(TranslateArgs),
    /// L1, PSNR and SSIM of a checkpoint on a split, or of two folders of pictures.
    Eval(EvalArgs),
    /// List adapters and what they offer.
    Devices(DevicesArgs),
    /// Measure kernels, or a training step.
    Bench(super::bench::BenchArgs),
    /// Find the fastest kernels for a training on this device, and keep them.
    Tune(Box<TuneArgs>),
    /// Train a small net on pictures drawn on the spot, and show how it goes.
    Demo(DemoArgs),
    /// Tools for people who work on pixtape.
    #[command(hide = true)]
    Dev(DevArgs),
}

/// Flags of `train`; names and defaults are the reference's where it has them.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case")]
pub(super) struct TrainArgs {
    /// Folder with train/ (and val/ or test/): pictures with A on the left and B on the right.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// Name of the run: its folder under --checkpoints_dir.
    #[arg(long, default_value = "experiment_name", help_heading = "Run")]
    pub name: String,
    /// Where runs are kept.
    #[arg(long, default_value = "./checkpoints", help_heading = "Run")]
    pub checkpoints_dir: PathBuf,
    /// pix2pix.
    #[arg(long, default_value = "pix2pix")]
    pub model: String,
    /// Stop after this many steps.
    #[arg(long, help_heading = "Run")]
    pub max_steps: Option<u64>,
    /// Seed of weights, dropout, order and augmentation.
    #[arg(long, default_value_t = 0, help_heading = "Run")]
    pub seed: u64,
    /// Go on from the last checkpoint of this run; flags not given are the run's own.
    #[arg(long, help_heading = "Run")]
    #[serde(skip)]
    pub continue_train: bool,
    /// Replace a run of the same name.
    #[arg(long, help_heading = "Run")]
    #[serde(skip)]
    pub overwrite: bool,
    /// Save EPOCH_net_*.safetensors every so many epochs.
    #[arg(long, default_value_t = 5, help_heading = "Run")]
    pub save_epoch_freq: u64,
    /// Save latest_* every so many pictures.
    #[arg(long, default_value_t = 5000, help_heading = "Run")]
    pub save_latest_freq: u64,
    /// Print the losses every so many pictures where there is no progress bar.
    #[arg(long, default_value_t = 100, help_heading = "Run")]
    pub print_freq: u64,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long, help_heading = "Device")]
    #[serde(skip)]
    pub adapter: Option<String>,
    /// Refuse to plan more device memory than this (bytes; 500MiB and 2GiB are understood).
    #[arg(long, value_parser = bytes, help_heading = "Device")]
    #[serde(skip)]
    pub memory_limit: Option<u64>,
    /// Which kernels: auto (measured before; on a GPU what is missing is measured first), cache, now (all measured anew), off
    /// (a built-in rule), or a file of `pixtape tune --out`. A continued run stays with its own.
    #[arg(long, value_parser = tune, value_name = "auto|off|cache|now|FILE", help_heading = "Device")]
    #[serde(skip)]
    pub tune: Option<Tune>,
    /// Give every tensor memory of its own (for finding faults).
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub no_reuse: bool,
    /// Channels of the input.
    #[arg(long, default_value_t = 3, value_parser = channels, help_heading = "Networks")]
    pub input_nc: u32,
    /// Channels of the output.
    #[arg(long, default_value_t = 3, value_parser = channels, help_heading = "Networks")]
    pub output_nc: u32,
    /// Channels of the generator's first layer.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Networks")]
    pub ngf: u32,
    /// Channels of the discriminator's first layer.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Networks")]
    pub ndf: u32,
    /// Generator: unet_32, unet_64, unet_128, unet_256, unet_512.
    #[arg(long = "netG", default_value = "unet_256", value_parser = underscored, help_heading = "Networks")]
    #[serde(rename = "netG")]
    pub net_g: String,
    /// Discriminator: basic, n_layers, pixel.
    #[arg(long = "netD", default_value = "basic", value_parser = underscored, help_heading = "Networks")]
    #[serde(rename = "netD")]
    pub net_d: String,
    /// Strided layers of --netD n_layers.
    #[arg(long = "n_layers_D", default_value_t = 3, help_heading = "Networks")]
    #[serde(rename = "n_layers_D")]
    pub n_layers_d: u32,
    /// Norm: batch, instance, none.
    #[arg(long, default_value = "batch", help_heading = "Networks")]
    pub norm: String,
    /// How weights begin: normal, xavier, kaiming.
    #[arg(long, default_value = "normal", help_heading = "Networks")]
    pub init_type: String,
    /// Scale of the initial weights.
    #[arg(long, default_value_t = 0.02, help_heading = "Networks")]
    pub init_gain: f32,
    /// Leave out dropout.
    #[arg(long, help_heading = "Networks")]
    pub no_dropout: bool,
    /// Start the generator from a safetensors file.
    #[arg(long = "init_G", value_name = "FILE", help_heading = "Networks")]
    #[serde(skip)]
    pub init_g: Option<PathBuf>,
    /// Start the discriminator from a safetensors file.
    #[arg(long = "init_D", value_name = "FILE", help_heading = "Networks")]
    #[serde(skip)]
    pub init_d: Option<PathBuf>,
    /// AtoB or BtoA.
    #[arg(long, default_value = "AtoB", help_heading = "Data")]
    pub direction: String,
    /// aligned.
    #[arg(long, default_value = "aligned", help_heading = "Data", hide = true)]
    pub dataset_mode: String,
    /// Folder under --dataroot to train on.
    #[arg(long, default_value = "train", help_heading = "Data")]
    pub phase: String,
    /// Take pictures in order, without shuffling.
    #[arg(long, help_heading = "Data")]
    pub serial_batches: bool,
    /// Threads that decode ahead.
    #[arg(long, default_value_t = 4, help_heading = "Data")]
    pub num_threads: usize,
    /// Pictures a step.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Data")]
    pub batch_size: u32,
    /// Side that pictures are resized to before they are cropped.
    #[arg(long, default_value_t = 286, help_heading = "Data")]
    pub load_size: u32,
    /// Side of the crop that is trained on.
    #[arg(long, default_value_t = 256, help_heading = "Data")]
    pub crop_size: u32,
    /// Use at most this many pictures.
    #[arg(long, help_heading = "Data")]
    pub max_dataset_size: Option<usize>,
    /// resize_and_crop, crop, scale_width, scale_width_and_crop, none.
    #[arg(long, default_value = "resize_and_crop", value_parser = underscored, help_heading = "Data")]
    pub preprocess: String,
    /// Do not mirror pictures at random.
    #[arg(long, help_heading = "Data")]
    pub no_flip: bool,
    /// Epochs at the full learning rate.
    #[arg(long, default_value_t = 100, help_heading = "Optimiser")]
    pub n_epochs: u64,
    /// Epochs of decay after them.
    #[arg(long, default_value_t = 100, help_heading = "Optimiser")]
    pub n_epochs_decay: u64,
    /// Learning rate.
    #[arg(long, default_value_t = 2e-4, help_heading = "Optimiser")]
    pub lr: f64,
    /// Adam's decay of the first moment.
    #[arg(long, default_value_t = 0.5, help_heading = "Optimiser")]
    pub beta1: f64,
    /// linear, step, cosine.
    #[arg(long, default_value = "linear", help_heading = "Optimiser")]
    pub lr_policy: String,
    /// Epochs between steps of --lr_policy step.
    #[arg(long, default_value_t = 50, help_heading = "Optimiser")]
    pub lr_decay_iters: u64,
    /// vanilla or lsgan.
    #[arg(long, default_value = "vanilla", help_heading = "Optimiser")]
    pub gan_mode: String,
    /// Weight of the L1 term.
    #[arg(long = "lambda_L1", default_value_t = 100.0, help_heading = "Optimiser")]
    #[serde(rename = "lambda_L1")]
    pub lambda_l1: f32,
}

/// What `--tune` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Tune {
    /// What is in the cache; before a training on a GPU what is missing is measured.
    #[default]
    Auto,
    /// The built-in rule.
    Off,
    /// What is in the cache.
    Cache,
    /// Everything is measured.
    Now,
    /// What a file says.
    File(PathBuf),
}

fn tune(text: &str) -> std::result::Result<Tune, String> {
    Ok(match text {
        "" => return Err("auto, off, cache, now, or a file".into()),
        "auto" => Tune::Auto,
        "off" => Tune::Off,
        "cache" => Tune::Cache,
        "now" => Tune::Now,
        file => Tune::File(file.into()),
    })
}

/// Flags of `tune`: those of a training, and a few more.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", mut_arg("tune", |a| a.hide(true)), mut_arg("continue_train", |a| a.hide(true)))]
pub(super) struct TuneArgs {
    /// List what is kept.
    #[arg(long, conflicts_with = "clear")]
    pub list: bool,
    /// Delete what is kept.
    #[arg(long)]
    pub clear: bool,
    /// Measure what is kept as well.
    #[arg(long)]
    pub again: bool,
    /// Write the choices to a file, for --tune FILE.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Seconds to measure for, at most about; by default what fits the kind of device.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Convolution tile: subgroup, register, workgroup; the device's own by default.
    #[arg(long, value_parser = ["subgroup", "register", "workgroup"])]
    pub family: Option<String>,
    /// The training.
    #[command(flatten)]
    pub train: TrainArgs,
}

/// Flags of `translate`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(super) struct TranslateArgs {
    /// A run's folder, or a generator's safetensors file.
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// A picture, or a folder of pictures.
    #[arg(long)]
    pub input: PathBuf,
    /// Folder for the results: PNGs of the same names.
    #[arg(long)]
    pub output: PathBuf,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// Statistics of the norms: batch (of each picture), running, instance.
    #[arg(long, default_value = "batch", value_parser = ["batch", "running", "instance"])]
    pub norm_mode: String,
    /// Dropout: on (with --seed) or off.
    #[arg(long, default_value = "off", value_parser = ["on", "off"])]
    pub dropout: String,
    /// Seed of dropout.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Which kernels: auto and cache (measured before), now (measured first), off (a built-in rule), or a file of `pixtape tune --out`.
    #[arg(long, value_parser = tune, value_name = "auto|off|cache|now|FILE")]
    pub tune: Option<Tune>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
    /// Refuse to plan more device memory than this (bytes; 500MiB and 2GiB are understood).
    #[arg(long, value_parser = bytes)]
    pub memory_limit: Option<u64>,
}

/// Flags of `eval`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(super) struct EvalArgs {
    /// A run's folder, or a generator's safetensors file, to run on --dataroot.
    #[arg(long, requires = "dataroot", required_unless_present = "results")]
    pub checkpoint: Option<PathBuf>,
    /// Folder of pairs, as for train.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// Folder under --dataroot.
    #[arg(long, default_value = "val")]
    pub phase: String,
    /// AtoB or BtoA; a run's folder knows its own.
    #[arg(long)]
    pub direction: Option<String>,
    /// Side that pictures are resized to; a run's folder knows its own.
    #[arg(long)]
    pub crop_size: Option<u32>,
    /// resize_and_crop, crop, scale_width, scale_width_and_crop, none; a run's folder knows its own.
    #[arg(long, value_parser = underscored)]
    pub preprocess: Option<String>,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// Statistics of the norms: batch (of each picture), running, instance.
    #[arg(long, default_value = "batch", value_parser = ["batch", "running", "instance"])]
    pub norm_mode: String,
    /// Two folders of pictures with the same names: this one against --targets.
    #[arg(long, conflicts_with = "checkpoint", requires = "targets")]
    pub results: Option<PathBuf>,
    /// What --results is compared with.
    #[arg(long)]
    pub targets: Option<PathBuf>,
    /// Print JSON, picture by picture.
    #[arg(long)]
    pub json: bool,
    /// Which kernels: auto and cache (measured before), now (measured first), off (a built-in rule), or a file of `pixtape tune --out`.
    #[arg(long, value_parser = tune, value_name = "auto|off|cache|now|FILE")]
    pub tune: Option<Tune>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Flags of `devices`.
#[derive(Args, Clone, Debug)]
pub(super) struct DevicesArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Run every kernel family against the CPU on each adapter (or on --adapter).
    #[arg(long)]
    pub check: bool,
    /// Adapter: an index, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub(super) struct DemoArgs {
    /// Folder for the pictures and the page.
    #[arg(long, default_value = "demo")]
    pub out: PathBuf,
    /// Seed of pictures and weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Steps to train, instead of what fits the device.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Flags of `dev`.
#[derive(Args, Clone, Debug)]
pub(super) struct DevArgs {
    #[command(subcommand)]
    what: Dev,
}

#[derive(Subcommand, Clone, Debug)]
enum Dev {
    /// Print what a shader file expands to.
    Flatten {
        /// File in `shaders`, without extension.
        file: String,
    },
    /// Print the plan of a training step.
    Plan {
        /// pix2pix-256, pix2pix-128, small.
        preset: String,
    },
}

/// Runs `dev`.
pub(super) fn dev(args: &DevArgs) -> Result<()> {
    match &args.what {
        Dev::Flatten { file } => print!("{}", crate::shader::load(file, &[])?.text),
        Dev::Plan { preset } => {
            let config = super::bench::preset(preset, 1)?;
            println!("{}", crate::train::Pix2Pix::plan(&config, crate::gpu::Family::Workgroup, crate::PlanOptions::default())?);
        }
    }
    Ok(())
}

/// `unet-256` is `unet_256`.
fn underscored(text: &str) -> std::result::Result<String, String> {
    Ok(text.replace('-', "_"))
}

fn channels(text: &str) -> std::result::Result<u32, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("pictures have 1 or 3 channels".into()),
    }
}

pub(super) fn bytes(text: &str) -> std::result::Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}; use bytes, KiB, MiB or GiB")),
    };
    number.parse::<f64>().map(|n| (n * scale as f64) as u64).map_err(|e| e.to_string())
}

/// Upstream's flags that have no meaning here, and whether a value follows.
const IGNORED: &[(&str, bool)] = &[
    ("gpu_ids", true),
    ("display_freq", true),
    ("display_ncols", true),
    ("display_id", true),
    ("display_server", true),
    ("display_env", true),
    ("display_port", true),
    ("display_winsize", true),
    ("update_html_freq", true),
    ("no_html", false),
    ("use_wandb", false),
    ("wandb_project_name", true),
    ("verbose", false),
    ("suffix", true),
    ("pool_size", true),
    ("epoch_count", true),
];

/// Takes `-` and `_` alike in flag names (a word with blanks is no flag: `bench step --against` takes such), and drops upstream's flags that have no meaning here, with a note for each.
pub(super) fn normalise(words: impl Iterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut notes) = (Vec::new(), Vec::new());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").filter(|f| !f.is_empty() && !f.contains(' ')) else {
            kept.push(word);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v)));
        let name = name.replace('-', "_");
        match IGNORED.iter().find(|(n, _)| *n == name) {
            Some((_, takes_value)) => {
                if *takes_value && value.is_none() {
                    words.next_if(|w| !w.starts_with("--"));
                }
                notes.push(format!("--{name} has no meaning here and is ignored"));
            }
            None => kept.push(value.map_or_else(|| format!("--{name}"), |v| format!("--{name}={v}"))),
        }
    }
    (kept, notes)
}

impl TrainArgs {
    /// The step's configuration for pictures of a size.
    pub fn config(&self, (width, height): (u32, u32)) -> Result<crate::train::Pix2PixConfig> {
        use crate::nets::{DiscriminatorKind, UnetConfig};
        let discriminator = match self.net_d.as_str() {
            "basic" => DiscriminatorKind::Patch { n_layers: 3 },
            "n_layers" => DiscriminatorKind::Patch { n_layers: self.n_layers_d },
            "pixel" => DiscriminatorKind::Pixel,
            other => return Err(Error::Usage(format!("--netD {other}: choose basic, n_layers or pixel"))),
        };
        let generator = UnetConfig {
            input_nc: self.input_nc,
            output_nc: self.output_nc,
            ngf: self.ngf,
            downs: UnetConfig::downs_of(&self.net_g)?,
            norm: self.norm.parse()?,
            dropout: !self.no_dropout,
        };
        Ok(crate::train::Pix2PixConfig {
            generator,
            discriminator,
            ndf: self.ndf,
            batch_size: self.batch_size,
            width,
            height,
            gan_mode: self.gan_mode.parse()?,
            lambda_l1: self.lambda_l1,
            beta1: self.beta1,
            init_type: self.init_type.parse()?,
            init_gain: self.init_gain,
            seed: self.seed,
        })
    }

    /// The folder of the pictures: given, or the run's own.
    pub fn dataroot(&self) -> Result<&Path> {
        self.dataroot.as_deref().ok_or_else(|| Error::Usage("--dataroot: which folder holds the pairs?".into()))
    }

    /// The folder of the run.
    pub fn folder(&self) -> PathBuf {
        self.checkpoints_dir.join(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn dashes_and_underscores_are_the_same_and_upstreams_extras_are_dropped() {
        let words = ["pixtape", "train", "--no-flip", "--batch-size=4", "--gpu_ids", "0,1", "--use-wandb", "--name", "a-b"];
        let (kept, notes) = normalise(words.iter().map(|w| w.to_string()));
        assert_eq!(kept, ["pixtape", "train", "--no_flip", "--batch_size=4", "--name", "a-b"]);
        assert_eq!(notes.len(), 2);
        let cli = Cli::try_parse_from(["pixtape", "train", "--dataroot", "x", "--netG", "unet-128"]).unwrap();
        let Command::Train(args) = cli.command else { panic!() };
        assert_eq!((args.net_g.as_str(), args.ngf, args.lambda_l1), ("unet_128", 64, 100.0));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!((bytes("1024"), bytes("1.5GiB"), bytes("2m")), (Ok(1024), Ok(3 << 29), Ok(2 << 20)));
        assert!(bytes("5 parsecs").is_err());
    }
}
