//! `pixtape eval`: how close results are to their targets.

use crate::commands::translate::{label_translator, progress, translator};
use crate::device::starting::Starting;
use crate::many::tell_of_rest;
use crate::messages::{self, shown, with_flags};
use crate::options::{ReadingArgs, TUNE, choice};
use clap::Args;
use pixtape::gpu::Gpu;
use pixtape::io::{
    Dataset, DatasetOptions, Direction, Listing, Picture, Preprocess, Reading, Size, Task, name_key,
};
use pixtape::nets::{GeneratorConfig, Mode};
use pixtape::ops::NormMode;
use pixtape::run::options::{Choice, ModelKind, Tune};
use pixtape::run::{
    Checkpoint, Encoder, Generator, LabelGenerator, LabelInput, Options, weights_name,
};
use pixtape::session::{Scores, translated, worst_first};
use pixtape::train::{Features, Translator};
use pixtape::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Flags of `eval`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct EvalArgs {
    /// A run's folder, or a generator's safetensors file, to run on --dataroot.
    #[arg(long, requires = "dataroot", required_unless_present = "results")]
    pub checkpoint: Option<PathBuf>,
    /// Folder of pairs, as for train.
    #[arg(long)]
    pub dataroot: Option<PathBuf>,
    /// Folder under --dataroot.
    #[arg(long, default_value = "val")]
    pub phase: String,
    /// AtoB or BtoA: how the pairs are read, and which of the two generators of a run of cycle_gan;
    /// a run's own by default.
    #[arg(long, value_parser = choice::<Direction>())]
    pub direction: Option<Direction>,
    /// Size that images are resized to: a side, or WIDTHxHEIGHT; a run's own by default.
    #[arg(long)]
    pub crop_size: Option<Size>,
    /// resize_and_crop, crop, scale_width, scale_width_and_crop, scale_shortside_and_crop, none; a
    /// run's own by default.
    #[arg(long, value_parser = Preprocess::of_word)]
    pub preprocess: Option<Preprocess>,
    /// Of several networks in a PyTorch checkpoint the one at this key (dots for nesting): netG,
    /// state_dict.generator. Without it the only generator is taken.
    #[arg(long)]
    pub key: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// Statistics of the norms: batch (of each image), running, instance.
    #[arg(long, default_value = "batch", value_parser = choice::<NormMode>())]
    pub norm_mode: NormMode,
    /// Two folders of images with the same names: this one against --targets.
    #[arg(long, conflicts_with = "checkpoint", requires = "targets")]
    pub results: Option<PathBuf>,
    /// What --results is compared with.
    #[arg(long)]
    pub targets: Option<PathBuf>,
    /// Print JSON, with a row for each image.
    #[arg(long)]
    pub json: bool,
    /// Images in the table, those with the largest L1 first.
    #[arg(long, default_value_t = 10)]
    pub worst: usize,
    /// How kernels are chosen: auto and cache (by stored measurements), now (measure them first),
    /// off (by a built-in rule), or a file written by `pixtape tune --out`.
    #[arg(long, value_name = TUNE)]
    pub tune: Option<Tune>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Runs `eval`.
pub(crate) fn run(args: &EvalArgs) -> Result<()> {
    let rows = match (&args.results, &args.targets, &args.checkpoint, &args.dataroot) {
        (Some(results), Some(targets), ..) => folders(results, targets, args.reading.reading())?,
        (_, _, Some(checkpoint), Some(root)) => dataset(args, checkpoint, root)?,
        _ => {
            return Err(Error::Usage(
                "eval takes --checkpoint with --dataroot, or --results with --targets".into(),
            ));
        }
    };
    if args.json {
        let rows_json: Vec<_> = rows.iter().map(Scores::json).collect();
        let report = json!({ "pictures": rows.len(), "mean": Scores::mean(&rows).json(), "rows": rows_json });
        println!("{}", messages::json(&format!("{report:#}")));
    } else {
        print!("{}", messages::lines(&table(&rows, args.worst)));
    }
    Ok(())
}

/// Runs a generator on the pairs of a phase.
fn dataset(args: &EvalArgs, checkpoint: &Path, root: &Path) -> Result<Vec<Scores>> {
    // CycleGAN: the generator of the direction. pix2pix: as it was trained, unless the flag says
    // how to read the pairs.
    let cycle = checkpoint.is_dir() && Options::of_run(checkpoint)?.unpaired();
    let (direction, key) = (args.direction.filter(|_| cycle), args.key.as_deref());
    let checkpoint = Checkpoint::read(checkpoint, &args.epoch, direction, key)?;
    let dataset =
        Dataset::open(data_options(args, root, checkpoint.options.as_ref(), &checkpoint.config)?)?;
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    dataset.notes().iter().for_each(|note| eprintln!("note: {}", with_flags(note)));
    let translator = ready(args, &gpu, &checkpoint, &dataset)?;
    let bar = progress(dataset.len() as u64);
    let mut rows = Vec::with_capacity(dataset.len());
    for index in 0..dataset.len() {
        let pair = dataset.sample(1, index)?;
        let result = pollster::block_on(translated(&dataset, &translator, &pair))?;
        let figures =
            dataset.measure(&pair, &result).map_err(|e| Error::file(&pair.path, e.to_string()))?;
        rows.push(Scores::of(&pair.path, figures));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// The generator, ready for the images of a dataset. One of pix2pixHD that takes features gets them
/// from the target, by the encoder of its run.
fn ready(
    args: &EvalArgs,
    gpu: &Gpu,
    checkpoint: &Checkpoint,
    dataset: &Dataset,
) -> Result<Translator> {
    let (size, format) = (dataset.image_size(), dataset.format());
    let tune = args.tune.clone().unwrap_or_default();
    let Some(options) = checkpoint.options.as_ref().filter(|o| o.model == ModelKind::Pix2PixHd)
    else {
        let generator = Generator::new(gpu, checkpoint)?;
        let (mode, mut starting) = (Mode::run(args.norm_mode, false), Starting::new(gpu));
        return translator(&generator, size, mode, format, None, &tune, &mut |done, total| {
            starting.show(done, total)
        });
    };
    let encoder = match (options.features(), &args.checkpoint) {
        (Some(Features::Encoded { .. }), Some(run)) => {
            Some(Encoder::read(&run.join(weights_name(&args.epoch, "E")))?)
        }
        _ => None,
    };
    let input = LabelInput::of(checkpoint, !options.hd.no_instance, None)?;
    let generator = LabelGenerator::new(gpu, checkpoint, input, encoder.as_ref())?;
    label_translator(&generator, size, format, None, &tune)
}

/// Flags, then the run's own options, then the reference's defaults. Images are resized to the crop
/// size, so that nothing is cut off, and not flipped, as the reference does.
fn data_options(
    args: &EvalArgs,
    root: &Path,
    run: Option<&Options>,
    net: &GeneratorConfig,
) -> Result<DatasetOptions> {
    let mut options = run.cloned().unwrap_or_default();
    options.dataroot = Some(root.into());
    let hd = options.model == ModelKind::Pix2PixHd;
    let (data, nets) = (&mut options.data, &mut options.nets);
    data.direction = args.direction.unwrap_or(data.direction);
    data.preprocess = args.preprocess.unwrap_or(data.preprocess);
    data.crop_size = args.crop_size.unwrap_or(data.crop_size);
    data.max_dataset_size = None;
    if !hd {
        (nets.input_nc, nets.output_nc) = (Some(net.input_nc()), Some(net.output_nc()));
    }
    // Where holes are does not hang on the run.
    options.run.seed = 0;
    let mut all = DatasetOptions { multiple_of: net.multiple(), ..options.dataset()? };
    all.reading = args.reading.over(all.reading);
    if options.unpaired() {
        // Without pairs there is nothing to measure.
        all.task = Task::Aligned;
    }
    Ok(all.plain(&args.phase))
}

/// A table of `worst` images, the largest L1 first, then the means.
fn table(rows: &[Scores], worst: usize) -> String {
    let shown = &worst_first(rows)[..worst.min(rows.len())];
    let width = shown.iter().map(|i| rows[*i].name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!("{:width$}  {:>8}  {:>9}  {:>7}\n", "image", "L1", "PSNR", "SSIM");
    let mut line = |r: &Scores| {
        text += &format!("{:width$}  {:>8.5}  {:>6.2} dB  {:>7.4}\n", r.name, r.l1, r.psnr, r.ssim)
    };
    shown.iter().for_each(|i| line(&rows[*i]));
    let left_out = rows.len() - shown.len();
    line(&Scores { name: "mean".into(), ..Scores::mean(rows) });
    if left_out > 0 && worst > 0 {
        text += &format!(
            "the worst {} of {} images; --worst N shows more or fewer\n",
            shown.len(),
            rows.len()
        );
    } else {
        text += &format!("{} images\n", rows.len());
    }
    text
}

/// Compares two folders, image by image of the same name.
fn folders(results: &Path, targets: &Path, reading: Reading) -> Result<Vec<Scores>> {
    let (left, right) = (by_name(results)?, by_name(targets)?);
    for (here, there, folder) in [(&left, &right, targets), (&right, &left, results)] {
        let missing: Vec<&str> =
            here.keys().filter(|name| !there.contains_key(*name)).map(String::as_str).collect();
        if !missing.is_empty() {
            let more = if missing.len() > 4 {
                format!(" and {} more", missing.len() - 4)
            } else {
                String::new()
            };
            let names = missing[..missing.len().min(4)].join(", ");
            return Err(Error::file(
                folder,
                format!(
                    "has no image named {names}{more}; both folders must hold the same names \
                     (extensions may differ)"
                ),
            ));
        }
    }
    // Gray counts as RGB of equal values, which changes no metric.
    let row = |(name, path): (&String, &PathBuf)| {
        let load = |path: &Path| Picture::load_as(path, 3, reading);
        Scores::new(path, &load(path)?, &load(&right[name])?)
    };
    left.iter().map(row).collect()
}

fn by_name(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let Listing { files, left_out } = Listing::of(folder)?;
    tell_of_rest(folder, &left_out);
    for path in files {
        let name = name_key(Path::new(path.file_name().unwrap_or_default()));
        let name = name.to_string_lossy().into_owned();
        if let Some(other) = found.insert(name, path.clone()) {
            return Err(Error::file(
                path,
                format!(
                    "has the name of {}: results are matched by name; remove one",
                    shown(&other)
                ),
            ));
        }
    }
    match found.is_empty() {
        true => Err(Error::file(folder, format!("no image in it{}", left_out.ending()))),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn folder(pictures: &[(&str, u8)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in pictures {
            Picture::new(16, 16, 1, vec![*value; 256])
                .unwrap()
                .save_png(&dir.path().join(name))
                .unwrap();
        }
        dir
    }

    #[test]
    fn the_table_has_the_worst_first_and_the_mean_of_all() {
        let row =
            |name: &str, l1: f64| Scores { name: name.into(), l1, psnr: f64::INFINITY, ssim: 1.0 };
        let rows = [row("a", 0.1), row("b", 0.3), row("c", 0.2), row("d", 0.3)];
        let text = table(&rows, 2);
        let names: Vec<&str> = text.lines().map(|l| l.split_whitespace().next().unwrap()).collect();
        assert_eq!(names, ["image", "b", "d", "mean", "the"]);
        assert!(text.contains("0.22500") && text.contains("worst 2 of 4"), "{text}");
        assert!(table(&rows, 9).contains("4 images"));
    }

    #[test]
    fn folders_are_matched_by_name_and_what_is_missing_is_named() {
        let (a, b) =
            (folder(&[("x.png", 0), ("y.png", 51)]), folder(&[("y.png", 0), ("x.png", 0)]));
        let rows = folders(a.path(), b.path(), Reading::default()).unwrap();
        assert_eq!((rows[0].name.as_str(), rows[0].l1, rows[0].psnr), ("x", 0.0, f64::INFINITY));
        assert_abs_diff_eq!(rows[1].l1, 0.2, epsilon = 1e-12);
        assert_abs_diff_eq!(Scores::mean(&rows).l1, 0.1, epsilon = 1e-12);
        let less = folder(&[("x.png", 0)]);
        for (left, right) in [(&a, &less), (&less, &a)] {
            let message =
                folders(left.path(), right.path(), Reading::default()).unwrap_err().to_string();
            assert!(
                message.contains("named y") && message.contains(&less.path().display().to_string()),
                "{message}"
            );
        }
    }
}
