//! A run that can be trusted: killed, damaged, out of space, out of numbers.

#![cfg(unix)]

#[path = "support/program.rs"]
mod program;
#[path = "support/scene.rs"]
mod scene;

use program::*;
use scene::*;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

#[test]
fn killed_at_any_moment_a_run_goes_on_as_if_nothing_had_happened() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(5);
    // A checkpoint after each step: most of the time one is being written.
    let more = [
        "--n_epochs",
        "16",
        "--n_epochs_decay",
        "8",
        "--save_latest_freq",
        "1",
        "--save_epoch_freq",
        "3",
        "--save_by_iter",
        "--keep",
        "3",
    ];
    ok(pixtape(&scene.words("whole", &more)));
    let run = scene.runs.join("killed");
    let (words, mut kills, mut began) = (scene.words("killed", &more), 0, 0);
    while kills < 12 && checkpoints(&run).last() != Some(&120) {
        let fresh = !run.join("options.json").exists();
        let again = ["resume", text(&run)];
        let mut child = start(if fresh { &words } else { &again });
        // The first kills come while the program is starting or writes its first files, the others
        // after a few steps.
        let random = pixtape::rng::random(kills, 0, 0, 7)[0];
        if kills >= 3 {
            let from = checkpoints(&run).last().copied();
            wait(&mut child, || {
                checkpoints(&run).last().copied() > from.map(|f| f + u64::from(random % 5))
            });
            began += 1;
        } else if kills == 2 {
            wait(&mut child, || run.join("options.json").exists());
        }
        std::thread::sleep(Duration::from_micros(u64::from(random >> 8) % 40_000));
        kill(child);
        kills += 1;
    }
    assert!(kills >= 10 && began >= 7, "{kills} kills, {began} of them while it trained");
    println!("{kills} kills; the last one at step {:?}", checkpoints(&run).last());
    ok(resume(&run, &[]));
    assert_same_run(&scene.runs.join("whole"), &run);
    assert_eq!(checkpoints(&run), [118, 119, 120]);
    assert!(
        run.join("iter_57_net_G.safetensors").is_file()
            && run.join("24_net_D.safetensors").is_file()
            && run.join("best_net_G.safetensors").is_file()
    );
    let left: Vec<_> = std::fs::read_dir(&run)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.contains(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn thirty_steps_are_seventeen_and_thirteen_and_a_damaged_checkpoint_is_passed_over() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(4);
    let more = ["--max_steps", "30", "--save_latest_freq", "17", "--save_epoch_freq", "100"];
    ok(pixtape(&scene.words("whole", &more)));
    let (whole, run) = (scene.runs.join("whole"), scene.runs.join("halves"));
    let endless = scene.words(
        "halves",
        &["--n_epochs", "100000", "--save_latest_freq", "17", "--save_epoch_freq", "100000"],
    );
    let mut child = start(&endless);
    wait(&mut child, || checkpoints(&run).last() >= Some(&17));
    kill(child);
    let kept = checkpoints(&run);
    println!("killed with the checkpoints {kept:?}");
    // Back to 17, if it got further: what a flipped bit in all later ones comes to.
    for step in kept.iter().filter(|s| **s > 17) {
        flip(&run.join(format!("checkpoints/step_{step}/latest_net_D.safetensors")));
    }
    let epochs = ["--n_epochs", "100", "--save_epoch_freq", "100", "--max_steps", "30"];
    ok(resume(&run, &epochs));
    assert_same_run(&whole, &run);

    // The last one is damaged in each of its files in turn; the run resumes from the one before,
    // with the same result.
    for (name, cut) in [
        ("latest_net_G.safetensors", false),
        ("latest_optimizer.safetensors", true),
        ("latest_state.json", false),
        ("latest_state.json", true),
    ] {
        let file = run.join("checkpoints/step_30").join(name);
        if cut {
            std::fs::write(&file, &std::fs::read(&file).unwrap()[..300]).unwrap()
        } else {
            flip(&file)
        }
        let output = resume(&run, &epochs);
        let said = errors(&output);
        assert!(
            said.contains("step_30")
                && said.contains(name)
                && said.contains("resuming from step 17"),
            "{said}"
        );
        ok(output);
        assert_same_run(&whole, &run);
    }
    // All of them: refused in one line, and nothing is changed.
    for step in checkpoints(&run) {
        flip(&run.join(format!("checkpoints/step_{step}/latest_optimizer.safetensors")));
    }
    let before = identity(&run);
    refused(
        &resume(&run, &epochs),
        &["no checkpoint is whole", "latest_optimizer.safetensors", "--overwrite"],
    );
    assert!(identity(&run) == before);
    // Without the folder of checkpoints there is still latest_*.
    std::fs::remove_dir_all(whole.join("checkpoints")).unwrap();
    ok(resume(&whole, &["--max_steps", "31"]));
    assert_eq!(json_lines(whole.join("losses.jsonl")).len(), 31);
}

fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    ok(pixtape(&scene.words("full", &["--max_steps", "4", "--save_latest_freq", "2"])));
    let run = scene.runs.join("full");
    let before = identity(&run);
    // A file has the name of the folder; a full disk gives the same error.
    let (folder, aside) = (run.join("checkpoints"), run.join("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, b"").unwrap();
    refused(
        &resume(&run, &["--max_steps", "6"]),
        &["checkpoints", "cannot be written", "the checkpoint before this one is whole"],
    );
    let now = identity(&run);
    let of = |files: &[(String, Vec<u8>)]| {
        files.iter().filter(|f| f.0.starts_with("latest_")).cloned().collect::<Vec<_>>()
    };
    assert!(of(&before) == of(&now));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    ok(resume(&run, &["--max_steps", "6"]));
    ok(pixtape(&scene.words("whole", &["--max_steps", "6", "--save_latest_freq", "2"])));
    assert_same_run(&scene.runs.join("whole"), &run);
    // One program a folder.
    let mut child =
        start(&["resume", text(&run), "--max_steps", "1000000", "--n_epochs", "1000000"]);
    wait(&mut child, || {
        std::fs::metadata(run.join("timing.jsonl")).is_ok_and(|m| m.len() > 1000)
            || checkpoints(&run).last() > Some(&6)
    });
    let second = resume(&run, &["--max_steps", "7"]);
    kill(child);
    refused(&second, &["another pixtape is training in this folder"]);
}

#[test]
fn a_run_out_of_numbers_stops_names_the_node_and_keeps_the_batch() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    ok(pixtape(&scene.words("nan", &["--max_steps", "3", "--save_latest_freq", "100"])));
    let run = scene.runs.join("nan");
    let before = identity(&run);
    let output = resume(&run, &["--lr", "1e30", "--max_steps", "20"]);
    refused(
        &output,
        &[
            "training has diverged",
            "the checkpoint of step 3 is the last good one",
            "it begins in step",
            "at node",
            "--lr",
        ],
    );
    let events = json_lines(run.join("events.jsonl"));
    assert!(events.len() == 1 && events[0]["kind"] == "nan", "{events:?}");
    let step = events[0]["step"].as_u64().unwrap();
    assert!(
        run.join(format!("diverged/step_{step}.png")).is_file()
            && run.join(format!("diverged/step_{step}.json")).is_file()
    );
    let weights = |files: &[(String, Vec<u8>)]| {
        files.iter().filter(|f| f.0.starts_with("latest_")).cloned().collect::<Vec<_>>()
    };
    assert!(weights(&before) == weights(&identity(&run)), "the last good checkpoint stays");
    // At a valid rate it continues.
    ok(resume(&run, &["--lr", "2e-4", "--max_steps", "6"]));
    ok(pixtape(&scene.words("whole", &["--max_steps", "6", "--save_latest_freq", "100"])));
    assert_identical(&scene.runs.join("whole"), &run);
}

#[test]
fn validation_keeps_the_best_tells_the_worst_and_stops_in_time() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    // No rate, no change: the first validation stays the best.
    let more = [
        "--n_epochs",
        "9",
        "--n_epochs_decay",
        "0",
        "--lr",
        "1e-30",
        "--early_stop",
        "2",
        "--tensorboard",
        "--json",
        "--print_freq",
        "1",
    ];
    let said = ok(pixtape(&scene.words("v", &more)));
    let run = scene.runs.join("v");
    let rows = json_lines(run.join("validation.jsonl"));
    assert_eq!(rows.iter().map(|r| r["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    let lines: Vec<Value> = said
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect();
    let kinds = |kind: &str| lines.iter().filter(|l| l["kind"] == kind).count();
    assert_eq!(
        (kinds("start"), kinds("step"), kinds("validation"), kinds("end")),
        (1, 9, 3, 1),
        "{said}"
    );
    assert_eq!(lines.last().unwrap()["stopped_early"], true);
    let read = |name: &str| {
        serde_json::from_str::<Value>(&std::fs::read_to_string(run.join(name)).unwrap()).unwrap()
    };
    assert_eq!(
        (read("best.json")["epoch"].as_u64(), &read("best.json")["value"]),
        (Some(1), &rows[0]["l1"])
    );
    // The figures are those of eval.
    let table = ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&run),
        "--dataroot",
        text(&scene.root),
        "--json",
        "--epoch",
        "best",
    ]));
    let table: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(table["rows"], read("validation/rows.json")["rows"]);
    assert_eq!((&table["mean"]["l1"], &table["mean"]["ssim"]), (&rows[0]["l1"], &rows[0]["ssim"]));
    let mut l1: Vec<(f64, String)> = table["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["l1"].as_f64().unwrap(), r["name"].as_str().unwrap().into()))
        .collect();
    l1.sort_by(|a, b| b.0.total_cmp(&a.0));
    let worst: Vec<&str> = l1.iter().map(|(_, n)| n.as_str()).collect();
    assert_eq!(read("validation/worst.json"), serde_json::json!(worst));
    let shown = ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&run),
        "--dataroot",
        text(&scene.root),
        "--worst",
        "2",
    ]));
    let names: Vec<&str> = shown.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(names[..4], ["image", worst[0], worst[1], "mean"], "{shown}");
    assert!(
        run.join("validation/worst.png").is_file()
            && std::fs::read_dir(run.join("tensorboard")).unwrap().count() == 1
    );
    // It stays stopped; nothing is said where that is asked for.
    assert_eq!(ok(resume(&run, &["--quiet"])), "");
    assert_eq!(json_lines(run.join("losses.jsonl")).len(), 9);
    ok(pixtape(&scene.words("none", &["--max_steps", "3", "--val_freq", "0"])));
    assert!(
        json_lines(scene.runs.join("none/validation.jsonl")).is_empty()
            && !scene.runs.join("none/best.json").exists()
    );
}

#[test]
fn files_tell_what_they_are_and_options_come_back() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    ok(pixtape(&scene.words(
        "a",
        &["--max_steps", "3", "--no_flip", "--lambda_L1", "10", "--save_epoch_freq", "1"],
    )));
    let run = scene.runs.join("a");
    let info = |path: &Path| -> Value {
        serde_json::from_str(&ok(pixtape(&["info", text(path), "--json"]))).unwrap()
    };
    let folder = info(&run);
    assert_eq!(
        (
            folder["step"].as_u64(),
            folder["options"]["lambda_L1"].as_f64(),
            &folder["architecture"]["netG"]
        ),
        (Some(3), Some(10.0), &"unet_32".into())
    );
    assert!(
        folder["parameters"]["G"].as_u64() > Some(1000) && folder["best"]["metric"] == "l1",
        "{folder}"
    );
    let file = info(&run.join("1_net_G.safetensors"));
    assert_eq!(
        (file["step"].as_u64(), &file["network"], &file["options"]["no_flip"], &file["norm_mode"]),
        (Some(3), &"G".into(), &true.into(), &"batch".into())
    );
    assert!(
        file["made_by"]["adapter"].as_str().is_some_and(|a| !a.is_empty())
            && file["parameters"] == folder["parameters"]["G"],
        "{file}"
    );
    assert_eq!(info(&run.join("latest_optimizer.safetensors"))["what"], "an optimizer's moments");
    let checkpoint = info(&run.join("checkpoints/step_3"));
    assert_eq!(
        (checkpoint["step"].as_u64(), &checkpoint["options"]),
        (Some(3), &folder["options"])
    );
    assert!(ok(pixtape(&["info", text(&run)])).contains("step: 3\n"));
    refused(&pixtape(&["info", text(&run.join("nothing"))]), &["nothing", "no such file"]);
    refused(
        &pixtape(&["info", text(&run.join("losses.jsonl"))]),
        &["losses.jsonl", "not a safetensors file"],
    );

    let config = run.join("config.toml");
    let again = ["train", "--config", text(&config), "--name", "b", "--max_steps", "3"];
    ok(pixtape(&[&again, &["--tune", "off"][..]].concat()));
    assert_identical(&run, &scene.runs.join("b"));
    std::fs::write(&config, "lambda_l = 3\n").unwrap();
    refused(&pixtape(&again), &["config.toml", "lambda_l", "lambda_L1"]);
}
