//! Values of flags.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use pixtape::gpu::Family;
use pixtape::run::options::Choice;
use std::error::Error as _;

/// What `--tune` takes, where help names it.
pub(crate) const TUNE: &str = "auto|off|cache|now|FILE";

/// A parser of a type whose values are a few words, which help lists.
pub(crate) fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    let words = T::ALL.iter().map(|value| value.to_string());
    PossibleValuesParser::new(words.collect::<Vec<_>>()).try_map(|word| T::of_word(&word))
}

/// The tile of convolutions that `--family` asks for.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FamilyName {
    Subgroup,
    Register,
    Workgroup,
}

impl From<FamilyName> for Family {
    fn from(name: FamilyName) -> Family {
        match name {
            // The number of lanes is the device's own.
            FamilyName::Subgroup => Family::Subgroup(0),
            FamilyName::Register => Family::Register,
            FamilyName::Workgroup => Family::Workgroup,
        }
    }
}

/// Prints help, or what is wrong with a flag, and ends the program.
pub(crate) fn refuse(error: &clap::Error) -> ! {
    match one_line(error) {
        Some(line) => eprintln!("error: {line}"),
        None => drop(error.print()),
    }
    std::process::exit(i32::from(error.use_stderr()))
}

/// A value that an option does not take, in the words of the option.
fn one_line(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    };
    let why = error.source().filter(|_| error.kind() == ErrorKind::ValueValidation)?;
    let flag = text(ContextKind::InvalidArg)?.split_whitespace().next()?;
    Some(format!("{flag} {}: {why}", text(ContextKind::InvalidValue)?))
}
