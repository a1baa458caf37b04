//! What options come to: the configuration of a training step, what is read, the schedule.

use super::choice::{DatasetMode, ModelKind};
use super::table::Options;
use crate::io::{
    Dataset, DatasetOptions, Depth, LabelSet, Preprocess, Presence, Reading, Size, Task,
};
use crate::nets::{GeneratorConfig, GeneratorKind, NormKind, UnetConfig};
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
        if self.model == ModelKind::Pix2PixHd {
            let instances = dataset.planes().iter().any(|plane| plane.name == "instances");
            self.hd.no_instance |= !instances;
        }
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
        self.config(self.size_without_data())
    }

    /// The size of images where there are none: that of the crop, or what `load_size` scales images
    /// of Cityscapes' aspect to.
    fn size_without_data(&self) -> (u32, u32) {
        let Size { width, height } = self.data.load_size;
        match self.data.preprocess {
            Preprocess::ScaleWidth if width == height && self.model == ModelKind::Pix2PixHd => {
                (width, height / 2)
            }
            Preprocess::ScaleWidth if self.model == ModelKind::Pix2PixHd => (width, height),
            _ => (self.data.crop_size.width, self.data.crop_size.height),
        }
    }

    /// The generator; of two the one from A to B.
    ///
    /// # Errors
    /// [`Error::Config`] for padding that the net has no place for.
    pub fn generator(&self) -> Result<GeneratorConfig> {
        if self.model == ModelKind::Pix2PixHd {
            return self.hd_generator();
        }
        let nets = &self.nets;
        if matches!(nets.net_g, GeneratorKind::Global | GeneratorKind::Local) {
            let why = format!("{}: only `model` pix2pixHD has it", nets.net_g);
            return Err(Error::config("netG", why));
        }
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
            ModelKind::Pix2PixHd => AnyModel::Pix2PixHd(self.pix2pix_hd(size)?),
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
            DatasetMode::Labels => Task::Labels(LabelSet {
                classes: self.hd.label_nc,
                instances: match (self.hd.no_instance, self.hd.instance_feat) {
                    (true, _) => Presence::Ignored,
                    (false, true) => Presence::Required,
                    (false, false) => Presence::Found,
                },
                features: self.hd.load_features,
            }),
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
            reading: self.reading(),
            multiple_of: self.generator()?.multiple(),
            cache: data.cache_memory.0,
            ..DatasetOptions::default()
        })
    }

    /// How files of images are read.
    pub fn reading(&self) -> Reading {
        let data = &self.data;
        Reading { ignore_orientation: data.ignore_orientation, nodata: data.nodata }
    }

    /// The schedule of learning rates, as it begins.
    pub fn schedule(&self) -> Schedule {
        let optim = &self.optim;
        let g = optim.lr_g.unwrap_or(optim.lr);
        Schedule {
            policy: optim.lr_policy,
            rates: Rates::new(g, optim.lr_d.unwrap_or(optim.lr)),
            n_epochs: optim.n_epochs,
            n_epochs_decay: optim.n_epochs_decay,
            lr_decay_iters: optim.lr_decay_iters,
            compat: optim.lr_compat,
            late: self.model == ModelKind::Pix2PixHd,
            fixed_epochs: self.hd.niter_fix_global,
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

    /// What is worth saying at a start.
    pub fn notes(&self) -> Vec<String> {
        let hd = &self.hd;
        let mut notes = Vec::new();
        if self.model == ModelKind::Pix2PixHd && hd.vgg.is_none() && !hd.no_vgg_loss {
            let text = "training without the VGG loss: `vgg` takes torchvision's vgg19 \
                        (vgg19-dcbb9e9d.pth from download.pytorch.org/models, 575 MB); \
                        `no_vgg_loss` leaves this note out";
            notes.push(text.into());
        }
        notes
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
            ("E", &self.hd.init_e),
        ];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_deref()?)))
    }

    /// Refuses values that do not go together, which no option alone can know. Ranges are checked
    /// where words are read; whoever sets fields answers for them.
    ///
    /// # Errors
    /// [`Error::Config`] saying which.
    pub fn check(&self) -> Result<()> {
        for (mode, model, things) in [
            (DatasetMode::Unaligned, ModelKind::CycleGan, "unaligned images"),
            (DatasetMode::Labels, ModelKind::Pix2PixHd, "maps of labels"),
        ] {
            if (self.data.dataset_mode == mode) != (self.model == model) {
                let why = format!(
                    "{} does not go with `model` {}: {model} takes {things}, and no other model \
                     does",
                    self.data.dataset_mode, self.model
                );
                return Err(Error::config("dataset_mode", why));
            }
        }
        self.check_hd()?;
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

    /// Refuses options of pix2pixHD that do not go together.
    fn check_hd(&self) -> Result<()> {
        let hd = &self.hd;
        if self.model != ModelKind::Pix2PixHd {
            return Ok(());
        }
        let refuse = |field, why: &str| Err(Error::config(field, why));
        if self.nets.norm != NormKind::Instance {
            return refuse("norm", "pix2pixHD's networks have instance norm; leave it out");
        }
        if !self.nets.no_dropout {
            return refuse("dropout", "pix2pixHD's networks have none; leave it out");
        }
        if hd.no_instance && hd.instance_feat {
            let why = "needs maps of instances; leave out `no_instance`, or use `label_feat`";
            return refuse("instance_feat", why);
        }
        if hd.load_features && !(hd.instance_feat || hd.label_feat) {
            return refuse("load_features", "goes with `instance_feat` or `label_feat`");
        }
        if hd.niter_fix_global > 0 && self.nets.net_g != GeneratorKind::Local {
            return refuse("niter_fix_global", "goes with `netG` local");
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
