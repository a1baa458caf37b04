//! `pixtape translate`.

mod checkpoint;
mod frame;
mod heat;
mod inputs;

pub(super) use checkpoint::{Checkpoint, Generator, RunOptions, mode};
pub(super) use inputs::pictures;

use super::flags::TranslateArgs;
use super::starting::Starting;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::io::{Picture, create_dir, write_aside};
use crate::train::{Statistics, Strips, Translator};
use frame::Frame;
use heat::{Heat, Judge};
use indicatif::{ProgressBar, ProgressStyle};
use inputs::{Job, STREAM, by_number, jobs};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

/// A generator ready for pictures of one size.
enum Engine<'a> {
    Whole(Box<Translator>),
    /// In strips; the statistics of the frames before, and how much of them is kept.
    Strips(Strips<'a>, Option<Statistics>, Option<f64>),
}

impl<'a> Engine<'a> {
    fn new(args: &TranslateArgs, gpu: &'a Gpu, generator: &'a Generator, size: (u32, u32)) -> Result<Engine<'a>> {
        let mode = mode(&args.norm_mode, args.dropout == "on");
        let keep = args.sequence.as_ref().map(|how| if how == "first" { 1.0 } else { args.smooth });
        let tune = args.tune.clone().unwrap_or_default();
        let strips = |rows| generator.strips(mode, rows);
        match args.tile {
            Some(rows) => return Ok(Engine::Strips(strips(rows)?, None, keep)),
            None if keep.is_some() => return Ok(Engine::Strips(strips(size.1)?.fit(size, args.memory_limit)?, None, keep)),
            None => {}
        }
        let mut starting = Starting::new(gpu);
        match generator.translator(size, mode, args.memory_limit, &tune, &mut |done, total| starting.show(done, total)) {
            Ok(whole) => Ok(Engine::Whole(Box::new(whole))),
            // What is too large goes in strips, unless a mask of dropout forbids it.
            Err(e @ (Error::MemoryLimit { .. } | Error::Limit { .. })) if !mode.dropout => {
                let strips = strips(size.1)?.fit(size, args.memory_limit)?;
                let (mib, rows) = (|bytes: u64| bytes.div_ceil(1 << 20), strips.rows());
                let whole = if let Error::MemoryLimit { planned, .. } = e { format!(" instead of {} MiB", mib(planned)) } else { String::new() };
                eprintln!("note: {}x{} goes in strips of {rows} rows: {} MiB of device memory{whole}", size.0, size.1, mib(strips.memory(size)?));
                Ok(Engine::Strips(strips, None, None))
            }
            Err(e) => Err(e),
        }
    }

    /// Translates a picture of the engine's size.
    fn run(&mut self, picture: &Picture, output_nc: u32, seed: u64) -> Result<Picture> {
        let size = (picture.width, picture.height);
        let bytes = match self {
            // One number for all: what dropout makes of a picture depends on --seed only, not on its neighbours in the folder.
            Engine::Whole(translator) => pollster::block_on(translator.run(&picture.data, seed, 0))?,
            Engine::Strips(strips, before, keep) => {
                // As `picture_to_tensor` and `tensor_to_picture` do it.
                let values: Vec<f32> = picture.data.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect();
                let given = before.as_ref().zip(*keep);
                let (values, used) = pollster::block_on(strips.run(&values, size, given))?;
                *before = Some(used);
                values.iter().map(|v| ((v + 1.0) * 127.5 + 0.5).clamp(0.0, 255.0) as u8).collect()
            }
        };
        Picture::new(size.0, size.1, output_nc, bytes)
    }
}

/// Translates.
pub(super) fn run(args: &TranslateArgs) -> Result<()> {
    let (from_stream, to_stream) = (args.input == Path::new(STREAM), args.output == Path::new(STREAM));
    let mut jobs = jobs(&pictures(&args.input)?, &args.output)?;
    // What comes in is spooled, so that it is read like any other picture.
    let spool = if from_stream { Some(spooled()?) } else { None };
    if let Some(spool) = &spool {
        jobs[0].from = spool.path().into();
    }
    let checkpoint = Checkpoint::read(&args.checkpoint, &args.epoch)?;
    if args.sequence.is_some() {
        by_number(&mut jobs);
    }
    let groups = by_size(jobs, checkpoint.config.multiple())?;
    if let (Some(_), Some((other, same))) = (&args.sequence, groups.values().nth(1).zip(groups.values().next())) {
        let message = format!("is not of the size of {}; the frames of a film have one", same[0].0.from.display());
        return Err(Error::file(&other[0].0.from, message));
    }
    tell_of_padding(&groups, checkpoint.config.multiple());
    let gpu = super::gpu(args.adapter.as_deref())?;
    let generator = Generator::new(&gpu, &checkpoint)?;
    if args.tile.is_some() || args.sequence.is_some() {
        // What strips refuse is said before anything is made.
        generator.strips(mode(&args.norm_mode, args.dropout == "on"), 1)?;
    }
    let judge = if args.heat { Some(judge(args, &gpu, &checkpoint)?) } else { None };
    if !to_stream {
        let is_file = groups.values().flatten().all(|(job, _)| job.to == args.output);
        let folder = if is_file { args.output.parent().filter(|p| !p.as_os_str().is_empty()) } else { Some(args.output.as_path()) };
        folder.map_or(Ok(()), create_dir)?;
    }

    let count: usize = groups.values().map(Vec::len).sum();
    let bar = progress(count as u64);
    let started = Instant::now();
    let mut rows = Vec::new();
    for (size, jobs) in groups {
        let mut engine = bar.suspend(|| Engine::new(args, &gpu, &generator, size))?;
        let heat = judge.as_ref().map(|j| j.heat(size)).transpose()?;
        for (job, frame) in jobs {
            let row = translate(args, &checkpoint, &mut engine, heat.as_ref(), &job, frame)?;
            if args.grid.is_some() {
                rows.push(row);
            }
            bar.inc(1);
        }
    }
    if let Some(path) = &args.grid {
        Picture::grid(&rows, 2)?.save_png(path)?;
    }
    bar.finish_and_clear();
    let pictures = if count == 1 { "picture" } else { "pictures" };
    let said = format!("{count} {pictures} in {:.1} s on {}", started.elapsed().as_secs_f64(), gpu.name());
    if to_stream {
        eprintln!("{said}")
    } else {
        println!("{said}, written to {}", args.output.display())
    }
    Ok(())
}

/// Translates one picture and writes what was asked for: input, result, and perhaps the patch map.
fn translate(args: &TranslateArgs, checkpoint: &Checkpoint, engine: &mut Engine<'_>, heat: Option<&Heat>, job: &Job, frame: Frame) -> Result<Vec<Picture>> {
    let input = Picture::load(&job.from, checkpoint.config.input_nc)?;
    if (input.width, input.height) != frame.inner {
        return Err(Error::file(&job.from, "has changed its size since the start; leave the folder alone meanwhile"));
    }
    let padded = frame.pad(input.clone())?;
    let whole = engine.run(&padded, checkpoint.config.output_nc, args.seed)?;
    let map = heat.map(|h| h.picture(&padded, &whole)).transpose()?.map(|m| frame.crop(m)).transpose()?;
    let result = frame.crop(whole)?;
    let mut row = vec![input, result];
    row.extend(map);
    let shown = if args.side_by_side { Picture::grid(&[row[..2].to_vec()], 0)? } else { row[1].clone() };
    let png = shown.encode_png()?;
    if job.to == Path::new(STREAM) {
        let mut out = std::io::stdout().lock();
        out.write_all(&png).and_then(|()| out.flush()).map_err(|e| Error::Usage(format!("standard output cannot be written: {e}")))?;
    } else {
        write_aside(&job.to, &png)?;
    }
    if let Some(map) = row.get(2) {
        let mut name = job.to.file_stem().unwrap_or_default().to_os_string();
        name.push("_heat.png");
        map.save_png(&job.to.with_file_name(name))?;
    }
    Ok(row)
}

fn judge(args: &TranslateArgs, gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Judge> {
    if args.output == Path::new(STREAM) {
        return Err(Error::Usage("--heat writes a second picture beside the first; give --output a folder or a file".into()));
    }
    let mode = mode(&args.norm_mode, false);
    Judge::read(gpu, &args.checkpoint, &args.epoch, checkpoint.config.input_nc, checkpoint.config.output_nc, mode)
}

/// Standard input, read to its end.
fn spooled() -> Result<tempfile::NamedTempFile> {
    let cannot = |e: std::io::Error| Error::Usage(format!("standard input cannot be read: {e}"));
    let mut file = tempfile::NamedTempFile::with_prefix("stdin").map_err(cannot)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(cannot)?;
    file.write_all(&bytes).and_then(|()| file.flush()).map_err(cannot)?;
    Ok(file)
}

/// A bar on the terminal; nothing where there is none.
pub(super) fn progress(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} pictures, {eta} left").expect("a valid template");
    ProgressBar::new(total).with_style(style)
}

type Groups = BTreeMap<(u32, u32), Vec<(Job, Frame)>>;

/// Sorts pictures by the size of their frames, each of which takes a plan of its own.
fn by_size(jobs: Vec<Job>, multiple: u32) -> Result<Groups> {
    let mut groups = Groups::new();
    for job in jobs {
        let frame = Frame::around(Picture::dimensions(&job.from)?, multiple);
        groups.entry(frame.size).or_default().push((job, frame));
    }
    Ok(groups)
}

/// One line, however many there are.
fn tell_of_padding(groups: &Groups, multiple: u32) {
    let mut padded = groups.values().flatten().filter(|(_, frame)| frame.is_larger());
    if let Some((job, Frame { size, inner, .. })) = padded.next() {
        let (name, more) = (job.from.display(), padded.count());
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let sizes = format!("{}x{} becomes {}x{}", inner.0, inner.1, size.0, size.1);
        eprintln!("note: sides that are no multiples of {multiple} are padded by reflection and cut off again ({name}: {sizes}{more})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_any_size_are_grouped_by_the_frames_they_take() {
        let dir = tempfile::tempdir().unwrap();
        let job = |name: &str, w: u32, h: u32| {
            let from = dir.path().join(name);
            Picture::new(w, h, 1, vec![0; (w * h) as usize]).unwrap().save_png(&from).unwrap();
            Job { to: from.clone(), from }
        };
        let jobs = vec![job("a.png", 32, 64), job("b.png", 64, 32), job("c.png", 20, 33)];
        let groups = by_size(jobs, 32).unwrap();
        assert_eq!(groups.iter().map(|(size, jobs)| (*size, jobs.len())).collect::<Vec<_>>(), [((32, 64), 2), ((64, 32), 1)]);
    }
}
