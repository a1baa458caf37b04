//! Which pictures are translated, and where the results go.

use crate::error::{Error, Result};
use crate::io::list_pictures;
use crate::io::picture::EXTENSIONS;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// What stands for standard input and output.
pub(super) const STREAM: &str = "-";

/// A picture to translate and where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub from: PathBuf,
    pub to: PathBuf,
}

/// The pictures that `--input` names.
pub(in crate::app) fn pictures(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_dir() {
        let found = list_pictures(path)?;
        return if found.is_empty() { Err(Error::file(path, format!("no picture in it; these count: {}", EXTENSIONS.join(", ")))) } else { Ok(found) };
    }
    // Whatever a single file is called, its content decides.
    if path.exists() || path == Path::new(STREAM) {
        return Ok(vec![path.into()]);
    }
    let pattern = path.to_str().filter(|p| p.contains(['*', '?', '[']));
    let Some(pattern) = pattern else { return Err(Error::file(path, "no such file or folder; --input takes a picture, a folder, a pattern, or -")) };
    let found = glob::glob(pattern).map_err(|e| Error::file(path, format!("no pattern: {e}")))?;
    // In the order of their names; what cannot be looked at is an error, not left out.
    let mut found = found.collect::<std::result::Result<Vec<PathBuf>, _>>().map_err(|e| Error::file(e.path(), format!("cannot be read: {e}")))?;
    found.retain(|p| p.is_file());
    if found.is_empty() { Err(Error::file(path, "no file has such a name")) } else { Ok(found) }
}

/// Decides names: the input's, as PNG; or the file that `--output` is, for one picture. Two inputs of one name, or a result on top of an input,
/// are refused.
pub(super) fn jobs(inputs: &[PathBuf], output: &Path) -> Result<Vec<Job>> {
    let is_file = output == Path::new(STREAM) || !output.is_dir() && output.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if let (true, [_, _, ..]) = (is_file, inputs) {
        return Err(Error::file(output, format!("is one file, and there are {} pictures; --output takes a folder for them", inputs.len())));
    }
    let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    let mut jobs = Vec::with_capacity(inputs.len());
    for from in inputs {
        let mut name = if from == Path::new(STREAM) { "stdin".into() } else { from.file_stem().unwrap_or_default().to_os_string() };
        name.push(".png");
        let to = if is_file { output.into() } else { output.join(name) };
        if let Some(other) = taken.insert(to.clone(), from) {
            return Err(Error::file(
                from,
                format!("would be written to {}, and so would {}; rename one of them, or translate the folders one by one", to.display(), other.display()),
            ));
        }
        jobs.push(Job { from: from.clone(), to });
    }
    let real = |path: &Path| path.canonicalize().ok();
    let sources: HashSet<PathBuf> = inputs.iter().filter_map(|p| real(p)).collect();
    match jobs.iter().find(|job| real(&job.to).is_some_and(|to| sources.contains(&to))) {
        Some(job) => Err(Error::file(&job.to, "is an input and would be written over; choose another --output")),
        None => Ok(jobs),
    }
}

/// Frames in the order in which people number them: 2 before 10.
pub(super) fn by_number(jobs: &mut [Job]) {
    jobs.sort_by_cached_key(|job| {
        let text = job.from.to_string_lossy().into_owned();
        let mut pieces: Vec<(String, u128)> = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
            let (digits, after) = after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()));
            pieces.push((word.into(), digits.parse().unwrap_or(u128::MAX)));
            rest = after;
        }
        (pieces, text)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn results_have_the_inputs_names_and_none_is_written_twice_or_over_an_input() {
        let made = jobs(&paths(&["in/a.jpg", "in/b.c.png"]), Path::new("out")).unwrap();
        assert_eq!(made.iter().map(|j| j.to.clone()).collect::<Vec<_>>(), paths(&["out/a.png", "out/b.c.png"]));
        let message = jobs(&paths(&["in/a.jpg", "in/x/a.png"]), Path::new("out")).unwrap_err().to_string();
        assert!(message.contains("in/a.jpg") && message.contains("in/x/a.png"), "{message}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.png");
        std::fs::write(&file, b"").unwrap();
        assert!(jobs(std::slice::from_ref(&file), dir.path()).unwrap_err().to_string().contains("another --output"));
        assert!(jobs(std::slice::from_ref(&file), &file).unwrap_err().to_string().contains("another --output"));
        assert_eq!(jobs(&paths(&["in/a.jpg"]), Path::new("b.png")).unwrap()[0].to, Path::new("b.png"));
        assert_eq!(jobs(&paths(&["-"]), Path::new("out")).unwrap()[0].to, Path::new("out/stdin.png"));
        assert!(jobs(&paths(&["a.jpg", "b.jpg"]), Path::new("-")).unwrap_err().to_string().contains("one file"));
    }

    #[test]
    fn patterns_name_files_and_frames_go_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["frame10.png", "frame9.png", "other.txt"] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        let found = pictures(&dir.path().join("frame*.png")).unwrap();
        assert_eq!(found.len(), 2);
        let mut jobs = jobs(&found, Path::new("out")).unwrap();
        by_number(&mut jobs);
        assert_eq!(jobs.iter().map(|j| j.to.clone()).collect::<Vec<_>>(), paths(&["out/frame9.png", "out/frame10.png"]));
        assert!(pictures(&dir.path().join("no*")).unwrap_err().to_string().contains("no file has such a name"));
        assert!(pictures(&dir.path().join("no")).unwrap_err().to_string().contains("no such file or folder"));
    }
}
