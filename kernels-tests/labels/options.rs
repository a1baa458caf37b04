//! Options: which of them a run writes down, and how they may be spelt.

use crate::program::*;
use crate::scene::*;
use serde_json::{Map, Value};
use std::path::Path;

fn written(run: &Path) -> Map<String, Value> {
    json(&run.join("options.json"))["options"].as_object().unwrap().clone()
}

#[test]
fn runs_write_down_the_options_of_their_own_model_alone() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    ok(scene.train("hd", &["--max_steps", "1"]));
    pairs(&scene.at("pairs"), 1);
    ok(train(&scene.at("pairs"), &scene.runs, "pairs", &["--max_steps", "1"]));
    let [hd, plain] = ["hd", "pairs"].map(|name| written(&scene.run(name)));
    for name in ["label_nc", "no_instance", "num_D", "niter_fix_global", "lambda_feat", "nef"] {
        assert!(hd.contains_key(name) && !plain.contains_key(name), "{name}");
    }
    for name in ["lambda_L1", "netD", "direction", "condition_D", "upsample", "lambda_A", "mask"] {
        assert!(!hd.contains_key(name) && plain.contains_key(name), "{name}");
    }
    for name in ["vgg", "load_pretrain", "init_E", "init_G"] {
        assert!(!hd.contains_key(name) && !plain.contains_key(name), "{name}");
    }
    assert_eq!(
        (&hd["label_nc"], &hd["netG"], &hd["gan_mode"], &hd["pool_size"], &hd["save_epoch_freq"]),
        (&4.into(), &"global".into(), &"lsgan".into(), &0.into(), &10.into())
    );
    // What a run has written down it takes again, as options of TOML too.
    let file = scene.run("hd").join("config.toml");
    ok(pixtape(&["train", "--config", text(&file), "--name", "again", "--max_steps", "1"]));
    assert_identical(&scene.run("hd"), &scene.run("again"));
}

#[test]
fn upstreams_spelling_and_ours_are_the_same_run() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    let theirs = "--batchSize 2 --loadSize 36 --fineSize 32 --resize_or_crop resize_and_crop \
                  --niter 1 --niter_decay 1 --nThreads 1 --no_lsgan --no_vgg_loss --tf_log \
                  --gpu_ids 0 --display_winsize 512 --data_type 32 --max_steps 3";
    let ours = "--batch_size 2 --load_size 36x36 --crop-size 32 --preprocess resize_and_crop \
                --n_epochs 1 --n-epochs-decay 1 --num_threads 1 --gan_mode vanilla --no_vgg_loss \
                --tensorboard --max_steps 3";
    let toml = "batchSize = 2\nloadSize = 36\nfineSize = 32\nresize_or_crop = \"resize_and_crop\"\n\
                niter = 1\nniter_decay = 1\nnThreads = 1\nno_lsgan = true\nno_vgg_loss = true\n\
                tf_log = true\nmax_steps = 3\n";
    let file = scene.at("theirs.toml");
    std::fs::write(&file, toml).unwrap();
    let words = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
    // A command line counts for more than a file, and what all runs here are given is one.
    let cut = ["--resize_or_crop", "resize_and_crop", "--config", text(&file)];
    let output = scene.train("theirs", &words(theirs));
    assert!(errors(&output).contains("--gpu_ids has no meaning here"), "{}", errors(&output));
    ok(output);
    ok(scene.train("ours", &words(ours)));
    ok(scene.train("toml", &cut));
    let [theirs, ours, toml] = ["theirs", "ours", "toml"].map(|name| {
        let mut options = written(&scene.run(name));
        // Its effect is the mode.
        for name in ["name", "no_lsgan"] {
            options.remove(name).unwrap();
        }
        options
    });
    assert_eq!(theirs, ours);
    assert_eq!(theirs, toml);
    assert_eq!((&ours["gan_mode"], &ours["crop_size"]), (&"vanilla".into(), &32.into()));
    assert_identical(&scene.run("theirs"), &scene.run("toml"));
    let file = |run: &str, name: &str| scene.run(run).join(name);
    for net in ["latest_net_G.safetensors", "latest_net_D.safetensors"] {
        assert!(tensors(&file("theirs", net)).tensors == tensors(&file("ours", net)).tensors);
    }
    let [theirs, ours] = ["theirs", "ours"].map(|run| rows(file(run, "losses.jsonl")));
    assert!(theirs == ours && ours.len() == 3);
}
