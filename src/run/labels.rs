//! Generators from label maps found in files: those of pix2pixHD.

use super::Checkpoint;
use crate::gpu::Gpu;
use crate::io::checkpoint::TensorFile;
use crate::io::weights::Net as Known;
use crate::nets::{Generator as Net, GeneratorConfig, Mode, Resnet, ResnetConfig};
use crate::ops::NormMode;
use crate::picture::{Encoding, PictureFormat, Plane};
use crate::plan::{Plan, PlanOptions, Progress};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::{
    Condition, Features, Model, Network, Over, Pix2PixHdConfig, Source, Strips, Translator,
};
use crate::{Error, Result};
use std::path::Path;

/// What a generator from label maps reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelInput {
    /// Labels, and whether edges of instances are given.
    pub condition: Condition,
    /// Features, and where they come from.
    pub features: Option<Features>,
}

impl LabelInput {
    /// What the generator of a checkpoint reads: as its run's options say. Of a bare file that has
    /// labels and as many features as `features` says, and edges where there are instances.
    ///
    /// # Errors
    /// [`Error::Usage`] if a bare file has no channels left for labels.
    pub fn of(
        checkpoint: &Checkpoint,
        instances: bool,
        features: Option<Features>,
    ) -> Result<LabelInput> {
        if let Some(options) = &checkpoint.options {
            let (condition, own) = (options.condition(), options.features());
            return Ok(LabelInput { condition, features: features.or(own) });
        }
        let count = features.map_or(0, |features| features.channels());
        let condition = Condition::of_channels(checkpoint.config.input_nc(), instances, count)?;
        Ok(LabelInput { condition, features })
    }

    /// Number of classes; 0 for a generator from images.
    pub fn classes(&self) -> u32 {
        match self.condition.source {
            Source::Labels(classes) => classes,
            Source::Image(_) => 0,
        }
    }
}

/// Weights of an encoder of features, and its size.
#[derive(Debug)]
pub struct Encoder {
    weights: TensorFile,
    /// Its size.
    pub config: ResnetConfig,
}

impl Encoder {
    /// Reads the file of an encoder.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be read or is another network.
    pub fn read(path: &Path) -> Result<Encoder> {
        let weights = TensorFile::read(path)?;
        match Known::recognise(weights.contents()).map_err(|e| Error::file(path, e))? {
            Known::Encoder(config) => Ok(Encoder { weights, config }),
            other => Err(Error::file(path, format!("{other}; expected a feature encoder"))),
        }
    }

    /// The features that it makes.
    pub fn features(&self, over: Over) -> Features {
        Features::Encoded { encoder: self.config, over }
    }

    /// The step that it was saved at, if its file says so.
    pub fn step(&self) -> Option<u64> {
        self.weights.about().and_then(|about| about["step"].as_u64())
    }

    /// Makes it ready for images of one size, in a format. It reads the planes `image` and one of
    /// `map`, whose numbers say which pixels belong together; its output are the features of each
    /// pixel, averaged over those.
    ///
    /// # Errors
    /// Weights that are not those of the net, and what the device reports.
    pub fn averaged(
        &self,
        gpu: &Gpu,
        size: (u32, u32),
        format: PictureFormat,
        map: &'static str,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let mut store = Store::new();
        let net = Resnet::new(&mut store, "E", self.config)?;
        self.weights.load_into(gpu, &store, net.weights())?;
        let planes = [
            Plane::image("image", self.config.input.logical(), format),
            Plane::map(map, Encoding::Instances),
        ];
        let mode = Mode::run(NormMode::Instance, false);
        let network = |tape: &mut Tape, values: &[Tensor]| {
            let each = net.record(tape, &store, values[0], mode)?;
            tape.instance_mean(each, values[1])
        };
        let (floats, options) = (PictureFormat::Floats, PlanOptions::default());
        Translator::of_planes(gpu, &store, &planes, size, floats, &network, options, progress)
    }
}

/// A trained generator from label maps on a device.
#[derive(Debug)]
pub struct LabelGenerator {
    gpu: Gpu,
    store: Store,
    networks: Vec<Network>,
    model: Pix2PixHdConfig,
}

impl LabelGenerator {
    /// Puts a checkpoint's weights on a device, and those of an encoder where features are encoded.
    ///
    /// # Errors
    /// Weights that are not those of the net, [`Error::Usage`] without an encoder where one is
    /// needed, and what the device reports.
    pub fn new(
        gpu: &Gpu,
        checkpoint: &Checkpoint,
        input: LabelInput,
        encoder: Option<&Encoder>,
    ) -> Result<LabelGenerator> {
        let LabelInput { condition, features } = input;
        let channels = features.map(|features| features.channels().into());
        let generator = checkpoint.config.with_input(condition.with(channels.as_slice())?)?;
        let mut store = Store::new();
        let net = Net::new(&mut store, "G", generator)?;
        checkpoint.load_into(gpu, &store, net.weights())?;
        let mut networks = vec![Network::trained("G", net, 0)];
        if let Some(Features::Encoded { encoder: config, .. }) = features {
            let encoder = encoder
                .ok_or_else(|| Error::Usage("features of images need an encoder's file".into()))?;
            let net = Resnet::new(&mut store, "E", config)?;
            encoder.weights.load_into(gpu, &store, net.weights())?;
            networks.push(Network::trained("E", net, 0));
        }
        let model = Pix2PixHdConfig { generator, condition, features, ..Default::default() };
        Ok(LabelGenerator { gpu: gpu.clone(), store, networks, model })
    }

    /// The device it is on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The net.
    pub fn config(&self) -> GeneratorConfig {
        self.model.generator
    }

    /// The planes that it reads, images in a format.
    pub fn planes(&self, format: PictureFormat) -> Vec<Plane> {
        let pictures = format;
        Pix2PixHdConfig { pictures, ..self.model.clone() }.inputs("G")
    }

    /// What running it on samples of one size takes.
    ///
    /// # Errors
    /// As [`Translator::plan_of_planes`].
    pub fn plan(
        &self,
        size: (u32, u32),
        format: PictureFormat,
        options: PlanOptions,
    ) -> Result<Plan> {
        let planes = self.planes(format);
        let network = |tape: &mut Tape, values: &[Tensor]| self.record(&planes, tape, values);
        let (family, options) = (self.gpu.family(), options.on(&self.gpu));
        Translator::plan_of_planes(&self.store, &planes, size, &network, family, options)
    }

    /// Makes it ready for samples of one size, images in a format.
    ///
    /// # Errors
    /// As [`Translator::of_planes`].
    pub fn translator(
        &self,
        size: (u32, u32),
        format: PictureFormat,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let planes = self.planes(format);
        let network = |tape: &mut Tape, values: &[Tensor]| self.record(&planes, tape, values);
        let (gpu, store) = (&self.gpu, &self.store);
        Translator::of_planes(gpu, store, &planes, size, format, &network, options, progress)
    }

    /// The same part by part, in strips of `rows` rows, with the built-in rule's kernels.
    pub fn strips(&self, format: PictureFormat, rows: u32) -> Strips<'_> {
        let planes = self.planes(format);
        let named = planes.clone();
        let network = move |tape: &mut Tape, values: &[Tensor]| self.record(&named, tape, values);
        let options = PlanOptions::default();
        Strips::of_planes(&self.gpu, &self.store, planes, network, rows, options)
    }

    fn record(&self, planes: &[Plane], tape: &mut Tape, values: &[Tensor]) -> Result<Tensor> {
        let named: Vec<_> =
            planes.iter().map(|plane| plane.name).zip(values.iter().copied()).collect();
        self.model.generate(&self.networks, "G", tape, &self.store, &named)
    }
}
