//! A device that fails in the middle of a run: lost, out of memory, wrong, slow, shared.

#[path = "support/program.rs"]
mod program;

use pixtape::gpu::Request;
use pixtape::io::{Size, create_dir};
use pixtape::nets::GeneratorKind;
use pixtape::run::Options;
use pixtape::run::options::ModelKind;
use pixtape::session::{Ended, Event, Session};
use pixtape::testing::{Call, hook};
use pixtape::{Gpu, Result, wgpu};
use program::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with data, and runs of six steps in two epochs.
struct Scene {
    dir: TempDir,
    model: ModelKind,
}

impl Scene {
    fn new(model: ModelKind) -> Scene {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("data");
        pairs(&root, 3);
        for side in ["trainA", "trainB"] {
            create_dir(&root.join(side)).unwrap();
            for i in 0..3 {
                let number = i + 7 * u32::from(side == "trainB");
                picture(40, 40, number)
                    .save_png(&root.join(side).join(format!("{i}.png")))
                    .unwrap();
            }
        }
        Scene { dir, model }
    }

    fn run(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn options(&self, name: &str) -> Options {
        let mut options = Options::new(self.model);
        options.dataroot = Some(self.dir.path().join("data"));
        (options.run.checkpoints_dir, options.run.name) = (self.dir.path().into(), name.into());
        (options.data.load_size, options.data.crop_size) = (Size::square(36), Size::square(32));
        options.nets.net_g = GeneratorKind::Unet { downs: 5 };
        (options.nets.ngf, options.nets.ndf, options.optim.pool_size) = (4, 4, 2);
        (options.optim.n_epochs, options.optim.n_epochs_decay) = (2, 0);
        options.run.save_latest_freq = 2;
        options
    }

    fn session(&self, gpu: &Gpu, name: &str) -> Session<'static> {
        Session::open(gpu, self.options(name)).unwrap()
    }

    /// An undisturbed run.
    fn whole(&self, gpu: &Gpu) -> PathBuf {
        self.session(gpu, "whole").run().unwrap();
        self.run("whole")
    }

    /// Resumes a run and compares it with an undisturbed one.
    fn resumes_as(&self, whole: &Path, gpu: &Gpu, name: &str) {
        self.session(gpu, name).run().unwrap();
        assert_identical(whole, &self.run(name));
    }
}

/// A device of its own, which nobody else makes fail.
fn device(checked: bool) -> Option<Gpu> {
    let adapter = std::env::var("PIXTAPE_ADAPTER").ok();
    match pollster::block_on(Gpu::request(&Request { adapter, checked, ..Request::default() })) {
        Ok(gpu) => Some(gpu),
        Err(e) => {
            assert!(std::env::var_os("PIXTAPE_REQUIRE_GPU").is_none(), "{e}");
            println!("SKIPPED ({e})");
            None
        }
    }
}

/// Calls in a thread of its own: what never returns fails the test. A panic does, too.
fn within_two_minutes<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || drop(sender.send(call())));
    match receiver.recv_timeout(Duration::from_secs(120)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(_) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

/// Runs a session of a scene whose device is lost at a submission, counted from the first step.
/// Returns how it ended and how many submissions there were.
fn lose_at(scene: &Scene, name: &str, submission: u64) -> (Result<Ended>, u64) {
    let (gpu, session_of) = (device(false).unwrap(), scene.options(name));
    within_two_minutes(move || {
        let (count, armed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut session = Session::open(&gpu, session_of).unwrap();
        let (counts, is_armed, lost) = (count.clone(), armed.clone(), gpu.device().clone());
        hook(&gpu, move |call| {
            if call == Call::Submission
                && is_armed.load(SeqCst)
                && counts.fetch_add(1, SeqCst) + 1 == submission
            {
                lost.destroy();
            }
            false
        });
        session.observe(move |event: &Event| {
            if matches!(event, Event::Started(_)) {
                armed.store(true, SeqCst);
            }
            Ok(())
        });
        let ended = session.run();
        (ended, count.load(SeqCst))
    })
}

fn lost_anywhere(model: ModelKind) {
    let Some(gpu) = device(false) else { return };
    let scene = Scene::new(model);
    let (ended, submissions) = lose_at(&scene, "whole", 0);
    ended.unwrap();
    let whole = scene.run("whole");
    // In the first checkpoint, in steps, in samples, in validation, in the last checkpoint.
    let places = (0..4).map(|part| 2 + part * (submissions - 3) / 3);
    for (number, place) in places.enumerate() {
        let name = format!("lost{number}");
        let (ended, _) = lose_at(&scene, &name, place);
        let error = ended.expect_err("a lost device ends a session");
        assert!(error.to_string().contains("the device was lost at"), "{place}: {error}");
        assert_eq!(error.exit_code(), 1);
        println!("at {place} of {submissions}: {error}");
        scene.resumes_as(&whole, &gpu, &name);
    }
}

#[test]
fn a_pix2pix_run_whose_device_is_lost_anywhere_resumes_as_if_it_had_not_been() {
    lost_anywhere(ModelKind::Pix2Pix);
}

#[test]
fn a_cycle_gan_run_whose_device_is_lost_anywhere_resumes_as_if_it_had_not_been() {
    lost_anywhere(ModelKind::CycleGan);
}

/// Refuses buffers of more than so many bytes.
fn short_of_memory(gpu: &Gpu) -> Arc<AtomicU64> {
    let most = Arc::new(AtomicU64::new(u64::MAX));
    let limit = most.clone();
    hook(gpu, move |call| matches!(call, Call::Buffer { bytes, .. } if bytes > limit.load(SeqCst)));
    most
}

/// Warnings of a session.
fn warnings(session: &mut Session<'_>) -> Arc<Mutex<Vec<String>>> {
    let said = Arc::<Mutex<Vec<String>>>::default();
    let all = said.clone();
    session.observe(move |event: &Event| {
        if let Event::Warning(text) = event {
            all.lock().unwrap().push(text.clone());
        }
        Ok(())
    });
    said
}

#[test]
fn without_memory_for_samples_and_validation_a_training_goes_on_to_the_same_weights() {
    for model in [ModelKind::Pix2Pix, ModelKind::CycleGan] {
        let Some(gpu) = device(false) else { return };
        let scene = Scene::new(model);
        let whole = scene.whole(&gpu);
        let most = short_of_memory(&gpu);
        let mut session = scene.session(&gpu, "short");
        let said = warnings(&mut session);
        session.observe(move |event: &Event| {
            match event {
                Event::Step(step) if step.step == 3 => most.store(0, SeqCst),
                Event::EpochEnded { epoch: 1, .. } => most.store(u64::MAX, SeqCst),
                _ => {}
            }
            Ok(())
        });
        session.run().unwrap();
        let said = said.lock().unwrap();
        let validates = model == ModelKind::Pix2Pix;
        assert_eq!(said.len(), 1 + usize::from(validates), "{said:?}");
        for text in said.iter() {
            assert!(text.contains("of step 3 left out: out of device memory"), "{text}");
        }
        // All but what was left out: a row of validation, and what may have been the best.
        let of_run = |run: &Path| {
            let mut files = identity(run);
            files.retain(|(name, _)| !name.starts_with("best") && name != "validation.jsonl");
            files
        };
        assert!(of_run(&whole) == of_run(&scene.run("short")));
    }
}

#[test]
fn a_checkpoint_is_written_in_pieces_where_memory_is_short_and_not_at_all_where_there_is_none() {
    let Some(gpu) = device(false) else { return };
    let scene = Scene::new(ModelKind::Pix2Pix);
    let whole = scene.whole(&gpu);
    let most = short_of_memory(&gpu);
    let session = scene.session(&gpu, "pieces");
    most.store(64 << 10, SeqCst);
    session.run().unwrap();
    assert_identical(&whole, &scene.run("pieces"));

    most.store(u64::MAX, SeqCst);
    let mut session = scene.session(&gpu, "none");
    let limit = most.clone();
    session.observe(move |event: &Event| {
        if matches!(event, Event::Step(step) if step.step == 4) {
            limit.store(0, SeqCst);
        }
        Ok(())
    });
    let error = session.run().unwrap_err();
    assert!(error.to_string().contains("out of device memory"), "{error}");
    most.store(u64::MAX, SeqCst);
    scene.resumes_as(&whole, &gpu, "none");
}

/// The word of a trained weight of G: its buffer and where it lies there.
fn a_weight(session: &Session<'_>) -> (wgpu::Buffer, u64) {
    let trainer = session.trainer();
    let (_, weights, _) = trainer.networks()[0];
    let param = weights.params().nth(1).unwrap();
    trainer.store().on_device(trainer.program().gpu(), param.value).unwrap()
}

#[test]
fn a_wrong_result_that_does_not_happen_again_is_the_devices_and_the_run_resumes() {
    let Some(gpu) = device(false) else { return };
    let scene = Scene::new(ModelKind::Pix2Pix);
    let whole = scene.whole(&gpu);
    let mut session = scene.session(&gpu, "wrong");
    let ((buffer, offset), queue) = (a_weight(&session), gpu.queue().clone());
    session.observe(move |event: &Event| {
        if matches!(event, Event::Step(step) if step.step == 4) {
            queue.write_buffer(&buffer, offset, &f32::NAN.to_le_bytes());
        }
        Ok(())
    });
    let error = session.run().unwrap_err();
    let text = error.to_string();
    for part in
        ["did not happen again", "wrong result once", "the last good one", "`pixtape devices`"]
    {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!text.contains("`lr`"), "it is not the options' fault: {text}");
    scene.resumes_as(&whole, &gpu, "wrong");
}

#[test]
fn a_checked_run_finds_wrong_numbers_in_a_step_and_between_two() {
    let Some(gpu) = device(true) else { return };
    let scene = Scene::new(ModelKind::Pix2Pix);
    let whole = scene.whole(&gpu);
    for (name, between) in [("between", true), ("within", false)] {
        let gpu = device(true).unwrap();
        let mut session = scene.session(&gpu, name);
        let ((buffer, offset), queue) = (a_weight(&session), gpu.queue().clone());
        // Plausible, and wrong.
        let spoil = move || queue.write_buffer(&buffer, offset, &0.0123f32.to_le_bytes());
        let armed = Arc::new(AtomicBool::new(false));
        let now = armed.clone();
        let (in_step, mut reads) = (spoil.clone(), false);
        hook(&gpu, move |call| {
            // Reading makes a buffer and submits; a step makes none.
            if call == Call::Submission && !reads && now.swap(false, SeqCst) {
                in_step();
            }
            reads = call != Call::Submission;
            false
        });
        session.observe(move |event: &Event| {
            if matches!(event, Event::Saved { step: 4, .. }) {
                if between { spoil() } else { armed.store(true, SeqCst) }
            }
            Ok(())
        });
        let error = session.run().unwrap_err();
        let said =
            if between { "what step 4 left in memory had changed" } else { "step 5 ran twice" };
        assert!(error.to_string().contains(said), "{name}: {error}");
        scene.resumes_as(&whole, &gpu, name);
    }
}

#[test]
fn a_device_that_becomes_slow_is_noticed_measured_and_changes_no_result() {
    let Some(gpu) = device(false) else { return };
    let scene = Scene::new(ModelKind::Pix2Pix);
    let session = |name: &str| {
        let mut options = scene.options(name);
        (options.optim.n_epochs, options.run.val_freq) = (14, 0);
        options.run.save_latest_freq = 1000;
        Session::open(&gpu, options).unwrap()
    };
    session("whole").run().unwrap();
    // After twelve steps every submission of a step waits, for more than twice the time of a step
    // before.
    let wait = Arc::new(AtomicU64::new(0));
    let pause = wait.clone();
    hook(&gpu, move |_| {
        std::thread::sleep(Duration::from_micros(pause.load(SeqCst)));
        false
    });
    let mut session = session("slow");
    session.watch_speed_by(0.0);
    let said = warnings(&mut session);
    let (mut times, mut slow) = (Vec::new(), 0);
    session.observe(move |event: &Event| {
        match event {
            Event::Step(step) => {
                times.push(step.seconds.as_micros() as u64);
                if step.step == 12 {
                    times.sort_unstable();
                    slow = (5 * times[6] / 2).max(50_000);
                }
                // An epoch ends: samples come next.
                wait.store(if step.step.is_multiple_of(3) { 0 } else { slow }, SeqCst);
            }
            Event::EpochEnded { .. } => wait.store(slow, SeqCst),
            // It has been seen: there is no need to be slow any longer.
            Event::Warning(_) => {
                slow = 0;
                wait.store(0, SeqCst);
            }
            _ => {}
        }
        Ok(())
    });
    session.run().unwrap();
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("times as long as before since step"), "{said:?}");
    assert!(said[0].contains("measured again"), "{said:?}");
    println!("{}", said[0]);
    assert_identical(&scene.run("whole"), &scene.run("slow"));
}

#[test]
fn two_runs_three_translations_and_readers_share_an_adapter() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 3);
    // A checkpoint after each step, and a page after each epoch.
    let more = ["--n_epochs", "4", "--n_epochs_decay", "0", "--save_latest_freq", "1"];
    ok(train(&root, &runs, "whole", &more));
    let whole = runs.join("whole");
    let translate = |name: &str| {
        let output = dir.path().join(name);
        let mut command = program(Path::new(""));
        command.args(["translate", "--checkpoint", text(&whole), "--output", text(&output)]);
        command.arg("--input").arg(root.join("val"));
        (command, output)
    };
    let (mut alone, expected) = translate("alone");
    ok(alone.output().unwrap());

    let words = ["train", "--dataroot", text(&root), "--checkpoints_dir", text(&runs), "--name"];
    let start = |command: &mut std::process::Command| {
        let silent = std::process::Stdio::piped;
        command.stdout(silent()).stderr(silent()).spawn().unwrap()
    };
    let mut trains = ["a", "b"]
        .map(|name| start(program(Path::new("")).args(words).arg(name).args(TINY).args(more)));
    let translations = ["one", "two", "three"].map(|name| {
        let (mut command, output) = translate(name);
        (start(&mut command), output)
    });
    // They read what is being written, as long as it is.
    let (run, mut reads) = (runs.join("a"), 0);
    loop {
        let ended = trains[0].try_wait().unwrap().is_some();
        if run.join("latest_state.json").exists() {
            ok(pixtape(&["info", text(&run)]));
            ok(pixtape(&["report", text(&run)]));
            reads += 1;
        }
        if ended {
            break;
        }
    }
    println!("read {reads} times meanwhile");
    assert!(reads > 1);
    for (name, child) in ["a", "b"].into_iter().zip(trains) {
        ok(child.wait_with_output().unwrap());
        assert_identical(&whole, &runs.join(name));
    }
    for (child, output) in translations {
        ok(child.wait_with_output().unwrap());
        assert_identical(&expected, &output);
    }
}

#[test]
fn the_check_of_a_device_that_works_passes() {
    if !adapter() {
        return;
    }
    let adapter = std::env::var("PIXTAPE_ADAPTER").unwrap_or("0".into());
    let said = ok(pixtape(&["devices", "--check", "--adapter", &adapter]));
    assert!(said.contains("checks passed") && !said.contains("FAIL"), "{said}");
}
