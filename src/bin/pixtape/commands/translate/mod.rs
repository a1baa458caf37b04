//! `pixtape translate`.

mod args;
mod engine;
mod heat;
mod inputs;
mod labels;
mod looks;

pub(crate) use args::TranslateArgs;
pub(crate) use inputs::{pictures, progress};
pub(crate) use labels::translator as label_translator;

use crate::commands::tune::resolve;
use crate::device::starting::Starting;
use crate::many::Failures;
use crate::messages::shown;
use engine::Engine;
use heat::{Heat, Judge};
use inputs::{Inputs, Job, STREAM, check_grid, in_order, jobs, tell_of_padding};
use pixtape::gpu::Gpu;
use pixtape::io::{AnyPicture, Loaded, Picture, create_dir, lab, write_aside};
use pixtape::nets::Mode;
use pixtape::picture::{PictureFormat, PictureValues};
use pixtape::plan::{PlanOptions, Progress};
use pixtape::run::options::Tune;
use pixtape::run::{Checkpoint, Generator};
use pixtape::train::Translator;
use pixtape::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A generator ready for images of one size.
fn engine<'a>(
    args: &TranslateArgs,
    gpu: &Gpu,
    generator: &'a Generator,
    size: (u32, u32),
    format: PictureFormat,
) -> Result<Engine<'a>> {
    let mode = Mode::run(args.norm_mode, args.dropout.is_on());
    let whole = || {
        let (limit, tune) = (args.memory_limit.map(|bytes| bytes.0), args.tune.clone());
        let (tune, mut starting) = (tune.unwrap_or_default(), Starting::new(gpu));
        translator(generator, size, mode, format, limit, &tune, &mut |done, total| {
            starting.show(done, total)
        })
    };
    Engine::new(args, size, format, whole, |rows| generator.strips(mode, format, rows))
}

/// A generator ready for images of one size, with the kernels that `--tune` says.
pub(crate) fn translator(
    generator: &Generator,
    size: (u32, u32),
    mode: Mode,
    format: PictureFormat,
    memory_limit: Option<u64>,
    tune: &Tune,
    progress: Progress<'_>,
) -> Result<Translator> {
    let options = PlanOptions { memory_limit, ..PlanOptions::default() };
    let plan = generator.plan(size, mode, format, options.clone())?;
    // An image is not worth a wait.
    let tuned = resolve(generator.gpu(), &pixtape::tune::problems(&plan), tune, false)?;
    generator.translator(size, mode, format, tuned.options(options), progress)
}

/// Values from -1 to 1, as `picture_to_tensor` makes them of bytes.
fn floats(values: &PictureValues) -> Vec<f32> {
    match values {
        PictureValues::Bytes(bytes) => {
            bytes.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect()
        }
        PictureValues::Floats(values) => values.clone(),
    }
}

/// Runs the net on one picture.
type Through<'a> = &'a dyn Fn(&PictureValues) -> Result<PictureValues>;

impl Job {
    /// Runs the net on a picture, padded where its size asks for it.
    fn translated(
        &self,
        checkpoint: &Checkpoint,
        input: Loaded,
        through: Through<'_>,
    ) -> Result<AnyPicture> {
        let (config, described) = (&checkpoint.config, input.picture.describe());
        let input = input.converted(config.input_nc()).ok_or_else(|| {
            Error::file(
                &self.from,
                format!(
                    "is {described}, the network takes {} channels; give it images of the kind \
                     it was trained on",
                    config.input_nc()
                ),
            )
        })?;
        match through(&self.frame.encode(&input, self.format, checkpoint.range(input.depth()))?)? {
            PictureValues::Bytes(bytes) => {
                Ok(AnyPicture::U8(self.frame.crop(bytes, config.output_nc())?))
            }
            PictureValues::Floats(values) => {
                let made = self.frame.crop(values, config.output_nc())?;
                AnyPicture::from_values(
                    &made.data,
                    self.frame.content,
                    config.output_nc(),
                    self.depth,
                    checkpoint.range(self.depth),
                )
            }
        }
    }

    /// Lightness through the net at the size it was trained on; the colours it gives are enlarged
    /// onto the lightness as it was.
    fn colorized(&self, mut input: Loaded, through: Through<'_>) -> Result<AnyPicture> {
        input.picture = input.picture.to_8bit(None).into();
        let rgb = input.converted(3).ok_or_else(|| {
            Error::file(&self.from, "is no photo; colorization takes gray or RGB")
        })?;
        let rgb = rgb.to_8bit(None);
        let (light, _) = lab::split(&rgb);
        let small =
            AnyPicture::F32(lab::split(&rgb.resize(self.frame.content.0, self.frame.content.1)?).0);
        match through(&self.frame.encode(&small, PictureFormat::Floats, Some([-1.0, 1.0]))?)? {
            PictureValues::Floats(color) => {
                Ok(lab::join(&light, &self.frame.crop(color, 2)?)?.into())
            }
            PictureValues::Bytes(_) => Err(Error::Internal("colour came back as bytes".into())),
        }
    }
}

/// Translates.
pub(crate) fn run(args: &TranslateArgs) -> Result<()> {
    let (from_stream, to_stream) =
        (args.input == Path::new(STREAM), args.output == Path::new(STREAM));
    let (epoch, key) = (&args.epoch, args.key.as_deref());
    let checkpoint = Checkpoint::read(&args.checkpoint, epoch, args.direction, key)?;
    if labels::applies(args, &checkpoint) {
        return labels::run(args, &checkpoint);
    }
    for (given, flag) in [
        (args.instances.is_some(), "--instances"),
        (args.encoder.is_some(), "--encoder"),
        (args.images.is_some(), "--images"),
        (args.features.is_some(), "--features"),
        (args.style.is_some(), "--style"),
        (!args.edit.is_empty(), "--edit"),
    ] {
        if given {
            let why = format!("{flag} goes with label maps; this is a {}", checkpoint.config);
            return Err(Error::file(&args.checkpoint, why));
        }
    }
    // What comes in is spooled, so that it is read like any other picture.
    let spool = if from_stream { Some(spooled()?) } else { None };
    let inputs = match &spool {
        Some((_, path)) => Inputs { files: vec![path.clone()], single: true },
        None => pictures(&args.input)?,
    };
    let mut failures = Failures::new(inputs.files.len(), inputs.single);
    let (reading, extension) = (args.reading(&checkpoint), args.side_by_side.then_some("png"));
    let jobs = jobs(&inputs.files, &args.output, &checkpoint, extension, reading, &mut failures)?;
    let mut jobs: Vec<Job> = jobs.into_iter().map(|(_, job)| job).collect();
    if jobs.is_empty() {
        return failures.end();
    }
    if args.sequence.is_some() {
        in_order(&mut jobs, |job| job)?;
    }
    let is_file = jobs.iter().all(|job| job.to == args.output);
    let folder = if is_file {
        args.output.parent().filter(|p| !p.as_os_str().is_empty())
    } else {
        Some(args.output.as_path())
    };
    if let Some(grid) = &args.grid {
        check_grid(grid, folder.filter(|_| !to_stream), jobs.iter())?;
    }
    tell_of_padding(jobs.iter(), checkpoint.config.multiple());
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let generator = Generator::new(&gpu, &checkpoint)?;
    if args.tile.is_some() || args.sequence.is_some() {
        // What strips refuse is said before anything is made.
        let mode = Mode::run(args.norm_mode, args.dropout.is_on());
        generator.strips(mode, PictureFormat::default(), 1)?;
    }
    let judge = if args.heat { Some(judge(args, &gpu, &checkpoint)?) } else { None };
    if !to_stream {
        folder.map_or(Ok(()), create_dir)?;
    }

    let count = jobs.len();
    let bar = progress(count as u64);
    let started = Instant::now();
    // Each size takes a plan of its own.
    let mut groups: BTreeMap<((u32, u32), PictureFormat), Vec<Job>> = BTreeMap::new();
    for job in jobs {
        groups.entry((job.frame.padded, job.format)).or_default().push(job);
    }
    let mut rows = Vec::new();
    for ((padded, format), jobs) in groups {
        let ready = bar.suspend(|| {
            let heat = judge.as_ref().map(|j| j.heat(padded)).transpose()?;
            Ok((engine(args, &gpu, &generator, padded, format)?, heat))
        });
        let (mut engine, heat) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                let files = jobs.iter().map(|job| job.from.as_path());
                bar.suspend(|| failures.add_all(files, error))?;
                continue;
            }
        };
        for job in jobs {
            match translate(args, &checkpoint, &mut engine, heat.as_ref(), &job) {
                Ok(row) if args.grid.is_some() => rows.push(row),
                Ok(_) => {}
                Err(error) => bar.suspend(|| failures.add(&job.to, error))?,
            }
            bar.inc(1);
        }
    }
    if let Some(path) = args.grid.as_ref().filter(|_| !rows.is_empty()) {
        Picture::grid(&rows, 2)?.save_png(path)?;
    }
    bar.finish_and_clear();
    let count = failures.rest();
    let images = if count == 1 { "image" } else { "images" };
    let said =
        format!("{count} {images} in {:.1} s on {}", started.elapsed().as_secs_f64(), gpu.name());
    if to_stream {
        eprintln!("{said}")
    } else {
        println!("{said}, written to {}", shown(&args.output))
    }
    failures.end()
}

/// Translates one picture and writes what was asked for. Gives what can be looked at: input,
/// result, and perhaps the patch map.
fn translate(
    args: &TranslateArgs,
    checkpoint: &Checkpoint,
    engine: &mut Engine<'_>,
    heat: Option<&Heat>,
    job: &Job,
) -> Result<Vec<Picture>> {
    let input = Loaded::read(&job.from, job.reading)?;
    let missing = input.missing.clone();
    let range = checkpoint.range(input.picture.depth()).filter(|_| !checkpoint.colorizes());
    let input = input.filled(range);
    if input.picture.size() != job.size {
        return Err(Error::file(
            &job.from,
            "has changed its size since the start; leave the folder alone meanwhile",
        ));
    }
    let shown = |picture: AnyPicture| {
        let range = checkpoint.range(picture.depth());
        picture.to_8bit(range).visible()
    };
    let mut row = vec![shown(input.picture.clone())];
    let (engine, seen) = (RefCell::new(engine), RefCell::new(None));
    let through = |values: &PictureValues| {
        let made = engine.borrow_mut().run(&[("input", values.into())], args.seed)?;
        if heat.is_some() {
            seen.replace(Some((floats(values), floats(&made))));
        }
        Ok(made)
    };
    let result = if checkpoint.colorizes() {
        job.colorized(input, &through)?
    } else {
        job.translated(checkpoint, input, &through)?
    };
    row.push(shown(result.clone()));
    let result = without_data(result, missing.as_deref());
    let result =
        if args.side_by_side { AnyPicture::U8(Picture::grid(&[row.clone()], 0)?) } else { result };
    if job.to == Path::new(STREAM) {
        let bytes = result.encode(result.depth().extension(result.channels()))?;
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes)
            .and_then(|()| out.flush())
            .map_err(|e| Error::Usage(format!("standard output cannot be written: {e}")))?;
    } else {
        let extension = job.to.extension().and_then(|e| e.to_str()).unwrap_or_default();
        write_aside(
            &job.to,
            &result.encode(extension).map_err(|e| Error::file(&job.to, e.to_string()))?,
        )?;
    }
    if let (Some(heat), Some((input, made))) = (heat, seen.take()) {
        let map = job.frame.crop(heat.picture(&input, &made)?, 3)?;
        let mut name = job.to.file_stem().unwrap_or_default().to_os_string();
        name.push("_heat.png");
        map.save_png(&job.to.with_file_name(name))?;
        row.push(map);
    }
    Ok(row)
}

/// NaN where the input has no data, if the result can hold it.
fn without_data(result: AnyPicture, missing: Option<&[bool]>) -> AnyPicture {
    match (result, missing) {
        (AnyPicture::F32(mut made), Some(missing)) => {
            let pixels = made.data.chunks_exact_mut(made.channels as usize).zip(missing);
            pixels.filter(|(_, missing)| **missing).for_each(|(pixel, _)| pixel.fill(f32::NAN));
            AnyPicture::F32(made)
        }
        (result, _) => result,
    }
}

fn judge(args: &TranslateArgs, gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Judge> {
    if args.output == Path::new(STREAM) {
        return Err(Error::Usage(
            "--heat writes a second image next to the first; give --output a folder or a file"
                .into(),
        ));
    }
    let mode = Mode::run(args.norm_mode, false);
    Judge::read(gpu, &args.checkpoint, &args.epoch, checkpoint, mode)
}

/// Standard input, read to its end: a folder that goes with its handle, and the file in it.
fn spooled() -> Result<(tempfile::TempDir, PathBuf)> {
    let cannot = |e: std::io::Error| Error::Usage(format!("standard input cannot be read: {e}"));
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(cannot)?;
    let folder = tempfile::tempdir().map_err(cannot)?;
    let path = folder.path().join("stdin");
    std::fs::write(&path, bytes).map_err(cannot)?;
    Ok((folder, path))
}
