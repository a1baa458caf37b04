//! Translating label maps, with the maps of instances and the images that belong to them.

use super::args::TranslateArgs;
use super::engine::Engine;
use super::inputs::{Job, STREAM, check_grid, in_order, jobs, pictures, progress, tell_of_padding};
use super::looks::{Looks, Scene, over};
use crate::commands::tune::resolve;
use crate::device::starting::Starting;
use crate::many::{Failures, tell_of_rest};
use crate::messages::shown;
use pixtape::io::{
    AnyPicture, Depth, Frame, IndexMap, Listing, Loaded, Picture, PlaneData, create_dir,
    matched_by_order, write_aside,
};
use pixtape::nets::GeneratorConfig;
use pixtape::picture::{Encoding, PictureFormat, PictureValues, PlaneValues, borrowed};
use pixtape::plan::PlanOptions;
use pixtape::run::options::{ModelKind, Tune};
use pixtape::run::{Checkpoint, Encoder, LabelGenerator, LabelInput, weights_name};
use pixtape::train::{Features, Over, Source, Translator};
use pixtape::{Error, Result};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The most channels of an image; a generator on more takes label maps.
const IMAGE_CHANNELS: u32 = 4;

/// Whether a checkpoint's generator takes label maps.
pub(super) fn applies(args: &TranslateArgs, checkpoint: &Checkpoint) -> bool {
    match &checkpoint.options {
        Some(options) => options.model == ModelKind::Pix2PixHd,
        None => {
            let resnet = !matches!(checkpoint.config, GeneratorConfig::Unet(_));
            let labels = checkpoint.config.input_nc() > IMAGE_CHANNELS;
            let flags = [&args.instances, &args.encoder, &args.features];
            flags.iter().any(|flag| flag.is_some()) || (resnet && labels)
        }
    }
}

/// The files of one result.
struct Row {
    job: Job,
    instances: Option<PathBuf>,
    image: Option<PathBuf>,
}

/// Translates.
pub(super) fn run(args: &TranslateArgs, checkpoint: &Checkpoint) -> Result<()> {
    refuse(args)?;
    let (encoder, looks) = (encoder(args, checkpoint)?, Looks::of(args, checkpoint)?);
    let encoded = encoder.as_ref().map(|encoder| encoder.features(over(checkpoint)));
    let features = encoded.or(looks.as_ref().map(Looks::features));
    let input = LabelInput::of(checkpoint, args.instances.is_some(), features)?;
    if input.features.is_some() && features.is_none() {
        return Err(Error::Usage(
            "the generator takes features of images: give --images (and --encoder if the \
             checkpoint is no run's folder), or features by label: --features, a file that \
             `pixtape features` writes"
                .into(),
        ));
    }
    if matches!(input.condition.source, Source::Image(_)) && looks.is_some() {
        let why = "features by label need label maps, and the generator takes images; use --images";
        return Err(Error::Usage(why.into()));
    }
    let (mut rows, mut failures) = rows(args, checkpoint, &input)?;
    if rows.is_empty() {
        return failures.end();
    }
    if args.sequence.is_some() {
        in_order(&mut rows, |row| &row.job)?;
    }
    let is_file = rows.iter().all(|row| row.job.to == args.output);
    let folder = if is_file {
        args.output.parent().filter(|p| !p.as_os_str().is_empty())
    } else {
        Some(args.output.as_path())
    };
    if let Some(grid) = &args.grid {
        check_grid(grid, folder, rows.iter().map(|row| &row.job))?;
    }
    tell_of_padding(rows.iter().map(|row| &row.job), checkpoint.config.multiple());
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let generator = LabelGenerator::new(&gpu, checkpoint, input, encoder.as_ref())?;
    folder.map_or(Ok(()), create_dir)?;
    let (count, started) = (rows.len(), Instant::now());
    let bar = progress(count as u64);
    let mut grid = Vec::new();
    let mut groups: BTreeMap<((u32, u32), PictureFormat), Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry((row.job.frame.padded, row.job.format)).or_default().push(row);
    }
    for ((size, format), rows) in groups {
        let limit = args.memory_limit.map(|bytes| bytes.0);
        let tune = args.tune.clone().unwrap_or_default();
        let whole = || translator(&generator, size, format, limit, &tune);
        let strips = |rows| Ok(generator.strips(format, rows));
        let mut engine = match bar.suspend(|| Engine::new(args, size, format, whole, strips)) {
            Ok(engine) => engine,
            Err(error) => {
                let files = rows.iter().map(|row| row.job.from.as_path());
                bar.suspend(|| failures.add_all(files, error))?;
                continue;
            }
        };
        for row in rows {
            let looks = looks.as_ref();
            match translate(args, checkpoint, &generator, &mut engine, &input, looks, &row) {
                Ok(shown) => grid.push(shown),
                Err(error) => bar.suspend(|| failures.add(&row.job.to, error))?,
            }
            bar.inc(1);
        }
    }
    if let Some(path) = args.grid.as_ref().filter(|_| !grid.is_empty()) {
        Picture::grid(&grid, 2)?.save_png(path)?;
    }
    bar.finish_and_clear();
    let count = failures.rest();
    looks.iter().for_each(Looks::tell_of_missing);
    let images = if count == 1 { "image" } else { "images" };
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{count} {images} in {seconds:.1} s on {}, written to {}",
        gpu.name(),
        shown(&args.output)
    );
    failures.end()
}

/// Refuses flags that label maps do not go with.
fn refuse(args: &TranslateArgs) -> Result<()> {
    for (given, flag) in [
        (args.heat, "--heat"),
        (args.direction.is_some(), "--direction"),
        (args.input == Path::new(STREAM) || args.output == Path::new(STREAM), "-"),
    ] {
        if given {
            return Err(Error::Usage(format!("{flag} does not go with label maps; leave it out")));
        }
    }
    Ok(())
}

/// The encoder that is named, or that of the run, where images are given for it.
fn encoder(args: &TranslateArgs, checkpoint: &Checkpoint) -> Result<Option<Encoder>> {
    let own = checkpoint.options.as_ref().and_then(|options| options.features());
    match (&args.encoder, &args.images) {
        (Some(file), Some(_)) => Encoder::read(file).map(Some),
        (None, Some(_)) if matches!(own, Some(Features::Given(_))) => Err(Error::Usage(
            "the run read its features from files and has no encoder: give --encoder, the one \
             that made them"
                .into(),
        )),
        (Some(_), None) => {
            Err(Error::Usage("--encoder needs --images, the images whose features it takes".into()))
        }
        (None, Some(_)) if own.is_some() => {
            let file = args.checkpoint.join(weights_name(&args.epoch, "E"));
            Encoder::read(&file).map(Some)
        }
        (None, Some(images)) => Err(Error::file(
            images,
            "--images are for generators with features, and this one has none; leave it out",
        )),
        (None, None) => Ok(None),
    }
}

/// The files of each result: label maps and what belongs to them.
fn rows(
    args: &TranslateArgs,
    checkpoint: &Checkpoint,
    input: &LabelInput,
) -> Result<(Vec<Row>, Failures)> {
    let over_instances = input.features.is_some() && over(checkpoint) == Over::Instances;
    let reads_instances = input.condition.edges || over_instances;
    let (instances, images) = (args.instances.as_ref(), args.images.as_ref());
    match (reads_instances, instances) {
        (true, None) => {
            return Err(Error::Usage(
                "the generator takes maps of instances: give --instances, a folder or file that \
                 goes with --input"
                    .into(),
            ));
        }
        (false, Some(folder)) => {
            let why = "the generator was trained without instances; leave --instances out";
            return Err(Error::file(folder, why));
        }
        _ => {}
    }
    let beside: Vec<&PathBuf> = instances.into_iter().chain(images).collect();
    let files: Vec<Vec<PathBuf>> = if args.input.is_dir() {
        if let Some(other) = beside.iter().find(|path| path.is_file()) {
            let why = "is one file, and --input is a folder; give a folder in the same order";
            return Err(Error::file(other.as_path(), why));
        }
        let folders: Vec<&PathBuf> = [&args.input].into_iter().chain(beside).collect();
        for folder in &folders {
            tell_of_rest(folder, &Listing::of(folder)?.left_out);
        }
        matched_by_order(&folders)?
    } else {
        let found = pictures(&args.input)?.files;
        let folder = beside.iter().find(|path| path.is_dir());
        if let (Some(other), [_]) = (folder, &found[..]) {
            let why = "is a folder, and --input is one file; give the file that goes with it";
            return Err(Error::file(other.as_path(), why));
        }
        if let (Some(other), [_, _, ..]) = (beside.first(), &found[..]) {
            let why = format!("goes with {} label maps; give folders", found.len());
            return Err(Error::file(other.as_path(), why));
        }
        found
            .into_iter()
            .map(|file| [file].into_iter().chain(beside.iter().map(|p| p.to_path_buf())).collect())
            .collect()
    };
    let firsts: Vec<PathBuf> = files.iter().map(|row| row[0].clone()).collect();
    let trained = checkpoint.options.as_ref().and_then(|options| options.data.depths);
    let depth = trained.map_or(Depth::U8, |[_, target]| target);
    let extension = depth.extension(checkpoint.config.output_nc());
    let single = args.input.is_file();
    let mut failures = Failures::new(firsts.len(), single);
    let reading = args.reading(checkpoint);
    let jobs = jobs(&firsts, &args.output, checkpoint, Some(extension), reading, &mut failures)?;
    let by_label = matches!(input.features, Some(Features::Given(_)));
    let format = match depth == Depth::U8 && !by_label {
        true => PictureFormat::Bytes,
        false => PictureFormat::Floats,
    };
    let rows = jobs.into_iter().map(|(place, job)| {
        let row = files[place].clone();
        let frame = Frame::new(job.size, checkpoint.config.multiple());
        let mut beside = row.into_iter().skip(1);
        let instances = instances.and_then(|_| beside.next());
        let image = images.and_then(|_| beside.next());
        Row { job: Job { depth, format, frame, ..job }, instances, image }
    });
    let rows: Vec<Row> = rows.collect();
    let real = |path: &Path| path.canonicalize().ok();
    let beside = rows.iter().flat_map(|row| row.instances.iter().chain(&row.image));
    let beside: HashSet<PathBuf> = beside.filter_map(|path| real(path)).collect();
    match rows.iter().find(|row| real(&row.job.to).is_some_and(|to| beside.contains(&to))) {
        Some(row) => Err(Error::file(
            &row.job.to,
            "goes with a label map and would be written over; choose another --output",
        )),
        None => Ok((rows, failures)),
    }
}

/// A generator from label maps ready for one size, with the kernels that `--tune` says.
pub(crate) fn translator(
    generator: &LabelGenerator,
    size: (u32, u32),
    format: PictureFormat,
    memory_limit: Option<u64>,
    tune: &Tune,
) -> Result<Translator> {
    let options = PlanOptions { memory_limit, ..PlanOptions::default() };
    let plan = generator.plan(size, format, options.clone())?;
    let problems = pixtape::tune::problems(&plan);
    let tuned = resolve(generator.gpu(), &problems, tune, false)?;
    let mut starting = Starting::new(generator.gpu());
    generator.translator(size, format, tuned.options(options), &mut |done, total| {
        starting.show(done, total)
    })
}

/// Translates one label map and writes the result. Gives what can be looked at.
fn translate(
    args: &TranslateArgs,
    checkpoint: &Checkpoint,
    generator: &LabelGenerator,
    engine: &mut Engine<'_>,
    input: &LabelInput,
    looks: Option<&Looks>,
    row: &Row,
) -> Result<Vec<Picture>> {
    let (job, mut planes, mut shown) = (&row.job, Vec::new(), Vec::new());
    let scene = scene(args, input, row)?;
    for plane in generator.planes(job.format) {
        let data = match (plane.name, plane.encoding, looks) {
            (_, Encoding::Labels, _) => PlaneData::Map(scene.labels()?.clone()),
            (_, Encoding::Instances, _) => PlaneData::Map(scene.instances()?.clone()),
            ("features", _, Some(looks)) => PlaneData::Regions(looks.paint(args, &scene, job)?),
            ("image", ..) => PlaneData::Image(image(row.image.as_deref(), job, plane.channels)?),
            _ => PlaneData::Image(image(Some(&job.from), job, plane.channels)?),
        };
        if shown.is_empty() {
            shown.push(match &data {
                PlaneData::Map(map) => map.visible(),
                other => other.as_image()?.clone().to_8bit(None).visible(),
            });
        }
        let values: PlaneValues = data.encode(&job.frame, job.format, None)?;
        planes.push((plane.name, values));
    }
    let made = engine.run(&borrowed(&planes), args.seed)?;
    let output_nc = checkpoint.config.output_nc();
    let result = match made {
        PictureValues::Bytes(bytes) => AnyPicture::U8(job.frame.crop(bytes, output_nc)?),
        PictureValues::Floats(values) => {
            let made = job.frame.crop(values, output_nc)?;
            let (size, range) = (job.frame.content, checkpoint.range(job.depth));
            AnyPicture::from_values(&made.data, size, output_nc, job.depth, range)?
        }
    };
    shown.push(result.clone().to_8bit(checkpoint.range(job.depth)).visible());
    let result = match args.side_by_side {
        true => AnyPicture::U8(Picture::grid(std::slice::from_ref(&shown), 0)?),
        false => result,
    };
    let extension = job.to.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let bytes = result.encode(extension).map_err(|e| Error::file(&job.to, e.to_string()))?;
    write_aside(&job.to, &bytes)?;
    Ok(shown)
}

/// A label map, whose labels are all below `classes`.
fn labels(job: &Job, classes: u32) -> Result<IndexMap> {
    let map = IndexMap::load_as(&job.from, job.reading)?;
    match map.data.iter().position(|label| *label >= classes) {
        None => Ok(map),
        Some(at) => {
            let (x, y) = (at as u32 % map.width, at as u32 / map.width);
            let label = map.data[at];
            let why = format!(
                "has label {label} at pixel ({x}, {y}), and the generator knows 0 to {}; renumber \
                 it with `pixtape prepare palette`",
                classes - 1
            );
            Err(Error::file(&job.from, why))
        }
    }
}

/// The maps of a result, with the edits that are asked for.
fn scene(args: &TranslateArgs, input: &LabelInput, row: &Row) -> Result<Scene> {
    let job = &row.job;
    let labels = match input.condition.source {
        Source::Labels(classes) => Some(labels(job, classes)?),
        Source::Image(_) => None,
    };
    let instances = row.instances.as_deref().map(|path| map(path, job)).transpose()?;
    let mut scene = Scene { labels, instances };
    scene.edit(&args.edit, input.classes(), job)?;
    Ok(scene)
}

/// The map of instances of a label map.
fn map(path: &Path, job: &Job) -> Result<IndexMap> {
    let map = IndexMap::load_as(path, job.reading)?;
    same_size(path, (map.width, map.height), job)?;
    Ok(map)
}

/// An image of so many channels that belongs to a label map, or is translated itself.
fn image(path: Option<&Path>, job: &Job, channels: u32) -> Result<AnyPicture> {
    let path = path.ok_or_else(|| Error::Internal("features without an image".into()))?;
    let image = Loaded::read(path, job.reading)?.filled(None);
    same_size(path, image.picture.size(), job)?;
    let described = image.picture.describe();
    image.converted(channels).ok_or_else(|| {
        Error::file(path, format!("is {described}; the network takes {channels} channels"))
    })
}

fn same_size(path: &Path, (w, h): (u32, u32), job: &Job) -> Result<()> {
    let (width, height) = job.size;
    if (w, h) == (width, height) {
        return Ok(());
    }
    let label = shown(&job.from);
    Err(Error::file(path, format!("is {w}x{h}, {label} {width}x{height}; make them one size")))
}
