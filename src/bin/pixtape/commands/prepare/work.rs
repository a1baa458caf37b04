//! Shared by the commands: listing files, checks before anything is written, threads, progress bar.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::io::{Depth, Header, Picture, create_dir, list_pictures};
use pixtape::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Flags of every command that writes.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct Common {
    /// Replace existing files.
    #[arg(long)]
    pub overwrite: bool,
    /// Number of threads [default: number of processors].
    #[arg(long)]
    pub num_threads: Option<usize>,
}

impl Common {
    fn threads(&self) -> usize {
        self.num_threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
            .max(1)
    }
}

/// Files to read and files to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub from: Vec<PathBuf>,
    pub to: Vec<PathBuf>,
}

impl Job {
    pub fn new(from: &Path, to: PathBuf) -> Self {
        Job { from: vec![from.into()], to: vec![to] }
    }
}

/// Images below a folder (or a single file), except those below `output`, which may be inside.
pub(crate) fn pictures(input: &Path, output: &Path) -> Result<Vec<PathBuf>> {
    if input.is_file() {
        return Ok(vec![input.into()]);
    }
    if !input.is_dir() {
        return Err(Error::file(input, "no such folder or file; check the path"));
    }
    let inside = output.starts_with(input) && output != input;
    let mut found = list_pictures(input)?;
    found.retain(|p| !(inside && p.starts_with(output)));
    if found.is_empty() {
        let known = pixtape::io::picture::EXTENSIONS.join(", ");
        return Err(Error::file(
            input,
            format!("has no images; their names end in one of {known}"),
        ));
    }
    Ok(found)
}

/// A file's path below its folder; only its name if the folder is the file itself.
pub(crate) fn relative<'a>(file: &'a Path, root: &Path) -> &'a Path {
    match file.strip_prefix(root) {
        Ok(path) if !path.as_os_str().is_empty() => path,
        _ => Path::new(file.file_name().unwrap_or(file.as_os_str())),
    }
}

/// The same without the extension: the key of files of the same name.
pub(crate) fn key(file: &Path, root: &Path) -> PathBuf {
    relative(file, root).with_extension("")
}

/// One job an image of `input`: to a PNG of the same name in `output`.
pub(crate) fn one_to_one(input: &Path, output: &Path) -> Result<Vec<Job>> {
    let job =
        |file: &PathBuf| Job::new(file, output.join(relative(file, input)).with_extension("png"));
    Ok(pictures(input, output)?.iter().map(job).collect())
}

/// Joins two images side by side, as RGB unless both are gray.
pub(crate) fn beside(a: Picture, b: Picture) -> Result<Picture> {
    let channels = a.channels.max(b.channels);
    let (a, b) = (a.into_channels(channels), b.into_channels(channels));
    if a.height != b.height {
        return Err(Error::Usage(format!(
            "{} and {} cannot be joined side by side: heights differ",
            a.describe(),
            b.describe()
        )));
    }
    let row = |p: &Picture| (p.width * p.channels) as usize;
    let rows = a.data.chunks_exact(row(&a)).zip(b.data.chunks_exact(row(&b)));
    let data = rows.flat_map(|(a, b)| a.iter().chain(b)).copied().collect();
    Picture::new(a.width + b.width, a.height, channels, data)
}

/// Notes that some of the images have more bits than the output, by their headers. Unreadable files
/// are reported later, by the work itself.
pub(crate) fn tell_of_depth<'a>(files: impl Iterator<Item = &'a PathBuf>) {
    if let Some(note) = depth_note(files) {
        eprintln!("note: {}", pixtape::printable(&note));
    }
}

fn depth_note<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Option<String> {
    let mut all = 0;
    let deep: Vec<(&PathBuf, Depth)> = files
        .inspect(|_| all += 1)
        .filter_map(|f| Some((f, Header::read(f).ok()?.depth)))
        .filter(|(_, depth)| *depth != Depth::U8)
        .collect();
    let (first, depth) = deep.first()?;
    let (count, first, depth) =
        (deep.len(), first.display(), if *depth == Depth::U16 { "16 bits" } else { "floats" });
    Some(format!(
        "{count} of {all} images have more than 8 bits ({first}: {depth}) and are written with \
         8; to keep their depth, train on them as they are (trainA/ and trainB/, or a list)"
    ))
}

/// The first few names, and how many more there are.
pub(crate) fn some<T: std::fmt::Display>(names: &[T]) -> String {
    let shown: Vec<String> = names.iter().take(4).map(T::to_string).collect();
    let more =
        if names.len() > 4 { format!(" and {} more", names.len() - 4) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Refuses jobs that would write a file twice, an original, or (without --overwrite) an existing
/// file.
fn check(common: &Common, jobs: &[Job]) -> Result<()> {
    let mut writers: HashMap<&Path, &Job> = HashMap::new();
    let originals: HashSet<PathBuf> =
        jobs.iter().flat_map(|j| &j.from).filter_map(|p| p.canonicalize().ok()).collect();
    let mut there = Vec::new();
    for job in jobs {
        for to in &job.to {
            if let Some(other) = writers.insert(to, job) {
                let [a, b] = [&other.from[0], &job.from[0]].map(|p| p.display());
                return Err(Error::Usage(format!(
                    "{a} and {b} would both be written to {}; rename one of them",
                    to.display()
                )));
            }
            if to.canonicalize().is_ok_and(|p| originals.contains(&p)) {
                return Err(Error::file(
                    to,
                    "is one of the originals, which are never changed; choose another output folder",
                ));
            }
            if to.exists() {
                there.push(to.display());
            }
        }
    }
    if !there.is_empty() && !common.overwrite {
        return Err(Error::Usage(format!(
            "{} file(s) exist already: {}; choose another folder, or give --overwrite",
            there.len(),
            some(&there)
        )));
    }
    Ok(())
}

/// Runs all jobs on several threads. After an error no further job is started; the error says how
/// many were done.
pub(crate) fn run_all(
    common: &Common,
    jobs: &[Job],
    work: impl Fn(usize, &Job) -> Result<()> + Sync,
) -> Result<()> {
    check(common, jobs)?;
    let folders: HashSet<&Path> =
        jobs.iter().flat_map(|j| &j.to).filter_map(|p| p.parent()).collect();
    for folder in folders {
        create_dir(folder)?;
    }
    let files: usize = jobs.iter().map(|j| j.to.len()).sum();
    let done = each(common, jobs.len(), |at| work(at, &jobs[at]))?;
    println!("{files} files from {done} jobs");
    Ok(())
}

/// Calls `work` for 0 to `count` on several threads, with a progress bar. Of several errors, the
/// one of the lowest index is returned.
pub(crate) fn each(
    common: &Common,
    count: usize,
    work: impl Fn(usize) -> Result<()> + Sync,
) -> Result<usize> {
    let bar = ProgressBar::new(count as u64);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {eta}").expect("a valid template"),
    );
    let (next, done, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let errors: Mutex<Vec<(usize, Error)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..common.threads().min(count) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    match work(at) {
                        Ok(()) => {
                            done.fetch_add(1, Ordering::Relaxed);
                            bar.inc(1);
                        }
                        Err(e) => {
                            stop.store(true, Ordering::Relaxed);
                            errors.lock().unwrap_or_else(|e| e.into_inner()).push((at, e));
                        }
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let done = done.into_inner();
    let first = errors
        .into_inner()
        .unwrap_or_else(|e| e.into_inner())
        .into_iter()
        .min_by_key(|(at, _)| *at);
    match first {
        None => Ok(done),
        Some((_, e)) if e.exit_code() == 1 => {
            Err(Error::Usage(format!("{e}; {done} of {count} were done before")))
        }
        Some((_, e)) => Err(e),
    }
}

/// `256` or `512x256`: width and height.
pub(crate) fn size(text: &str) -> std::result::Result<(u32, u32), String> {
    let side = |s: &str| {
        s.trim()
            .parse::<u32>()
            .ok()
            .filter(|s| (1..=65_535).contains(s))
            .ok_or(format!("{s:?} is not a side from 1 to 65535 pixels"))
    };
    match text.split_once(['x', 'X']) {
        Some((w, h)) => Ok((side(w)?, side(h)?)),
        None => side(text).map(|s| (s, s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: Common = Common { overwrite: false, num_threads: Some(3) };

    #[test]
    fn lost_depth_is_told_in_one_line() {
        use pixtape::io::AnyPicture;
        let dir = tempfile::tempdir().unwrap();
        let shallow = Picture::new(2, 2, 1, vec![7; 4]).unwrap();
        let pictures = [
            ("a.png", AnyPicture::from(shallow.clone())),
            ("b.png", AnyPicture::U16(Picture::new(2, 2, 1, vec![700; 4]).unwrap())),
            ("c.npy", AnyPicture::F32(Picture::new(2, 2, 1, vec![0.5; 4]).unwrap())),
        ];
        let mut files: Vec<PathBuf> =
            pictures.iter().map(|(name, _)| dir.path().join(name)).collect();
        files.iter().zip(&pictures).for_each(|(file, (_, picture))| picture.save(file).unwrap());
        files.push(dir.path().join("not-there.png"));
        let note = depth_note(files.iter()).unwrap();
        assert!(
            note.starts_with("2 of 4 images")
                && note.contains("b.png: 16 bits")
                && note.lines().count() == 1,
            "{note}"
        );
        assert_eq!(depth_note(files[..1].iter()), None);
    }

    #[test]
    fn sizes_are_sides_or_products() {
        assert_eq!((size("286"), size("512x256")), (Ok((286, 286)), Ok((512, 256))));
        assert!(["0", "x", "3x", "70000", "-1"].iter().all(|t| size(t).is_err()));
    }

    #[test]
    fn the_first_error_is_told_with_what_was_done() {
        let fail =
            |at: usize| if at >= 5 { Err(Error::Usage(format!("number {at}"))) } else { Ok(()) };
        let message = each(&COMMON, 9, fail).unwrap_err().to_string();
        assert_eq!(message, "number 5; 5 of 9 were done before");
        assert_eq!(each(&COMMON, 4, fail).unwrap(), 4);
    }

    #[test]
    fn nothing_is_written_twice_or_onto_an_original() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.jpg"), b"").unwrap();
        std::fs::write(path("b.png"), b"").unwrap();
        let jobs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(from, to)| Job::new(&path(from), path(to))).collect::<Vec<_>>()
        };
        let message = |pairs: &[(&str, &str)], common: &Common| {
            check(common, &jobs(pairs)).unwrap_err().to_string()
        };
        let overwrite = Common { overwrite: true, ..COMMON };
        assert!(
            message(&[("a.jpg", "c.png"), ("b.png", "c.png")], &overwrite)
                .contains("both be written")
        );
        assert!(
            message(&[("a.jpg", "b.png"), ("b.png", "c.png")], &overwrite).contains("originals")
        );
        assert!(message(&[("a.jpg", "b.png")], &COMMON).contains("--overwrite"));
        check(&overwrite, &jobs(&[("a.jpg", "b.png")])).unwrap();
    }
}
