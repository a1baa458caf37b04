//! The step that `bench step` measures: a preset, training flags on top of it, and optionally a
//! second set of options.

use crate::commands::bench::measure::Device;
use crate::commands::tune::{Tuned, resolve};
use crate::options::{FamilyName, Preset, Training, hide_apart, normalise, refuse};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use pixtape::Result;
use pixtape::gpu::Gpu;
use pixtape::io::{Dataset, Size};
use pixtape::plan::PlanOptions;
use pixtape::run::options::{Layer, Step, Tune};
use pixtape::run::{Options, Trainer};
use pixtape::train::AnyModel;
use std::ffi::OsString;
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
    /// Size of the step: pix2pix-256, pix2pix-128 (ngf 32), small (64x64, ngf 32), cycle_gan-256,
    /// pix2pixHD-512, pix2pixHD-1024; other flags change it. Default: small, or train's defaults if a flag sets the size of a
    /// network or of images.
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
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
    #[arg(long)]
    pub family: Option<FamilyName>,
    #[command(flatten)]
    pub train: Training,
}

fn parse(words: &[String]) -> Result<StepArgs, clap::Error> {
    let command = hide_apart(StepArgs::command()).mut_arg("dataroot", |arg| {
        arg.help("Folder of images for measuring the data wait [default: drawn pairs]")
    });
    StepArgs::from_arg_matches(&command.try_get_matches_from(words)?)
}

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct StepOptions {
    pub args: StepArgs,
    /// The training whose step it is; with a folder of images what their files say is known.
    pub train: Options,
    /// The preset or, without one, `train`.
    pub size: &'static str,
    /// What was written on the command line.
    pub words: Vec<String>,
}

impl StepOptions {
    /// Reads the words of a command line. Prints help, or what is wrong with a flag, and ends the
    /// program as flags elsewhere do.
    ///
    /// # Errors
    /// As [`Options::from_layers`], and what is wrong with the images.
    pub fn read(words: &[String]) -> Result<StepOptions> {
        let args = parse(words).unwrap_or_else(|e| refuse(&e));
        let given = &args.train.given;
        // A flag that says how large a step is, and no preset: train's defaults hold.
        let sized = given.flags().any(|flag| flag.step == Step::Size);
        let preset = args.preset.or((!sized).then_some(Preset::Small));
        let before = preset.map_or_else(|| Ok(Layer::default()), Preset::layer)?;
        let mut train = Options::from_layers(None, &[&before, given])?;
        if train.dataroot.is_some() {
            train.resolve(&Dataset::open(train.dataset()?)?)?;
        }
        let size = preset.map_or("train", Preset::name);
        Ok(StepOptions { args, train, size, words: words.to_vec() })
    }

    /// The same with further flags behind.
    pub fn with(&self, flags: &str) -> Result<StepOptions> {
        let (more, _) = normalise(flags.split_whitespace().map(OsString::from));
        let more = more.iter().map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> = self.words.iter().cloned().chain(more).collect();
        StepOptions::read(&words)
    }

    pub fn device(&self) -> Device {
        Device { adapter: self.train.device.adapter.clone(), family: self.args.family }
    }

    pub fn plan(&self) -> PlanOptions {
        self.train.plan()
    }

    /// The kernels that `--tune` selects for a training step.
    pub fn tuned(&self, gpu: &Gpu, config: &AnyModel) -> Result<Tuned> {
        let plan = Trainer::plan(config, gpu.family(), self.plan().on(gpu))?;
        let tune = self.train.device.tune.as_ref().unwrap_or(&Tune::Auto);
        resolve(gpu, &pixtape::tune::problems(&plan), tune, true)
    }

    /// The step for images of `--crop_size`, or of another size and batch.
    pub fn config(&self, other: Option<(u32, u32)>) -> Result<AnyModel> {
        let mut train = self.train.clone();
        if let Some((side, batch_size)) = other {
            train.data.crop_size = Size::square(side);
            train.data.batch_size = batch_size;
        }
        train.resolve_without_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use pixtape::gpu::Family;

    fn read(words: &str) -> StepOptions {
        let words: Vec<String> = words.split_whitespace().map(String::from).collect();
        StepOptions::read(&words).unwrap()
    }

    #[test]
    fn presets_plan_without_a_device() {
        for (preset, parameters) in
            [(Preset::Pix2Pix256, 54_413_955), (Preset::Pix2Pix128, 0), (Preset::Small, 0)]
        {
            let config = preset.config(1).unwrap();
            let plan =
                pixtape::run::Trainer::plan(&config, Family::Workgroup, PlanOptions::default())
                    .unwrap();
            let (memory, name) = (plan.memory(), preset.name());
            assert!(memory.parameters > 4 * parameters && plan.cost().flop > 0, "{name}");
            assert!((1.0..2.0).contains(&memory.activations_ratio()), "{name}: {memory}");
            assert_eq!(Preset::from_str(name, false), Ok(preset));
        }
    }

    #[test]
    fn flags_change_a_preset_and_without_one_train_has_the_say() {
        let small = read("--json");
        let shape = |step: &StepOptions| (step.train.data.crop_size.width, step.train.nets.ngf);
        assert_eq!((small.size, shape(&small)), ("small", (64, 32)));
        let wide = read("--preset pix2pix-128 --ngf 48 --name copied --batch_size 4");
        assert_eq!((shape(&wide), wide.train.data.batch_size), ((128, 48), 4));
        let own = read("--ndf 16");
        let nets = &own.train.nets;
        assert_eq!((own.size, nets.net_g.to_string(), nets.ndf), ("train", "unet_256".into(), 16));
        let other = small.with("--no-reuse --ngf 8").unwrap();
        assert!(!other.plan().reuse && small.plan().reuse && other.train.nets.ngf == 8);
    }

    #[test]
    fn the_command_line_is_consistent() {
        StepArgs::command().debug_assert();
    }
}
