//! The program as a user meets it: commands, files, errors and exit codes.

#[path = "support/program.rs"]
mod program;

use pixtape::io::tuning::TuningFile;
use pixtape::io::{AnyPicture, Picture};
use program::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

#[test]
fn a_run_writes_its_files_and_can_be_repeated_resumed_translated_and_evaluated() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 3);
    let whole = ["--n_epochs", "2", "--n_epochs_decay", "0", "--save_epoch_freq", "1"];
    ok(train(&root, &runs, "a", &whole));
    let run = runs.join("a");
    let expected = [
        "options.json",
        "losses.jsonl",
        "timing.jsonl",
        "latest_net_G.safetensors",
        "latest_net_D.safetensors",
        "latest_optimizer.safetensors",
    ];
    for file in expected.into_iter().chain([
        "latest_state.json",
        "1_net_G.safetensors",
        "2_net_D.safetensors",
        "samples/epoch001.png",
        "samples/latest.png",
    ]) {
        assert!(run.join(file).is_file(), "{file}");
    }
    let losses = std::fs::read_to_string(run.join("losses.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> =
        losses.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        rows.iter().map(|r| (r["step"].as_u64(), r["epoch"].as_u64())).collect::<Vec<_>>(),
        (1..=6u64).map(|s| (Some(s), Some(s.div_ceil(3)))).collect::<Vec<_>>()
    );
    assert!(rows.iter().all(|r| {
        ["G_GAN", "G_L1", "D_real", "D_fake"]
            .iter()
            .all(|n| r[*n].as_f64().is_some_and(f64::is_finite))
    }));

    ok(train(&root, &runs, "b", &whole));
    assert_identical(&run, &runs.join("b"));
    ok(train(&root, &runs, "c", &[&whole[..], &["--no_reuse"]].concat()));
    assert_identical(&run, &runs.join("c"));
    // Stopped in the middle of an epoch, then continued; flags come from the run.
    ok(train(&root, &runs, "d", &[&whole[..], &["--max_steps", "4"]].concat()));
    ok(pixtape(&["train", "--checkpoints_dir", text(&runs), "--name", "d", "--continue-train"]));
    assert_identical(&run, &runs.join("d"));

    refused(
        &train(&root, &runs, "a", &whole),
        &["holds a run already", "--continue_train", "--overwrite"],
    );
    ok(train(&root, &runs, "b", &["--max_steps", "1", "--overwrite"]));
    assert_eq!(std::fs::read_to_string(runs.join("b/losses.jsonl")).unwrap().lines().count(), 1);

    let (inputs, results) = (dir.path().join("inputs"), dir.path().join("results"));
    std::fs::create_dir(&inputs).unwrap();
    picture(64, 32, 7).save_png(&inputs.join("wide.png")).unwrap();
    picture(32, 32, 8).save_png(&inputs.join("square.png")).unwrap();
    for checkpoint in [run.clone(), run.join("latest_net_G.safetensors")] {
        ok(pixtape(&[
            "translate",
            "--checkpoint",
            text(&checkpoint),
            "--input",
            text(&inputs),
            "--output",
            text(&results),
        ]));
        let wide = Picture::load(&results.join("wide.png"), 3).unwrap();
        assert_eq!((wide.width, wide.height), (64, 32));
        assert!(results.join("square.png").is_file());
    }
    let one = dir.path().join("one");
    ok(pixtape(&[
        "translate",
        "--checkpoint",
        text(&run),
        "--input",
        text(&inputs.join("square.png")),
        "--output",
        text(&one),
    ]));
    assert_eq!(
        std::fs::read(one.join("square.png")).unwrap(),
        std::fs::read(results.join("square.png")).unwrap()
    );
    for mode in [["--norm_mode", "running"], ["--dropout", "on"]] {
        ok(pixtape(
            &[
                &[
                    "translate",
                    "--checkpoint",
                    text(&run),
                    "--input",
                    text(&inputs),
                    "--output",
                    text(&one),
                ],
                &mode[..],
            ]
            .concat(),
        ));
    }

    let table = ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&run),
        "--dataroot",
        text(&root),
        "--phase",
        "val",
        "--json",
    ]));
    let table: serde_json::Value = serde_json::from_str(&table).unwrap();
    assert!(table.to_string().contains("ssim") || table.to_string().contains("SSIM"), "{table}");
    ok(pixtape(&["eval", "--results", text(&results), "--targets", text(&inputs)]));

    // Sides that do not pass the halvings are padded, which is said once, and cut off again.
    picture(40, 32, 9).save_png(&inputs.join("odd.png")).unwrap();
    let grid = dir.path().join("grid.png");
    let more = ["--side_by_side", "--heat", "--grid", text(&grid)];
    let output = pixtape(
        &[
            &[
                "translate",
                "--checkpoint",
                text(&run),
                "--input",
                text(&inputs),
                "--output",
                text(&results),
            ],
            &more[..],
        ]
        .concat(),
    );
    let note = errors(&output);
    assert!(
        note.lines().count() == 1
            && ["odd.png", "40x32 becomes 64x32", "multiples of 32"]
                .iter()
                .all(|p| note.contains(p)),
        "{note}"
    );
    let size = |path: &Path| Picture::dimensions(path).unwrap();
    assert_eq!(
        (size(&results.join("odd.png")), size(&results.join("odd_heat.png"))),
        ((80, 32), (40, 32))
    );
    // Three rows of input, result and map, the widest 64 wide and two white pixels between them.
    assert_eq!(size(&grid), (3 * 64 + 2 * 2, 3 * 32 + 2 * 2));
    let wrong = run.join("latest_net_D.safetensors");
    let other = ["--init_G", text(&wrong), "--max_steps", "1"];
    refused(&train(&root, &runs, "e", &other), &["weights of a different network", "is missing"]);
    refused(
        &train(
            &root,
            &runs,
            "e",
            &["--ngf", "8", "--init_G", text(&run.join("latest_net_G.safetensors"))],
        ),
        &["weights of a different network", "--ngf"],
    );
    refused(
        &train(&root, &runs, "e", &["--memory_limit", "100KiB"]),
        &["102400", "largest tensors", "--batch_size"],
    );
    assert!(!runs.join("e").exists(), "nothing may be left of a run that was refused");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_run_goes_on_as_if_nothing_had_happened() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 4);
    let words = ["--n_epochs", "20", "--n_epochs_decay", "0", "--save_epoch_freq", "100"];
    let mut child = program(Path::new(""))
        .args([
            "train",
            "--dataroot",
            text(&root),
            "--checkpoints_dir",
            text(&runs),
            "--name",
            "stopped",
        ])
        .args(TINY)
        .args(words)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The first grid is written after the first epoch: training is under way.
    let begun = runs.join("stopped/samples/epoch001.png");
    for _ in 0..1200 {
        if begun.exists() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(begun.exists());
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("resume with: pixtape resume"), "{said}");
    ok(pixtape(&[
        "train",
        "--checkpoints_dir",
        text(&runs),
        "--name",
        "stopped",
        "--continue_train",
    ]));
    ok(train(&root, &runs, "whole", &words));
    assert_identical(&runs.join("stopped"), &runs.join("whole"));
    // A changed file is noticed, and the checkpoint before it is used.
    std::fs::write(runs.join("stopped/latest_net_G.safetensors"), b"x").unwrap();
    let output = pixtape(&[
        "train",
        "--checkpoints_dir",
        text(&runs),
        "--name",
        "stopped",
        "--continue_train",
    ]);
    assert!(
        errors(&output).contains("latest_net_G.safetensors") && errors(&output).contains("digest"),
        "{}",
        errors(&output)
    );
    ok(output);
    assert_identical(&runs.join("stopped"), &runs.join("whole"));
}

#[test]
fn pictures_of_many_kinds_are_trained_on_and_come_out_as_deep_as_they_went_in() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs, out) =
        (dir.path().join("data"), dir.path().join("runs"), dir.path().join("out"));
    for folder in ["trainA", "trainB", "photos/train"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let five = |number: u32| {
        let p = picture(44, 36, number);
        let data =
            p.data.chunks(3).flat_map(|v| [v[0], v[1], v[2], v[0] ^ v[1], v[2] / 2]).collect();
        AnyPicture::U8(Picture::new(p.width, p.height, 5, data).unwrap())
    };
    for i in 0..3 {
        five(i).save(&root.join(format!("trainA/{i}.npy"))).unwrap();
        let smooth = (0..44 * 36).map(|at: u32| (at * 40 + i * 100) as u16).collect();
        AnyPicture::U16(Picture::new(44, 36, 1, smooth).unwrap())
            .save(&root.join(format!("trainB/{i}.png")))
            .unwrap();
        picture(44, 36, i).save_png(&root.join(format!("photos/train/{i}.png"))).unwrap();
    }
    // Five bands to 16 bits, a size that is padded, stopped and continued.
    let size = ["--load_size", "44x36", "--crop_size", "40x32"];
    let said = ok(train(&root, &runs, "deep", &[&size[..], &["--max_steps", "5"]].concat()));
    assert!(
        said.contains("5 channels of u8 to 1 of u16")
            && said.contains("padded by reflection to 64x32"),
        "{said}"
    );
    ok(train(&root, &runs, "parts", &[&size[..], &["--max_steps", "2"]].concat()));
    ok(pixtape(&[
        "train",
        "--checkpoints_dir",
        text(&runs),
        "--name",
        "parts",
        "--continue_train",
        "--max_steps",
        "5",
    ]));
    assert_identical(&runs.join("deep"), &runs.join("parts"));
    ok(pixtape(&[
        "translate",
        "--checkpoint",
        text(&runs.join("deep")),
        "--input",
        text(&root.join("trainA/1.npy")),
        "--output",
        text(&out),
    ]));
    let AnyPicture::U16(made) = AnyPicture::load(&out.join("1.png")).unwrap() else {
        panic!("16 bits went in")
    };
    let levels: std::collections::BTreeSet<u16> = made.data.iter().copied().collect();
    assert!(
        made.describe() == "44x36x1" && levels.len() > 256,
        "{} of {} levels",
        made.describe(),
        levels.len()
    );
    ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&runs.join("deep")),
        "--dataroot",
        text(&root),
        "--phase",
        "train",
    ]));

    // Photos: colorized at their own size, and inpainted.
    let photos = root.join("photos");
    ok(train(&photos, &runs, "color", &["--model", "colorization", "--max_steps", "2"]));
    ok(pixtape(&[
        "translate",
        "--checkpoint",
        text(&runs.join("color")),
        "--input",
        text(&photos.join("train")),
        "--output",
        text(&out),
    ]));
    assert_eq!(Picture::load(&out.join("2.png"), 3).unwrap().describe(), "44x36x3");
    ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&runs.join("color")),
        "--dataroot",
        text(&photos),
        "--phase",
        "train",
    ]));
    ok(train(
        &photos,
        &runs,
        "hole",
        &["--dataset_mode", "inpaint", "--mask", "random", "--max_steps", "2"],
    ));
    ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&runs.join("hole")),
        "--dataroot",
        text(&photos),
        "--phase",
        "train",
    ]));
    for run in ["deep", "color", "hole"] {
        assert!(runs.join(run).join("samples/latest.png").is_file());
    }
}

#[test]
fn mistakes_get_one_line_that_says_what_where_and_what_to_try() {
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    let go = |more: &[&str]| train(&root, &runs, "x", more);
    refused(&go(&[]), &[text(&root), "no such folder"]);
    std::fs::create_dir_all(root.join("train")).unwrap();
    refused(&go(&[]), &["train", "on the left"]);
    std::fs::write(root.join("train/a.png"), b"no picture").unwrap();
    refused(&go(&[]), &["a.png"]);
    picture(80, 40, 0).save_png(&root.join("train/a.png")).unwrap();
    picture(96, 48, 0).save_png(&root.join("train/b.png")).unwrap();
    refused(&go(&["--preprocess", "none"]), &["b.png", "48x48", "40x40"]);
    refused(
        &go(&["--crop_size", "33", "--load_size", "32"]),
        &["--load_size 32", "--crop_size 33"],
    );
    refused(&go(&["--crop_size", "33x"]), &["33x", "512x256"]);
    refused(&go(&["--value_range", "5,1"]), &["5,1", "the lower first"]);
    refused(&go(&["--netG", "resnet_8blocks"]), &["resnet_8blocks", "unet_256", "resnet_9blocks"]);
    refused(&go(&["--gan_mode", "wgangp"]), &["wgangp", "batch norm", "--norm_D"]);
    refused(&go(&["--name", "../up"]), &["../up"]);
    refused(&go(&["--batch_sise", "2"]), &["--batch_sise", "--batch_size"]);
    refused(&go(&["--lr", "fast"]), &["fast", "--lr"]);
    refused(&go(&["--batch_size", "8"]), &["8"]);
    refused(
        &pixtape(&["train", "--continue_train", "--checkpoints_dir", text(&runs), "--name", "x"]),
        &["holds no run yet", "--dataroot"],
    );
    refused(
        &pixtape(&[
            "translate",
            "--checkpoint",
            text(&root),
            "--input",
            text(&root),
            "--output",
            text(&runs),
        ]),
        &[text(&root)],
    );
    refused(
        &pixtape(&["eval", "--results", text(&root), "--targets", text(&runs)]),
        &[text(&runs)],
    );
    refused(&pixtape(&["eval"]), &["--checkpoint"]);
    assert!(!runs.exists(), "nothing may be left of runs that were refused");
    if adapter() {
        // A file has the name of the folder.
        let wall = dir.path().join("wall");
        std::fs::write(&wall, b"").unwrap();
        refused(&train(&root, &wall.join("runs"), "x", &["--max_steps", "1"]), &["wall"]);
        refused(&go(&["--adapter", "no such card"]), &["no such card", "there are"]);
    }
}

/// A folder's files.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder)
        .map(|all| all.map(|e| e.unwrap().path()).collect::<Vec<PathBuf>>())
        .unwrap_or_default();
    // The driver's pipelines are kept there too.
    all.into_iter()
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("tuning-")))
        .collect()
}

/// A run's kernels, each replaced by one that no rule would choose and every device can run.
fn odd_kernels(run: &Path) -> TuningFile {
    let mut file = TuningFile::read(&run.join("tuning.json")).unwrap();
    assert!(file.entries.len() > 10);
    file.entries.values_mut().for_each(|e| e.variant = "direct register2".parse().unwrap());
    file
}

#[test]
fn a_run_keeps_the_kernels_it_began_with_and_a_file_gives_the_same_bits() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    let go = |name: &str, more: &[&str]| train(&root, &runs, name, more);
    ok(go("rule", &["--max_steps", "2"]));
    let (list, odd) = (dir.path().join("list.json"), odd_kernels(&runs.join("rule")));
    odd.write(&list).unwrap();
    let with = ["--tune", text(&list), "--max_steps"];
    for name in ["a", "b"] {
        let said = ok(go(name, &[&with[..], &["2"]].concat()));
        assert!(said.contains("passes from the file"), "{said}");
    }
    assert_identical(&runs.join("a"), &runs.join("b"));
    assert_eq!(TuningFile::read(&runs.join("a/tuning.json")).unwrap().entries, odd.entries);
    assert!(identity(&runs.join("a")) != identity(&runs.join("rule")));
    // Continued with another wish, and with a cache that says something else.
    ok(go("c", &[&with[..], &["1"]].concat()));
    let cache = dir.path().join("cache");
    let words = [
        "train",
        "--checkpoints_dir",
        text(&runs),
        "--name",
        "c",
        "--continue_train",
        "--max_steps",
        "2",
        "--tune",
        "cache",
    ];
    let output = program(&cache).args(words).output().unwrap();
    assert!(errors(&output).contains("keeps its kernels"), "{}", errors(&output));
    assert!(ok(output).contains("from the run"));
    assert_identical(&runs.join("a"), &runs.join("c"));
    // A run of a version that wrote none resumes with the built-in rule.
    ok(go("old", &["--max_steps", "1"]));
    std::fs::remove_file(runs.join("old/tuning.json")).unwrap();
    ok(pixtape(&[
        "train",
        "--checkpoints_dir",
        text(&runs),
        "--name",
        "old",
        "--continue_train",
        "--max_steps",
        "2",
    ]));
    assert_eq!(
        std::fs::read(runs.join("old/latest_net_G.safetensors")).unwrap(),
        std::fs::read(runs.join("rule/latest_net_G.safetensors")).unwrap()
    );

    refused(
        &go("x", &["--tune", text(&dir.path().join("none.json"))]),
        &["none.json", "`pixtape tune`"],
    );
    let whole = std::fs::read_to_string(&list).unwrap();
    for wrong in
        ["garbage", &whole[..whole.len() / 2], &whole.replacen("register2", "register4", 1)]
    {
        std::fs::write(&list, wrong).unwrap();
        refused(&go("x", &["--tune", text(&list)]), &["list.json", "not a tuning file"]);
    }
    let mut other = odd;
    other.identity.family = "subgroup(64)".into();
    other.write(&list).unwrap();
    refused(&go("x", &["--tune", text(&list)]), &["list.json", "subgroup(64)"]);
    assert!(!runs.join("x").exists());
}

#[test]
fn what_was_measured_is_kept_listed_used_and_cleared_and_a_bad_cache_is_no_matter() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs, cache, list) = (
        dir.path().join("data"),
        dir.path().join("runs"),
        dir.path().join("cache"),
        dir.path().join("list.json"),
    );
    pairs(&root, 2);
    let tune = |cache: &Path, more: &[&str]| {
        program(cache).arg("tune").args(TINY).args(more).output().unwrap()
    };
    let train = |cache: &Path, name: &str, more: &[&str]| {
        let words = [
            "train",
            "--dataroot",
            text(&root),
            "--checkpoints_dir",
            text(&runs),
            "--name",
            name,
            "--max_steps",
            "1",
            "--overwrite",
        ];
        program(cache).args(words).args(TINY).args(more).output().unwrap()
    };
    assert!(ok(tune(&cache, &["--list"])).contains("nothing is stored"));
    // Two at once.
    let start = || {
        program(&cache)
            .arg("tune")
            .args(TINY)
            .args(["--seconds", "1"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()];
    both.into_iter().for_each(|child| drop(ok(child.wait_with_output().unwrap())));
    let said = ok(tune(&cache, &["--seconds", "1", "--out", text(&list)]));
    assert!(said.contains("conv2d") && said.contains("written to"), "{said}");
    let kept = TuningFile::read(&list).unwrap();
    assert!(!kept.entries.is_empty());
    let [file] = &files(&cache)[..] else { panic!("{:?}", files(&cache)) };
    assert!(TuningFile::read(file).unwrap().entries.len() >= kept.entries.len());
    let listed = ok(tune(&cache, &["--list"]));
    assert!(listed.contains("passes") && listed.contains(&kept.identity.adapter), "{listed}");
    let said = ok(train(&cache, "a", &["--tune", "cache"]));
    assert!(said.contains("as measured"), "{said}");
    let used = TuningFile::read(&runs.join("a/tuning.json")).unwrap();
    assert!(
        kept.entries.iter().all(|(problem, entry)| used.entries[problem].variant == entry.variant)
    );
    // What the cache says is what is done.
    let odd = odd_kernels(&runs.join("a"));
    odd.write(file).unwrap();
    ok(train(&cache, "a", &["--tune", "auto"]));
    assert_eq!(TuningFile::read(&runs.join("a/tuning.json")).unwrap().entries, odd.entries);

    // Damaged, not text, of another version: one line, and the built-in rule.
    let text_of = std::fs::read(file).unwrap();
    for wrong in [&text_of[..text_of.len() - 9], &[0xff; 100], b"{}", b""] {
        std::fs::write(file, wrong).unwrap();
        let output = train(&cache, "b", &["--tune", "cache"]);
        assert_eq!(errors(&output).lines().count(), 1, "{}", errors(&output));
        assert!(ok(output).contains("built-in rule"));
    }
    // No folder can be made below a file.
    let wall = dir.path().join("wall");
    std::fs::write(&wall, b"").unwrap();
    let output = tune(&wall.join("cache"), &["--seconds", "0.1"]);
    assert!(errors(&output).contains("not stored"), "{}", errors(&output));
    ok(output);
    ok(train(&wall.join("cache"), "b", &["--tune", "cache"]));

    assert!(ok(tune(&cache, &["--list"])).contains("broken"));
    assert!(ok(tune(&cache, &["--clear"])).contains("1 file"));
    assert!(
        files(&cache).is_empty() && ok(tune(&cache, &["--list"])).contains("nothing is stored")
    );
    refused(&tune(&cache, &["--seconds", "0"]), &["--seconds"]);
}

#[test]
fn kernels_are_measured_plotted_and_compared() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (plot, old) = (dir.path().join("plot.svg"), dir.path().join("old.json"));
    let one = |more: &[&str]| {
        pixtape(
            &[&["bench", "kernels", "--seconds", "0.02", "--only", "^conv2d_bwd_w 64->128"], more]
                .concat(),
        )
    };
    let report = ok(one(&["--json"]));
    std::fs::write(&old, &report).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{report}");
    assert!(
        rows[0]["checked"] == true
            && rows[0]["gflops"].as_f64().unwrap() > 0.0
            && rows[0]["variant"].as_str().unwrap().contains(' ')
    );
    assert!(
        report["fma_gflops"].as_f64().unwrap() > 0.0 && report["copy_gbs"].as_f64().unwrap() > 0.0,
        "{report}"
    );

    let table = ok(one(&["--svg", text(&plot), "--compare", text(&old)]));
    assert!(
        table.contains("worst first; geometric mean of 1 rows")
            && table.contains("conv2d_bwd_w 64->128 k4 s2 @128"),
        "{table}"
    );
    assert!(std::fs::read_to_string(&plot).unwrap().starts_with("<svg"));
    // What does not fit is named, and is no failure.
    let table = ok(pixtape(&[
        "bench",
        "kernels",
        "--seconds",
        "0.02",
        "--only",
        "^adam",
        "--batch_size",
        "1,2",
        "--memory_limit",
        "1MiB",
    ]));
    assert_eq!(
        table
            .lines()
            .filter(|l| l.starts_with("skipped: pix2pix-") && l.contains("1048576"))
            .count(),
        4,
        "{table}"
    );

    // Mistakes give one line, measure nothing, and leave no file.
    let nowhere = dir.path().join("none/plot.svg");
    refused(&one(&["--svg", text(&nowhere)]), &["plot.svg", "no folder"]);
    assert!(!nowhere.exists());
    std::fs::write(&old, "{}").unwrap();
    let fresh = dir.path().join("fresh.svg");
    refused(
        &one(&["--compare", text(&old), "--svg", text(&fresh)]),
        &["old.json", "bench kernels --json"],
    );
    refused(
        &one(&["--compare", text(&dir.path().join("none.json"))]),
        &["none.json", "cannot be read"],
    );
    assert!(!fresh.exists());
    refused(
        &pixtape(&["bench", "kernels", "--only", "no such row"]),
        &["no such row", "leave it out"],
    );
    refused(&pixtape(&["bench", "kernels", "--only", "("]), &["not a regular expression"]);
    refused(&one(&["--batch_size", "0"]), &["--batch_size", "0"]);
}

/// Flags of a step with a network of that size.
const TINY_STEP: &[&str] = &[
    "bench",
    "step",
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
    "--seconds",
    "0.02",
];

#[test]
fn a_step_is_measured_told_apart_and_held_against_another() {
    if !adapter() {
        return;
    }
    let step = |more: &[&str]| pixtape(&[TINY_STEP, more].concat());
    let report: serde_json::Value =
        serde_json::from_str(&ok(step(&["--json", "--batch-size", "2"]))).unwrap();
    assert_eq!(
        (report["size"].as_str(), report["width"].as_u64(), report["batch_size"].as_u64()),
        (Some("train"), Some(32), Some(2))
    );
    let sum = |table: &str| {
        report[table].as_array().unwrap().iter().map(|r| r["nodes"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(
        sum("operations") == sum("layers")
            && sum("operations") == sum("parts")
            && sum("parts") > 100,
        "{report}"
    );
    let names: Vec<&str> =
        report["parts"].as_array().unwrap().iter().map(|r| r["part"].as_str().unwrap()).collect();
    for name in [
        "G forward",
        "G backward",
        "G update",
        "fake+real D forward",
        "fake+real D backward",
        "again D forward",
        "D update",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!((1.0..3.0).contains(&report["activations_ratio"].as_f64().unwrap()), "{report}");
    assert!(
        report["data_wait_ms"].as_f64().unwrap() >= 0.0
            && report["data"].as_str().unwrap().contains("drawn pairs"),
        "{report}"
    );

    let layers: Vec<&str> =
        report["layers"].as_array().unwrap().iter().map(|r| r["layer"].as_str().unwrap()).collect();
    assert!(layers.contains(&"G/down1 backward"), "{layers:?}");

    // Which layers are among the longest is a matter of chance in a net this small.
    let table = ok(step(&[]));
    for part in ["data wait", "lower bound", "launch share", "G backward", " more"] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    let pair: serde_json::Value =
        serde_json::from_str(&ok(step(&["--json", "--against", "--no-reuse --family register"])))
            .unwrap();
    assert!(
        pair["ratio"].as_f64().unwrap() > 0.0 && pair["what"]["rounds"].as_u64().unwrap() >= 5,
        "{pair}"
    );
    assert!(
        pair["b"]["planned_bytes"].as_u64() > pair["a"]["planned_bytes"].as_u64()
            && pair["b"]["about"]["family"] == "register",
        "{pair}"
    );

    let help = ok(pixtape(&["bench", "step", "--help"]));
    assert!(
        help.contains("--against")
            && help.contains("--netG")
            && !help.contains("--save_epoch_freq"),
        "{help}"
    );
    refused(&step(&["--dataroot", "/nonexistent"]), &["/nonexistent", "no such folder"]);
    refused(&step(&["--crop_size", "0"]), &["--crop_size"]);
    refused(&step(&["--batch_sise", "2"]), &["--batch_sise", "--batch_size"]);
    refused(&step(&["--against", "--ngff 3"]), &["--ngff"]);
    refused(&step(&["--seconds", "0"]), &["--seconds 0"]);
    refused(&pixtape(&["bench", "step", "--preset", "huge"]), &["huge", "pix2pix-256"]);
}

#[test]
fn without_an_adapter_the_line_names_the_package_to_install() {
    let output = Command::new(env!("CARGO_BIN_EXE_pixtape"))
        .arg("devices")
        .envs([
            ("WGPU_BACKEND", "vulkan"),
            ("VK_DRIVER_FILES", "/nonexistent.json"),
            ("VK_ICD_FILENAMES", "/nonexistent.json"),
        ])
        .output()
        .unwrap();
    if cfg!(target_os = "linux") {
        refused(&output, &["no graphics adapter", "mesa-vulkan-drivers"]);
    }
}

#[test]
fn upstreams_other_flags_are_taken_with_a_note() {
    let output = pixtape(&[
        "train",
        "--dataroot",
        "/nonexistent",
        "--gpu_ids",
        "0",
        "--display-id",
        "-1",
        "--use_wandb",
    ]);
    let said = errors(&output);
    assert_eq!(said.lines().filter(|l| l.starts_with("note:")).count(), 3, "{said}");
    refused(&output, &["/nonexistent"]);
    let help = ok(pixtape(&["train", "--help"]));
    assert!(help.contains("--lambda_L1") && help.contains("pix2pix"));
}

#[test]
fn compiled_pipelines_are_kept_and_nothing_wrong_with_them_is_a_failure() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (cache, root) = (dir.path().join("deep/cache"), dir.path().join("data"));
    pairs(&root, 1);
    let runs = dir.path().join("runs");
    let words = |name: &'static str| {
        let words = [
            "train",
            "--dataroot",
            text(&root),
            "--checkpoints_dir",
            text(&runs),
            "--name",
            name,
            "--max_steps",
            "1",
        ];
        [&words, TINY].concat().into_iter().map(String::from).collect::<Vec<_>>()
    };
    let run = |cache: &Path, name: &'static str| {
        let words = words(name);
        let output = pixtape_keeping(cache, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            output.status.success() && errors(&output).is_empty(),
            "{name}: {}",
            errors(&output)
        );
    };
    let files = || {
        std::fs::read_dir(&cache)
            .into_iter()
            .flatten()
            .map(|e| e.unwrap().path())
            .collect::<Vec<_>>()
    };
    run(&cache, "first");
    let Some(file) = files().pop() else {
        // Only Vulkan has one.
        println!("SKIPPED (no pipeline cache on this device)");
        return;
    };
    let whole = std::fs::read(&file).unwrap();
    run(&cache, "again");
    assert_identical(&runs.join("first"), &runs.join("again"));
    for (name, bytes) in
        [("truncated", &whole[..whole.len() / 2]), ("garbage", b"garbage"), ("empty", b"")]
    {
        std::fs::write(&file, bytes).unwrap();
        run(&cache, name);
        assert_eq!(files(), std::slice::from_ref(&file), "{name}: one file, and nothing beside it");
        assert!(std::fs::read(&file).unwrap().len() > whole.len() / 2, "{name}: written anew");
        assert_identical(&runs.join("first"), &runs.join(name));
    }
    // A folder that cannot be: part of its path is a file. And one that cannot be written to (which
    // does not stop root).
    run(&file.join("below"), "nowhere");
    let mut rights = std::fs::metadata(&cache).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(&cache, rights.clone()).unwrap();
    std::fs::remove_file(&file).ok();
    run(&cache, "readonly");
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    #[cfg(not(unix))]
    #[expect(clippy::permissions_set_readonly_false)]
    rights.set_readonly(false);
    std::fs::set_permissions(&cache, rights).unwrap();
}
