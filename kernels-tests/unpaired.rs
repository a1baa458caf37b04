//! CycleGAN as a user meets it: two folders without pairs, both directions, pools in a checkpoint.

#[path = "support/program.rs"]
mod program;

use pixtape::io::Picture;
use program::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NET: &[&str] = &[
    "--model",
    "cycle_gan",
    "--netG",
    "resnet_6blocks",
    "--ngf",
    "4",
    "--ndf",
    "4",
    "--n_layers_D",
    "2",
    "--netD",
    "n_layers",
    "--load_size",
    "36",
    "--crop_size",
    "32",
    "--tune",
    "off",
    "--pool_size",
    "2",
];

struct Scene {
    _dir: TempDir,
    root: PathBuf,
    runs: PathBuf,
}

/// Three pictures of A, four of B, and two pairs in `val/`.
fn scene() -> Scene {
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    for (folder, numbers) in [("trainA", 0..3), ("trainB", 10..14)] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        numbers.for_each(|n| {
            picture(40, 40, n).save_png(&root.join(folder).join(format!("{n}.png"))).unwrap()
        });
    }
    std::fs::create_dir(root.join("val")).unwrap();
    (20..22).for_each(|n| picture(80, 40, n).save_png(&root.join(format!("val/{n}.png"))).unwrap());
    Scene { _dir: dir, root, runs }
}

impl Scene {
    fn words<'a>(&'a self, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
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
            NET,
            more,
        ]
        .concat()
    }

    fn train(&self, name: &str, more: &[&str]) -> Output {
        pixtape(&self.words(name, more))
    }

    fn run(&self, name: &str) -> PathBuf {
        self.runs.join(name)
    }
}

fn assert_same(a: &Path, b: &Path) {
    assert_identical(a, b);
    assert_identical(&a.join("samples"), &b.join("samples"));
}

#[test]
fn a_run_goes_on_from_full_pools_and_from_less_memory_as_if_nothing_had_happened() {
    if !adapter() {
        return;
    }
    let scene = scene();
    let whole = ["--n_epochs", "2", "--n_epochs_decay", "0", "--save_latest_freq", "3"];
    let said = ok(scene.train("a", &whole));
    assert!(said.contains("3 and 4 images of 32x32") && said.contains("D_A"), "{said}");
    let run = scene.run("a");
    for net in ["G_A", "G_B", "D_A", "D_B"] {
        assert!(run.join(format!("latest_net_{net}.safetensors")).is_file(), "{net}");
    }
    let losses = std::fs::read_to_string(run.join("losses.jsonl")).unwrap();
    let rows: Vec<Value> = losses.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    // An epoch is as long as the larger side.
    assert_eq!(
        rows.iter().map(|r| r["epoch"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 1, 1, 1, 2, 2, 2, 2]
    );
    let names = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"];
    assert!(
        rows.iter().all(|r| names.iter().all(|n| r[*n].as_f64().is_some_and(f64::is_finite))),
        "{losses}"
    );
    // real_A fake_B rec_A idt_B and the same of B, three samples below each other.
    let grid = Picture::load(&run.join("samples/epoch001.png"), 3).unwrap();
    assert_eq!((grid.width, grid.height), (8 * 32 + 7 * 4, 4 * 32 + 3 * 4));

    ok(scene.train("b", &[&whole[..], &["--max_steps", "5"]].concat()));
    ok(pixtape(&["resume", text(&scene.run("b"))]));
    assert_same(&run, &scene.run("b"));
    ok(scene.train("c", &[&whole[..], &["--recompute"]].concat()));
    assert_same(&run, &scene.run("c"));

    // Killed at any time after both pools are full.
    let kill = scene.words("d", &whole);
    let mut child = program(Path::new(""))
        .args(&kill)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !scene.run("d").join("checkpoints/step_3").is_dir()
        && begun.elapsed() < Duration::from_secs(60)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    ok(pixtape(&["resume", text(&scene.run("d"))]));
    assert_same(&run, &scene.run("d"));

    // A flipped byte in a pool is noticed, and the checkpoint before is used.
    ok(scene.train("e", &[&whole[..], &["--max_steps", "6"]].concat()));
    let pools = scene.run("e").join("checkpoints/step_6/latest_pools.safetensors");
    let mut bytes = std::fs::read(&pools).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pools, bytes).unwrap();
    let output = pixtape(&["resume", text(&scene.run("e"))]);
    assert!(errors(&output).contains("latest_pools.safetensors"), "{}", errors(&output));
    ok(output);
    assert_same(&run, &scene.run("e"));
}

#[test]
fn a_run_with_averages_and_accumulated_batches_resumes_to_the_bit() {
    if !adapter() {
        return;
    }
    let scene = scene();
    let epochs = ["--n_epochs", "3", "--n_epochs_decay", "0"];
    let flags = [&epochs[..], &["--ema", "0.9", "--accumulate", "2"]].concat();
    ok(scene.train("a", &flags));
    let run = scene.run("a");
    let losses = std::fs::read_to_string(run.join("losses.jsonl")).unwrap();
    assert_eq!(losses.lines().count(), 6, "four images are two steps per epoch");
    let options = std::fs::read_to_string(run.join("options.json")).unwrap();
    let options: Value = serde_json::from_str(&options).unwrap();
    assert_eq!(
        (&options["options"]["ema"], &options["options"]["accumulate"]),
        (&0.9.into(), &2.into())
    );
    let state = std::fs::read_to_string(run.join("latest_state.json")).unwrap();
    for net in ["G_A_ema", "G_B_ema"] {
        assert!(state.contains(&format!("latest_net_{net}.safetensors")), "{state}");
    }
    // Stopped in the middle of an epoch, with full pools.
    ok(scene.train("b", &[&flags[..], &["--max_steps", "3"]].concat()));
    ok(pixtape(&["resume", text(&scene.run("b"))]));
    assert_same(&run, &scene.run("b"));
    ok(scene.train("c", &[&flags[..], &["--recompute"]].concat()));
    assert_same(&run, &scene.run("c"));
    // Samples are made with the averages; the training is the same without them.
    ok(scene.train("d", &[&epochs[..], &["--accumulate", "2"]].concat()));
    let read = |run: &str, file: &str| std::fs::read(scene.run(run).join(file)).unwrap();
    assert_eq!(read("a", "losses.jsonl"), read("d", "losses.jsonl"));
    assert_ne!(read("a", "samples/epoch003.png"), read("d", "samples/epoch003.png"));

    // A run that had no averages begins them when it is resumed with the flag.
    let more = ["--n_epochs", "4", "--ema", "0.9"];
    let resume = ["train", "--checkpoints_dir", text(&scene.runs), "--name", "d"];
    ok(pixtape(&[&resume[..], &["--continue_train"], &more].concat()));
    assert!(scene.run("d").join("latest_net_G_B_ema.safetensors").is_file());

    // The averages are nets of their own.
    let input = scene.root.join("trainA/0.png");
    let made = |file: &str| {
        let output = scene.root.join("out.png");
        let (checkpoint, input, output_file) = (run.join(file), text(&input), text(&output));
        ok(pixtape(&[
            "translate",
            "--checkpoint",
            text(&checkpoint),
            "--input",
            input,
            "--output",
            output_file,
        ]));
        std::fs::read(&output).unwrap()
    };
    let (net, average) = ("latest_net_G_A.safetensors", "latest_net_G_A_ema.safetensors");
    assert_ne!(made(net), made(average));
}

#[test]
fn both_directions_are_translated_measured_and_exported() {
    if !adapter() {
        return;
    }
    let scene = scene();
    ok(scene.train("a", &["--max_steps", "2"]));
    // The other way round: its first generator goes from B to A.
    ok(scene.train("back", &["--max_steps", "2", "--direction", "BtoA"]));
    let run = scene.run("a");
    let input = scene.root.join("trainA/0.png");
    let made = |checkpoint: &Path, more: &[&str]| {
        let output = scene.root.join("out.png");
        ok(pixtape(
            &[
                &[
                    "translate",
                    "--checkpoint",
                    text(checkpoint),
                    "--input",
                    text(&input),
                    "--output",
                    text(&output),
                ],
                more,
            ]
            .concat(),
        ));
        std::fs::read(output).unwrap()
    };
    let there = made(&run, &[]);
    assert_eq!(there, made(&run, &["--direction", "AtoB"]));
    assert_eq!(there, made(&run.join("latest_net_G_A.safetensors"), &[]));
    let back = made(&run, &["--direction", "BtoA"]);
    assert!(back != there && back == made(&run.join("latest_net_G_B.safetensors"), &[]));
    let other = scene.run("back");
    assert_eq!(made(&other, &[]), made(&other, &["--direction", "BtoA"]));
    assert_eq!(
        made(&other, &["--direction", "AtoB"]),
        made(&other.join("latest_net_G_B.safetensors"), &[])
    );
    made(&run, &["--direction", "BtoA", "--heat"]);
    assert!(scene.root.join("out_heat.png").is_file());

    let eval = |more: &[&str]| -> Value {
        let words = ["eval", "--checkpoint", text(&run), "--dataroot", text(&scene.root), "--json"];
        serde_json::from_str(&ok(pixtape(&[&words, more].concat()))).unwrap()
    };
    let (forth, back) = (eval(&[]), eval(&["--direction", "BtoA"]));
    assert!(forth["pictures"] == 2 && back["pictures"] == 2 && forth["mean"] != back["mean"]);
    for format in ["half", "onnx"] {
        let to = scene.root.join(format);
        let export = ["export", "--checkpoint", text(&run), "--direction", "BtoA", "--format"];
        ok(pixtape(&[&export[..], &[format, "--output", text(&to)]].concat()));
        assert!(to.is_file());
    }
    let info = ok(pixtape(&["info", text(&run)]));
    assert!(info.contains("resnet_6blocks") && info.contains("cycle_gan"), "{info}");
    ok(pixtape(&["report", text(&run)]));
}

#[test]
fn strips_and_films_are_translated_by_resnets_too() {
    if !adapter() {
        return;
    }
    let scene = scene();
    ok(scene.train("a", &["--max_steps", "2", "--init_type", "kaiming"]));
    let run = scene.run("a");
    // No multiples of 4.
    let film = scene.root.join("film");
    std::fs::create_dir(&film).unwrap();
    for number in 1..4 {
        picture(45, 86, number).save_png(&film.join(format!("{number}.png"))).unwrap();
    }
    let made = |more: &[&str]| {
        let output = scene.root.join("out");
        let translate = ["translate", "--tune", "off", "--checkpoint", text(&run), "--input"];
        ok(pixtape(&[&translate[..], &[text(&film), "--output", text(&output)], more].concat()));
        let load = |n: u32| Picture::load(&output.join(format!("{n}.png")), 3).unwrap();
        [1, 2, 3].map(|n| {
            let made = load(n);
            assert_eq!((made.width, made.height), (45, 86));
            made.data
        })
    };
    let far = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let whole = made(&[]);
    for more in [["--tile", "16"], ["--memory_limit", "200KiB"]] {
        let strips = made(&more);
        assert!(whole.iter().zip(&strips).all(|(a, b)| far(a, b) <= 1), "{more:?}");
    }
    let (first, smooth) = (made(&["--sequence", "first"]), made(&["--sequence", "smooth"]));
    assert!(far(&whole[0], &first[0]) <= 1 && far(&whole[0], &smooth[0]) <= 1);
    let sum = |a: &[u8], b: &[u8]| -> u64 {
        a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
    };
    for frame in 1..3 {
        let [first, smooth] = [&first, &smooth].map(|film| sum(&film[frame], &whole[frame]));
        assert!(0 < smooth && smooth <= first, "frame {frame}: {smooth} and {first}");
    }
}

#[test]
fn mistakes_get_one_line() {
    let scene = scene();
    let refuse = |more: &[&str], parts: &[&str]| refused(&scene.train("x", more), parts);
    refuse(&["--lambda_L1", "10"], &["--lambda_L1", "--model cycle_gan"]);
    refuse(&["--ema", "1"], &["--ema 1", "0.999"]);
    refuse(&["--early_stop", "2"], &["--early_stop", "cycle_gan"]);
    refuse(&["--bands_B", "red,green"], &["--bands_B", "cycle_gan"]);
    refuse(&["--dataset_mode", "aligned"], &["--dataset_mode aligned", "unaligned"]);
    refuse(
        &["--model", "pix2pix", "--dataset_mode", "unaligned"],
        &["--dataset_mode unaligned", "pix2pix"],
    );
    refuse(&["--model", "pix2pix", "--lambda_A", "1"], &["--lambda_A", "pix2pix"]);
    refuse(&["--model", "cyclegan"], &["--model cyclegan", "cycle_gan"]);
    refuse(&["--phase", "val"], &["valA", "unaligned"]);
    std::fs::remove_dir_all(scene.root.join("trainB")).unwrap();
    std::fs::create_dir(scene.root.join("trainB")).unwrap();
    refuse(&[], &["trainB", "no images"]);
    assert!(!scene.run("x").exists());
    if !adapter() {
        return;
    }
    picture(40, 40, 1).save_png(&scene.root.join("trainB/1.png")).unwrap();
    refuse(&["--gan_mode", "wgangp"], &["wgangp", "lsgan"]);
    refuse(&["--lambda_identity=-1"], &["--lambda_identity -1"]);
    refuse(&["--memory_limit", "1MiB"], &["needs", "limit", "--recompute"]);
    pairs(&scene.root.join("paired"), 2);
    ok(train(&scene.root.join("paired"), &scene.runs, "paired", &["--max_steps", "1"]));
    let input = scene.root.join("trainA/0.png");
    let output = pixtape(&[
        "translate",
        "--checkpoint",
        text(&scene.run("paired")),
        "--input",
        text(&input),
        "--output",
        "/nonexistent/x.png",
        "--direction",
        "BtoA",
    ]);
    refused(&output, &["--direction", "AtoB only"]);
}
