//! Which pictures are translated, where the results go, and what is said of them.

use crate::many::{Failures, tell_of_rest};
use crate::messages::shown;
use crate::patterns;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::io::picture::{EXTENSIONS, without_extension};
use pixtape::io::{Depth, Frame, Header, Listing, Reading};
use pixtape::picture::PictureFormat;
use pixtape::run::Checkpoint;
use pixtape::{Error, Result};
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What stands for standard input and output.
pub(crate) const STREAM: &str = "-";

/// A picture to translate and where the result goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub from: PathBuf,
    pub to: PathBuf,
    /// Its size in the file.
    pub size: (u32, u32),
    /// What the net sees of it.
    pub frame: Frame,
    /// Kind of the result's values.
    pub depth: Depth,
    /// How its file is read, and what belongs to it.
    pub reading: Reading,
    /// How it goes to the device.
    pub format: PictureFormat,
}

/// What `--input` names.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub files: Vec<PathBuf>,
    /// Whether it is one file by its own name, not a folder or a pattern.
    pub single: bool,
}

/// The images that `--input` names. Says what a folder holds besides.
pub(crate) fn pictures(path: &Path) -> Result<Inputs> {
    let many = |files| Ok(Inputs { files, single: false });
    if path.is_dir() {
        let Listing { files, left_out } = Listing::of(path)?;
        if files.is_empty() {
            let (known, ending) = (EXTENSIONS.join(", "), left_out.ending());
            let why = format!("no images in it; these extensions are read: {known}{ending}");
            return Err(Error::file(path, why));
        }
        tell_of_rest(path, &left_out);
        return many(files);
    }
    // Whatever a single file is called, its content decides.
    if path.exists() || path == Path::new(STREAM) {
        return Ok(Inputs { files: vec![path.into()], single: true });
    }
    match patterns::files(path)? {
        Some(found) => many(found),
        None => Err(Error::file(
            path,
            "no such file or folder; --input takes an image, a folder, a pattern, or -",
        )),
    }
}

/// Extensions of what can be written.
const WRITTEN: [&str; 5] = ["png", "tif", "tiff", "exr", "npy"];

/// Decides names: the input's, with the extension that holds the result; or the file that
/// `--output` is, for one image. Two inputs of one name, or a result on top of an input, are
/// refused. `extension` is what all results have, if that is settled.
///
/// Returns the jobs with the places of their inputs; an input whose header cannot be read has none
/// and is among the failures.
pub(crate) fn jobs(
    inputs: &[PathBuf],
    output: &Path,
    checkpoint: &Checkpoint,
    extension: Option<&str>,
    reading: Reading,
    failures: &mut Failures,
) -> Result<Vec<(usize, Job)>> {
    let (config, run) = (&checkpoint.config, checkpoint.options.as_ref());
    let colorizes = checkpoint.colorizes();
    let trained = run.and_then(|run| run.data.depths).map(|[_, target]| target);
    let known = |e: &OsStr| WRITTEN.iter().any(|w| e.eq_ignore_ascii_case(w));
    let is_file =
        output == Path::new(STREAM) || !output.is_dir() && output.extension().is_some_and(known);
    if let (true, [_, _, ..]) = (is_file, inputs) {
        return Err(Error::file(
            output,
            format!(
                "is one file, and there are {} images; --output takes a folder for them",
                inputs.len()
            ),
        ));
    }
    let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    let mut jobs = Vec::with_capacity(inputs.len());
    for (place, from) in inputs.iter().enumerate() {
        let header = match Header::read_as(from, reading) {
            Ok(header) => header,
            Err(error) => {
                failures.add(output, error)?;
                continue;
            }
        };
        let size = (header.width, header.height);
        // A bare weights file does not know: as deep as the input.
        let depth = if colorizes { Depth::U8 } else { trained.unwrap_or(header.depth) };
        let content = if colorizes {
            run.map_or(size, |run| (run.data.crop_size.width, run.data.crop_size.height))
        } else {
            size
        };
        let name = Path::new(from.file_name().unwrap_or_default());
        let mut name = without_extension(name).into_os_string();
        name.push(".");
        name.push(extension.unwrap_or(depth.extension(if colorizes {
            3
        } else {
            config.output_nc()
        })));
        let to = if is_file { output.into() } else { output.join(name) };
        if let Some(other) = taken.insert(to.clone(), from) {
            return Err(Error::file(
                from,
                format!(
                    "would be written to {}, and so would {}; rename one of them, or translate \
                     the folders one by one",
                    shown(&to),
                    shown(other)
                ),
            ));
        }
        let bytes = !colorizes && depth == Depth::U8 && header.depth == Depth::U8;
        let format = if bytes { PictureFormat::Bytes } else { PictureFormat::Floats };
        let frame = Frame::new(content, config.multiple());
        jobs.push((place, Job { from: from.clone(), to, size, frame, depth, reading, format }));
    }
    let real = |path: &Path| path.canonicalize().ok();
    let sources: HashSet<PathBuf> = inputs.iter().filter_map(|p| real(p)).collect();
    match jobs
        .iter()
        .map(|(_, job)| job)
        .find(|job| real(&job.to).is_some_and(|to| sources.contains(&to)))
    {
        Some(job) => Err(Error::file(
            &job.to,
            "is an input and would be written over; choose another --output",
        )),
        None => Ok(jobs),
    }
}

/// Frames in the order in which people number them: 2 before 10.
///
/// # Errors
/// [`Error::File`] for one that is not of the size and depth of the first.
pub(crate) fn in_order<T>(frames: &mut [T], job: impl Fn(&T) -> &Job) -> Result<()> {
    frames.sort_by_cached_key(|frame| {
        let text = job(frame).from.to_string_lossy().into_owned();
        let mut pieces: Vec<(String, u128)> = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (word, after) =
                rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
            let (digits, after) =
                after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()));
            pieces.push((word.into(), digits.parse().unwrap_or(u128::MAX)));
            rest = after;
        }
        (pieces, text)
    });
    let mut jobs = frames.iter().map(job);
    let Some(first) = jobs.next() else { return Ok(()) };
    match jobs.find(|job| job.size != first.size || job.format != first.format) {
        None => Ok(()),
        Some(other) => {
            let first = shown(&first.from);
            let message =
                format!("is not of the size and depth of {first}; the frames of a video have one");
            Err(Error::file(&other.from, message))
        }
    }
}

/// A bar on the terminal; nothing where there is none.
pub(crate) fn progress(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} images, {eta} left")
        .expect("a valid template");
    ProgressBar::new(total).with_style(style)
}

/// Refuses a grid that could not be written in the end, or would take the place of a picture.
/// `made`: the folder that is made for the results.
pub(crate) fn check_grid<'a>(
    grid: &Path,
    made: Option<&Path>,
    mut jobs: impl Iterator<Item = &'a Job>,
) -> Result<()> {
    let folder = grid.parent().filter(|p| !p.as_os_str().is_empty());
    if folder.is_some_and(|f| !f.is_dir() && made != Some(f)) {
        return Err(Error::file(
            grid,
            "no such folder for the grid; make it, or choose another --grid",
        ));
    }
    if grid.is_dir() {
        return Err(Error::file(grid, "is a folder; --grid takes the name of a file"));
    }
    let same = |path: &Path| {
        path == grid
            || grid
                .canonicalize()
                .is_ok_and(|grid| path.canonicalize().is_ok_and(|path| path == grid))
    };
    match jobs.any(|job| same(&job.from) || same(&job.to)) {
        true => Err(Error::file(grid, "is an input or a result; choose another --grid")),
        false => Ok(()),
    }
}

/// One line, however many there are.
pub(crate) fn tell_of_padding<'a>(jobs: impl Iterator<Item = &'a Job>, multiple: u32) {
    let mut padded = jobs.filter(|job| job.frame.pads());
    if let Some(Job { from, frame, .. }) = padded.next() {
        let (name, more, (before, after)) =
            (shown(from), padded.count(), (frame.content, frame.padded));
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let sizes = format!("{}x{} becomes {}x{}", before.0, before.1, after.0, after.1);
        eprintln!(
            "note: sides that are not multiples of {multiple} are padded by reflection and cropped \
             afterwards ({name}: {sizes}{more})"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::io::checkpoint::TensorFile;
    use pixtape::io::{AnyPicture, Picture};
    use pixtape::nets::UnetConfig;

    fn made(inputs: &[PathBuf], output: &Path) -> Result<Vec<Job>> {
        let config = UnetConfig { ngf: 4, downs: 5, ..UnetConfig::default() };
        let checkpoint = Checkpoint::new(TensorFile::default(), config.into(), None);
        let mut failures = Failures::new(inputs.len(), false);
        let jobs = jobs(inputs, output, &checkpoint, None, Reading::default(), &mut failures)?;
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
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
        let files = [
            picture(&at("a.png"), 32, 64),
            picture(&at("b.c.png"), 40, 32),
            picture(&at("x/a.png"), 32, 32),
        ];
        let deep = at("deep.png");
        AnyPicture::U16(Picture::new(32, 32, 3, vec![0; 32 * 32 * 3]).unwrap())
            .save(&deep)
            .unwrap();
        let out = Path::new("out");
        let three = made(&[files[0].clone(), files[1].clone(), deep], out).unwrap();
        assert_eq!(
            three.iter().map(|j| j.to.clone()).collect::<Vec<_>>(),
            ["a.png", "b.c.png", "deep.png"].map(|n| out.join(n))
        );
        assert_eq!(
            three.iter().map(|j| j.frame.padded).collect::<Vec<_>>(),
            [(32, 64), (64, 32), (32, 32)]
        );
        assert_eq!(
            three.iter().map(|j| j.depth).collect::<Vec<_>>(),
            [Depth::U8, Depth::U8, Depth::U16]
        );
        let message = made(&[files[0].clone(), files[2].clone()], out).unwrap_err().to_string();
        assert!(message.contains("a.png") && message.contains("x/a.png"), "{message}");
        for output in [dir.path(), &files[0]] {
            assert!(
                made(&files[..1], output).unwrap_err().to_string().contains("another --output")
            );
        }
        assert_eq!(made(&files[..1], Path::new("b.png")).unwrap()[0].to, Path::new("b.png"));
        assert!(made(&files[..2], Path::new("-")).unwrap_err().to_string().contains("one file"));
    }

    #[test]
    fn patterns_name_files_and_frames_go_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["frame10.png", "frame9.png"] {
            picture(&dir.path().join(name), 32, 32);
        }
        std::fs::write(dir.path().join("other.txt"), b"").unwrap();
        std::fs::write(dir.path().join("._frame9.png"), b"").unwrap();
        let found = |pattern: &str| pictures(&dir.path().join(pattern)).unwrap().files;
        assert_eq!((found("*.png").len(), found("._*").len()), (2, 1));
        std::fs::create_dir(dir.path().join(".cache")).unwrap();
        picture(&dir.path().join(".cache/x.png"), 32, 32);
        assert_eq!((found("**/*.png").len(), found(".cache/*").len()), (2, 1));
        let mut jobs = made(&found("frame*.png"), Path::new("out")).unwrap();
        in_order(&mut jobs, |job| job).unwrap();
        assert_eq!(
            jobs.iter().map(|j| j.to.clone()).collect::<Vec<_>>(),
            ["out/frame9.png", "out/frame10.png"].map(PathBuf::from)
        );
        assert!(
            pictures(&dir.path().join("no*"))
                .unwrap_err()
                .to_string()
                .contains("no file has such a name")
        );
        assert!(
            pictures(&dir.path().join("no"))
                .unwrap_err()
                .to_string()
                .contains("no such file or folder")
        );
    }
}
