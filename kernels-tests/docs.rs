//! The documents are true: examples print what they promise, links have targets, the version of
//! Rust is the manifest's.

#[path = "docs/flags.rs"]
mod flags;
mod layers;
#[cfg(feature = "io")]
#[path = "docs/licences.rs"]
mod licences;

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder of the repository with one of the extensions, its own only.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && name != "target" && !(name.starts_with('.') && name != ".ci") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All Markdown files of the repository.
fn papers() -> Vec<PathBuf> {
    files(".", &["md"])
}

/// Whether a line is `pattern`, where `…` stands for anything.
fn matches(pattern: &str, line: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('…').collect();
    let [first, middle @ .., last] = pieces.as_slice() else { return pattern == line };
    let Some(mut rest) = line.strip_prefix(first).and_then(|l| l.strip_suffix(last)) else {
        return false;
    };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[test]
fn patterns_match_what_they_should() {
    for (pattern, line, yes) in [
        ("a … c", "a b c", true),
        ("a … c", "a b d", false),
        ("… a … b", "1 a 2 b", true),
        ("… a … b", "1 b 2 a", false),
        ("a", "a", true),
        ("a", "ab", false),
    ] {
        assert_eq!(matches(pattern, line), yes, "{pattern} and {line}");
    }
}

/// The rest of the line `//! KEY: …` of an example.
fn said(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|l| l.strip_prefix(&format!("//! {key}: ")).map(str::to_string))
}

#[test]
fn examples_print_what_they_promise() {
    // Those of cargo: what lies in folders belongs to other programs.
    let mut examples = files("examples", &["rs"]);
    examples.retain(|path| path.parent() == Some(&root().join("examples")));
    assert!(examples.len() >= 5, "{examples:?}");
    let io = cfg!(feature = "io");
    for path in examples {
        let (text, name) = (read(&path), path.file_stem().unwrap().to_str().unwrap().to_string());
        assert!(text.lines().count() <= 120, "{name} is longer than 120 lines");
        assert!(
            said(&text, "You will learn")
                .is_some_and(|t| text.starts_with("//! You will learn: ") && t.len() > 20),
            "{name} does not say what it teaches"
        );
        assert!(
            said(&text, "Run")
                .is_some_and(|t| t.starts_with(&format!("`cargo run --release --example {name}"))),
            "{name} does not say how to run it"
        );
        let expect =
            said(&text, "Expect").unwrap_or_else(|| panic!("{name} does not say what to expect"));
        let expect = expect
            .strip_prefix('`')
            .and_then(|e| e.strip_suffix('`'))
            .unwrap_or_else(|| panic!("{name}: Expect: `a line of the output`"));
        if text.contains("pixtape::io") && !io {
            continue;
        }
        // Through cargo, so that it is there and up to date; with the features and the profile of
        // this test, or all would be built again.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["run", "--quiet", "--offline", "--example", &name]);
        if !cfg!(feature = "cli") {
            cargo.args(["--no-default-features", "--features", if io { "io" } else { "" }]);
        }
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.args(["--", "--smoke"]).output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if err.contains("no graphics adapter found")
            && std::env::var("PIXTAPE_REQUIRE_GPU").is_ok_and(|v| v != "0" && !v.is_empty())
        {
            panic!("PIXTAPE_REQUIRE_GPU is set: {err}");
        } else if err.contains("no graphics adapter found") {
            eprintln!("SKIPPED (no adapter) {name}");
            continue;
        }
        assert!(output.status.success(), "{name}: {}\n{out}\n{err}", output.status);
        assert!(
            out.lines().any(|line| matches(expect, line)),
            "{name} promises a line `{expect}` and prints\n{out}"
        );
    }
}

#[test]
fn the_version_of_rust_is_the_one_in_the_manifest() {
    let manifest = read(&root().join("Cargo.toml"));
    let msrv = manifest
        .lines()
        .find_map(|l| l.strip_prefix("rust-version = \""))
        .and_then(|l| l.strip_suffix('"'))
        .expect("a rust-version in Cargo.toml");
    for path in papers().into_iter().chain(files(".ci", &["yml", "yaml", "toml"])) {
        for (number, line) in read(&path).lines().enumerate() {
            // `Rust 1.95`, `rustc 1.95.0`, `MSRV is 1.95`: a version of another thing is on a line
            // that does not speak of Rust.
            if !["Rust", "rustc", "MSRV", "rust-version", "toolchain"]
                .iter()
                .any(|word| line.contains(word))
            {
                continue;
            }
            for word in line.split(|c: char| !c.is_ascii_digit() && c != '.') {
                let version: Vec<&str> = word.trim_matches('.').split('.').collect();
                if version.len() >= 2 && version[0] == "1" && version.iter().all(|v| !v.is_empty())
                {
                    assert_eq!(
                        version[..2].join("."),
                        msrv,
                        "{}:{}: {line}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn code_in_documents_is_compiled() {
    // Examples in comments and papers run as documentation tests; a block that is not compiled
    // rots.
    for path in files("src", &["rs"]).into_iter().chain(papers()) {
        for (number, line) in read(&path).lines().enumerate() {
            let fence =
                line.trim_start().trim_start_matches("///").trim_start_matches("//!").trim_start();
            let language = fence.strip_prefix("```").unwrap_or_default();
            assert!(
                !language.split([',', ' ']).any(|word| word == "ignore"),
                "{}:{}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn the_library_knows_no_flags_of_the_program() {
    // It is used by other programs too: its messages name options in backticks, and the program
    // shows those as flags. The table of options holds the texts of its help.
    let theirs = ["src/bin", "src/run/options"].map(|folder| root().join(folder));
    let ours = |path: &PathBuf| !theirs.iter().any(|folder| path.starts_with(folder));
    for path in files("src", &["rs"]).into_iter().filter(ours) {
        for (number, line) in read(&path).lines().enumerate() {
            let flag = line
                .split("--")
                .skip(1)
                .any(|after| after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
            assert!(!flag, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn the_library_reads_no_environment() {
    // What a host wants it passes in; the program and the tests read variables.
    for path in files("src", &["rs"]).into_iter().filter(|p| !p.starts_with(root().join("src/bin")))
    {
        for (number, line) in read(&path).lines().enumerate() {
            let reads = ["env::var", "env::args"].iter().any(|call| line.contains(call));
            assert!(!reads, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn every_unsafe_place_is_listed_with_its_reason() {
    // Of code: `unsafe` before a block, a function, an implementation.
    let count = |text: &str| {
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let words = code.flat_map(|line| line.split("unsafe ").skip(1));
        words.filter(|w| ["{", "fn ", "impl", "extern"].iter().any(|n| w.starts_with(n))).count()
    };
    assert_eq!(count("unsafe { a }\nlet b = || unsafe {\nunsafe fn c() {}\n// unsafe { d }"), 3);
    let mut found = Vec::new();
    let folders = ["src", "benches", "bindings", "examples", "kernels-tests"];
    for path in folders.iter().flat_map(|f| files(f, &["rs"])) {
        let places = count(&read(&path));
        if places > 0 && !path.ends_with("kernels-tests/docs.rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push((name, places));
        }
    }
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = text.split("## Unsafe code").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.expect("the section").lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split(" | ");
        let name = cells.next()?.trim().strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_string(), cells.next()?.trim().parse::<usize>().ok()?))
    });
    let mut listed: Vec<_> = rows.collect();
    listed.sort();
    found.sort();
    assert_eq!(found, listed, "ARCHITECTURE.md lists the unsafe places of each file");
}

#[test]
fn links_in_documents_lead_somewhere() {
    let papers = papers();
    assert!(papers.iter().any(|p| p.ends_with("README.md")), "{papers:?}");
    for path in papers {
        let text = read(&path);
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '\n']).next())
        {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let there =
                if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(there.exists(), "{}: {target} is not there", path.display());
            if !heading.is_empty() && there.extension().is_some_and(|e| e == "md") {
                let anchors = read(&there)
                    .lines()
                    .filter(|l| l.starts_with('#'))
                    .map(anchor)
                    .collect::<Vec<_>>();
                assert!(
                    anchors.iter().any(|a| a == heading),
                    "{}: no heading for {target}; there are {anchors:?}",
                    path.display()
                );
            }
        }
    }
}

/// The anchor that a heading gets on the usual sites.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
