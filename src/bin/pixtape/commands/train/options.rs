//! Options of a training: checked, and taken over from the run that is continued.

use crate::options::{CYCLE_GAN, RunArgs, TrainArgs};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use pixtape::io::DatasetOptions;
use pixtape::io::dataset::has_phase;
use pixtape::run::RunFolder;
use pixtape::{Error, Result};
use serde_json::Value;

/// Flags of models that take pairs, as clap knows them and as they are written.
const PAIRED: [(&str, &str); 14] = [
    ("init_g", "--init_G"),
    ("init_d", "--init_D"),
    ("condition_d", "--condition_D"),
    ("accumulate", "--accumulate"),
    ("ema", "--ema"),
    ("lambda_l1", "--lambda_L1"),
    ("lambda_gan", "--lambda_GAN"),
    ("lambda_tv", "--lambda_TV"),
    ("lambda_gp", "--lambda_gp"),
    ("label_smoothing", "--label_smoothing"),
    ("bands_a", "--bands_A"),
    ("bands_b", "--bands_B"),
    ("val_freq", "--val_freq"),
    ("early_stop", "--early_stop"),
];
/// The same of models that do not. `--pool_size` is upstream's for all, and pix2pix has no pool
/// there either.
const UNPAIRED: [(&str, &str); 7] = [
    ("init_g_a", "--init_G_A"),
    ("init_g_b", "--init_G_B"),
    ("init_d_a", "--init_D_A"),
    ("init_d_b", "--init_D_B"),
    ("lambda_a", "--lambda_A"),
    ("lambda_b", "--lambda_B"),
    ("lambda_identity", "--lambda_identity"),
];

/// Flags that a model has not.
fn of_other_models(model: &str) -> &'static [(&'static str, &'static str)] {
    if model == CYCLE_GAN { &PAIRED } else { &UNPAIRED }
}

/// Whether a model has an option, by the name under which it is written down.
pub(crate) fn has_option(model: &str, name: &str) -> bool {
    of_other_models(model).iter().all(|(_, flag)| flag.strip_prefix("--") != Some(name))
}

/// Whether a flag stands on the command line, by clap's name.
pub(crate) fn given(matches: Option<&ArgMatches>, id: &str) -> bool {
    matches.and_then(|m| m.value_source(id)) == Some(ValueSource::CommandLine)
}

/// Values that no flag type can refuse.
pub(crate) fn check(args: &TrainArgs, matches: Option<&ArgMatches>) -> Result<()> {
    if !matches!(args.model.as_str(), "pix2pix" | "colorization" | "cycle_gan") {
        return Err(Error::Usage(format!(
            "--model {}: choose pix2pix, colorization (pix2pix on Lab) or cycle_gan",
            args.model
        )));
    }
    if (args.data.dataset_mode == "unaligned") != args.unpaired() {
        let (mode, model) = (&args.data.dataset_mode, &args.model);
        return Err(Error::Usage(format!(
            "--dataset_mode {mode} does not go with --model {model}: cycle_gan takes unaligned \
             pictures, and no other model does"
        )));
    }
    if let Some((_, flag)) = of_other_models(&args.model).iter().find(|(id, _)| given(matches, id))
    {
        return Err(Error::Usage(format!(
            "{flag} is no option of --model {}; leave it out",
            args.model
        )));
    }
    args.data.task()?;
    let positive = [
        (
            "--lr, --lr_G, --lr_D",
            [Some(args.optim.lr), args.optim.lr_g, args.optim.lr_d]
                .into_iter()
                .flatten()
                .all(|lr| lr > 0.0 && lr.is_finite()),
        ),
        ("--beta1", (0.0..1.0).contains(&args.optim.beta1)),
        ("--save_epoch_freq", args.run.save_epoch_freq > 0),
        ("--save_latest_freq", args.run.save_latest_freq > 0),
    ];
    if let Some((flag, _)) = positive.iter().find(|(_, ok)| !ok) {
        return Err(Error::Usage(format!(
            "{flag}: out of range; lr and the frequencies are above 0, beta1 lies in 0 to 1"
        )));
    }
    if args.run.early_stop.is_some()
        && (args.run.val_freq == 0 || !has_phase(args.dataroot()?, "val"))
    {
        return Err(Error::Usage(
            "--early_stop: it needs val/ beside the training pictures, and --val_freq above 0"
                .into(),
        ));
    }
    let epochs = args.optim.n_epochs + args.optim.n_epochs_decay;
    if args.optim.epoch_count > epochs {
        return Err(Error::Usage(format!(
            "--epoch_count {}: there are {epochs} epochs; raise --n_epochs or --n_epochs_decay",
            args.optim.epoch_count
        )));
    }
    if args.run.name.is_empty()
        || args.run.name.contains(['/', '\\'])
        || args.run.name.starts_with('.')
    {
        return Err(Error::Usage(format!(
            "--name {:?}: a plain folder name is wanted; --checkpoints_dir says where it lies",
            args.run.name
        )));
    }
    Ok(())
}

/// The run's own options, with what the command line gives laid over them.
pub(crate) fn resumed(args: TrainArgs, matches: Option<&ArgMatches>) -> Result<TrainArgs> {
    let internal = |e: serde_json::Error| Error::Internal(e.to_string());
    let mut options = RunFolder::options(&args.folder())?;
    let values = serde_json::to_value(&args).map_err(internal)?;
    // An option is written under its flag's name; the matches know it by the name of its field.
    let flags = TrainArgs::augment_args(clap::Command::new("train"));
    for (name, value) in values.as_object().into_iter().flatten() {
        let id =
            flags.get_arguments().find(|flag| flag.get_long() == Some(name)).map(clap::Arg::get_id);
        if id.is_some_and(|id| given(matches, id.as_str())) {
            options[name] = value.clone();
        }
    }
    let mut whole: TrainArgs = serde_json::from_value(options).map_err(|e| {
        Error::file(args.folder().join("options.json"), format!("options of another version: {e}"))
    })?;
    // Written down as --no_dropout alone.
    whole.nets.no_dropout &= !args.nets.dropout;
    let RunArgs { checkpoints_dir, name, max_steps, overwrite, .. } = args.run;
    Ok(TrainArgs {
        run: RunArgs {
            checkpoints_dir,
            name,
            max_steps,
            overwrite,
            continue_train: true,
            ..whole.run
        },
        device: args.device,
        ..whole
    })
}

pub(crate) fn dataset_options(args: &TrainArgs) -> Result<DatasetOptions> {
    Ok(DatasetOptions {
        root: args.dataroot()?.into(),
        phase: args.data.phase.clone(),
        task: args.data.task()?,
        direction: args.data.direction.parse()?,
        preprocess: args.data.preprocess.parse()?,
        load_size: args.data.load_size,
        crop_size: args.data.crop_size,
        flip: !args.data.no_flip,
        serial_batches: args.data.serial_batches,
        batch_size: (args.data.batch_size * args.optim.accumulate) as usize,
        seed: args.run.seed,
        max_dataset_size: args.data.max_dataset_size,
        input_nc: args.nets.input_nc,
        output_nc: args.nets.output_nc,
        bands: [args.data.bands_a.clone(), args.data.bands_b.clone()],
        value_range: args.data.value_range,
        multiple_of: args.generator()?.multiple(),
        cache: args.data.cache_memory,
        ..DatasetOptions::default()
    })
}

/// The options as they are written down.
pub(crate) fn resolved(args: &TrainArgs) -> Result<Value> {
    // By way of text: 0.02 stays 0.02 and does not become the double next to the single.
    let text = serde_json::to_string(args).map_err(|e| Error::Internal(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| Error::Internal(e.to_string()))
}

/// The options that a run's files carry: everything that decides what they are good for, and
/// nothing of where the run lies or how long it goes on.
pub(crate) fn of_files(args: &TrainArgs) -> Result<Value> {
    let mut options = resolved(args)?;
    let elsewhere = serde_json::to_value(&args.run).map_err(|e| Error::Internal(e.to_string()))?;
    if let (Some(options), Some(elsewhere)) = (options.as_object_mut(), elsewhere.as_object()) {
        options.retain(|name, _| {
            !elsewhere.contains_key(name)
                && !["dataroot", "num_threads"].contains(&name.as_str())
                && !name.starts_with("init_G")
                && !name.starts_with("init_D")
        });
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::config;
    use crate::options::{Cli, Command};
    use clap::{CommandFactory, FromArgMatches};
    use serde_json::json;
    use std::collections::BTreeMap;

    /// What a command line says: the options, and how they were matched.
    fn parsed(words: &[String]) -> Option<(TrainArgs, ArgMatches)> {
        let matches =
            Cli::command().try_get_matches_from([&["pixtape".to_string()], words].concat()).ok()?;
        let args = match Cli::from_arg_matches(&matches).ok()?.command {
            Command::Train(command) => command.train,
            Command::Resume(command) => command.train().ok()?.train,
            _ => return None,
        };
        let (_, of_command) = matches.subcommand()?;
        Some((args, of_command.clone()))
    }

    fn words(command: &str, flags: &[&String]) -> Vec<String> {
        std::iter::once(command.to_string()).chain(flags.iter().map(|f| f.to_string())).collect()
    }

    /// Each flag whose value is written down, with two values that are not its default.
    fn flags() -> BTreeMap<String, [String; 2]> {
        let whole = |args: &TrainArgs| resolved(args).unwrap();
        let usual = whole(&parsed(&words("train", &[])).unwrap().0);
        let mut flags = BTreeMap::new();
        let mut left_out = Vec::new();
        for flag in TrainArgs::augment_args(clap::Command::new("train"))
            .get_arguments()
            .filter_map(|a| a.get_long().map(String::from))
        {
            let values = [
                "", "=7", "=9", "=0.25", "=0.5", "=48x32", "=64x96", "=1,2", "=3,4", "=off", "=x",
                "=y",
            ]
            .map(|value| format!("--{flag}{value}"));
            // Words that parse and change what is written down.
            let mut changed: Vec<(String, Value)> = Vec::new();
            for word in values {
                let Some((args, _)) = parsed(&words("train", &[&word])) else { continue };
                let found = whole(&args);
                let differ: Vec<String> = found
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(|name| found[*name] != usual[*name])
                    .cloned()
                    .collect();
                match &differ[..] {
                    [] => {}
                    [name] => {
                        assert_eq!(*name, flag, "{word} is written down under another name");
                        if changed.iter().all(|(_, other)| *other != found) {
                            changed.push((word, found));
                        }
                    }
                    more => panic!("{word} changes {more:?}"),
                }
            }
            match &changed[..] {
                [] => left_out.push(flag),
                // A switch, or one of two words: the other is the default.
                [(one, _)] => {
                    let other = usual[&flag]
                        .as_str()
                        .map_or_else(String::new, |word| format!("--{flag}={word}"));
                    flags.insert(flag, [one.clone(), other]);
                }
                [(one, _), (two, _), ..] => drop(flags.insert(flag, [one.clone(), two.clone()])),
            }
        }
        // Those of a start, not of a run, are not written down at all.
        assert!(
            left_out.iter().any(|flag| flag == "overwrite")
                && left_out.iter().all(|flag| usual.get(flag).is_none()),
            "{left_out:?}"
        );
        flags
    }

    #[test]
    fn every_option_is_written_down_read_again_and_laid_over_under_its_own_name() {
        let flags = flags();
        assert!(flags.len() > 50, "{}", flags.len());
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir(&run).unwrap();
        // A run in which every option is another than by default.
        let all: Vec<&String> = flags
            .values()
            .map(|[one, _]| one)
            .filter(|one| !one.starts_with("--name=") && !one.starts_with("--checkpoints_dir="))
            .collect();
        let (args, _) = parsed(&words("train", &all)).unwrap();
        let options = resolved(&args).unwrap();
        let file = json!({ "format_version": 1, "options": options });
        std::fs::write(run.join("options.json"), file.to_string()).unwrap();
        // By way of config.toml.
        let toml = dir.path().join("config.toml");
        std::fs::write(&toml, config::text(&options).unwrap()).unwrap();
        let expanded = config::expand(
            ["pixtape".into(), "train".into(), format!("--config={}", toml.display())].into(),
            &Cli::command(),
        )
        .unwrap();
        let mut found = resolved(&parsed(&expanded[1..]).unwrap().0).unwrap();
        // What the model has not is left out there: its own options would be refused.
        for name in UNPAIRED.map(|(_, flag)| flag.trim_start_matches("--")) {
            assert!(!has_option("7", name) && found[name] != options[name], "{name}");
            found[name] = options[name].clone();
        }
        assert_eq!(found, options);

        let again = |more: &[&String]| {
            let folder = run.display().to_string();
            let (args, matches) = parsed(&words("resume", &[&[&folder], more].concat())).unwrap();
            let mut options = resolved(&resumed(args, Some(&matches)).unwrap()).unwrap();
            // Where it lies now, and a limit that is not inherited.
            ["name", "checkpoints_dir", "max_steps"]
                .iter()
                .for_each(|name| drop(options.as_object_mut().unwrap().remove(*name)));
            options
        };
        let own = again(&[]);
        for (name, value) in own.as_object().unwrap() {
            assert_eq!(*value, options[name], "--{name} of the run is lost");
        }
        for (flag, [_, other]) in flags
            .iter()
            .filter(|(flag, _)| !["name", "checkpoints_dir", "max_steps"].contains(&flag.as_str()))
        {
            // A switch can only be put on.
            if other.is_empty() {
                assert_eq!(own[flag], true, "--{flag}");
                continue;
            }
            let wanted =
                resolved(&parsed(&words("train", &[other])).unwrap().0).unwrap()[flag].take();
            let found = again(&[other]);
            assert_ne!(own[flag], wanted, "--{flag}");
            let mut laid_over = own.clone();
            laid_over[flag] = wanted;
            assert_eq!(found, laid_over, "--{flag}");
        }
    }
}
