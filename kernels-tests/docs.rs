//! The documents are true: examples print what they promise, links have targets, the version of
//! Rust is the manifest's.

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
    let examples = files("examples", &["rs"]);
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
    // shows those as flags.
    for path in files("src", &["rs"]).into_iter().filter(|p| !p.starts_with(root().join("src/bin")))
    {
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

/// Options of the reference implementation (2021-11): of both programs, of train, of test, and of
/// its models.
const UPSTREAM: &[&str] = &[
    "dataroot",
    "name",
    "use_wandb",
    "gpu_ids",
    "checkpoints_dir",
    "model",
    "input_nc",
    "output_nc",
    "ngf",
    "ndf",
    "netD",
    "netG",
    "n_layers_D",
    "norm",
    "init_type",
    "init_gain",
    "no_dropout",
    "dataset_mode",
    "direction",
    "serial_batches",
    "num_threads",
    "batch_size",
    "load_size",
    "crop_size",
    "max_dataset_size",
    "preprocess",
    "no_flip",
    "display_winsize",
    "epoch",
    "load_iter",
    "verbose",
    "suffix",
    "display_freq",
    "display_ncols",
    "display_id",
    "display_server",
    "display_env",
    "display_port",
    "update_html_freq",
    "print_freq",
    "no_html",
    "save_latest_freq",
    "save_epoch_freq",
    "save_by_iter",
    "continue_train",
    "epoch_count",
    "phase",
    "n_epochs",
    "n_epochs_decay",
    "beta1",
    "lr",
    "gan_mode",
    "pool_size",
    "lr_policy",
    "lr_decay_iters",
    "results_dir",
    "aspect_ratio",
    "eval",
    "num_test",
    "lambda_L1",
    "lambda_A",
    "lambda_B",
    "lambda_identity",
    "model_suffix",
];

/// Words like `--flag` in backticks.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_whitespace().find(|w| w.starts_with("--")))
}

#[test]
fn the_comparison_with_upstream_has_every_option_and_claims_no_flag_that_is_not_there() {
    let Some(program) = option_env!("CARGO_BIN_EXE_pixtape") else { return };
    let run = |words: &[&str]| Command::new(program).args(words).output().unwrap();
    let help = |words: &[&str]| {
        let output = run(&[words, &["--help"]].concat());
        assert!(output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let commands = |text: &str| -> Vec<String> {
        let list =
            text.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
        list.filter_map(|l| {
            l.strip_prefix("  ")
                .filter(|l| !l.starts_with(' '))?
                .split_whitespace()
                .next()
                .map(String::from)
        })
        .collect()
    };
    let mut helps = Vec::new();
    for command in commands(&help(&[])).iter().filter(|c| *c != "help") {
        let text = help(&[command]);
        helps.extend(commands(&text).iter().filter(|c| *c != "help").map(|c| help(&[command, c])));
        helps.push(text);
    }
    let offered = |flag: &str| {
        helps.iter().any(|h| h.split(|c: char| c.is_whitespace() || c == ',').any(|w| w == flag))
    };
    assert!(offered("--lambda_L1") && offered("--fold_AB") && !offered("--lambda"));
    let text = read(&root().join("docs/upstream.md"));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|l| l.starts_with("| `--"))
        .map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for option in UPSTREAM {
        let flag = format!("--{option}");
        let row = rows
            .iter()
            .find(|r| r[0].trim_matches('`') == flag)
            .unwrap_or_else(|| panic!("docs/upstream.md says nothing of {flag}"));
        let [_, _, here, verdict, why] = row[..] else { panic!("{row:?} has not five columns") };
        match verdict {
            // Other flags do the work of some: then the reason must be there.
            "same" => assert!(flags(here).eq([flag.as_str()]), "{flag}: the same is not {here}"),
            "better" => {
                assert!(flags(here).next().is_some() && why.len() > 10, "{flag}: what is better?")
            }
            "ignored" => {
                let notes = String::from_utf8_lossy(
                    &run(&["train", &format!("{flag}=1"), "--help"]).stderr,
                )
                .into_owned();
                assert!(
                    notes.contains(&format!("{flag} has no meaning here")) && !why.is_empty(),
                    "{flag} is not ignored: {notes}"
                );
            }
            "not offered" => assert!(why.len() > 5, "{flag}: why?"),
            other => panic!("{flag}: {other:?} is no verdict"),
        }
    }
    // First columns are theirs; everything else is a promise.
    for line in text.lines().filter(|l| !l.contains("scripts `")) {
        let ours = if line.starts_with("| `--") {
            line.splitn(3, '|').nth(2).unwrap_or_default()
        } else {
            line
        };
        for flag in flags(ours)
            .filter(|f| *f != "--help" && !(line.starts_with("| `--eval`") && *f == "--eval"))
        {
            assert!(offered(flag), "docs/upstream.md claims {flag}, which no --help knows: {line}");
        }
    }
}
