//! Trainings in a folder of their own, as programs that can be killed.

// Not every test file uses all of it.
#![allow(dead_code)]

use crate::program::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Steps of the checkpoints in a run's folder, sorted.
pub fn checkpoints(run: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().into_string().unwrap());
    let mut steps: Vec<u64> = names.filter_map(|n| n.strip_prefix("step_")?.parse().ok()).collect();
    steps.sort_unstable();
    steps
}

pub fn start(words: &[&str]) -> Child {
    program(Path::new("")).args(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn resume(run: &Path, more: &[&str]) -> Output {
    pixtape(&[&["resume", text(run)], more].concat())
}

/// Waits until `done`, or the child has ended, or a minute is over.
pub fn wait(child: &mut Child, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done()
        && child.try_wait().unwrap().is_none()
        && begun.elapsed() < Duration::from_secs(60)
    {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// SIGKILL, as `kill -9`.
pub fn kill(mut child: Child) {
    child.kill().unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.code().is_none() || ended.status.success(), "{}", errors(&ended));
}

pub fn json_lines(path: PathBuf) -> Vec<Value> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// A folder with data, and one for runs.
pub struct Scene {
    _dir: TempDir,
    pub root: PathBuf,
    pub runs: PathBuf,
}

impl Scene {
    pub fn new(count: u32) -> Scene {
        let dir = TempDir::new().unwrap();
        let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
        pairs(&root, count);
        Scene { _dir: dir, root, runs }
    }

    pub fn words<'a>(&'a self, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [
            &[
                "train",
                "--dataroot",
                text(&self.root),
                "--checkpoints_dir",
                text(&self.runs),
                "--name",
                name,
            ],
            TINY,
            more,
        ]
        .concat()
    }
}

/// What validation, watchers and samples left must be the same too.
pub fn assert_same_run(a: &Path, b: &Path) {
    assert_identical(a, b);
    for name in ["samples", "validation"] {
        assert_identical(&a.join(name), &b.join(name));
    }
    assert_eq!(checkpoints(a), checkpoints(b));
}
