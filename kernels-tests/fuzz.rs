//! Files that users bring, broken in every way that chance finds: no reader panics, allocates more
//! than the file's size can justify, runs for long, or complains in more than one line.
//!
//! Valid files are generated, then mutated from a seed. `PIXTAPE_FUZZ_CASES` sets how
//! many cases there are in all (24,000), `PIXTAPE_FUZZ_SEED` another seed, `PIXTAPE_FUZZ_READER`
//! readers whose names have it in them; a failing case names its number and is left in a file.
//!
//! `fuzz/` tries the same readers, from the same files, by coverage: `PIXTAPE_FUZZ_CORPUS` says
//! where the corpora for it are written.

#[path = "support/fuzz/mod.rs"]
mod fuzz;
#[path = "support/program.rs"]
mod program;

use fuzz::alloc::Counting;
use fuzz::mutate::mutate;
use fuzz::readers::{self, Manner};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

#[test]
fn broken_files_are_refused_in_one_line() {
    let (cases, seed) =
        (number("PIXTAPE_FUZZ_CASES", 24_000), number("PIXTAPE_FUZZ_SEED", 1) as u32);
    let mut readers = readers::all();
    if let Ok(name) = std::env::var("PIXTAPE_FUZZ_READER") {
        readers.retain(|r| r.name.contains(&name));
    }
    let folder = tempfile::tempdir().unwrap();
    let share = cases.div_ceil(readers.len() as u64) as u32;
    for (stream, reader) in (0..).zip(&readers) {
        let mut tally = fuzz::Tally::default();
        for (name, bytes) in &reader.seeds {
            let outcome = fuzz::case(
                reader,
                folder.path(),
                bytes,
                &format!("{}: the seed {name}", reader.name),
            );
            assert!(
                outcome.error.is_none(),
                "{}: the seed {name} is not accepted: {:?}",
                reader.name,
                outcome.error
            );
        }
        for case in 0..share {
            let bytes = mutate(&reader.seeds, reader.kind, seed, stream, case);
            let what = format!("{}: case {case} of stream {stream}, seed {seed}", reader.name);
            tally.add(fuzz::case(reader, folder.path(), &bytes, &what));
        }
        println!("{:<22} {tally}", reader.name);
        // Mutations that break nothing, or everything, would test nothing.
        assert!(
            tally.refused * 10 > share || reader.manner == Manner::Lenient,
            "{}: {tally}",
            reader.name
        );
        assert!(
            tally.refused < share || reader.manner == Manner::Guarded,
            "{}: {tally}",
            reader.name
        );
    }
}

/// A corpus per family: the number of the reader in a byte, then a file that it accepts.
#[test]
fn each_family_has_a_corpus_for_the_targets_of_cargo_fuzz() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = std::env::var_os("PIXTAPE_FUZZ_CORPUS");
    let corpus = corpus.map_or_else(|| folder.path().into(), std::path::PathBuf::from);
    let targets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets");
    for family in readers::FAMILIES {
        let to = corpus.join(family);
        std::fs::create_dir_all(&to).unwrap();
        let readers = readers::family(family);
        let all = readers.iter().enumerate().flat_map(|(at, reader)| {
            reader.seeds.iter().enumerate().map(move |(n, (_, bytes))| (at, n, bytes))
        });
        for (at, n, bytes) in all {
            std::fs::write(to.join(format!("seed_{at}_{n}")), [&[at as u8], &bytes[..]].concat())
                .unwrap();
        }
        assert!(std::fs::read_dir(&to).unwrap().count() >= readers.len(), "{family}");
        // The package has no targets.
        assert!(!targets.exists() || targets.join(format!("{family}.rs")).exists(), "{family}");
    }
}

/// Runs the program on a broken file: what it must not do, whatever the file.
#[cfg(unix)]
fn ends_in_a_line(words: &[&str], what: &str) {
    let output = program::pixtape(words);
    let said = program::errors(&output);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {:?}: {said}", output.status);
    let lines = said.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(lines, usize::from(!output.status.success()), "{what}: {said}");
    assert!(!said.contains("panicked") && !said.contains('\x1b'), "{what}: {said}");
}

/// Texts that commands read by themselves, not through the library.
#[cfg(unix)]
#[test]
fn broken_texts_of_commands_are_refused_in_one_line() {
    use program::text;
    let cases = (number("PIXTAPE_FUZZ_CASES", 24_000) / 1000).clamp(8, 1000) as u32;
    let seed = number("PIXTAPE_FUZZ_SEED", 1) as u32;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (run, json) = (path("run"), path("panoptic.json"));
    std::fs::create_dir_all(run.join("validation")).unwrap();
    std::fs::create_dir_all(path("in")).unwrap();
    program::picture(4, 4, 0).save_png(&path("in/a.png")).unwrap();
    let coco = r#"{"categories":[{"id":3,"name":"car","isthing":1}],"images":[{"id":5,"file_name":"a.jpg"}],"annotations":[{"image_id":5,"file_name":"a.png","segments_info":[{"id":70000,"category_id":3,"iscrowd":0}]}]}"#;
    let rows = r#"{"step":2,"rows":[{"name":"a","l1":0.2},{"name":"b","l1":0.1}]}"#;
    let info = r#"{"data":{"batches_per_epoch":4,"width":8,"height":8},"memory":{"total":5}}"#;
    let events = "{\"step\":1,\"kind\":\"x\",\"message\":\"y\"}\n";
    let of_run = [
        ("options.json", fuzz::seeds::OPTIONS),
        ("losses.jsonl", fuzz::seeds::LOSSES),
        ("validation.jsonl", "{\"step\":2,\"epoch\":1,\"l1\":0.5}\n"),
        ("validation/rows.json", rows),
        ("info.json", info),
        ("best.json", r#"{"step":1,"epoch":1,"metric":"l1","value":0.5}"#),
        ("events.jsonl", events),
    ];
    let broken = |whole: &str, stream: u32, case: u32| {
        mutate(&fuzz::seeds::texts(&[whole]), fuzz::mutate::Kind::Plain, seed, stream, case)
    };
    for case in 0..cases {
        std::fs::write(&json, broken(coco, 1000, case)).unwrap();
        let (input, output) = (path("in"), path("out"));
        let words = ["prepare", "coco", "--json", text(&json), "--input", text(&input)];
        let more = ["--output", text(&output), "--overwrite"];
        ends_in_a_line(&[&words[..], &more].concat(), &format!("coco, case {case}"));
        let (name, whole) = of_run[case as usize % of_run.len()];
        of_run.iter().for_each(|(name, whole)| std::fs::write(run.join(name), whole).unwrap());
        std::fs::write(run.join(name), broken(whole, 1001, case)).unwrap();
        ends_in_a_line(&["report", text(&run)], &format!("report, {name}, case {case}"));
        ends_in_a_line(&["info", text(&run)], &format!("info, {name}, case {case}"));
    }
}

/// Pipes that nobody writes to, folders and devices in the place of files: said at once.
#[cfg(unix)]
#[test]
fn what_is_no_file_holds_nothing_up() {
    use std::process::Command;
    let dir = tempfile::tempdir().unwrap();
    for reader in readers::all() {
        let path = dir.path().join(reader.file);
        for kind in ["pipe", "folder", "device"] {
            match kind {
                "pipe" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                "folder" => std::fs::create_dir(&path).unwrap(),
                _ => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            }
            let (send, receive) = std::sync::mpsc::channel();
            let (read, file) = (reader.read, path.clone());
            std::thread::spawn(move || send.send(read(&file).map_err(|e| e.to_string())));
            let answer = receive.recv_timeout(std::time::Duration::from_secs(60));
            let answer = answer.unwrap_or_else(|_| panic!("{}: a {kind}: waits", reader.name));
            let message = answer.expect_err(&format!("{}: a {kind}", reader.name));
            assert!(!message.contains('\n'), "{}: {message}", reader.name);
            match kind {
                "folder" => std::fs::remove_dir(&path).unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
        }
    }
}

/// A run's folder from others whose names lead out of it: nothing outside is changed.
#[cfg(unix)]
#[test]
fn links_in_a_runs_folder_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (run, mine) = (dir.path().join("run"), dir.path().join("mine.txt"));
    std::fs::create_dir(&run).unwrap();
    std::fs::write(&mine, "precious").unwrap();
    symlink(&mine, run.join(".lock")).unwrap();
    symlink(&mine, run.join("losses.jsonl")).unwrap();
    let nothing = dir.path().join("nothing.txt");
    symlink(&nothing, run.join("timing.jsonl")).unwrap();
    drop(pixtape::run::lock(&run));
    let mut log = pixtape::run::Log::open(&run.join("losses.jsonl"), 9).unwrap();
    log.line(&serde_json::json!({ "step": 1 })).unwrap();
    log.flush().unwrap();
    let mut log = pixtape::run::Log::open(&run.join("timing.jsonl"), 9).unwrap();
    log.line(&serde_json::json!({ "step": 1 })).unwrap();
    log.flush().unwrap();
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "precious");
    assert!(!nothing.exists());
    assert!(std::fs::read_to_string(run.join("timing.jsonl")).unwrap().contains("step"));
}
