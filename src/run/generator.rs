//! Generators found in files: in the folder of a run, or bare.

use super::options::{DatasetMode, Options};
use super::weights_name;
use crate::gpu::Gpu;
use crate::io::checkpoint::TensorFile;
use crate::io::weights::{Pick, Wanted, WeightsFile};
use crate::io::{Depth, Direction, Reading};
use crate::nets::{Generator as Net, GeneratorConfig, Mode};
use crate::picture::PictureFormat;
use crate::plan::{Plan, PlanOptions, Progress};
use crate::store::Store;
use crate::train::{Strips, Translator};
use crate::{Error, Result};
use std::path::Path;

/// A generator's weights as they lie on the disk, and which net they are of.
#[derive(Debug)]
pub struct Checkpoint {
    /// The public name of the network.
    pub net: &'static str,
    weights: TensorFile,
    /// The net.
    pub config: GeneratorConfig,
    /// The run's options; a bare weights file has none.
    pub options: Option<Options>,
}

impl Checkpoint {
    /// Reads the generator of a run's folder (`epoch`: `latest`, or a number), or a single file of
    /// weights, whose net is inferred from names and shapes.
    ///
    /// `direction`: of the two generators of a CycleGAN the one that goes this way, by the names of
    /// the folders it was trained on. The run's own by default.
    ///
    /// `key`: of the networks in a single file the one that lies there; without it the only
    /// generator in it.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be read or is not there, [`Error::Config`] for a direction
    /// that nothing goes in, and a key of a folder.
    pub fn read(
        path: &Path,
        epoch: &str,
        direction: Option<Direction>,
        key: Option<&str>,
    ) -> Result<Checkpoint> {
        if !path.exists() {
            let why = "no such file or folder; give the folder of a run (checkpoints/NAME), or a \
                       generator's weights: a .safetensors, .pth or .pict file";
            return Err(Error::file(path, why));
        }
        if !path.is_dir() {
            if direction.is_some() {
                let why = format!(
                    "does not apply: {} is one generator; the folder of a run of cycle_gan has two",
                    path.display()
                );
                return Err(Error::config("direction", why));
            }
            return Checkpoint::bare(TensorFile::read_net(path, &generator_at(key))?);
        }
        if key.is_some() {
            let why = format!(
                "does not apply: {} is a folder, whose networks lie in files of their own",
                path.display()
            );
            return Err(Error::config("key", why));
        }
        let options = Options::of_run(path)?;
        let own = options.data.direction;
        let back = direction.is_some_and(|direction| direction != own);
        let (net, config) = match (options.unpaired(), back) {
            (false, true) => {
                let why = format!(
                    "does not apply: {} was trained {own} only; the other way takes a run of its \
                     own",
                    path.display()
                );
                return Err(Error::config("direction", why));
            }
            (false, false) => ("G", options.generator()?),
            (true, false) => ("G_A", options.generator()?),
            (true, true) => ("G_B", options.generator()?.reversed()),
        };
        let file = path.join(weights_name(epoch, net));
        if !file.exists() {
            return Err(Error::file(
                &file,
                format!("no such weights; `epoch` chooses one of: {}", epochs(path, net)),
            ));
        }
        Ok(Checkpoint { net, weights: TensorFile::read(&file)?, config, options: Some(options) })
    }

    /// Reads a generator from the bytes of a single file, as [`read`](Self::read) does from the
    /// file: of a host that has its weights in memory.
    ///
    /// # Errors
    /// [`Error::File`] of `weights in memory`, for what is no generator's file.
    pub fn parse(bytes: &[u8], key: Option<&str>) -> Result<Checkpoint> {
        Checkpoint::bare(TensorFile::parse_net(bytes, &generator_at(key))?)
    }

    /// A single file of weights, whose net is inferred.
    fn bare(weights: TensorFile) -> Result<Checkpoint> {
        let config = weights.recognise_generator()?;
        Ok(Checkpoint { net: "G", weights, config, options: None })
    }

    /// Weights of a net.
    pub fn new(
        weights: TensorFile,
        config: GeneratorConfig,
        options: Option<Options>,
    ) -> Checkpoint {
        Checkpoint { net: "G", weights, config, options }
    }

    /// Whether the net paints colours onto lightness.
    pub fn colorizes(&self) -> bool {
        let mode = self.options.as_ref().map(|options| options.data.dataset_mode);
        mode == Some(DatasetMode::Colorization)
    }

    /// How the run read its images.
    pub fn reading(&self) -> Reading {
        self.options.as_ref().map(Options::reading).unwrap_or_default()
    }

    /// The values mapped to black and white, of images of this depth.
    pub fn range(&self, depth: Depth) -> Option<[f32; 2]> {
        self.options.as_ref().and_then(|o| o.data.value_range).filter(|_| depth != Depth::U8)
    }

    /// Puts its weights into those of a network in a store.
    pub(super) fn load_into(
        &self,
        gpu: &Gpu,
        store: &Store,
        weights: &crate::nets::Weights,
    ) -> Result<()> {
        self.weights.load_into(gpu, store, weights)
    }

    /// The generator's file; `weights in memory` where it was none.
    pub fn path(&self) -> &Path {
        self.weights.path()
    }

    /// What the generator's file holds.
    pub fn weights(&self) -> &WeightsFile {
        self.weights.contents()
    }

    /// The same net with other weights.
    pub fn with(&self, weights: WeightsFile) -> TensorFile {
        self.weights.with(weights)
    }
}

/// The generator in a file: the one at `key`, or the only one.
fn generator_at(key: Option<&str>) -> Pick<'_> {
    Pick { key, wanted: Wanted::Generator }
}

/// Epochs whose generators lie in a run's folder, for messages.
fn epochs(path: &Path, net: &str) -> String {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    let mut found: Vec<String> =
        names.filter_map(|n| n.strip_suffix(&weights_name("", net)).map(String::from)).collect();
    // Numbers by value, `latest` behind them.
    found.sort_by_key(|e| (e.parse::<u64>().unwrap_or(u64::MAX), e.clone()));
    if found.is_empty() { "none, the run has not saved yet".into() } else { found.join(", ") }
}

/// A trained generator on a device.
#[derive(Debug)]
pub struct Generator {
    gpu: Gpu,
    store: Store,
    net: Net,
}

impl Generator {
    /// Puts a checkpoint's weights on a device.
    ///
    /// # Errors
    /// Weights that are not those of the net, and what the device reports.
    pub fn new(gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Generator> {
        Generator::of(gpu, checkpoint.config, &checkpoint.weights)
    }

    /// Puts weights of a net on a device.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(gpu: &Gpu, config: GeneratorConfig, weights: &TensorFile) -> Result<Generator> {
        let mut store = Store::new();
        let net = Net::new(&mut store, "G", config)?;
        weights.load_into(gpu, &store, net.weights())?;
        Ok(Generator { gpu: gpu.clone(), store, net })
    }

    /// The device it is on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The same part by part, in strips of `rows` rows, with the built-in rule's kernels.
    ///
    /// # Errors
    /// As [`Strips::new`].
    pub fn strips(&self, mode: Mode, format: PictureFormat, rows: u32) -> Result<Strips<'_>> {
        let (gpu, store, net) = (&self.gpu, &self.store, &self.net);
        Strips::new(gpu, store, net, mode, format, rows, PlanOptions::default())
    }

    /// What running it on images of one size takes.
    ///
    /// # Errors
    /// As [`Translator::plan`].
    pub fn plan(
        &self,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
        options: PlanOptions,
    ) -> Result<Plan> {
        Translator::plan(
            &self.store,
            &self.net,
            size,
            mode,
            format,
            self.gpu.family(),
            options.on(&self.gpu),
        )
    }

    /// Makes it ready for images of one size.
    ///
    /// # Errors
    /// As [`Translator::with_progress`].
    pub fn translator(
        &self,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let (gpu, store, net) = (&self.gpu, &self.store, &self.net);
        Translator::with_progress(gpu, store, net, size, mode, format, options, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::{BlockPadding, NormKind, UnetConfig};
    use crate::run::options::Layer;
    use serde_json::Value;

    fn read(options: &Value) -> Result<Options> {
        Options::from_layers(Some(&Layer::of_json(options).map_err(Error::Usage)?), &[])
    }

    #[test]
    fn weights_in_memory_are_read_as_those_of_a_file() {
        let config = UnetConfig { ngf: 4, downs: 5, ..UnetConfig::default() };
        let mut store = Store::new();
        let net = Net::new(&mut store, "G", config).unwrap();
        let mut file = WeightsFile::default();
        for param in net.weights().params() {
            let shape = param.layout.public_shape();
            let values = vec![0.5; shape.iter().product()];
            file.tensors.insert(param.name.clone(), (shape, values).into());
        }
        let bytes = file.to_safetensors(crate::io::weights::Precision::F32).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("G.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        let read = Checkpoint::read(&path, "latest", None, None).unwrap();
        let parsed = Checkpoint::parse(&bytes, None).unwrap();
        assert_eq!((parsed.config, parsed.weights()), (read.config, read.weights()));
        assert_eq!((read.path(), parsed.path()), (&*path, Path::new("weights in memory")));
        for (bytes, key) in [(&bytes[..9], None), (&bytes[..], Some("netG")), (b"PNG", None)] {
            let message = Checkpoint::parse(bytes, key).unwrap_err().to_string();
            assert!(message.starts_with("weights in memory: "), "{message}");
        }
    }

    #[test]
    fn options_of_a_run_say_which_net_it_is() {
        let options = serde_json::json!({ "netG": "unet_128", "ngf": 32, "input_nc": 1, "output_nc": 3, "norm": "instance", "no_dropout": true,
            "direction": "BtoA", "preprocess": "none", "crop_size": 128, "more": 1 });
        let options = read(&options).unwrap();
        let net = options.generator().unwrap();
        let unet = UnetConfig {
            input_nc: 1,
            output_nc: 3,
            ngf: 32,
            downs: 7,
            norm: NormKind::Instance,
            dropout: false,
            ..UnetConfig::default()
        };
        assert_eq!(net, unet.into());
    }

    #[test]
    fn padding_of_a_run_is_that_of_its_options_and_of_resnets_only() {
        let net = |name: &str, padding: Option<&str>| {
            let mut options = serde_json::json!({ "netG": name, "ngf": 8, "input_nc": 3, "output_nc": 3, "norm": "instance", "no_dropout": true,
                "direction": "AtoB", "preprocess": "none", "crop_size": 128 });
            if let Some(padding) = padding {
                options["padding_type"] = padding.into();
            }
            read(&options)?.generator()
        };
        let of = |padding| {
            let resnet = crate::nets::ResnetConfig { ngf: 8, padding, ..Default::default() };
            GeneratorConfig::from(resnet)
        };
        assert_eq!(net("resnet_9blocks", None).unwrap(), of(BlockPadding::Reflect));
        assert_eq!(net("resnet_9blocks", Some("replicate")).unwrap(), of(BlockPadding::Replicate));
        assert_eq!(net("resnet_9blocks", Some("zero")).unwrap(), of(BlockPadding::Zero));
        assert!(net("unet_128", Some("reflect")).is_ok());
        assert!(
            net("unet_128", Some("zero"))
                .unwrap_err()
                .to_string()
                .contains("unet_128 has no residual blocks")
        );
        assert!(
            net("resnet_9blocks", Some("mirror"))
                .unwrap_err()
                .to_string()
                .contains("padding_type: choose reflect, replicate or zero")
        );
    }
}
