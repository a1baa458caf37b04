//! Signals of terminals and schedulers: what a training answers, and what it keeps.

#![cfg(unix)]

#[path = "support/program.rs"]
mod program;
#[path = "support/scene.rs"]
mod scene;

use program::*;
use scene::*;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn send(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
}

/// What stderr has said so far.
fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Starts the program, by way of another if there is one, and waits until it trains. What it says
/// on stderr is in a file beside the runs.
fn training(scene: &Scene, by: &[&str], words: &[&str]) -> (Child, std::path::PathBuf) {
    let log = scene.runs.with_extension(format!("{}.log", words[6]));
    let all = [by, &[env!("CARGO_BIN_EXE_pixtape")], words].concat();
    let mut child = Command::new(all[0])
        .args(&all[1..])
        .env("PIXTAPE_CACHE_DIR", "")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begun = scene.runs.join(words[6]).join("samples/epoch001.png");
    wait(&mut child, || begun.exists());
    assert!(begun.exists(), "{}", said(&log));
    (child, log)
}

fn wait_for(what: &str, log: &Path) {
    let begun = Instant::now();
    while !said(log).contains(what) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what:?} is not in: {}", said(log));
        std::thread::sleep(Duration::from_millis(1));
    }
}

const ENDLESS: &[&str] =
    &["--n_epochs", "100000", "--save_latest_freq", "100000", "--save_epoch_freq", "100000"];

#[test]
fn signals_in_any_order_and_number_save_and_end() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(4);
    // Of several that come at once the system may deliver any first.
    for (name, signals, gap, codes) in [
        ("int", &["INT"][..], 0, &[130][..]),
        ("term", &["TERM"], 0, &[143]),
        ("hup2", &["HUP", "HUP"], 0, &[129]),
        ("hup2gap", &["HUP", "HUP"], 50, &[129]),
        ("hup5", &["HUP"; 5], 20, &[129]),
        ("termhup", &["TERM", "HUP"], 0, &[143, 129]),
        ("huptermint", &["HUP", "TERM", "INT"], 5, &[129, 143, 130]),
        ("term4", &["TERM"; 4], 30, &[143]),
        ("int2", &["INT", "INT"], 50, &[130]),
    ] {
        let (child, log) = training(&scene, &[], &scene.words(name, ENDLESS));
        for (number, signal) in signals.iter().enumerate() {
            if number > 0 {
                std::thread::sleep(Duration::from_millis(gap));
                // It may be done by now.
                let _ = Command::new("kill")
                    .args([&format!("-{signal}"), &child.id().to_string()])
                    .stderr(Stdio::null())
                    .status();
            } else {
                send(&child, signal);
            }
        }
        let output = child.wait_with_output().unwrap();
        let said = said(&log);
        // A signal after the end of the session ends the program by itself.
        let ended = output.status.code().or(output.status.signal().map(|s| 128 + s));
        assert!(ended.is_some_and(|e| codes.contains(&e)), "{name}: {:?} {said}", output.status);
        assert!(said.contains("finishing the step, then saving"), "{name}: {said}");
        assert!(said.contains("saved step"), "{name}: {said}");
        let run = scene.runs.join(name);
        let state = std::fs::read_to_string(run.join("latest_state.json")).unwrap();
        let step = serde_json::from_str::<serde_json::Value>(&state).unwrap()["step"].clone();
        let rows = json_lines(run.join("losses.jsonl")).len();
        assert!(rows >= 4 && step == rows, "{name}: {step}, {rows}");
    }
}

#[test]
fn warnings_of_schedulers_save_and_go_on_and_the_result_is_the_same() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(4);
    let (child, log) = training(&scene, &[], &scene.words("warned", ENDLESS));
    let run = scene.runs.join("warned");
    for signal in ["USR1", "USR2"] {
        let before = said(&log).matches("saved step").count();
        send(&child, signal);
        wait_for(&format!("SIG{signal}: saving after this step"), &log);
        let begun = Instant::now();
        while said(&log).matches("saved step").count() == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", said(&log));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(checkpoints(&run).len() > 1);
    }
    send(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143), "{}", said(&log));
    let last = *checkpoints(&run).last().unwrap();
    let steps = (last + 5).to_string();
    ok(resume(&run, &["--max_steps", &steps]));
    ok(pixtape(&scene.words("whole", &[ENDLESS, &["--max_steps", &steps]].concat())));
    assert_identical(&scene.runs.join("whole"), &run);
}

#[test]
fn nohup_keeps_its_word_and_a_command_that_ends_leaves_no_half_file() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(4);
    let (mut child, log) = training(&scene, &["nohup"], &scene.words("nohup", ENDLESS));
    send(&child, "HUP");
    let timing = scene.runs.join("nohup/samples/epoch020.png");
    wait(&mut child, || timing.exists());
    assert!(timing.exists() && child.try_wait().unwrap().is_none(), "{}", said(&log));
    send(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143), "{}", said(&log));
    // A folder of many images, ended while it is being written.
    let (from, to) = (scene.root.join("many"), scene.root.join("out"));
    std::fs::create_dir(&from).unwrap();
    for i in 0..400 {
        picture(300, 200, i).save_png(&from.join(format!("{i}.png"))).unwrap();
    }
    for (number, signal) in ["INT", "TERM", "HUP"].iter().enumerate() {
        let _ = std::fs::remove_dir_all(&to);
        let mut child = program(Path::new(""))
            .args(["prepare", "resize", "--input", text(&from), "--output", text(&to)])
            .args(["--size", "900x600"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let count = || std::fs::read_dir(&to).map_or(0, Iterator::count);
        wait(&mut child, || count() > 4 * (number + 1));
        send(&child, signal);
        let status = child.wait().unwrap();
        let expected = [2, 15, 1][number];
        assert_eq!(status.signal(), Some(expected), "{status}");
        for entry in std::fs::read_dir(&to).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.extension().is_some_and(|e| e == "png"), "{}", path.display());
            pixtape::io::Picture::load(&path, 3).unwrap();
        }
    }
}
