//! The life of a run: faults in its middle, outputs that cannot be written, folders that move.

#![cfg(unix)]

#[path = "support/program.rs"]
mod program;
#[path = "support/scene.rs"]
mod scene;

use pixtape::Error;
use pixtape::gpu::Request;
use pixtape::run::Options;
use pixtape::run::options::Layer;
use pixtape::session::{Event, Session};
use program::*;
use scene::*;
use std::fs::{File, OpenOptions};
use std::os::fd::FromRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A device; none where tests are skipped for lack of an adapter.
fn gpu() -> Option<pixtape::Gpu> {
    match pollster::block_on(pixtape::Gpu::request(&Request::default())) {
        Ok(gpu) => Some(gpu),
        Err(_) if !adapter() => None,
        Err(e) => panic!("{e}"),
    }
}

/// The step of a run's last checkpoint.
fn step(run: &Path) -> u64 {
    let text = std::fs::read_to_string(run.join("latest_state.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["step"].as_u64().unwrap()
}

/// Everything but which checkpoints there are is that of another run.
fn assert_same_result(a: &Path, b: &Path) {
    assert_identical(a, b);
    for name in ["samples", "validation"] {
        assert_identical(&a.join(name), &b.join(name));
    }
}

#[test]
fn a_file_that_is_cut_off_costs_no_step_and_a_run_resumes_when_it_is_whole_again() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(7);
    let more = [
        "--n_epochs",
        "2",
        "--n_epochs_decay",
        "1",
        "--save_latest_freq",
        "1000",
        "--save_epoch_freq",
        "1",
    ];
    ok(pixtape(&scene.words("whole", &more)));
    let whole = scene.runs.join("whole");
    // The fourth that is trained on, and one of val/ that is not among the samples.
    for (name, file, threads) in
        [("a", "train/3.png", "0"), ("b", "train/5.png", "3"), ("c", "val/5.png", "2")]
    {
        let path = scene.root.join(file);
        let sound = std::fs::read(&path).unwrap();
        std::fs::write(&path, &sound[..sound.len() / 2]).unwrap();
        let words = scene.words(name, &[&more[..], &["--num_threads", threads]].concat());
        let run = scene.runs.join(name);
        let output = pixtape(&words);
        let folder = text(&run);
        let resumes = format!("resume with: pixtape resume {folder}");
        refused(&output, &[file, "the steps up to", "are saved in", &resumes]);
        let kept = step(&run);
        assert_eq!(json_lines(run.join("losses.jsonl")).len() as u64, kept);
        assert!(if name == "c" { kept == 7 } else { kept < 7 }, "{name}: {kept}");
        // Again at once: the same, and nothing is lost.
        refused(&resume(&run, &[]), &[file, "the steps up to", &resumes]);
        assert_eq!(step(&run), kept);
        std::fs::write(&path, &sound).unwrap();
        ok(resume(&run, &[]));
        assert_same_result(&whole, &run);
    }
}

/// The options of a training as a host gives them.
fn options(scene: &Scene, name: &str) -> Options {
    let mut words: Vec<(&str, &str)> = vec![
        ("dataroot", text(&scene.root)),
        ("checkpoints_dir", text(&scene.runs)),
        ("name", name),
    ];
    words.extend([("n_epochs", "2"), ("n_epochs_decay", "1"), ("save_latest_freq", "4")]);
    words.extend([("save_epoch_freq", "1"), ("save_by_iter", "true")]);
    for pair in TINY.chunks(2) {
        words.push((pair[0].trim_start_matches('-'), pair[1]));
    }
    Options::started(&[&Layer::of(&words).unwrap()]).unwrap()
}

#[test]
fn an_observer_that_fails_at_any_event_leaves_a_run_that_resumes_as_if_it_had_not() {
    let Some(gpu) = gpu() else { return };
    let scene = Scene::new(5);
    Session::open(&gpu, options(&scene, "whole")).unwrap().run().unwrap();
    let fails_at: [fn(&Event) -> bool; 7] = [
        |event| matches!(event, Event::Started(_)),
        |event| matches!(event, Event::Losses { losses, .. } if losses.step == 2),
        |event| matches!(event, Event::Step(step) if step.step == 4),
        |event| matches!(event, Event::Samples { .. }),
        |event| matches!(event, Event::Validated(_)),
        |event| matches!(event, Event::EpochEnded { epoch: 2, .. }),
        |event| matches!(event, Event::Saved { step, .. } if *step > 0),
    ];
    for (number, fails) in fails_at.into_iter().enumerate() {
        let name = format!("fails{number}");
        let mut session = Session::open(&gpu, options(&scene, &name)).unwrap();
        session.observe(move |event: &Event| {
            if fails(event) { Err(Error::Usage("the page is gone".into())) } else { Ok(()) }
        });
        let error = session.run().unwrap_err();
        match &error {
            Error::Stopped { step, saved, unsaved: None, .. } => assert_eq!(step, saved),
            other => assert!(number == 0, "{number}: {other}"),
        }
        assert!(error.to_string().contains("the page is gone"), "{error}");
        Session::open(&gpu, options(&scene, &name)).unwrap().run().unwrap();
        assert_same_result(&scene.runs.join("whole"), &scene.runs.join(&name));
    }
}

#[test]
fn a_session_that_is_asked_to_save_does_and_goes_on() {
    let Some(gpu) = gpu() else { return };
    let scene = Scene::new(5);
    let mut saved = Vec::new();
    let mut session = Session::open(&gpu, options(&scene, "asked")).unwrap();
    let asks = session.save_flag();
    let saves = &mut saved;
    session.observe(move |event: &Event| {
        match event {
            Event::Step(step) if step.step == 7 => {
                asks.store(true, std::sync::atomic::Ordering::SeqCst)
            }
            Event::Saved { step, .. } => saves.push(*step),
            _ => {}
        }
        Ok(())
    });
    session.run().unwrap();
    assert_eq!(saved, [0, 4, 5, 7, 8, 10, 12, 15]);
    // In the middle of an epoch, and in that of a validation.
    for validating in [false, true] {
        let name = format!("stops{validating}");
        let mut session = Session::open(&gpu, options(&scene, &name)).unwrap();
        let stop = session.stop_flag();
        session.observe(move |event: &Event| {
            let stops = match event {
                Event::Samples { .. } => validating,
                Event::Step(step) => !validating && step.step == 7,
                _ => false,
            };
            stop.fetch_or(stops, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        });
        let ended = session.run().unwrap();
        assert_eq!(ended.step, if validating { 5 } else { 7 });
        Session::open(&gpu, options(&scene, &name)).unwrap().run().unwrap();
        assert_same_result(&scene.runs.join("asked"), &scene.runs.join(&name));
    }
}

#[test]
fn a_validation_after_the_checkpoint_that_a_run_goes_back_to_is_logged_once() {
    let Some(gpu) = gpu() else { return };
    let scene = Scene::new(5);
    Session::open(&gpu, options(&scene, "whole")).unwrap().run().unwrap();
    // Stopped in the middle of the first validation, which the checkpoint therefore does not have.
    let mut session = Session::open(&gpu, options(&scene, "back")).unwrap();
    let stop = session.stop_flag();
    session.observe(move |event: &Event| {
        let stops = matches!(event, Event::Samples { .. });
        stop.fetch_or(stops, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(session.run().unwrap().step, 5);
    // It goes on, and is killed before the next checkpoint: the logs know more than that one.
    let log = |name: &str| scene.runs.join(name).join("validation.jsonl");
    assert!(json_lines(log("back")).is_empty());
    std::fs::copy(log("whole"), log("back")).unwrap();
    let mut validations = 0;
    let mut session = Session::open(&gpu, options(&scene, "back")).unwrap();
    let counted = &mut validations;
    session.observe(move |event: &Event| {
        *counted += u64::from(matches!(event, Event::Validated(v) if v.best || v.step > 5));
        Ok(())
    });
    session.run().unwrap();
    // The one that is done again is as new: the first is the best so far.
    assert_eq!(validations, 3);
    assert_same_result(&scene.runs.join("whole"), &scene.runs.join("back"));
}

/// A shell that runs the program's words, which are its arguments.
fn shell(script: &str, words: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_pixtape");
    let mut command = Command::new("sh");
    command.env("PIXTAPE_CACHE_DIR", "").args(["-c", script, "sh", binary]).args(words);
    command.output().unwrap()
}

#[test]
fn a_log_that_cannot_be_written_is_said_once_and_ends_no_training() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(4);
    ok(pixtape(&scene.words("whole", &["--max_steps", "16"])));
    ok(pixtape(&scene.words("logs", &["--max_steps", "4"])));
    let run = scene.runs.join("logs");
    // Its disk has one page, of which a few bytes are left: not all of the next line fits.
    let log = run.join("losses.jsonl");
    let first = std::fs::read_to_string(&log).unwrap().lines().next().unwrap().to_string() + "\n";
    let mut whole = std::fs::read(&log).unwrap();
    while whole.len() + first.len() < 4096 {
        whole.extend_from_slice(first.as_bytes());
    }
    std::fs::write(&log, &whole).unwrap();
    let disk = scene.root.join("../disk");
    std::fs::create_dir(&disk).unwrap();
    // Mounted, since a link would be replaced by a file.
    let script = format!(
        "log='{}'; mv \"$log\" \"$d/log\"; : > \"$log\"; mount --bind \"$d/log\" \"$log\" || \
         exit 99; cat /dev/zero > \"$d/zeros\" 2>/dev/null; \"$@\"; code=$?; umount \"$log\"; \
         cp \"$d/log\" \"$log\"; exit $code",
        text(&log)
    );
    let words = ["resume", text(&run), "--max_steps", "12"];
    let Some(output) = on_small_disk(64, &disk, &script, &words) else { return };
    let said = errors(&output);
    assert!(output.status.success(), "{} {said}", output.status);
    assert_eq!(said.matches("losses.jsonl: cannot be written").count(), 1, "{said}");
    assert!(said.contains("the training goes on without it"), "{said}");
    let cut = std::fs::read(&log).unwrap();
    assert!(cut.len() == 4096 && !cut.ends_with(b"\n"), "half a line is left");
    ok(resume(&run, &["--max_steps", "16"]));
    let rows = json_lines(log);
    let steps: Vec<u64> = rows.iter().map(|row| row["step"].as_u64().unwrap()).collect();
    assert_eq!(steps[steps.len() - 4..], [13, 14, 15, 16]);
    let weights = |run: &Path| {
        let files = identity(run).into_iter();
        files.filter(|f| f.0.starts_with("latest_")).collect::<Vec<_>>()
    };
    assert!(weights(&run) == weights(&scene.runs.join("whole")));
}

#[test]
fn pages_and_grids_that_cannot_be_written_end_no_training() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    let epochs = ["--n_epochs", "3", "--n_epochs_decay", "0", "--tensorboard"];
    ok(pixtape(&scene.words("whole", &epochs)));
    ok(pixtape(&scene.words("barred", &[&epochs[..], &["--max_steps", "3"]].concat())));
    let run = scene.runs.join("barred");
    // A folder has the name of each file.
    for name in ["report.html", "samples/epoch002.png", "validation/worst.png"] {
        let _ = std::fs::remove_file(run.join(name));
        std::fs::create_dir_all(run.join(name).join("x")).unwrap();
    }
    let output = resume(&run, &epochs);
    let said = errors(&output);
    ok(output);
    for name in ["report.html", "epoch002.png", "worst.png"] {
        assert_eq!(said.matches(&format!("{name}: cannot be")).count(), 1, "{name}: {said}");
    }
    assert_eq!(step(&run), 9);
    std::fs::remove_dir_all(run.join("report.html")).unwrap();
    ok(resume(&run, &epochs));
    assert_identical(&scene.runs.join("whole"), &run);
}

/// Runs a script with a small disk at `$1`, and the program's words as the rest; `None` where the
/// system does not let a test mount one.
fn on_small_disk(kib: u64, folder: &Path, script: &str, words: &[&str]) -> Option<Output> {
    let mount = format!(
        "mount -t tmpfs -o size={kib}k tmpfs \"$1\" 2>/dev/null || exit 99; d=$1; shift; {script}"
    );
    let mut command = Command::new("unshare");
    command.env("PIXTAPE_CACHE_DIR", "").args(["-rm", "sh", "-c", &mount, "sh", text(folder)]);
    let output = command.arg(env!("CARGO_BIN_EXE_pixtape")).args(words).output();
    let output =
        output.ok().filter(|o| o.status.code() != Some(99) && !errors(o).contains("unshare:"));
    if output.is_none() {
        println!("SKIPPED (no right to mount)");
    }
    output
}

#[test]
fn a_disk_for_fewer_checkpoints_than_asked_for_keeps_those_it_can_and_the_last_one_always() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    let more = ["--max_steps", "12", "--save_latest_freq", "1", "--keep", "5", "--val_freq", "0"];
    ok(pixtape(&scene.words("whole", &[&more[..], &["--save_epoch_freq", "100"]].concat())));
    let whole = scene.runs.join("whole");
    let bytes = |folder: &Path| -> u64 {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap());
        entries.filter(|m| m.is_file()).map(|m| m.len()).sum()
    };
    let one = bytes(&whole.join("checkpoints/step_12")).div_ceil(1024);
    let (disk, out) = (scene.root.join("../disk"), scene.root.join("../out"));
    std::fs::create_dir(&disk).unwrap();
    let copies = "\"$@\"; code=$?; cp -r \"$d/small\" \"$OUT\" || exit 98; exit $code";
    for (room, kept) in [(3, 2), (1, 1)] {
        let _ = std::fs::remove_dir_all(&out);
        let script = format!("OUT='{}'; {copies}", text(&out));
        let kib = one * room + one / 2 + 300;
        let words = [&scene.words("small", &more)[..], &["--save_epoch_freq", "100"]].concat();
        let at = words.iter().position(|w| *w == text(&scene.runs)).unwrap();
        let mut words = words;
        words[at] = text(&disk);
        let Some(output) = on_small_disk(kib, &disk, &script, &words) else { return };
        let said = errors(&output);
        if room == 1 {
            // There is room for one alone: the next one cannot be written, and the first stays.
            refused(&output, &["No space left", "the checkpoint before this one is whole"]);
            assert!(said.contains("of step 0, failed too") || said.contains("of step 0"), "{said}");
            assert_eq!(checkpoints(&out), [0]);
            ok(resume(&out, &more));
        } else {
            ok(output);
            assert!(said.contains("fewer than --keep are kept"), "{said}");
            assert_eq!(said.matches("the disk is full").count(), 1, "{said}");
            assert_eq!(checkpoints(&out).len(), kept, "{:?}", checkpoints(&out));
        }
        assert_identical(&whole, &out);
    }
}

#[test]
fn whatever_becomes_of_its_output_a_training_goes_on_and_nothing_panics() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    let more = ["--max_steps", "6", "--print_freq", "1"];
    ok(pixtape(&scene.words("whole", &more)));
    for (number, to) in [
        ">/dev/full",
        ">/dev/full 2>&1",
        ">/dev/null 2>/dev/full",
        ">&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        "--json >/dev/full",
        "| head -n 1",
        "2>&1 | head -n 1",
        "2>&1 | true",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("out{number}");
        let script = format!("\"$@\" {to}");
        let output = shell(&script, &scene.words(&name, &more));
        let said = errors(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{to}: {said}");
        assert!(!said.contains("panicked"), "{to}: {said}");
        assert_identical(&scene.runs.join("whole"), &scene.runs.join(&name));
    }
    // Of other commands the output is what they are for.
    let run = scene.runs.join("whole");
    let output = shell("\"$@\" >/dev/full", &["info", text(&run)]);
    refused(&output, &["stdout cannot be written"]);
    let output = shell("{ sleep 1; \"$@\"; echo \"code $?\" >&2; } | true", &["info", text(&run)]);
    let said = errors(&output);
    assert!(said.contains("code 141") && said.lines().count() == 1, "{said}");
}

/// A terminal: its two ends.
fn terminal() -> (File, File) {
    let (mut controls, mut used, null) = (0, 0, std::ptr::null_mut());
    // SAFETY: the call writes two file descriptors, which are nobody else's; the rest may be null.
    unsafe {
        assert_eq!(libc::openpty(&mut controls, &mut used, null, null.cast(), null.cast()), 0);
        // A program that inherits both ends would keep its terminal alive.
        assert_eq!(libc::fcntl(controls, libc::F_SETFD, libc::FD_CLOEXEC), 0);
        (File::from_raw_fd(controls), File::from_raw_fd(used))
    }
}

#[test]
fn a_terminal_that_is_gone_ends_no_training() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    let more = ["--max_steps", "9"];
    ok(pixtape(&scene.words("whole", &more)));
    let (controls, used) = terminal();
    let mut child = program(Path::new(""))
        .args(scene.words("gone", &more))
        .stdin(Stdio::null())
        .stdout(used.try_clone().unwrap())
        .stderr(used)
        .spawn()
        .unwrap();
    drop(controls);
    let status = child.wait().unwrap();
    assert!(status.success(), "{status} {:?}", status.signal());
    assert_identical(&scene.runs.join("whole"), &scene.runs.join("gone"));
}

#[test]
fn a_run_resumes_from_any_folder_and_after_its_folder_or_its_data_were_moved() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    let home = scene.root.parent().unwrap().to_path_buf();
    let from = |folder: &Path, words: &[&str]| {
        program(Path::new("")).current_dir(folder).args(words).output().unwrap()
    };
    ok(pixtape(&scene.words("whole", &["--max_steps", "8"])));
    let words = |name| {
        let words = ["train", "--dataroot", "data", "--checkpoints_dir", "runs", "--name", name];
        [&words[..], TINY, &["--max_steps", "4"]].concat()
    };
    let whole = scene.runs.join("whole");
    let eight = ["--max_steps", "8"];
    let said = ok(from(&home, &words("a")));
    assert!(said.contains("saved in"), "{said}");
    // From elsewhere, where another folder has the name of the data.
    let elsewhere = home.join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("data/train")).unwrap();
    ok(from(&elsewhere, &[&["resume", "../runs/a"], &eight[..]].concat()));
    assert_identical(&whole, &scene.runs.join("a"));
    // The run's folder was moved and has another name.
    ok(from(&home, &words("b")));
    std::fs::rename(scene.runs.join("b"), home.join("moved b")).unwrap();
    ok(from(&elsewhere, &[&["resume", "../moved b"], &eight[..]].concat()));
    assert_identical(&whole, &home.join("moved b"));
    // The data were moved: the message names the flag, and the flag helps.
    ok(from(&home, &words("c")));
    let data = home.join("new data");
    std::fs::rename(&scene.root, &data).unwrap();
    let run = scene.runs.join("c");
    refused(&from(&home, &["resume", text(&run)]), &["data", "no such folder", "--dataroot"]);
    ok(from(&home, &[&["resume", "runs/c", "--dataroot", text(&data)], &eight[..]].concat()));
    assert_identical(&whole, &run);
    // All of it was moved.
    std::fs::rename(&data, &scene.root).unwrap();
    ok(from(&home, &words("d")));
    let there = home.join("there");
    std::fs::create_dir(&there).unwrap();
    std::fs::rename(&scene.root, there.join("data")).unwrap();
    std::fs::create_dir(there.join("runs")).unwrap();
    std::fs::rename(scene.runs.join("d"), there.join("runs/d")).unwrap();
    ok(from(Path::new("/"), &[&["resume", text(&there.join("runs/d"))], &eight[..]].concat()));
    assert_identical(&whole, &there.join("runs/d"));
}

#[test]
fn a_run_that_is_continued_before_it_has_begun_begins() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    ok(pixtape(&scene.words("whole", &["--max_steps", "5"])));
    // What a scheduler starts again and again.
    let go = |steps| pixtape(&scene.words("again", &["--continue_train", "--max_steps", steps]));
    let output = go("2");
    assert!(errors(&output).contains("holds no run yet, a new one begins"), "{}", errors(&output));
    ok(output);
    let output = go("5");
    assert!(!errors(&output).contains("begins"), "{}", errors(&output));
    ok(output);
    let run = scene.runs.join("again");
    assert_identical(&scene.runs.join("whole"), &run);
    // Nothing left to do.
    let before = identity(&run);
    for steps in ["5", "3"] {
        let said = ok(go(steps));
        assert!(said.contains(&format!("nothing to do: 5 steps are done, {steps}")), "{said}");
        assert!(!said.contains("images/s") && !said.contains("0 steps in"), "{said}");
        assert_eq!((step(&run), json_lines(run.join("losses.jsonl")).len()), (5, 5));
        assert!(identity(&run) == before);
    }
    let said =
        ok(pixtape(&scene.words("again", &["--continue_train", "--max_steps", "3", "--json"])));
    assert!(said.lines().last().unwrap().contains("\"images_per_second\":0.0"), "{said}");
    // Weights to start from are for a start.
    let file = run.join("latest_net_G.safetensors");
    let output = resume(&run, &["--init_G", text(&file), "--max_steps", "6"]);
    assert!(errors(&output).contains("--init_G is ignored"), "{}", errors(&output));
    ok(output);
    let nothing = ["train", "--checkpoints_dir", text(&scene.runs), "--name", "nothing"];
    refused(
        &pixtape(&[&nothing[..], &["--continue_train"]].concat()),
        &["nothing", "holds no run yet", "--dataroot"],
    );
    assert!(!scene.runs.join("nothing").exists());
}

#[test]
fn a_page_and_what_a_run_holds_can_be_asked_for_while_it_trains() {
    if !adapter() {
        return;
    }
    let scene = Scene::new(3);
    let run = scene.runs.join("busy");
    let mut child = start(&scene.words(
        "busy",
        &["--n_epochs", "100000", "--save_latest_freq", "1", "--save_epoch_freq", "1000"],
    ));
    wait(&mut child, || checkpoints(&run).last() > Some(&1));
    for _ in 0..5 {
        ok(pixtape(&["info", text(&run)]));
        ok(pixtape(&["report", text(&run)]));
    }
    assert!(child.try_wait().unwrap().is_none());
    // It has room for more beside the training.
    let file = OpenOptions::new().read(true).open(run.join("report.html")).unwrap();
    assert!(file.metadata().unwrap().len() > 1000);
    kill(child);
}
