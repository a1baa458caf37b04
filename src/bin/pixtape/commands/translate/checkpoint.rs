//! How a trained generator is found and opened.

use crate::commands::tune::resolve;
use crate::options::CYCLE_GAN;
use crate::options::Tune;
use pixtape::gpu::Gpu;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::WeightsFile;
use pixtape::io::{Depth, Direction, Size};
use pixtape::nets::{BlockPadding, Generator as Net, GeneratorConfig, Mode, UnetConfig};
use pixtape::ops::NormMode;
use pixtape::picture::PictureFormat;
use pixtape::plan::{PlanOptions, Progress};
use pixtape::run::{RunFolder, weights_name};
use pixtape::store::Store;
use pixtape::train::{Strips, Translator};
use pixtape::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// What a run's options say about its generator and its pictures.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunOptions {
    /// Runs of earlier versions were all of pix2pix.
    #[serde(default)]
    model: String,
    #[serde(rename = "netG")]
    net_g: String,
    ngf: u32,
    input_nc: u32,
    output_nc: u32,
    norm: String,
    /// Runs of earlier versions do not say.
    #[serde(default)]
    upsample: Option<String>,
    #[serde(default)]
    padding_type: Option<String>,
    no_dropout: bool,
    /// Which half of a pair is the input.
    pub direction: String,
    /// How pictures are brought to one size.
    pub preprocess: String,
    /// Size of the pictures trained on.
    pub crop_size: Size,
    /// See [`crate::options`]; runs of earlier versions have none of these.
    #[serde(default = "aligned")]
    pub dataset_mode: String,
    /// Where holes are.
    #[serde(default)]
    pub mask: String,
    /// Subfolders of A's bands.
    #[serde(default, rename = "bands_A")]
    pub bands_a: Vec<String>,
    /// Subfolders of B's bands.
    #[serde(default, rename = "bands_B")]
    pub bands_b: Vec<String>,
    /// What becomes black and white.
    #[serde(default)]
    pub value_range: Option<[f32; 2]>,
    /// Kinds of the values of input and target.
    #[serde(default)]
    pub(crate) depths: Option<[String; 2]>,
}

fn aligned() -> String {
    "aligned".into()
}

impl RunOptions {
    /// Whether the run has generators for both directions.
    pub fn is_cycle(&self) -> bool {
        self.model == CYCLE_GAN
    }

    fn generator(&self) -> Result<GeneratorConfig> {
        let &RunOptions { ngf, input_nc, output_nc, no_dropout, .. } = self;
        let upsample =
            self.upsample.as_deref().map_or(Ok(UnetConfig::default().upsample), str::parse)?;
        let like = UnetConfig {
            input_nc,
            output_nc,
            ngf,
            norm: self.norm.parse()?,
            dropout: !no_dropout,
            upsample,
            ..UnetConfig::default()
        };
        let padding =
            self.padding_type.as_deref().map_or(Ok(BlockPadding::default()), str::parse)?;
        GeneratorConfig::named(&self.net_g, like)?.with_padding(padding)
    }
}

/// A generator's weights as they lie on the disk, and which net they are of.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// The public name of the network.
    pub net: &'static str,
    weights: TensorFile,
    /// The net.
    pub config: GeneratorConfig,
    /// The run's options; a bare weights file has none.
    pub options: Option<RunOptions>,
}

impl Checkpoint {
    /// Reads the generator of a run's folder (`epoch`: `latest`, or a number), or a bare file of
    /// weights, whose net is told from names and shapes.
    ///
    /// `direction`: of the two generators of a CycleGAN the one that goes this way, by the names of
    /// the folders it was trained on. The run's own by default.
    pub fn read(path: &Path, epoch: &str, direction: Option<&str>) -> Result<Checkpoint> {
        let direction = direction.map(str::parse::<Direction>).transpose()?;
        if !path.is_dir() {
            if direction.is_some() {
                return Err(Error::Usage(format!(
                    "--direction: {} is one generator; give the folder of a run of cycle_gan to \
                     choose between two",
                    path.display()
                )));
            }
            let weights = TensorFile::read(path)?;
            let config = weights.recognise_generator()?;
            return Ok(Checkpoint { net: "G", weights, config, options: None });
        }
        let options = RunFolder::options(path)?;
        let options: RunOptions = serde_json::from_value(options).map_err(|e| {
            Error::file(
                path.join("options.json"),
                format!("options of another version or net: {e}"),
            )
        })?;
        let own: Direction = options.direction.parse()?;
        let back = direction.is_some_and(|direction| direction != own);
        let (net, config) = match (options.is_cycle(), back) {
            (false, true) => {
                return Err(Error::Usage(format!(
                    "--direction: {} was trained {own} only; the other way takes a run of its own",
                    path.display()
                )));
            }
            (false, false) => ("G", options.generator()?),
            (true, false) => ("G_A", options.generator()?),
            (true, true) => ("G_B", options.generator()?.reversed()),
        };
        let file = path.join(weights_name(epoch, net));
        if !file.exists() {
            return Err(Error::file(
                &file,
                format!("no such weights; --epoch chooses one of: {}", epochs(path, net)),
            ));
        }
        Ok(Checkpoint { net, weights: TensorFile::read(&file)?, config, options: Some(options) })
    }
}

impl Checkpoint {
    /// Weights of a net.
    #[cfg(test)]
    pub fn new(
        weights: TensorFile,
        config: GeneratorConfig,
        options: Option<RunOptions>,
    ) -> Checkpoint {
        Checkpoint { net: "G", weights, config, options }
    }

    /// Whether the net paints colours onto lightness.
    pub fn colorizes(&self) -> bool {
        self.options.as_ref().is_some_and(|o| o.dataset_mode == "colorization")
    }

    /// What becomes black and white, of pictures of this depth.
    pub fn range(&self, depth: Depth) -> Option<[f32; 2]> {
        self.options.as_ref().and_then(|o| o.value_range).filter(|_| depth != Depth::U8)
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
pub(crate) struct Generator {
    gpu: Gpu,
    store: Store,
    net: Net,
}

impl Generator {
    /// Puts a checkpoint's weights on a device.
    pub fn new(gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Generator> {
        Generator::of(gpu, checkpoint.config, &checkpoint.weights)
    }

    /// Puts weights of a net on a device.
    pub fn of(gpu: &Gpu, config: GeneratorConfig, weights: &TensorFile) -> Result<Generator> {
        let mut store = Store::new();
        let net = Net::new(&mut store, "G", config)?;
        weights.load_into(gpu, &store, net.weights())?;
        Ok(Generator { gpu: gpu.clone(), store, net })
    }

    /// The same layer by layer, in strips of `rows` rows, with the built-in rule's kernels.
    pub fn strips(&self, mode: Mode, rows: u32) -> Result<Strips<'_>> {
        match &self.net {
            Net::Unet(unet) => {
                Strips::new(&self.gpu, &self.store, unet, mode, rows, PlanOptions::default())
            }
            Net::Resnet(_) => Err(Error::Usage(format!(
                "strips are of U-Nets; a {} takes pictures whole",
                self.net.config()
            ))),
        }
    }

    /// Makes it ready for pictures of one size.
    pub fn translator(
        &self,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
        memory_limit: Option<u64>,
        tune: &Tune,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let options = PlanOptions { memory_limit, ..PlanOptions::default() };
        let plan = Translator::plan(
            &self.store,
            &self.net,
            size,
            mode,
            format,
            self.gpu.family(),
            options.clone(),
        )?;
        // A picture is not worth a wait.
        let tuned = resolve(&self.gpu, &pixtape::tune::problems(&plan), tune, false)?;
        Translator::with_progress(
            &self.gpu,
            &self.store,
            &self.net,
            size,
            mode,
            format,
            tuned.options(options),
            progress,
        )
    }
}

/// The mode of `--norm_mode` and `--dropout`. Nothing that is run through a trained net changes it.
pub(crate) fn mode(norm: &str, dropout: bool) -> Mode {
    let norm = match norm {
        "running" => NormMode::Running,
        "instance" => NormMode::Instance,
        _ => NormMode::Batch,
    };
    Mode { norm, update_running: false, dropout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::nets::NormKind;

    #[test]
    fn options_of_a_run_say_which_net_it_is() {
        let options = serde_json::json!({ "netG": "unet_128", "ngf": 32, "input_nc": 1, "output_nc": 3, "norm": "instance", "no_dropout": true,
            "direction": "BtoA", "preprocess": "none", "crop_size": 128, "more": 1 });
        let options: RunOptions = serde_json::from_value(options).unwrap();
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
            serde_json::from_value::<RunOptions>(options).unwrap().generator()
        };
        let of = |padding| {
            let resnet = pixtape::nets::ResnetConfig { ngf: 8, padding, ..Default::default() };
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
                .contains("replicate or zero")
        );
    }
}
