//! Weights of networks that are only read: they belong to no run and lie in files of their own.

use super::{Options, Trainer};
use crate::io::checkpoint::TensorFile;
use crate::nets::VggConfig;
use crate::{Error, Result};
use std::path::Path;

/// The size of the VGG-19 whose weights a file holds.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read or holds something else.
pub(super) fn vgg_of(path: &Path) -> Result<VggConfig> {
    let file = TensorFile::read(path)?;
    let shape =
        |name: &str| file.contents().tensors.get(name).map(|values| values.shape.as_slice());
    VggConfig::of_file(shape).ok_or_else(|| {
        Error::file(
            path,
            "not the weights of a VGG-19; `vgg` takes torchvision's vgg19, whose first tensor is \
             features.0.weight",
        )
    })
}

/// Puts the weights of networks that are only read into a trainer, at each start of a run.
///
/// # Errors
/// [`Error::Config`] if there is no file for one, [`Error::File`] for one that does not fit.
pub fn load_frozen(options: &Options, trainer: &Trainer) -> Result<()> {
    for (name, weights) in trainer.frozen_networks() {
        let path = options.hd.vgg.as_deref().filter(|_| name == "VGG");
        let path = path.ok_or_else(|| Error::config("vgg", "is missing: the weights of VGG-19"))?;
        let (gpu, store) = (trainer.program().gpu(), trainer.store());
        TensorFile::read(path)?.load_part(gpu, store, weights)?;
    }
    Ok(())
}
