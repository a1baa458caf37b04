//! Weights that a new run starts from: `init_G`, `init_D` and the like, and `load_pretrain`.

use super::{Options, Trainer, weights_name};
use crate::io::checkpoint::TensorFile;
use crate::io::weights::{Pick, Wanted};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The files of weights that a new run starts from, read before anything is built.
#[derive(Debug, Default)]
pub struct InitialWeights {
    /// They fit as they are.
    whole: Vec<(&'static str, TensorFile)>,
    /// Laid over them: what has the same name and shape.
    pretrained: Vec<(&'static str, PathBuf, TensorFile)>,
}

/// Networks that `load_pretrain` looks for; a run need not have the last one.
const PRETRAINED: [&str; 3] = ["G", "D", "E"];

/// What of a file a network starts from: the only one of its purpose.
fn read(net: &str, file: &Path) -> Result<TensorFile> {
    let wanted = match net.as_bytes().first() {
        Some(b'G') => Wanted::Generator,
        Some(b'D') => Wanted::Discriminator,
        _ => Wanted::Any,
    };
    TensorFile::read_net(file, &Pick::of(wanted))
}

/// The files of an earlier run's networks: ours, or PyTorch's.
fn pretrained(path: &Path) -> Result<Vec<(&'static str, PathBuf, TensorFile)>> {
    if !path.is_dir() {
        return Ok(vec![("G", path.into(), read("G", path)?)]);
    }
    let names = |net: &str| [weights_name("latest", net), format!("latest_net_{net}.pth")];
    let mut found = Vec::new();
    for net in PRETRAINED {
        let files = names(net).map(|name| path.join(name));
        if let Some(file) = files.into_iter().find(|file| file.is_file()) {
            let weights = read(net, &file)?;
            found.push((net, file, weights));
        }
    }
    if found.iter().all(|(net, ..)| *net != "G") {
        let [ours, theirs] = names("G");
        let why = format!("`load_pretrain`: there is neither {ours} nor {theirs} in it");
        return Err(Error::file(path, why));
    }
    Ok(found)
}

impl InitialWeights {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// [`Error::File`] for one that cannot be read.
    pub fn read(options: &Options) -> Result<InitialWeights> {
        let files = options.initial_weights();
        let files = files.map(|(net, file)| Ok((net, read(net, file)?)));
        let whole = files.collect::<Result<_>>()?;
        let pretrained = options.hd.load_pretrain.as_deref().map_or(Ok(Vec::new()), pretrained)?;
        Ok(InitialWeights { whole, pretrained })
    }

    /// Puts them into a trainer's networks; a moving average starts from them too. Returns what is
    /// worth saying: what `load_pretrain` had no weights for.
    ///
    /// # Errors
    /// [`Error::Usage`] for a network that the model has not, [`Error::File`] for weights of other
    /// shapes, and what the device reports.
    pub fn load(&self, trainer: &Trainer) -> Result<Vec<String>> {
        for (net, file) in &self.whole {
            let network = trainer.networks().into_iter().find(|(name, ..)| name == net);
            let (_, weights, _) = network.ok_or_else(|| {
                Error::Usage(format!("`init_{net}`: the model has no network {net}"))
            })?;
            file.load_into(trainer.program().gpu(), trainer.store(), weights)?;
        }
        let mut notes = Vec::new();
        for (net, path, file) in &self.pretrained {
            let network = trainer.networks().into_iter().find(|(name, ..)| name == net);
            let Some((_, weights, _)) = network else { continue };
            let fresh = file.load_matching(trainer.program().gpu(), trainer.store(), weights)?;
            notes.push(note(net, path, weights.params().count(), &fresh)?);
        }
        trainer.restart_average()?;
        Ok(notes)
    }
}

/// What of a network was taken from a file.
fn note(net: &str, path: &Path, all: usize, fresh: &[String]) -> Result<String> {
    if fresh.len() == all {
        let why = format!("`load_pretrain`: nothing in it has a name and shape of {net}");
        return Err(Error::file(path, why));
    }
    let taken = all - fresh.len();
    let mut text = format!("{net}: {taken} of {all} tensors from {}", path.display());
    if let [first, rest @ ..] = fresh {
        let more = match rest.last() {
            Some(last) => format!(" to {last}"),
            None => String::new(),
        };
        text += &format!("; new: {first}{more}");
    }
    Ok(text)
}
