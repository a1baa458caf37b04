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

/// Options that there are flags for.
fn rows() -> impl Iterator<Item = &'static Flag> {
    flags().filter(|flag| !flag.inferred)
}

impl Args for Training {
    fn augment_args(command: Command) -> Command {
        rows().fold(command, |command, flag| command.arg(argument(flag)).args(opposite(flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Training::augment_args(command)
    }
}

impl FromArgMatches for Training {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut training = Training::default();
        training.update_from_arg_matches(matches)?;
        Ok(training)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let switched = |flag: &Flag, word: &str| {
            flag.parse(word).map_err(|e| clap::Error::raw(clap::error::ErrorKind::InvalidValue, e))
        };
        for flag in rows() {
            if !flag.switch {
                let set = matches.get_one::<Set<Options>>(flag.name);
                set.into_iter().for_each(|set| self.given.give(flag, set.clone()));
            } else if given(flag.name) {
                self.given.give(flag, switched(flag, "true")?);
            } else if flag.opposite.is_some_and(|opposite| given(opposite.name)) {
                self.given.give(flag, switched(flag, "false")?);
            }
        }
        Ok(())
    }
}

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
