//! Values of flags.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pixtape::gpu::Family;
use pixtape::run::options::Choice;

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
