//! What options come to: the configuration of a training step, what is read, the schedule.

use super::choice::{DatasetMode, ModelKind};
use super::table::Options;
use crate::io::{Dataset, DatasetOptions, Depth, Task};
use crate::nets::{GeneratorConfig, UnetConfig};
use crate::picture::PictureFormat;
use crate::plan::PlanOptions;
use crate::train::{AnyModel, Rates, Schedule, ScheduleState};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

impl Options {
    /// Writes down what a dataset's files say (channels, depths) and gives the configuration of a
    /// training step on them. Together with [`resolve_without_data`](Self::resolve_without_data)
    /// the only way to a configuration.
    ///
    /// # Errors
    /// [`Error::Config`] for what does not go together.
    pub fn resolve(&mut self, dataset: &Dataset) -> Result<AnyModel> {
        let [input_nc, output_nc] = dataset.channels();
        (self.nets.input_nc, self.nets.output_nc) = (Some(input_nc), Some(output_nc));
        self.data.depths = Some(dataset.depths());
        self.config(dataset.image_size())
    }

    /// The same where there are no files: 8-bit RGB images of `crop_size`, unless the options say
    /// otherwise.
    ///
    /// # Errors
    /// [`Error::Config`] for what does not go together.
    pub fn resolve_without_data(&mut self) -> Result<AnyModel> {
        let [input_nc, output_nc] = match self.data.dataset_mode {
            DatasetMode::Colorization => [1, 2],
            _ => [3, 3],
        };
        self.nets.input_nc.get_or_insert(input_nc);
        self.nets.output_nc.get_or_insert(output_nc);
        self.config((self.data.crop_size.width, self.data.crop_size.height))
    }

    /// The generator; of two the one from A to B.
    ///
    /// # Errors
    /// [`Error::Config`] for padding that the net has no place for.
    pub fn generator(&self) -> Result<GeneratorConfig> {
        let nets = &self.nets;
        let like = UnetConfig {
            input_nc: nets.input_nc.unwrap_or(3),
            output_nc: nets.output_nc.unwrap_or(3),
            ngf: nets.ngf,
            norm: nets.norm,
            dropout: !nets.no_dropout,
            upsample: nets.upsample,
            ..UnetConfig::default()
        };
        nets.net_g.with(like).with_padding(nets.padding_type)
    }

    /// The configuration of the model for images of a width and height.
    fn config(&self, size: (u32, u32)) -> Result<AnyModel> {
        Ok(match self.model {
            ModelKind::Pix2Pix | ModelKind::Colorization => AnyModel::Pix2Pix(self.pix2pix(size)?),
            ModelKind::CycleGan => AnyModel::CycleGan(self.cycle_gan(size)?),
        })
    }

    /// How images go up to the device: as bytes unless the files say otherwise.
    pub(super) fn pictures(&self) -> PictureFormat {
        let deep = self.data.depths.iter().flatten().any(|depth| *depth != Depth::U8);
        let lab = self.data.dataset_mode == DatasetMode::Colorization;
        if deep || lab || self.data.value_range.is_some() {
            PictureFormat::Floats
        } else {
            PictureFormat::Bytes
        }
    }

    /// What is made of the files.
    pub fn task(&self) -> Task {
        match self.data.dataset_mode {
            DatasetMode::Aligned => Task::Aligned,
            DatasetMode::Unaligned => Task::Unaligned,
            DatasetMode::Colorization => Task::Colorization,
            DatasetMode::Inpaint => Task::Inpaint(self.data.mask.clone()),
        }
    }

    /// What is read, and how.
    ///
    /// # Errors
    /// [`Error::Config`] if no folder is named.
    pub fn dataset(&self) -> Result<DatasetOptions> {
        let Options { nets, data, optim, .. } = self;
        Ok(DatasetOptions {
            root: self.dataroot()?.into(),
            phase: data.phase.clone(),
            task: self.task(),
            direction: data.direction,
            preprocess: data.preprocess,
            load_size: data.load_size,
            crop_size: data.crop_size,
            flip: !data.no_flip,
            serial_batches: data.serial_batches,
            batch_size: (data.batch_size * optim.accumulate) as usize,
            seed: self.run.seed,
            max_dataset_size: data.max_dataset_size,
            input_nc: nets.input_nc,
            output_nc: nets.output_nc,
            bands: [data.bands_a.clone(), data.bands_b.clone()],
            value_range: data.value_range,
            multiple_of: self.generator()?.multiple(),
            cache: data.cache_memory.0,
            ..DatasetOptions::default()
        })
    }

    /// The schedule of learning rates, as it begins.
    pub fn schedule(&self) -> Schedule {
        let optim = &self.optim;
        Schedule {
            policy: optim.lr_policy,
            rates: Rates { g: optim.lr_g.unwrap_or(optim.lr), d: optim.lr_d.unwrap_or(optim.lr) },
            n_epochs: optim.n_epochs,
            n_epochs_decay: optim.n_epochs_decay,
            lr_decay_iters: optim.lr_decay_iters,
            compat: optim.lr_compat,
            state: ScheduleState::default(),
        }
    }

    /// How a step is planned.
    pub fn plan(&self) -> PlanOptions {
        PlanOptions {
            memory_limit: self.device.memory_limit.map(|bytes| bytes.0),
            reuse: !self.device.no_reuse,
            recompute: self.device.recompute,
            ..PlanOptions::default()
        }
    }

    /// Whether the model takes two sets of images that need not be pairs.
    pub fn unpaired(&self) -> bool {
        self.model.unpaired()
    }

    /// The folder of the images.
    ///
    /// # Errors
    /// [`Error::Config`] if none is named.
    pub fn dataroot(&self) -> Result<&Path> {
        self.dataroot
            .as_deref()
            .ok_or_else(|| Error::config("dataroot", "is missing: which folder holds the images?"))
    }

    /// The folder of the run.
    pub fn folder(&self) -> PathBuf {
        self.run.checkpoints_dir.join(&self.run.name)
    }

    /// Weights that networks start from, by the networks' names.
    pub fn initial_weights(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let nets = &self.nets;
        let all = [
            ("G", &nets.init_g),
            ("D", &nets.init_d),
            ("G_A", &nets.init_g_a),
            ("G_B", &nets.init_g_b),
            ("D_A", &nets.init_d_a),
            ("D_B", &nets.init_d_b),
        ];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_deref()?)))
    }

    /// Refuses values that do not go together, which no option alone can know. Ranges are checked
    /// where words are read; whoever sets fields answers for them.
    ///
    /// # Errors
    /// [`Error::Config`] saying which.
    pub fn check(&self) -> Result<()> {
        if (self.data.dataset_mode == DatasetMode::Unaligned) != self.unpaired() {
            let why = format!(
                "{} does not go with `model` {}: cycle_gan takes unaligned images, and no other \
                 model does",
                self.data.dataset_mode, self.model
            );
            return Err(Error::config("dataset_mode", why));
        }
        let epochs = self.optim.n_epochs.saturating_add(self.optim.n_epochs_decay);
        if self.optim.epoch_count > epochs {
            let why = format!(
                "{}: there are {epochs} epochs; raise `n_epochs` or `n_epochs_decay`",
                self.optim.epoch_count
            );
            return Err(Error::config("epoch_count", why));
        }
        Ok(())
    }

    /// Refuses what a run cannot be kept or validated with.
    ///
    /// # Errors
    /// [`Error::Config`] saying which.
    pub fn check_run(&self) -> Result<()> {
        self.check()?;
        if self.run.early_stop.is_some()
            && (self.run.val_freq == 0 || !self.dataset()?.has_phase("val"))
        {
            let why = "needs val/ beside the training images, and `val_freq` above 0";
            return Err(Error::config("early_stop", why));
        }
        self.check_name()
    }

    pub(super) fn check_name(&self) -> Result<()> {
        let name = &self.run.name;
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            let why = format!(
                "{name:?}: expected a plain folder name; `checkpoints_dir` says where it lies"
            );
            return Err(Error::config("name", why));
        }
        Ok(())
    }
}
