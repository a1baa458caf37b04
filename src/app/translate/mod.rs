//! `pixtape translate`.

mod checkpoint;

pub(super) use checkpoint::{Checkpoint, Generator, RunOptions, mode};

use super::flags::TranslateArgs;
use super::starting::Starting;
use crate::error::{Error, Result};
use crate::io::picture::is_picture;
use crate::io::{Picture, create_dir, list_pictures};
use crate::nets::UnetConfig;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A picture to translate and where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    from: PathBuf,
    to: PathBuf,
}

/// Translates.
pub(super) fn run(args: &TranslateArgs) -> Result<()> {
    let jobs = jobs(&pictures(&args.input)?, &args.output)?;
    let checkpoint = Checkpoint::read(&args.checkpoint, &args.epoch)?;
    let groups = by_size(jobs, &checkpoint.config)?;
    let gpu = super::gpu(args.adapter.as_deref())?;
    let generator = Generator::new(&gpu, &checkpoint)?;
    create_dir(&args.output)?;

    let count: usize = groups.values().map(Vec::len).sum();
    let bar = progress(count as u64);
    let started = Instant::now();
    let mode = checkpoint.mode(&args.norm_mode, args.dropout == "on")?;
    let tune = args.tune.clone().unwrap_or_default();
    for (size, jobs) in groups {
        let mut starting = Starting::new(&gpu);
        let translator = bar.suspend(|| generator.translator(size, mode, args.memory_limit, &tune, &mut |done, total| starting.show(done, total)))?;
        drop(starting);
        for job in jobs {
            let input = Picture::load(&job.from, checkpoint.config.input_nc)?;
            if (input.width, input.height) != size {
                return Err(Error::file(&job.from, "has changed its size since the start; leave the folder alone meanwhile"));
            }
            // One number for all: what dropout makes of a picture depends on --seed only, not on its neighbours in the folder.
            let bytes = pollster::block_on(translator.run(&input.data, args.seed, 0))?;
            Picture::new(size.0, size.1, checkpoint.config.output_nc, bytes)?.save_png(&job.to)?;
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
pub(super) fn pictures(path: &Path) -> Result<Vec<PathBuf>> {
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
fn by_size(jobs: Vec<Job>, config: &UnetConfig) -> Result<BTreeMap<(u32, u32), Vec<Job>>> {
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
        let config = UnetConfig { input_nc: 3, output_nc: 3, ngf: 4, downs: 5, norm: NormKind::Batch, dropout: true, ..UnetConfig::default() };
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
}
