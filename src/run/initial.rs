//! Weights that a new run starts from: `init_G`, `init_D` and the like.

use super::{Options, Trainer};
use crate::io::checkpoint::TensorFile;
use crate::{Error, Result};

/// The files of weights that a new run starts from, read before anything is built.
#[derive(Debug, Default)]
pub struct InitialWeights(Vec<(&'static str, TensorFile)>);

impl InitialWeights {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// [`Error::File`] for one that cannot be read.
    pub fn read(options: &Options) -> Result<InitialWeights> {
        let files = options.initial_weights();
        let files = files.map(|(net, file)| Ok((net, TensorFile::read(file)?)));
        files.collect::<Result<_>>().map(InitialWeights)
    }

    /// Puts them into a trainer's networks; a moving average starts from them too.
    ///
    /// # Errors
    /// [`Error::Usage`] for a network that the model has not, [`Error::File`] for weights of other
    /// shapes, and what the device reports.
    pub fn load(&self, trainer: &Trainer) -> Result<()> {
        for (net, file) in &self.0 {
            let network = trainer.networks().into_iter().find(|(name, ..)| name == net);
            let (_, weights, _) = network.ok_or_else(|| {
                Error::Usage(format!("`init_{net}`: the model has no network {net}"))
            })?;
            file.load_into(trainer.program().gpu(), trainer.store(), weights)?;
        }
        trainer.restart_average()
    }
}
