//! Flags of `train` and `resume`.

use crate::options::{Training, is_ignored};
use clap::Args;
use pixtape::run::Options;
use pixtape::run::options::Layer;
use pixtape::{Error, Result};
use std::path::PathBuf;

/// A training and what it says.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct TrainCommand {
    #[command(flatten)]
    pub train: Training,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What a training says, and where else its options come from.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Run")]
pub(crate) struct TalkArgs {
    /// Print errors only.
    #[arg(long)]
    pub quiet: bool,
    /// Print everything as JSON, one object per line.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Read options from a TOML file, NAME = VALUE with the names of flags; the command line wins.
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
}

/// Flags of `resume`.
#[derive(Args, Clone, Debug)]
#[command(
    rename_all = "snake_case",
    mut_arg("continue_train", |a| a.hide(true)),
    mut_arg("overwrite", |a| a.hide(true)),
    mut_arg("name", |a| a.hide(true)),
    mut_arg("checkpoints_dir", |a| a.hide(true))
)]
pub(crate) struct ResumeArgs {
    /// The run's folder.
    pub run_folder: PathBuf,
    #[command(flatten)]
    pub command: TrainCommand,
}

impl TrainCommand {
    /// What is given: the files of `--config` in their order, then the command line.
    fn layers(&mut self) -> Result<Vec<Layer>> {
        let talk = &mut self.talk;
        let mut layers = Vec::new();
        for file in talk.config.clone() {
            layers.push(Layer::of_toml(&file, &mut |name, value| {
                let switch = match name {
                    "quiet" => &mut talk.quiet,
                    "json" => &mut talk.json,
                    _ if is_ignored(name) => {
                        let file = file.display();
                        eprintln!("note: {file}: {name} has no meaning here and is ignored");
                        return Ok(true);
                    }
                    _ => return Ok(false),
                };
                let on = value.as_bool().ok_or_else(|| {
                    Error::file(&file, format!("{name} = {value}: expected true or false"))
                })?;
                *switch |= on;
                Ok(true)
            })?);
        }
        layers.push(self.train.given.clone());
        Ok(layers)
    }

    /// The options of the training, and what was given of them at this start.
    pub fn options(&mut self) -> Result<(Options, Vec<Layer>)> {
        let layers = self.layers()?;
        Ok((Options::started(&layers.iter().collect::<Vec<_>>())?, layers))
    }
}

impl ResumeArgs {
    /// The same of the run that is resumed.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such folder.
    pub fn options(&mut self) -> Result<(Options, Vec<Layer>)> {
        let folder = self.run_folder.canonicalize().map_err(|e| {
            Error::file(
                &self.run_folder,
                format!("no such folder ({e}); pixtape resume takes the folder of a run"),
            )
        })?;
        let layers = self.command.layers()?;
        Ok((Options::resumed(&folder, &layers.iter().collect::<Vec<_>>())?, layers))
    }
}
