//! Readers of files that users bring, by name, for the test that brings broken ones.

use super::config;
use super::flags::Cli;
use super::prepare::palette;
use super::run_folder::{Log, RunFolder, State};
use crate::error::Result;
use clap::CommandFactory;
use std::path::Path;

/// The folder that a file lies in, for readers that are given the folder.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Reads a file and forgets it.
pub type Read = fn(&Path) -> Result<()>;

/// Name and reader; each is given the file.
pub const READERS: &[(&str, Read)] = &[
    ("palette", |file| palette::read(file).map(drop)),
    ("options", |file| RunFolder::options(folder(file)).map(drop)),
    ("state", |file| State::read(file).map(drop)),
    ("losses", |file| Log::open(file, 1).map(drop)),
    ("config", |file| {
        let words = ["pixtape".into(), "train".into(), format!("--config={}", file.display())];
        config::expand(words.into(), &Cli::command()).map(drop)
    }),
];
