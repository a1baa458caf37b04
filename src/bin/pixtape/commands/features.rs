//! `pixtape features`: the looks that a run's encoder finds, label by label.

use crate::commands::translate::progress;
use crate::device::starting::Starting;
use crate::messages::{shown, with_flags};
use clap::Args;
use pixtape::gpu::Gpu;
use pixtape::io::{Dataset, DatasetOptions, PlaneData, Sample};
use pixtape::picture::{PictureValues, borrowed};
use pixtape::run::options::ModelKind;
use pixtape::run::{Encoder, FEATURES_FILE, FeatureBank, FeatureCentres, Options, weights_name};
use pixtape::train::{Features, Over, Translator};
use pixtape::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Flags of `features`.
#[derive(Args, Clone, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Example: pixtape features --checkpoint checkpoints/streets\nThen `pixtape \
                  translate --checkpoint checkpoints/streets --style 0` takes a look from it."
)]
pub(crate) struct FeaturesArgs {
    /// The folder of a run of pix2pixHD with --instance_feat or --label_feat.
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// Folder with the maps and images; the run's own by default.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// Folder under --dataroot.
    #[arg(long, default_value = "train")]
    pub phase: String,
    /// Which encoder of the run: latest, or an epoch.
    #[arg(long, alias = "which_epoch", default_value = "latest")]
    pub epoch: String,
    /// Looks for each label, at most.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub n_clusters: u32,
    /// Seed of the clusters.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The file to write, as safetensors; features.safetensors in the run's folder by default.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Runs `features`.
pub(crate) fn run(args: &FeaturesArgs) -> Result<()> {
    let run = &args.checkpoint;
    if !run.is_dir() {
        let why = "is no run's folder; features come from the encoder and the data of a run";
        return Err(Error::file(run, why));
    }
    let options = Options::of_run(run)?;
    let over = over(run, &options)?;
    let encoder = Encoder::read(&run.join(weights_name(&args.epoch, "E")))?;
    let dataset = Dataset::open(data(args, options, &encoder)?)?;
    dataset.notes().iter().for_each(|note| eprintln!("note: {}", with_flags(note)));
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let bank = collect(&gpu, &encoder, over, &dataset)?;
    let about = json!({
        "what": "features by label",
        "checkpoint": run,
        "epoch": args.epoch,
        "step": encoder.step(),
        "version": env!("CARGO_PKG_VERSION"),
        "adapter": gpu.name(),
        "over": map_of(over),
        "phase": args.phase,
        "images": dataset.len(),
    });
    let centres = bank.cluster(args.n_clusters as usize, args.seed, about)?;
    let file = args.output.clone().unwrap_or_else(|| run.join(FEATURES_FILE));
    centres.write(&file)?;
    println!("{}, written to {}", summary(&dataset, &bank, &centres), shown(&file));
    Ok(())
}

/// What the encoder of a run averages over.
fn over(run: &Path, options: &Options) -> Result<Over> {
    if options.model != ModelKind::Pix2PixHd {
        let why = format!("is a run of {}; features are pix2pixHD's", options.model);
        return Err(Error::file(run, why));
    }
    match options.features() {
        Some(Features::Encoded { over, .. }) if options.hd.label_nc > 0 => Ok(over),
        Some(Features::Encoded { .. }) => {
            let why = "translates images; features go by the labels of maps, and it has none";
            Err(Error::file(run, why))
        }
        Some(Features::Given(_)) => {
            let why = "was trained on features from files and has no encoder; give --checkpoint \
                       the run whose encoder made them";
            Err(Error::file(run, why))
        }
        None => {
            let why = "has no encoder; train with --instance_feat";
            Err(Error::file(run, why))
        }
    }
}

/// The maps whose regions have features of their own.
fn map_of(over: Over) -> &'static str {
    match over {
        Over::Instances => "instances",
        Over::Labels => "label",
    }
}

/// The run's data, as far as the flags do not say otherwise: whole images in order.
fn data(args: &FeaturesArgs, mut options: Options, encoder: &Encoder) -> Result<DatasetOptions> {
    options.dataroot = args.dataroot.clone().or(options.dataroot);
    options.data.max_dataset_size = None;
    let data = options.dataset()?;
    let multiple_of = data.multiple_of.max(encoder.config.multiple());
    Ok(DatasetOptions { multiple_of, ..data }.plain(&args.phase))
}

/// Features of all instances of a dataset.
fn collect(gpu: &Gpu, encoder: &Encoder, over: Over, dataset: &Dataset) -> Result<FeatureBank> {
    let (mut starting, map) = (Starting::new(gpu), map_of(over));
    let size = dataset.image_size();
    let translator = encoder.averaged(gpu, size, dataset.format(), map, &mut |done, total| {
        starting.show(done, total)
    })?;
    let bar = progress(dataset.len() as u64);
    let mut bank = FeatureBank::default();
    for index in 0..dataset.len() {
        add(&mut bank, &translator, dataset, &dataset.sample(1, index)?, map)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(bank)
}

/// Adds the instances of a sample.
fn add(
    bank: &mut FeatureBank,
    translator: &Translator,
    dataset: &Dataset,
    sample: &Sample,
    map: &str,
) -> Result<()> {
    let mut planes = Vec::new();
    for plane in translator.planes() {
        planes.push((plane.name, dataset.encode_plane(sample.plane(plane.name)?)?));
    }
    let made = pollster::block_on(translator.run_planes(&borrowed(&planes), 0, 0))?;
    let (PlaneData::Map(labels), PlaneData::Map(regions)) =
        (sample.plane("label")?, sample.plane(map)?)
    else {
        return Err(Error::Internal("labels or instances are no maps".into()));
    };
    let PictureValues::Floats(values) = made else {
        return Err(Error::Internal("features came back as bytes".into()));
    };
    let (width, height) = dataset.image_size();
    let channels = values.len() as u32 / (width * height);
    bank.add(labels, regions, &dataset.frame().crop(values, channels)?)
}

fn summary(dataset: &Dataset, bank: &FeatureBank, centres: &FeatureCentres) -> String {
    format!(
        "{} labels, {} instances in {} images, {} clusters",
        centres.labels(),
        bank.instances(),
        dataset.len(),
        centres.centres()
    )
}
