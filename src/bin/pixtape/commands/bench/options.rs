//! The step that `bench step` measures: a preset, training flags on top of it, and optionally a
//! second set of options.

use crate::commands::bench::Device;
use crate::commands::train::given;
use crate::options::{TrainArgs, normalise};
use clap::parser::ValueSource;
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser};
use pixtape::plan::PlanOptions;
use pixtape::train::AnyModel;
use pixtape::{Error, Result};
use std::path::PathBuf;

/// The words after `bench step`. They are parsed separately ([`StepArgs`]), since a preset stands
/// for flags that come before the others.
#[derive(Args, Clone, Debug)]
pub(crate) struct StepWords {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    pub words: Vec<String>,
}

/// Flags of `bench step`, in addition to those of `train`.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "pixtape bench step",
    no_binary_name = true,
    args_override_self = true,
    rename_all = "snake_case",
    about = "Measures a training step and its parts. Takes the flags of train; those that do not \
             affect a step are ignored."
)]
pub(crate) struct StepArgs {
    /// Size of the step: pix2pix-256, pix2pix-128 (ngf 32), small (64x64, ngf 32), cycle_gan-256;
    /// other flags change it. Default: small, or train's defaults if a flag sets the size of a
    /// network or of images.
    #[arg(long, value_parser = PRESETS)]
    pub preset: Option<String>,
    /// Measure against the same step with these flags as well, interleaved: --against "--no_reuse",
    /// --against "--adapter gl".
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    pub against: Option<String>,
    /// Measure these sides instead and show the cost per pixel: 128,256,512.
    #[arg(long, value_name = "SIDES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=8192), conflicts_with = "against")]
    pub sizes: Vec<u32>,
    /// Measure these batch sizes instead: 1,2,4,8.
    #[arg(long, value_name = "BATCHES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4096), conflicts_with = "against")]
    pub batches: Vec<u32>,
    /// Draw the results of --sizes and --batches into this file (SVG).
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    pub svg: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Approximate seconds to measure.
    #[arg(long, default_value_t = 1.0)]
    pub seconds: f64,
    /// Convolution tile: subgroup, register, workgroup; the device's own by default.
    #[arg(long, value_parser = ["subgroup", "register", "workgroup"])]
    pub family: Option<String>,
    #[command(flatten)]
    pub train: TrainArgs,
}

/// Names of the presets.
pub(crate) const PRESETS: [&str; 4] = ["pix2pix-256", "pix2pix-128", "small", "cycle_gan-256"];

/// The training flags that a preset stands for.
fn flags_of(preset: &str) -> Result<&'static [&'static str]> {
    match preset {
        "pix2pix-256" => Ok(&[]),
        "pix2pix-128" => Ok(&[
            "--netG",
            "unet_128",
            "--ngf",
            "32",
            "--ndf",
            "32",
            "--load_size",
            "143",
            "--crop_size",
            "128",
        ]),
        "small" => Ok(&[
            "--netG",
            "unet_64",
            "--ngf",
            "32",
            "--ndf",
            "32",
            "--load_size",
            "72",
            "--crop_size",
            "64",
        ]),
        "cycle_gan-256" => Ok(&["--model", "cycle_gan"]),
        _ => Err(Error::Usage(format!("preset {preset:?}: choose {}", PRESETS.join(", ")))),
    }
}

/// The step that a preset stands for.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub(crate) fn preset(name: &str, batch_size: u32) -> Result<AnyModel> {
    let words: Vec<String> = flags_of(name)?.iter().map(|w| w.to_string()).collect();
    let mut args = parse(&words).map_err(|e| Error::Internal(e.to_string()))?.0.train;
    args.data.batch_size = batch_size;
    args.config((args.data.crop_size.width, args.data.crop_size.height))
}

/// Flags that set the size of a step: with one of them and no preset, train's defaults apply.
const SIZES: [&str; 8] =
    ["model", "net_g", "net_d", "n_layers_d", "ngf", "ndf", "crop_size", "load_size"];
/// Flags of train that do not affect a step: accepted, since command lines get copied, and not
/// listed.
const UNLISTED: [&str; 24] = [
    "name",
    "checkpoints_dir",
    "max_steps",
    "continue_train",
    "overwrite",
    "save_epoch_freq",
    "save_latest_freq",
    "save_by_iter",
    "keep",
    "val_freq",
    "early_stop",
    "tensorboard",
    "print_freq",
    "init_g",
    "init_d",
    "init_g_a",
    "init_g_b",
    "init_d_a",
    "init_d_b",
    "n_epochs",
    "n_epochs_decay",
    "lr",
    "lr_policy",
    "lr_decay_iters",
];

fn parse(words: &[String]) -> Result<(StepArgs, clap::ArgMatches), clap::Error> {
    let dataroot = |_: Arg| {
        let help = "Folder of pairs for measuring the data wait [default: drawn pairs]";
        Arg::new("dataroot")
            .long("dataroot")
            .value_name("DATAROOT")
            .value_parser(clap::value_parser!(PathBuf))
            .help(help)
    };
    let command =
        UNLISTED.iter().fold(StepArgs::command(), |c, id| c.mut_arg(id, |a| a.hide(true)));
    let matches = command.mut_arg("dataroot", dataroot).try_get_matches_from(words)?;
    let mut args = StepArgs::from_arg_matches(&matches)?;
    args.train.model_defaults(|id| given(Some(&matches), id));
    Ok((args, matches))
}

/// One parsed set of options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub args: StepArgs,
    /// The name of the preset, or `train` without one.
    pub size: String,
    /// The words of the command line.
    pub words: Vec<String>,
}

impl Options {
    /// Parses the words of a command line. Prints help or a flag's error and exits, as clap does
    /// elsewhere.
    pub fn read(words: &[String]) -> Options {
        Options::try_read(words).unwrap_or_else(|e| {
            let _ = e.print();
            std::process::exit(i32::from(e.use_stderr()))
        })
    }

    fn try_read(words: &[String]) -> Result<Options, clap::Error> {
        let (args, matches) = parse(words)?;
        let sized =
            SIZES.iter().any(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        let size = args.preset.unwrap_or_else(|| if sized { "train" } else { "small" }.into());
        let before = flags_of(&size).unwrap_or_default();
        let all: Vec<String> =
            before.iter().map(|w| w.to_string()).chain(words.iter().cloned()).collect();
        Ok(Options { args: parse(&all)?.0, size, words: words.to_vec() })
    }

    /// The same with more flags appended.
    pub fn with(&self, flags: &str) -> Options {
        let (more, _) = normalise(flags.split_whitespace().map(String::from));
        let words: Vec<String> = self.words.iter().cloned().chain(more).collect();
        Options::read(&words)
    }

    pub fn device(&self) -> Device {
        Device { adapter: self.args.train.device.adapter.clone(), family: self.args.family.clone() }
    }

    pub fn plan(&self) -> PlanOptions {
        self.args.train.device.plan()
    }

    /// The step for square images of a size.
    pub fn config(&self, size: (u32, u32)) -> Result<AnyModel> {
        self.args.train.config(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::gpu::Family;

    fn read(words: &str) -> Options {
        Options::read(&words.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn presets_plan_without_a_device() {
        for (name, parameters) in [("pix2pix-256", 54_413_955), ("pix2pix-128", 0), ("small", 0)] {
            let config = preset(name, 1).unwrap();
            let plan =
                pixtape::run::Trainer::plan(&config, Family::Workgroup, PlanOptions::default())
                    .unwrap();
            let memory = plan.memory();
            assert!(memory.parameters > 4 * parameters && plan.cost().flop > 0, "{name}");
            assert!((1.0..2.0).contains(&memory.activations_ratio()), "{name}: {memory}");
        }
        assert!(preset("pix2pix-1", 1).is_err());
    }

    #[test]
    fn flags_change_a_preset_and_without_one_train_has_the_say() {
        let small = read("--json");
        assert_eq!(
            (small.size.as_str(), small.args.train.data.crop_size.width, small.args.train.nets.ngf),
            ("small", 64, 32)
        );
        let wide = read("--preset pix2pix-128 --ngf 48 --name copied --batch_size 4");
        assert_eq!(
            (
                wide.args.train.data.crop_size.width,
                wide.args.train.nets.ngf,
                wide.args.train.data.batch_size
            ),
            (128, 48, 4)
        );
        let own = read("--ndf 16");
        assert_eq!(
            (own.size.as_str(), own.args.train.nets.net_g.as_str(), own.args.train.nets.ndf),
            ("train", "unet_256", 16)
        );
        let other = small.with("--no-reuse --ngf 8");
        assert!(!other.plan().reuse && small.plan().reuse && other.args.train.nets.ngf == 8);
    }

    #[test]
    fn the_command_line_is_consistent() {
        StepArgs::command().debug_assert();
    }
}
