//! Shared by the commands: listing files, checks before anything is written, threads, progress bar.

use crate::many::{is_of_input, tell_of_rest};
use crate::messages::{shown, with_flags};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::io::picture::without_extension;
use pixtape::io::{Depth, Header, Listing, Picture, create_dir, name_key};
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
    /// How many threads to use.
    pub fn threads(&self) -> usize {
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
/// Says what the folder holds besides.
pub(crate) fn pictures(input: &Path, output: &Path) -> Result<Vec<PathBuf>> {
    if input.is_file() {
        return Ok(vec![input.into()]);
    }
    if !input.is_dir() {
        return Err(Error::file(input, "no such folder or file; check the path"));
    }
    let inside = output.starts_with(input) && output != input;
    let Listing { mut files, left_out } = Listing::of(input)?;
    files.retain(|p| !(inside && p.starts_with(output)));
    if files.is_empty() {
        let known = pixtape::io::picture::EXTENSIONS.join(", ");
        let ending = left_out.ending();
        return Err(Error::file(
            input,
            format!("has no images; their names end in one of {known}, or in nothing{ending}"),
        ));
    }
    tell_of_rest(input, &left_out);
    Ok(files)
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
    name_key(relative(file, root))
}

/// The same with another extension, in a folder.
pub(crate) fn renamed(file: &Path, root: &Path, folder: &Path, extension: &str) -> PathBuf {
    let mut name = folder.join(without_extension(relative(file, root))).into_os_string();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Images of a folder by [`key`].
///
/// # Errors
/// [`Error::File`] for two of one name.
pub(crate) fn by_key(folder: &Path, output: &Path) -> Result<HashMap<PathBuf, PathBuf>> {
    let mut found = HashMap::new();
    for file in pictures(folder, output)? {
        if let Some(other) = found.insert(key(&file, folder), file.clone()) {
            let why = format!("has the name of {}; move one of them away", shown(&other));
            return Err(Error::file(file, why));
        }
    }
    Ok(found)
}

/// One job an image of `input`: to a PNG of the same name in `output`.
pub(crate) fn one_to_one(input: &Path, output: &Path) -> Result<Vec<Job>> {
    let job = |file: &PathBuf| Job::new(file, renamed(file, input, output, "png"));
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
        eprintln!("note: {note}");
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
        (deep.len(), shown(first), if *depth == Depth::U16 { "16 bits" } else { "floats" });
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
                let [a, b] = [&other.from[0], &job.from[0]].map(|p| shown(p));
                return Err(Error::Usage(format!(
                    "{a} and {b} would both be written to {}; rename one of them",
                    shown(to)
                )));
            }
            if to.canonicalize().is_ok_and(|p| originals.contains(&p)) {
                return Err(Error::file(
                    to,
                    "is one of the originals, which are never changed; choose another output folder",
                ));
            }
            if to.exists() {
                there.push(shown(to));
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

/// Runs all jobs on several threads. A job that fails for its files is named, and the others are
/// done; an error of the output or the device ends all, and says how many were done.
///
/// # Errors
/// Such an error, or that of the only job; [`Error::Usage`] with the number of jobs that failed.
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
    let failed: Mutex<Vec<(usize, Error)>> = Mutex::default();
    each(common, jobs.len(), |at| match work(at, &jobs[at]) {
        Err(error) if jobs.len() > 1 && is_of_input(&error, &jobs[at].to) => {
            failed.lock().unwrap_or_else(|e| e.into_inner()).push((at, error));
            Ok(())
        }
        other => other,
    })?;
    let mut failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    failed.sort_by_key(|(at, _)| *at);
    let lost: usize = failed.iter().map(|(at, _)| jobs[*at].to.len()).sum();
    let files = jobs.iter().map(|j| j.to.len()).sum::<usize>() - lost;
    println!("{files} files from {} jobs", jobs.len() - failed.len());
    failed.iter().for_each(|(_, error)| eprintln!("not done: {}", with_flags(error)));
    match failed.len() {
        0 => Ok(()),
        n => Err(Error::Usage(format!("{n} of {} could not be done, named above", jobs.len()))),
    }
}

/// A bar on the terminal; nothing where there is none.
pub(crate) fn bar(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta}");
    ProgressBar::new(count as u64).with_style(style.expect("a valid template"))
}

/// Calls `work` for 0 to `count` on several threads, with a progress bar. Of several errors, the
/// one of the lowest index is returned.
pub(crate) fn each(
    common: &Common,
    count: usize,
    work: impl Fn(usize) -> Result<()> + Sync,
) -> Result<usize> {
    let bar = bar(count);
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
