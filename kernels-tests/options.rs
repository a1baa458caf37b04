//! The options of networks, losses and schedule as a user gives them: they train, resume to the
//! bit, translate, or are refused in one line.

#[path = "support/program.rs"]
mod program;

use approx::abs_diff_eq;
use pixtape::io::{AnyPicture, Picture};
use program::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn losses(run: &Path) -> Vec<serde_json::Value> {
    std::fs::read_to_string(run.join("losses.jsonl"))
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn a_run_with_an_average_a_plateau_and_accumulation_resumes_to_the_bit() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 4);
    let options = "--gan_mode wgangp --norm instance_affine --upsample bilinear --lambda_TV 2 \
                   --lambda_GAN 0.5 --accumulate 2 --ema 0.99 --lr_policy plateau \
                   --lr_G 1e-4 --lr_D 3e-4 --condition_D off --init_type orthogonal --n_epochs 3 --n_epochs_decay 0";
    let options: Vec<&str> = options.split_whitespace().collect();
    ok(train(&root, &runs, "a", &options));
    let run = runs.join("a");
    let rows = losses(&run);
    // Four images are two steps per epoch.
    assert_eq!(rows.len(), 6);
    assert!(
        rows.iter().all(|r| ["G_GAN", "G_L1", "D_real", "D_fake", "G_TV", "D_GP"]
            .iter()
            .all(|n| r[*n].as_f64().is_some_and(f64::is_finite))),
        "{rows:?}"
    );
    let state = std::fs::read_to_string(run.join("latest_state.json")).unwrap();
    assert!(
        state.contains("latest_net_G_ema.safetensors") && !state.contains("\"best\": null"),
        "{state}"
    );
    let options_file = std::fs::read_to_string(run.join("options.json")).unwrap();
    assert!(
        options_file.contains("\"upsample\": \"bilinear\"")
            && options_file.contains("\"lr_compat\": false"),
        "{options_file}"
    );
    // Stopped in the middle of an epoch.
    ok(train(&root, &runs, "b", &[&options[..], &["--max_steps", "3"]].concat()));
    ok(pixtape(&["train", "--checkpoints_dir", text(&runs), "--name", "b", "--continue_train"]));
    assert_identical(&run, &runs.join("b"));
    assert_eq!(
        std::fs::read(run.join("latest_net_G_ema.safetensors")).unwrap(),
        std::fs::read(runs.join("b/latest_net_G_ema.safetensors")).unwrap()
    );

    // The folder and the single file are the same network: the upsampling is in the file.
    let input = dir.path().join("input.png");
    picture(64, 32, 7).save_png(&input).unwrap();
    let translated = |checkpoint: &Path, to: &str| {
        let out = dir.path().join(to);
        ok(pixtape(&[
            "translate",
            "--checkpoint",
            text(checkpoint),
            "--input",
            text(&input),
            "--output",
            text(&out),
        ]));
        std::fs::read(out.join("input.png")).unwrap()
    };
    let whole = translated(&run, "1");
    assert_eq!(whole, translated(&run.join("latest_net_G.safetensors"), "2"));
    assert_ne!(
        whole,
        translated(&run.join("latest_net_G_ema.safetensors"), "3"),
        "the average is another net"
    );
}

#[test]
fn nets_without_skips_train_and_are_recognised() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    ok(train(
        &root,
        &runs,
        "a",
        &[
            "--netG",
            "encoder-decoder-32",
            "--upsample",
            "nearest",
            "--gan_mode",
            "hinge",
            "--max_steps",
            "2",
        ],
    ));
    let (input, out) = (dir.path().join("input.png"), dir.path().join("out"));
    picture(32, 32, 7).save_png(&input).unwrap();
    for checkpoint in [runs.join("a"), runs.join("a/latest_net_G.safetensors")] {
        ok(pixtape(&[
            "translate",
            "--checkpoint",
            text(&checkpoint),
            "--input",
            text(&input),
            "--output",
            text(&out),
        ]));
    }
    // A run may begin late in the schedule: two images are two steps per epoch.
    ok(train(&root, &runs, "late", &["--epoch_count", "200", "--label_smoothing", "0.1"]));
    assert_eq!(
        losses(&runs.join("late")).iter().map(|r| r["epoch"].as_u64()).collect::<Vec<_>>(),
        [Some(200), Some(200)]
    );
}

#[test]
fn resnets_train_resume_and_are_recognised() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    let net = [
        "--netG",
        "resnet_6blocks",
        "--load_size",
        "40",
        "--crop_size",
        "36",
        "--save_epoch_freq",
        "1",
        "--n_epochs",
        "2",
        "--n_epochs_decay",
        "0",
    ];
    ok(train(&root, &runs, "a", &net));
    ok(train(&root, &runs, "b", &[&net[..], &["--max_steps", "3"]].concat()));
    ok(pixtape(&["train", "--checkpoints_dir", text(&runs), "--name", "b", "--continue_train"]));
    assert_identical(&runs.join("a"), &runs.join("b"));
    // 44 is a multiple of 4 and of no more; 42x30 is padded to one and cropped.
    let input = dir.path().join("input");
    std::fs::create_dir(&input).unwrap();
    for (name, width, height) in [("fits.png", 44, 36), ("odd.png", 42, 30)] {
        picture(width, height, 7).save_png(&input.join(name)).unwrap();
    }
    let weights = runs.join("a/latest_net_G.safetensors");
    let made = [runs.join("a"), weights.clone()].map(|checkpoint| {
        let out = dir.path().join(if checkpoint == weights { "2" } else { "1" });
        ok(pixtape(&[
            "translate",
            "--checkpoint",
            text(&checkpoint),
            "--input",
            text(&input),
            "--output",
            text(&out),
        ]));
        let odd = pixtape::io::Picture::load(&out.join("odd.png"), 3).unwrap();
        assert_eq!((odd.width, odd.height), (42, 30));
        std::fs::read(out.join("fits.png")).unwrap()
    });
    assert!(made[0] == made[1], "the folder and the single file are the same network");
    ok(pixtape(&[
        "eval",
        "--checkpoint",
        text(&runs.join("a")),
        "--dataroot",
        text(&root),
        "--phase",
        "val",
        "--json",
    ]));
    assert!(ok(pixtape(&["info", text(&weights)])).contains("netG: resnet_6blocks"));
}

#[test]
fn padding_of_residual_blocks_goes_from_training_to_translate_and_eval() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    let input = dir.path().join("input.png");
    picture(32, 32, 7).save_png(&input).unwrap();
    let translated = |checkpoint: &Path| {
        let out = dir.path().join("out.png");
        ok(pixtape(&[
            "translate",
            "--checkpoint",
            text(checkpoint),
            "--input",
            text(&input),
            "--output",
            text(&out),
        ]));
        std::fs::read(out).unwrap()
    };
    for padding in ["replicate", "zero"] {
        let net = ["--netG", "resnet_6blocks", "--padding_type", padding, "--max_steps", "3"];
        ok(train(&root, &runs, padding, &net));
        let run = runs.join(padding);
        let weights = run.join("latest_net_G.safetensors");
        let made = translated(&run);
        assert!(
            made == translated(&weights),
            "{padding}: the folder and the single file are the same network"
        );
        let info = ok(pixtape(&["info", text(&weights)]));
        assert!(info.contains(&format!("ResNet of 6 blocks, padding {padding}")), "{info}");
        ok(pixtape(&[
            "eval",
            "--checkpoint",
            text(&run),
            "--dataroot",
            text(&root),
            "--phase",
            "val",
            "--json",
        ]));
        // Stopped and gone on with, it is the same net.
        ok(train(
            &root,
            &runs,
            &format!("{padding}_again"),
            &[&net[..4], &["--max_steps", "2"]].concat(),
        ));
        let again = runs.join(format!("{padding}_again"));
        ok(pixtape(&["resume", text(&again), "--max_steps", "3"]));
        assert_identical(&run, &again);

        let path = run.join("options.json");
        let mut options: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            options["options"].as_object_mut().unwrap().remove("padding_type"),
            Some(padding.into())
        );
        std::fs::write(&path, options.to_string()).unwrap();
        if padding == "replicate" {
            // Options of earlier versions say nothing, and mean reflection: another picture of the
            // same weights.
            assert!(made != translated(&run), "replication and reflection are different nets");
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_written() {
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    for (words, parts) in [
        (&["--gan_mode", "wgangp"][..], &["wgangp", "batch norm", "--norm_D instance"][..]),
        (&["--gan_mode", "wgan"], &["--gan_mode wgan", "hinge"]),
        (&["--gan_mode", "hinge", "--label_smoothing", "0.1"], &["--label_smoothing", "hinge"]),
        (&["--lr_policy", "exp"], &["--lr_policy exp", "plateau"]),
        (&["--norm", "layer"], &["--norm layer", "instance_affine"]),
        (&["--upsample", "bicubic"], &["--upsample bicubic", "nearest"]),
        (
            &["--padding_type", "replicate"],
            &["--padding_type replicate", "unet_32 has no residual blocks"],
        ),
        (
            &["--netG", "resnet_6blocks", "--padding-type", "mirror"],
            &["--padding_type mirror", "reflect, replicate or zero"],
        ),
        (&["--init_type", "zeros"], &["--init_type zeros", "orthogonal"]),
        (
            &["--netG", "resnet_8blocks"],
            &["--netG resnet_8blocks", "encoder_decoder_512", "resnet_9blocks"],
        ),
        (&["--epoch_count", "201"], &["--epoch_count 201", "200 epochs"]),
        (&["--lr_D", "0"], &["--lr_D", "above 0"]),
        (&["--ema", "1"], &["--ema 1", "0.999"]),
    ] {
        if adapter() {
            refused(&train(&root, &runs, "x", words), parts);
        }
    }
    assert!(!runs.join("x").exists());
}

fn resume(run: &Path, more: &[&str]) -> std::process::Output {
    pixtape(&[&["resume", text(run)], more].concat())
}

/// Every file of a folder, but the lock.
fn whole(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            files.extend(whole(&path));
        } else if !path.ends_with(".lock") {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_plateau_is_one_of_validation_where_there_is_one_and_of_training_where_not() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    // So slow that nothing becomes better by a hundredth: the first validation, after the second
    // epoch, stays the best, and the seventh one, after the 14th epoch, is the sixth in a row that
    // brought nothing.
    let plateau =
        ["--lr_policy", "plateau", "--lr", "1e-7", "--n_epochs", "15", "--n_epochs_decay", "0"];
    let schedule = |run: &Path| -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(
            &std::fs::read_to_string(run.join("latest_state.json")).unwrap(),
        )
        .unwrap()["schedule"]
            .take()
    };
    let rates = |run: &Path| -> Vec<f64> {
        let text = std::fs::read_to_string(run.join("timing.jsonl")).unwrap();
        text.lines()
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).unwrap()["lr_G"].as_f64().unwrap()
            })
            .collect()
    };
    // Steps at the full rate, then at a fifth of it.
    let fall = |rates: &[f64]| {
        let full = rates.iter().take_while(|r| **r == 1e-7).count();
        for rate in &rates[full..] {
            assert!(abs_diff_eq!(rate / 2e-8, 1.0, epsilon = 1e-9), "{rates:?}");
        }
        (full, rates.len())
    };
    ok(train(&root, &runs, "validated", &[&plateau[..], &["--val_freq", "2"]].concat()));
    let run = runs.join("validated");
    let first: serde_json::Value = serde_json::from_str(
        std::fs::read_to_string(run.join("validation.jsonl")).unwrap().lines().next().unwrap(),
    )
    .unwrap();
    let state = schedule(&run);
    assert_eq!(
        (first["epoch"].as_u64(), &state["best"], &state["validated"]),
        (Some(2), &first["l1"], &true.into()),
        "{state}"
    );
    assert_eq!(fall(&rates(&run)), (28, 30));
    // Without validation every epoch counts, by its mean of G_L1.
    ok(train(&root, &runs, "trained", &[&plateau[..], &["--val_freq", "0"]].concat()));
    let run = runs.join("trained");
    let state = schedule(&run);
    assert_eq!(state["validated"], false);
    let epochs: Vec<f64> = losses(&run)
        .chunks(2)
        .map(|steps| steps.iter().map(|r| r["G_L1"].as_f64().unwrap()).sum::<f64>() / 2.0)
        .collect();
    // What the documentation says: a hundredth better than the best, and a fifth of the rate after
    // more than five epochs without.
    let (mut best, mut bad, mut falls) = (f64::MAX, 0, Vec::new());
    for (epoch, metric) in (1..).zip(&epochs) {
        (best, bad) = if *metric < 0.99 * best { (*metric, 0) } else { (best, bad + 1) };
        if bad > 5 {
            (bad, falls) = (0, [falls, vec![epoch]].concat());
        }
    }
    assert!(
        abs_diff_eq!(state["best"].as_f64().unwrap() / best, 1.0, epsilon = 1e-6),
        "{state} {best}"
    );
    let full = rates(&run).iter().take_while(|r| **r == 1e-7).count();
    assert_eq!(full, falls.first().map_or(30, |epoch| 2 * epoch), "{epochs:?}");
}

#[test]
fn a_run_that_cannot_go_on_leaves_its_folder_as_it_was() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    ok(train(&root, &runs, "a", &["--max_steps", "3", "--save_latest_freq", "2"]));
    let run = runs.join("a");
    let before = whole(&run);
    let same = |what: &str| assert!(whole(&run) == before, "{what}: the folder is another one");
    // The weights are of another net, which only shows when they are loaded; the data is elsewhere;
    // a flag makes no sense.
    refused(
        &resume(&run, &["--ngf", "8", "--max_steps", "5"]),
        &["weights of a different network", "--ngf"],
    );
    same("another net");
    refused(
        &resume(&run, &["--norm_D", "instance", "--max_steps", "5"]),
        &["weights of a different network"],
    );
    same("another discriminator");
    refused(&resume(&run, &["--dataroot", text(&dir.path().join("gone"))]), &["gone"]);
    same("no data");
    refused(&resume(&run, &["--lr_policy", "exp"]), &["--lr_policy exp"]);
    same("no policy");

    // Another program holds the folder, and may be replacing what lies in it: nothing of it is
    // read, so nothing of it is said to be damaged.
    let states = [
        "latest_state.json",
        "checkpoints/step_2/latest_state.json",
        "checkpoints/step_3/latest_state.json",
    ];
    let lock = std::fs::File::create(run.join(".lock")).unwrap();
    lock.try_lock().unwrap();
    states.iter().for_each(|name| std::fs::write(run.join(name), b"half").unwrap());
    let output = resume(&run, &["--max_steps", "5"]);
    refused(&output, &["another pixtape is training in this folder"]);
    assert!(!errors(&output).contains("state"), "{}", errors(&output));
    drop(lock);
    refused(&resume(&run, &["--max_steps", "5"]), &["no checkpoint is whole"]);

    // Weights without a checkpoint are not overwritten by a run that starts from scratch, unless
    // that is asked for.
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    std::fs::remove_file(run.join("latest_state.json")).unwrap();
    let before = whole(&run);
    refused(
        &resume(&run, &["--max_steps", "5"]),
        &["holds weights but no checkpoint", "--init_G", "--overwrite"],
    );
    assert!(whole(&run) == before);
    ok(resume(&run, &["--max_steps", "1", "--overwrite"]));
    assert_eq!(losses(&run).len(), 1);
    // A folder in which a run was stopped before its first checkpoint has none: the run begins
    // anew.
    for name in ["checkpoints", "samples"] {
        std::fs::remove_dir_all(run.join(name)).unwrap();
    }
    for name in whole(&run).keys().filter(|p| !p.ends_with("options.json")) {
        std::fs::remove_file(name).unwrap();
    }
    let output = resume(&run, &["--max_steps", "2"]);
    assert!(
        errors(&output).contains("no checkpoint yet, the run begins anew"),
        "{}",
        errors(&output)
    );
    ok(output);
    assert_eq!(losses(&run).len(), 2);
}

#[test]
fn a_run_ends_with_its_last_epoch_counted_from_where_it_stands() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 4);
    let epochs = ["--n_epochs", "2", "--n_epochs_decay", "1", "--save_latest_freq", "1"];
    let seen =
        |run: &Path| losses(run).iter().map(|r| r["epoch"].as_u64().unwrap()).collect::<Vec<_>>();
    // Stopped after three of the four pictures of its first epoch, it resumes with batches of two:
    // that epoch has no such batch left, the other two have two each.
    for name in ["batches", "pictures"] {
        ok(train(&root, &runs, name, &[&epochs[..], &["--max_steps", "3"]].concat()));
    }
    ok(resume(&runs.join("batches"), &["--batch_size", "2"]));
    assert_eq!(seen(&runs.join("batches")), [1, 1, 1, 2, 2, 3, 3]);
    // With six pictures: three left of its first epoch, and two epochs of six.
    for i in 4..6 {
        picture(80, 40, i).save_png(&root.join(format!("train/{i}.png"))).unwrap();
    }
    ok(resume(&runs.join("pictures"), &[]));
    assert_eq!(seen(&runs.join("pictures")), [vec![1; 6], vec![2; 6], vec![3; 6]].concat());
    // --max_steps is of one start: it counts from the run's first step, and the next start does not
    // have it.
    ok(train(&root, &runs, "steps", &[&epochs[..], &["--max_steps", "2"]].concat()));
    ok(resume(&runs.join("steps"), &["--max_steps", "5"]));
    assert_eq!(seen(&runs.join("steps")), [1; 5]);
    ok(resume(&runs.join("steps"), &[]));
    assert_eq!(seen(&runs.join("steps")).len(), 18);
    // A late start in the schedule ends where others do.
    ok(train(&root, &runs, "late", &[&epochs[..], &["--epoch_count", "3"]].concat()));
    assert_eq!(seen(&runs.join("late")), [3; 6]);
}

#[test]
fn stopping_early_wants_a_validation() {
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    pairs(&root, 2);
    refused(
        &train(&root, &runs, "x", &["--early_stop", "2", "--val_freq", "0"]),
        &["--early_stop", "val/", "--val_freq above 0"],
    );
    std::fs::remove_dir_all(root.join("val")).unwrap();
    refused(&train(&root, &runs, "x", &["--early_stop", "2"]), &["--early_stop", "val/"]);
    assert!(!runs.exists());
}

/// Files of each kind that a training takes, and the flags that it is trained with.
fn kinds(root: &Path) -> Vec<(&'static str, Vec<&'static str>)> {
    let save = |folder: &str, name: String, picture: AnyPicture| {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        picture.save(&root.join(folder).join(name)).unwrap();
    };
    let gray = |number: u32| {
        let data = (0..40 * 40).map(|at: u32| (at * 40 + number * 100) as u16).collect();
        AnyPicture::U16(Picture::new(40, 40, 1, data).unwrap())
    };
    for i in 0..2 {
        let photo = || AnyPicture::U8(picture(40, 40, i));
        save("deep/trainA", format!("{i}.png"), photo());
        save("deep/trainB", format!("{i}.png"), gray(i));
        for band in ["red", "nir"] {
            save(&format!("bands/trainA/{band}"), format!("{i}.png"), gray(i));
        }
        save("bands/trainB", format!("{i}.png"), photo());
        save("photos/train", format!("{i}.png"), photo());
        save("sets/trainA", format!("{i}.png"), photo());
        save("sets/trainB", format!("other{i}.png"), photo());
    }
    vec![
        ("deep", vec!["--value_range", "0,4095"]),
        ("bands", vec!["--bands_A", "red,nir"]),
        ("photos", vec!["--model", "colorization"]),
        ("photos", vec!["--dataset_mode", "inpaint", "--mask", "random"]),
        ("sets", vec!["--model", "cycle_gan", "--norm", "batch"]),
    ]
}

#[test]
fn steps_are_measured_and_tuned_on_whatever_a_training_takes() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    for (folder, flags) in kinds(dir.path()) {
        let root = dir.path().join(folder);
        let on = |command: &[&str]| {
            let data = ["--dataroot", text(&root), "--seconds", "0.01"];
            pixtape(&[command, TINY, &flags[..], &data].concat())
        };
        let report: serde_json::Value =
            serde_json::from_str(&ok(on(&["bench", "step", "--json"]))).unwrap();
        assert_eq!((report["size"].as_str(), report["width"].as_u64()), (Some("train"), Some(32)));
        let pairs = format!("2 pairs of {}", root.display());
        let data = report["data"].as_str().unwrap();
        assert!(data.contains(&pairs), "{flags:?}: {data}");
        ok(on(&["bench", "step", "--json", "--against", "--recompute"]));
        let told = ok(on(&["tune"]));
        assert!(told.contains("passes not measured") || told.contains("a step"), "{told}");
    }
}
