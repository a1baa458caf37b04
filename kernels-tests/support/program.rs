//! The program under test, started as a user starts it.

// Not every test file uses all of it.
#![allow(dead_code)]

use pixtape::io::Picture;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Flags of a net so small that two steps take no time; nothing is measured for it.
pub const TINY: &[&str] = &[
    "--netG",
    "unet_32",
    "--ngf",
    "4",
    "--ndf",
    "4",
    "--load_size",
    "36",
    "--crop_size",
    "32",
    "--tune",
    "off",
];

pub fn program(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixtape"));
    command.env("PIXTAPE_CACHE_DIR", cache).env_remove("PIXTAPE_VARIANT");
    command
}

pub fn pixtape(words: &[&str]) -> Output {
    pixtape_keeping(Path::new(""), words)
}

/// With a folder for what is kept from run to run; none by default.
pub fn pixtape_keeping(cache: &Path, words: &[&str]) -> Output {
    program(cache).args(words).output().expect("the program starts")
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether there is an adapter; says so and counts as skipped where there is none, unless
/// PIXTAPE_REQUIRE_GPU is set.
pub fn adapter() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| pixtape(&["devices", "--json"]).status.success());
    if !found {
        assert!(
            std::env::var_os("PIXTAPE_REQUIRE_GPU").is_none(),
            "PIXTAPE_REQUIRE_GPU is set and there is no adapter"
        );
        println!("SKIPPED (no adapter)");
    }
    found
}

/// A picture with some structure, the same for the same number.
pub fn picture(width: u32, height: u32, number: u32) -> Picture {
    let value = |i: u32| (i / 3 * 5 + number * 29 + i % 3 * 80 + (i / 3 / width) * 11) as u8;
    Picture::new(width, height, 3, (0..width * height * 3).map(value).collect()).unwrap()
}

/// ROOT/{train,val} with pairs of 40x40 halves.
pub fn pairs(root: &Path, count: u32) {
    for phase in ["train", "val"] {
        std::fs::create_dir_all(root.join(phase)).unwrap();
        for i in 0..count {
            picture(80, 40, i).save_png(&root.join(phase).join(format!("{i}.png"))).unwrap();
        }
    }
}

pub fn train(root: &Path, runs: &Path, name: &str, more: &[&str]) -> Output {
    let words =
        ["train", "--dataroot", text(root), "--checkpoints_dir", text(runs), "--name", name];
    pixtape(&[&words, TINY, more].concat())
}

pub fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", errors(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The output is an error of one line with exit code 1 that contains every part.
pub fn refused(output: &Output, parts: &[&str]) {
    let message = errors(output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert_eq!(message.lines().filter(|l| l.starts_with("error:")).count(), 1, "{message}");
}

/// Files that "identical" is about.
pub fn identity(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(run)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file())
        .collect();
    // Those with clocks, names of folders and limits in them.
    files.retain(|p| {
        !["timing.jsonl", "options.json", "config.toml", "info.json", "report.html"]
            .iter()
            .any(|n| p.ends_with(n))
    });
    files.sort();
    files
        .into_iter()
        .map(|p| {
            (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap())
        })
        .collect()
}

pub fn assert_identical(a: &Path, b: &Path) {
    let (a, b) = (identity(a), identity(b));
    assert_eq!(
        a.iter().map(|f| &f.0).collect::<Vec<_>>(),
        b.iter().map(|f| &f.0).collect::<Vec<_>>()
    );
    for (left, right) in a.iter().zip(&b) {
        let rows = |bytes: &[u8]| match left.0.ends_with(".jsonl") {
            true => String::from_utf8_lossy(bytes).into_owned(),
            false => format!("{} bytes", bytes.len()),
        };
        assert!(left.1 == right.1, "{} differs:\n{}\n{}", left.0, rows(&left.1), rows(&right.1));
    }
}
