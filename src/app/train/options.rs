//! Options of a training: checked, and taken over from the run that is continued.

use crate::app::flags::{RunArgs, TrainArgs};
use crate::app::run_folder::RunFolder;
use crate::error::{Error, Result};
use crate::io::AlignedOptions;
use crate::nets::UnetConfig;
use clap::ArgMatches;
use clap::parser::ValueSource;

/// Values that no flag type can refuse.
pub(super) fn check(args: &TrainArgs) -> Result<()> {
    if args.model != "pix2pix" {
        return Err(Error::Usage(format!("--model {}: this version trains pix2pix", args.model)));
    }
    if args.data.dataset_mode != "aligned" {
        return Err(Error::Usage(format!("--dataset_mode {}: pix2pix takes aligned pairs", args.data.dataset_mode)));
    }
    let positive = [
        ("--lr", args.optim.lr > 0.0 && args.optim.lr.is_finite()),
        ("--beta1", (0.0..1.0).contains(&args.optim.beta1)),
        ("--save_epoch_freq", args.run.save_epoch_freq > 0),
        ("--save_latest_freq", args.run.save_latest_freq > 0),
    ];
    if let Some((flag, _)) = positive.iter().find(|(_, ok)| !ok) {
        return Err(Error::Usage(format!("{flag}: out of range; lr and the frequencies are above 0, beta1 lies in 0 to 1")));
    }
    if args.run.name.is_empty() || args.run.name.contains(['/', '\\']) || args.run.name.starts_with('.') {
        return Err(Error::Usage(format!("--name {:?}: a plain folder name is wanted; --checkpoints_dir says where it lies", args.run.name)));
    }
    Ok(())
}

/// The run's own options, with what the command line gives laid over them.
pub(super) fn resumed(args: TrainArgs, matches: Option<&ArgMatches>) -> Result<TrainArgs> {
    let internal = |e: serde_json::Error| Error::Internal(e.to_string());
    let mut options = RunFolder::options(&args.folder())?;
    let given = serde_json::to_value(&args).map_err(internal)?;
    // serde's names are the flags' names; clap's identifiers are the fields'.
    let fields = [("netG", "net_g"), ("netD", "net_d"), ("n_layers_D", "n_layers_d"), ("lambda_L1", "lambda_l1")];
    for (name, value) in given.as_object().into_iter().flatten() {
        let id = fields.iter().find(|(n, _)| n == name).map_or(name.as_str(), |(_, id)| id);
        if matches.and_then(|m| m.value_source(id)) == Some(ValueSource::CommandLine) {
            options[name] = value.clone();
        }
    }
    let whole: TrainArgs =
        serde_json::from_value(options).map_err(|e| Error::file(args.folder().join("options.json"), format!("options of another version: {e}")))?;
    let RunArgs { checkpoints_dir, name, max_steps, .. } = args.run;
    Ok(TrainArgs { run: RunArgs { checkpoints_dir, name, max_steps, continue_train: true, ..whole.run }, device: args.device, ..whole })
}

pub(in crate::app) fn dataset_options(args: &TrainArgs) -> Result<AlignedOptions> {
    Ok(AlignedOptions {
        root: args.dataroot()?.into(),
        phase: args.data.phase.clone(),
        direction: args.data.direction.parse()?,
        preprocess: args.data.preprocess.parse()?,
        load_size: args.data.load_size,
        crop_size: args.data.crop_size,
        flip: !args.data.no_flip,
        serial_batches: args.data.serial_batches,
        batch_size: args.data.batch_size as usize,
        seed: args.run.seed,
        max_dataset_size: args.data.max_dataset_size,
        input_nc: args.nets.input_nc,
        output_nc: args.nets.output_nc,
        multiple_of: 1 << UnetConfig::downs_of(&args.nets.net_g)?,
    })
}
