//! The options of a training as flags: clap's arguments are made of the library's table.

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use pixtape::run::Options;
use pixtape::run::options::{Flag, Layer, ModelKind, Set, Step, flags};

/// What a command line gives of the options of a training.
#[derive(Clone, Debug, Default)]
pub(crate) struct Training {
    pub given: Layer,
}

/// What a command line gives of the options that say which files a training reads, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub given: Layer,
}

/// Their names.
const READING: [&str; 21] = [
    "model",
    "dataset_mode",
    "phase",
    "direction",
    "preprocess",
    "load_size",
    "crop_size",
    "batch_size",
    "accumulate",
    "max_dataset_size",
    "input_nc",
    "output_nc",
    "bands_A",
    "bands_B",
    "mask",
    "value_range",
    "label_nc",
    "no_instance",
    "instance_feat",
    "label_feat",
    "load_features",
];

/// Options that there are flags for.
fn rows() -> impl Iterator<Item = &'static Flag> {
    flags().filter(|flag| !flag.inferred)
}

/// Those of them that say how files are read.
fn reading() -> impl Iterator<Item = &'static Flag> {
    rows().filter(|flag| READING.contains(&flag.name))
}

/// Adds the flags of options.
fn augment(command: Command, rows: impl Iterator<Item = &'static Flag>) -> Command {
    rows.fold(command, |command, flag| command.arg(argument(flag)).args(opposite(flag)))
}

/// What a command line gives of options.
fn update(
    layer: &mut Layer,
    matches: &ArgMatches,
    rows: impl Iterator<Item = &'static Flag>,
) -> Result<(), clap::Error> {
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let switched = |flag: &Flag, word: &str| {
        flag.parse(word).map_err(|e| clap::Error::raw(clap::error::ErrorKind::InvalidValue, e))
    };
    for flag in rows {
        if !flag.switch {
            let set = matches.get_one::<Set<Options>>(flag.name);
            set.into_iter().for_each(|set| layer.give(flag, set.clone()));
        } else if given(flag.name) {
            layer.give(flag, switched(flag, "true")?);
        } else if flag.opposite.is_some_and(|opposite| given(opposite.name)) {
            layer.give(flag, switched(flag, "false")?);
        }
    }
    Ok(())
}

/// Makes clap's arguments of a struct with a layer.
macro_rules! arguments {
    ($($Type:ident: $rows:ident),+) => {$(
        impl Args for $Type {
            fn augment_args(command: Command) -> Command {
                augment(command, $rows())
            }

            fn augment_args_for_update(command: Command) -> Command {
                augment(command, $rows())
            }
        }

        impl FromArgMatches for $Type {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let mut all = $Type::default();
                all.update_from_arg_matches(matches)?;
                Ok(all)
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                update(&mut self.given, matches, $rows())
            }
        }
    )+};
}

arguments!(Training: rows, Reading: reading);

/// The flag of an option.
fn argument(flag: &'static Flag) -> Arg {
    let mut help = flag.help();
    if let Some(default) = flag.default(ModelKind::Pix2Pix) {
        help += &format!(" [default: {default}]");
    }
    let arg = Arg::new(flag.name).long(flag.name).help(help).hide(flag.hidden);
    let arg = arg.aliases(flag.aliases);
    let arg = flag.heading.into_iter().fold(arg, |arg, heading| arg.help_heading(heading));
    if flag.switch {
        return arg.action(ArgAction::SetTrue);
    }
    arg.value_name(flag.value_name.map_or_else(|| capitals(flag), String::from))
        .value_parser(ValueParser::new(move |word: &str| flag.parse(word)))
        .allow_hyphen_values(flag.negative)
}

/// The name in capitals, for help.
fn capitals(flag: &Flag) -> String {
    flag.name.to_uppercase()
}

/// The flag of its contrary.
fn opposite(flag: &'static Flag) -> Option<Arg> {
    let opposite = flag.opposite?;
    let arg = Arg::new(opposite.name)
        .long(opposite.name)
        .help(opposite.help)
        .action(ArgAction::SetTrue)
        .conflicts_with(flag.name);
    Some(flag.heading.into_iter().fold(arg, |arg, heading| arg.help_heading(heading)))
}

/// A command without those in its help that say nothing about a single step.
pub(crate) fn hide_apart(command: Command) -> Command {
    rows()
        .filter(|flag| flag.step == Step::Apart)
        .fold(command, |command, flag| command.mut_arg(flag.name, |arg| arg.hide(true)))
}
