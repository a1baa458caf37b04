//! `pixtape translate`, and how a trained generator is found and opened.

use super::flags::{TranslateArgs, Tune};
use super::run_folder::RunFolder;
use super::starting::Starting;
use super::tune::resolve;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::io::checkpoint::TensorFile;
use crate::io::picture::is_picture;
use crate::io::{Picture, create_dir, list_pictures};
use crate::nets::{Generator as Net, GeneratorConfig, Mode, UnetConfig};
use crate::ops::NormMode;
use crate::plan::{PlanOptions, Progress};
use crate::store::Store;
use crate::train::Translator;
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
    /// Side of the pictures trained on.
    pub crop_size: u32,
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
            let config = picture_net(path, weights.recognise_generator()?)?;
            return Ok(Checkpoint { weights, config, options: None });
        }
        let options = RunFolder::options(path)?;
        let options: RunOptions =
            serde_json::from_value(options).map_err(|e| Error::file(path.join("options.json"), format!("options of another version or net: {e}")))?;
        let file = path.join(format!("{epoch}_net_G.safetensors"));
        if !file.exists() {
            return Err(Error::file(&file, format!("no such weights; --epoch chooses one of: {}", epochs(path))));
        }
        let config = picture_net(path, options.generator()?)?;
        Ok(Checkpoint { weights: TensorFile::read(&file)?, config, options: Some(options) })
    }
}

/// Refuses nets whose ends are no pictures.
fn picture_net(path: &Path, config: GeneratorConfig) -> Result<GeneratorConfig> {
    let [input_nc, output_nc] = [config.input_nc(), config.output_nc()];
    if [input_nc, output_nc].iter().all(|c| matches!(c, 1 | 3)) {
        return Ok(config);
    }
    Err(Error::file(path, format!("a net from {input_nc} to {output_nc} channels; pictures have 1 (gray) or 3 (RGB)")))
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
    pub fn translator(&self, size: (u32, u32), mode: Mode, memory_limit: Option<u64>, tune: &Tune, progress: Progress<'_>) -> Result<Translator> {
        let options = PlanOptions { memory_limit, ..PlanOptions::default() };
        let plan = Translator::plan(&self.store, &self.net, size, mode, self.gpu.family(), options.clone())?;
        // A picture is not worth a wait.
        let tuned = resolve(&self.gpu, &crate::tune::problems(&plan), tune, false)?;
        Translator::with_progress(&self.gpu, &self.store, &self.net, size, mode, tuned.options(options), progress)
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
}

/// Translates.
pub(super) fn run(args: &TranslateArgs) -> Result<()> {
    let jobs = jobs(&inputs(&args.input)?, &args.output)?;
    let checkpoint = Checkpoint::read(&args.checkpoint, &args.epoch)?;
    let groups = by_size(jobs, &checkpoint.config)?;
    let gpu = super::gpu(args.adapter.as_deref())?;
    let generator = Generator::new(&gpu, &checkpoint)?;
    create_dir(&args.output)?;

    let count: usize = groups.values().map(Vec::len).sum();
    let bar = progress(count as u64);
    let started = Instant::now();
    let mode = mode(&args.norm_mode, args.dropout == "on");
    let tune = args.tune.clone().unwrap_or_default();
    for (size, jobs) in groups {
        let mut starting = Starting::new(&gpu);
        let translator = bar.suspend(|| generator.translator(size, mode, args.memory_limit, &tune, &mut |done, total| starting.show(done, total)))?;
        drop(starting);
        for job in jobs {
            let input = Picture::load(&job.from, checkpoint.config.input_nc())?;
            if (input.width, input.height) != size {
                return Err(Error::file(&job.from, "has changed its size since the start; leave the folder alone meanwhile"));
            }
            // One number for all: what dropout makes of a picture depends on --seed only, not on its neighbours in the folder.
            let bytes = pollster::block_on(translator.run(&input.data, args.seed, 0))?;
            Picture::new(size.0, size.1, checkpoint.config.output_nc(), bytes)?.save_png(&job.to)?;
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

/// Decides names: the input's, as PNG. Two inputs of one name, or a result on top of an input, are refused.
fn jobs(inputs: &[PathBuf], output: &Path) -> Result<Vec<Job>> {
    let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    let mut jobs = Vec::with_capacity(inputs.len());
    for from in inputs {
        let mut name = from.file_stem().unwrap_or_default().to_os_string();
        name.push(".png");
        let to = output.join(name);
        if let Some(other) = taken.insert(to.clone(), from) {
            return Err(Error::file(
                from,
                format!("would be written to {}, and so would {}; rename one of them, or translate the folders one by one", to.display(), other.display()),
            ));
        }
        jobs.push(Job { from: from.clone(), to });
    }
    let real = |path: &Path| path.canonicalize().ok();
    let sources: std::collections::HashSet<PathBuf> = inputs.iter().filter_map(|p| real(p)).collect();
    match jobs.iter().find(|job| real(&job.to).is_some_and(|to| sources.contains(&to))) {
        Some(job) => Err(Error::file(&job.to, "is an input and would be written over; choose another --output")),
        None => Ok(jobs),
    }
}

/// Sorts pictures by size, each of which takes a plan of its own. Sizes that do not pass the net are refused before anything is done.
fn by_size(jobs: Vec<Job>, config: &GeneratorConfig) -> Result<BTreeMap<(u32, u32), Vec<Job>>> {
    let mut groups: BTreeMap<(u32, u32), Vec<Job>> = BTreeMap::new();
    for job in jobs {
        let size = Picture::dimensions(&job.from)?;
        config.check_size(size.0, size.1).map_err(|e| Error::file(&job.from, e.to_string()))?;
        groups.entry(size).or_default().push(job);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::NormKind;

    #[test]
    fn results_have_the_inputs_names_and_none_is_written_twice_or_over_an_input() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let made = jobs(&paths(&["in/a.jpg", "in/b.c.png"]), Path::new("out")).unwrap();
        assert_eq!(made.iter().map(|j| j.to.clone()).collect::<Vec<_>>(), paths(&["out/a.png", "out/b.c.png"]));
        let message = jobs(&paths(&["in/a.jpg", "in/x/a.png"]), Path::new("out")).unwrap_err().to_string();
        assert!(message.contains("in/a.jpg") && message.contains("in/x/a.png"), "{message}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.png");
        std::fs::write(&file, b"").unwrap();
        assert!(jobs(std::slice::from_ref(&file), dir.path()).unwrap_err().to_string().contains("another --output"));
    }

    #[test]
    fn all_sizes_are_checked_first_and_grouped() {
        let dir = tempfile::tempdir().unwrap();
        let config = UnetConfig { input_nc: 3, output_nc: 3, ngf: 4, downs: 5, norm: NormKind::Batch, dropout: true, ..UnetConfig::default() }.into();
        let job = |name: &str, w: u32, h: u32| {
            let from = dir.path().join(name);
            Picture::new(w, h, 1, vec![0; (w * h) as usize]).unwrap().save_png(&from).unwrap();
            Job { to: from.clone(), from }
        };
        let jobs = vec![job("a.png", 32, 64), job("b.png", 64, 32), job("c.png", 32, 64)];
        let groups = by_size(jobs.clone(), &config).unwrap();
        assert_eq!(groups.iter().map(|(size, jobs)| (*size, jobs.len())).collect::<Vec<_>>(), [((32, 64), 2), ((64, 32), 1)]);
        let message = by_size([jobs, vec![job("odd.png", 40, 32)]].concat(), &config).unwrap_err().to_string();
        assert!(message.contains("odd.png") && message.contains("40x32") && message.contains("32 or 64"), "{message}");
    }

    #[test]
    fn options_of_a_run_say_which_net_it_is() {
        let options = serde_json::json!({ "netG": "unet_128", "ngf": 32, "input_nc": 1, "output_nc": 3, "norm": "instance", "no_dropout": true,
            "direction": "BtoA", "preprocess": "none", "crop_size": 128, "more": 1 });
        let options: RunOptions = serde_json::from_value(options).unwrap();
        let net = options.generator().unwrap();
        let unet = UnetConfig { input_nc: 1, output_nc: 3, ngf: 32, downs: 7, norm: NormKind::Instance, dropout: false, ..UnetConfig::default() };
        assert_eq!(net, unet.into());
        assert!(picture_net(Path::new("x"), UnetConfig { input_nc: 4, ..unet }.into()).is_err());
    }
}
