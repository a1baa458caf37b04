//! Opening a run's folder: a new one, or one that is resumed.

use super::names::OPTIONS;
use super::{About, Found, RunFolder, Trainer, lock, newest, refuse_held};
use crate::gpu::Gpu;
use crate::io::tuning::TuningFile;
use crate::plan::PlanOptions;
use crate::train::AnyModel;
use crate::tune::problems;
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run's folder before anything is written to it: whether it is free, or where its run stands.
/// Nothing is written before [`Opening::open`], so that what is built between (data, networks)
/// may fail and leave the folder as it was.
#[derive(Debug)]
pub struct Opening {
    path: PathBuf,
    resumes: bool,
    overwrite: bool,
    /// Held from here on where a run is resumed.
    lock: Option<File>,
    found: Option<Found>,
}

impl Opening {
    /// A folder for a new run.
    ///
    /// # Errors
    /// [`Error::File`] if it holds a run, unless that one is to be replaced.
    pub fn create(path: &Path, overwrite: bool) -> Result<Opening> {
        refuse_held(path, overwrite)?;
        Ok(Opening { path: path.into(), resumes: false, overwrite, lock: None, found: None })
    }

    /// The folder of a run that is resumed from its newest whole checkpoint; a run without any, or
    /// without a folder, begins anew.
    ///
    /// # Errors
    /// [`Error::File`] if another program trains there, if all its checkpoints are damaged, or if
    /// there are weights without a checkpoint and these are not to be replaced.
    pub fn resume(path: &Path, overwrite: bool) -> Result<Opening> {
        if !path.exists() {
            let (lock, found) = (None, None);
            return Ok(Opening { path: path.into(), resumes: true, overwrite, lock, found });
        }
        let lock = Some(lock(path)?);
        let found = newest(path)?;
        if found.is_none() && !overwrite && has_weights(path) {
            let message = "holds weights but no checkpoint to resume from; start another run from \
                           them with `init_G` and `init_D`, or replace them with `overwrite`";
            return Err(Error::file(path, message));
        }
        Ok(Opening { path: path.into(), resumes: true, overwrite, lock, found })
    }

    /// Resumes the run that a folder holds, or begins one where it holds none.
    ///
    /// # Errors
    /// As [`Opening::resume`].
    pub fn resume_or_create(path: &Path) -> Result<Opening> {
        match Opening::create(path, false) {
            Err(_) if path.is_dir() => Opening::resume(path, false),
            other => other,
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint that the run is resumed from.
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// What is worth saying: checkpoints that are damaged, or that there is none.
    pub fn notes(&self) -> Vec<String> {
        match &self.found {
            Some(found) => found
                .refused
                .iter()
                .map(|e| format!("{e}; resuming from step {} instead", found.state.step))
                .collect(),
            None if self.resumes => {
                let path = self.path.display();
                vec![if self.path.join(OPTIONS).exists() {
                    format!("{path}: no checkpoint yet, the run begins anew")
                } else {
                    format!("{path}: holds no run yet, a new one begins")
                }]
            }
            None => Vec::new(),
        }
    }

    /// Plan options with the kernels that a resumed run began with, so that its steps give the
    /// same bits; as they are for a new run, or on another family of kernels.
    ///
    /// # Errors
    /// What planning the model reports, and [`Error::File`] for a damaged `tuning.json`.
    pub fn plan_options(
        &self,
        gpu: &Gpu,
        model: &AnyModel,
        options: PlanOptions,
    ) -> Result<PlanOptions> {
        let family = gpu.family();
        let file = match &self.found {
            Some(_) => RunFolder::tuning(&self.path)?,
            None => None,
        };
        let Some(file) = file.filter(|f| f.identity.family == family.to_string()) else {
            return Ok(options);
        };
        let mut tuning = file.rule(gpu).force(options.force);
        for load in problems(&Trainer::plan(model, family, options.clone().on(gpu))?) {
            file.apply(&load.problem, &mut tuning);
        }
        Ok(PlanOptions { tuning: Some(Arc::new(tuning)), ..options })
    }

    /// Opens the folder for the run: puts the checkpoint into the trainer, or makes the folder and
    /// writes down which kernels the trainer uses.
    ///
    /// # Errors
    /// [`Error::File`] if a file does not fit the trainer's networks (the folder then stays as it
    /// was), or cannot be written.
    pub fn open(self, trainer: &mut Trainer, about: About) -> Result<RunFolder> {
        match (&self.found, self.lock) {
            (Some(found), Some(lock)) => {
                found.load(trainer)?;
                RunFolder::open(&self.path, found, about, lock)
            }
            (_, lock) => {
                let replace = self.overwrite || self.resumes;
                let folder = RunFolder::create(&self.path, replace, about, lock)?;
                folder.save_tuning(&TuningFile::used_by(trainer.program()))?;
                Ok(folder)
            }
        }
    }
}

/// Whether a folder holds weights of networks.
fn has_weights(folder: &Path) -> bool {
    let mut names = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned());
    names.any(|name| name.contains("_net_") && name.ends_with(".safetensors"))
}
