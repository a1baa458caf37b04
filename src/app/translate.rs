//! `pixtape translate`, and how a trained generator is found and opened.

use super::flags::{TranslateArgs, Tune};
use super::run_folder::RunFolder;
use super::starting::Starting;
use super::tune::resolve;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::io::checkpoint::TensorFile;
use crate::io::picture::is_picture;
use crate::io::{AnyPicture, Depth, Frame, Header, Size, create_dir, lab, list_pictures};
use crate::nets::{Generator as Net, GeneratorConfig, Mode, UnetConfig};
use crate::ops::NormMode;
use crate::plan::{PlanOptions, Progress};
use crate::store::Store;
use crate::train::{PictureFormat, PictureValues, Translator};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a run's options say about its generator and its pictures.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RunOptions {
    #[serde(rename = "netG")]
    net_g: String,
    ngf: u32,
    input_nc: u32,
    output_nc: u32,
    norm: String,
    /// Runs of earlier versions do not say.
    #[serde(default)]
    upsample: Option<String>,
    no_dropout: bool,
    /// Which half of a pair is the input.
    pub direction: String,
    /// How pictures are brought to one size.
    pub preprocess: String,
    /// Size of the pictures trained on.
    pub crop_size: Size,
    /// See [`crate::app::flags`]; runs of earlier versions have none of these.
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
    depths: Option<[String; 2]>,
}

fn aligned() -> String {
    "aligned".into()
}

impl RunOptions {
    fn generator(&self) -> Result<GeneratorConfig> {
        let &RunOptions { ngf, input_nc, output_nc, no_dropout, .. } = self;
        let upsample = self.upsample.as_deref().map_or(Ok(UnetConfig::default().upsample), str::parse)?;
        let like = UnetConfig { input_nc, output_nc, ngf, norm: self.norm.parse()?, dropout: !no_dropout, upsample, ..UnetConfig::default() };
        GeneratorConfig::named(&self.net_g, like)
    }
}

/// A generator's weights as they lie on the disk, and which net they are of.
#[derive(Debug)]
pub(super) struct Checkpoint {
    weights: TensorFile,
    /// The net.
    pub config: GeneratorConfig,
    /// The run's options; a bare weights file has none.
    pub options: Option<RunOptions>,
}

impl Checkpoint {
    /// Reads the generator of a run's folder (`epoch`: `latest`, or a number), or a bare safetensors file, whose net is told
    /// from names and shapes.
    pub fn read(path: &Path, epoch: &str) -> Result<Checkpoint> {
        if !path.is_dir() {
            let weights = TensorFile::read(path)?;
            let config = weights.recognise_generator()?;
            return Ok(Checkpoint { weights, config, options: None });
        }
        let options = RunFolder::options(path)?;
        let options: RunOptions =
            serde_json::from_value(options).map_err(|e| Error::file(path.join("options.json"), format!("options of another version or net: {e}")))?;
        let file = path.join(format!("{epoch}_net_G.safetensors"));
        if !file.exists() {
            return Err(Error::file(&file, format!("no such weights; --epoch chooses one of: {}", epochs(path))));
        }
        let config = options.generator()?;
        Ok(Checkpoint { weights: TensorFile::read(&file)?, config, options: Some(options) })
    }
}

/// Epochs whose generators lie in a run's folder, for messages.
fn epochs(path: &Path) -> String {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    let mut found: Vec<String> = names.filter_map(|n| n.strip_suffix("_net_G.safetensors").map(String::from)).collect();
    // Numbers by value, `latest` behind them.
    found.sort_by_key(|e| (e.parse::<u64>().unwrap_or(u64::MAX), e.clone()));
    if found.is_empty() { "none, the run has not saved yet".into() } else { found.join(", ") }
}

/// A trained generator on a device.
#[derive(Debug)]
pub(super) struct Generator {
    gpu: Gpu,
    store: Store,
    net: Net,
}

impl Generator {
    /// Puts a checkpoint's weights on a device.
    pub fn new(gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Generator> {
        let mut store = Store::new();
        let net = Net::new(&mut store, "G", checkpoint.config)?;
        checkpoint.weights.load_into(gpu, &store, net.weights())?;
        Ok(Generator { gpu: gpu.clone(), store, net })
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
        let plan = Translator::plan(&self.store, &self.net, size, mode, format, self.gpu.family(), options.clone())?;
        // A picture is not worth a wait.
        let tuned = resolve(&self.gpu, &crate::tune::problems(&plan), tune, false)?;
        Translator::with_progress(&self.gpu, &self.store, &self.net, size, mode, format, tuned.options(options), progress)
    }
}

/// The mode of `--norm_mode` and `--dropout`. Nothing that is run through a trained net changes it.
pub(super) fn mode(norm: &str, dropout: bool) -> Mode {
    let norm = match norm {
        "running" => NormMode::Running,
        "instance" => NormMode::Instance,
        _ => NormMode::Batch,
    };
    Mode { norm, update_running: false, dropout }
}

/// A picture to translate and where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    from: PathBuf,
    to: PathBuf,
    /// Its size in the file.
    size: (u32, u32),
    /// What the net sees of it.
    frame: Frame,
    /// Kind of the result's values.
    depth: Depth,
    /// How it goes to the device.
    format: PictureFormat,
}

/// Runs the net on one picture.
type Through<'a> = &'a dyn Fn(&PictureValues) -> Result<PictureValues>;

impl Job {
    /// Runs the net on a picture, padded where its size asks for it.
    fn translated(&self, checkpoint: &Checkpoint, input: AnyPicture, through: Through<'_>) -> Result<AnyPicture> {
        let (config, described) = (&checkpoint.config, input.describe());
        let range = |depth: Depth| checkpoint.options.as_ref().and_then(|o| o.value_range).filter(|_| depth != Depth::U8);
        let input = input.converted(config.input_nc()).ok_or_else(|| {
            Error::file(&self.from, format!("is {described}, the net takes {} channels; give it pictures of the kind it was trained on", config.input_nc()))
        })?;
        match through(&self.frame.encode(&input, self.format, range(input.depth()))?)? {
            PictureValues::Bytes(bytes) => Ok(AnyPicture::U8(self.frame.crop(bytes, config.output_nc())?)),
            PictureValues::Floats(values) => {
                let made = self.frame.crop(values, config.output_nc())?;
                AnyPicture::from_values(&made.data, self.frame.content, config.output_nc(), self.depth, range(self.depth))
            }
        }
    }
}

/// Lightness through the net at the size it was trained on; the colours it gives are enlarged onto the lightness as it was.
fn colorized(job: &Job, input: AnyPicture, through: Through<'_>) -> Result<AnyPicture> {
    let rgb = input.to_8bit(None).converted(3).ok_or_else(|| Error::file(&job.from, "is no photo; colorization takes gray or RGB"))?;
    let (light, _) = lab::split(&rgb);
    let small = AnyPicture::F32(lab::split(&rgb.resize(job.frame.content.0, job.frame.content.1)?).0);
    match through(&job.frame.encode(&small, PictureFormat::Floats, Some([-1.0, 1.0]))?)? {
        PictureValues::Floats(color) => Ok(lab::join(&light, &job.frame.crop(color, 2)?)?.into()),
        PictureValues::Bytes(_) => Err(Error::Internal("colour came back as bytes".into())),
    }
}

/// Translates.
pub(super) fn run(args: &TranslateArgs) -> Result<()> {
    let inputs = inputs(&args.input)?;
    let checkpoint = Checkpoint::read(&args.checkpoint, &args.epoch)?;
    let run = checkpoint.options.as_ref();
    let colorizes = run.is_some_and(|r| r.dataset_mode == "colorization");
    // Each size takes a plan of its own.
    let mut groups: BTreeMap<((u32, u32), PictureFormat), Vec<Job>> = BTreeMap::new();
    for job in jobs(&inputs, &args.output, &checkpoint)? {
        groups.entry((job.frame.padded, job.format)).or_default().push(job);
    }
    let gpu = super::gpu(args.adapter.as_deref())?;
    let generator = Generator::new(&gpu, &checkpoint)?;
    create_dir(&args.output)?;

    let count: usize = groups.values().map(Vec::len).sum();
    let bar = progress(count as u64);
    let started = Instant::now();
    let mode = mode(&args.norm_mode, args.dropout == "on");
    let tune = args.tune.clone().unwrap_or_default();
    for ((padded, format), jobs) in groups {
        let mut starting = Starting::new(&gpu);
        let translator = bar.suspend(|| generator.translator(padded, mode, format, args.memory_limit, &tune, &mut |done, total| starting.show(done, total)))?;
        drop(starting);
        for job in jobs {
            let input = AnyPicture::load(&job.from)?;
            if input.size() != job.size {
                return Err(Error::file(&job.from, "has changed its size since the start; leave the folder alone meanwhile"));
            }
            // One number for all: what dropout makes of a picture depends on --seed only, not on its neighbours in the folder.
            let through = |values: &PictureValues| pollster::block_on(translator.run_values(values, args.seed, 0));
            let output = if colorizes { colorized(&job, input, &through)? } else { job.translated(&checkpoint, input, &through)? };
            output.save(&job.to)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let pictures = if count == 1 { "picture" } else { "pictures" };
    println!("{count} {pictures} in {:.1} s on {}, written to {}", started.elapsed().as_secs_f64(), gpu.name(), args.output.display());
    Ok(())
}

/// A bar on the terminal; nothing where there is none.
pub(super) fn progress(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} pictures, {eta} left").expect("a valid template");
    ProgressBar::new(total).with_style(style)
}

/// The pictures that `--input` names.
fn inputs(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        // Whatever a single file is called, its content decides.
        return if path.exists() {
            Ok(vec![path.into()])
        } else {
            Err(Error::file(path, "no such file or folder; --input takes a picture or a folder of pictures"))
        };
    }
    let found = list_pictures(path)?;
    if found.is_empty() {
        return Err(Error::file(path, format!("no picture in it; these count: {}", crate::io::picture::EXTENSIONS.join(", "))));
    }
    debug_assert!(found.iter().all(|p| is_picture(p)));
    Ok(found)
}

/// Decides names: the input's, with the extension that holds the result. Two inputs of one name, or a result on top of an input, are refused.
fn jobs(inputs: &[PathBuf], output: &Path, checkpoint: &Checkpoint) -> Result<Vec<Job>> {
    let (config, run) = (&checkpoint.config, checkpoint.options.as_ref());
    let colorizes = run.is_some_and(|r| r.dataset_mode == "colorization");
    let trained: Option<Depth> = run.and_then(|r| r.depths.as_ref()).map(|depths| depths[1].parse()).transpose()?;
    let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    let mut jobs = Vec::with_capacity(inputs.len());
    for from in inputs {
        let header = Header::read(from)?;
        let size = (header.width, header.height);
        // A bare weights file does not know: as deep as the input.
        let depth = if colorizes { Depth::U8 } else { trained.unwrap_or(header.depth) };
        let content = if colorizes { run.map_or(size, |r| (r.crop_size.width, r.crop_size.height)) } else { size };
        let mut name = from.file_stem().unwrap_or_default().to_os_string();
        name.push(".");
        name.push(depth.extension(if colorizes { 3 } else { config.output_nc() }));
        let to = output.join(name);
        if let Some(other) = taken.insert(to.clone(), from) {
            return Err(Error::file(
                from,
                format!("would be written to {}, and so would {}; rename one of them, or translate the folders one by one", to.display(), other.display()),
            ));
        }
        let bytes = !colorizes && depth == Depth::U8 && header.depth == Depth::U8;
        let format = if bytes { PictureFormat::Bytes } else { PictureFormat::Floats };
        jobs.push(Job { from: from.clone(), to, size, frame: Frame::new(content, config.multiple()), depth, format });
    }
    let real = |path: &Path| path.canonicalize().ok();
    let sources: std::collections::HashSet<PathBuf> = inputs.iter().filter_map(|p| real(p)).collect();
    match jobs.iter().find(|job| real(&job.to).is_some_and(|to| sources.contains(&to))) {
        Some(job) => Err(Error::file(&job.to, "is an input and would be written over; choose another --output")),
        None => Ok(jobs),
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Picture;
    use crate::nets::NormKind;

    fn checkpoint(options: Option<RunOptions>) -> Checkpoint {
        let config = UnetConfig { input_nc: 3, output_nc: 3, ngf: 4, downs: 5, norm: NormKind::Batch, dropout: true, ..UnetConfig::default() };
        Checkpoint { weights: TensorFile::default(), config: config.into(), options }
    }

    fn picture(path: &Path, w: u32, h: u32) -> PathBuf {
        Picture::new(w, h, 1, vec![0; (w * h) as usize]).unwrap().save_png(path).unwrap();
        path.into()
    }

    #[test]
    fn results_have_the_inputs_names_and_none_is_written_twice_or_over_an_input() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("x")).unwrap();
        let files = [picture(&at("a.png"), 32, 64), picture(&at("b.c.png"), 40, 32), picture(&at("x/a.png"), 32, 32)];
        let deep = at("deep.png");
        AnyPicture::U16(Picture::new(32, 32, 3, vec![0; 32 * 32 * 3]).unwrap()).save(&deep).unwrap();
        let out = Path::new("out");
        let made = jobs(&[files[0].clone(), files[1].clone(), deep], out, &checkpoint(None)).unwrap();
        assert_eq!(made.iter().map(|j| j.to.clone()).collect::<Vec<_>>(), ["a.png", "b.c.png", "deep.png"].map(|n| out.join(n)));
        assert_eq!(made.iter().map(|j| j.frame.padded).collect::<Vec<_>>(), [(32, 64), (64, 32), (32, 32)]);
        assert_eq!(made.iter().map(|j| j.depth).collect::<Vec<_>>(), [Depth::U8, Depth::U8, Depth::U16]);
        let message = jobs(&[files[0].clone(), files[2].clone()], out, &checkpoint(None)).unwrap_err().to_string();
        assert!(message.contains("a.png") && message.contains("x/a.png"), "{message}");
        assert!(jobs(&files[..1], dir.path(), &checkpoint(None)).unwrap_err().to_string().contains("another --output"));
    }

    #[test]
    fn options_of_a_run_say_which_net_it_is() {
        let options = serde_json::json!({ "netG": "unet_128", "ngf": 32, "input_nc": 1, "output_nc": 3, "norm": "instance", "no_dropout": true,
            "direction": "BtoA", "preprocess": "none", "crop_size": 128, "more": 1 });
        let options: RunOptions = serde_json::from_value(options).unwrap();
        let net = options.generator().unwrap();
        let unet = UnetConfig { input_nc: 1, output_nc: 3, ngf: 32, downs: 7, norm: NormKind::Instance, dropout: false, ..UnetConfig::default() };
        assert_eq!(net, unet.into());
    }
}
