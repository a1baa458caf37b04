//! The frozen phase of the local enhancer, and its end, across resumed runs.

use crate::program::*;
use crate::scene::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Two epochs of four steps, in the first of which the outermost enhancer is trained alone.
const PHASES: &[&str] =
    &["--niter", "2", "--niter_decay", "0", "--niter_fix_global", "1", "--save_epoch_freq", "1"];

fn assert_same(a: &Path, b: &Path) {
    assert_identical(a, b);
    assert_identical(&a.join("samples"), &b.join("samples"));
}

/// Names of the tensors that are not alike in two files of one network.
fn changed(a: &Path, b: &Path) -> BTreeSet<String> {
    let (a, b) = (tensors(a), tensors(b));
    assert!(a.tensors.keys().eq(b.tensors.keys()) && !a.tensors.is_empty());
    let differ = a.tensors.iter().filter(|(name, values)| b.tensors[*name] != **values);
    differ.map(|(name, _)| name.clone()).collect()
}

#[test]
fn a_run_resumes_to_the_bit_in_the_frozen_phase_at_its_end_and_after_it() {
    if !adapter() {
        return;
    }
    let scene = scene(2);
    let weights = scene.at("vgg.safetensors");
    vgg(&weights);
    // Everything that a checkpoint has to bring back: an encoder, a pool, an average, and beside
    // it the weights that no checkpoint holds.
    let more = ["--pool_size", "2", "--ema", "0.9", "--keep", "20", "--vgg", text(&weights)];
    let flags = [LOCAL, FEATURES, PHASES, &more].concat();
    let output = scene.train("a", &flags);
    assert!(!errors(&output).contains("note:"), "{}", errors(&output));
    let said = ok(output);
    assert!(!said.contains("note:"), "{said}");
    let run = scene.run("a");
    let losses = rows(run.join("losses.jsonl"));
    assert_eq!(losses.len(), 8);
    for name in ["G_GAN", "G_GAN_Feat", "G_VGG", "D_real", "D_fake"] {
        assert!(losses.iter().all(|row| row[name].as_f64().is_some_and(f64::is_finite)), "{name}");
    }
    for net in ["G", "D", "E", "G_ema"] {
        assert!(run.join(format!("latest_net_{net}.safetensors")).is_file(), "{net}");
    }
    assert!(!run.join("latest_net_VGG.safetensors").exists());
    assert_eq!(json(&run.join("latest_state.json"))["schedule"]["freed"], 4);

    // Of the generator the first epoch trains the outermost enhancer, the second all.
    let of = |step: u32| run.join(format!("checkpoints/step_{step}/latest_net_G.safetensors"));
    let inner = |name: &String| name.starts_with("model.");
    let first = changed(&of(0), &of(4));
    assert!(first.iter().all(|name| name.starts_with("model1_")) && first.len() > 8, "{first:?}");
    let second = changed(&of(4), &of(8));
    assert!(second.iter().filter(|name| inner(name)).count() > 6, "{second:?}");
    let encoder = |step: u32| run.join(format!("checkpoints/step_{step}/latest_net_E.safetensors"));
    assert!(!changed(&encoder(0), &encoder(4)).is_empty(), "the encoder is not held fixed");

    for (name, stop) in [("b", "2"), ("c", "4"), ("d", "6")] {
        ok(scene.train(name, &[&flags[..], &["--max_steps", stop]].concat()));
        let freed = json(&scene.run(name).join("latest_state.json"))["schedule"]["freed"].clone();
        assert_eq!(freed.as_u64(), (stop == "6").then_some(4), "after step {stop}");
        ok(resume(&scene.run(name), &[]));
        assert_same(&run, &scene.run(name));
    }
    ok(scene.train("e", &[&flags[..], &["--recompute"]].concat()));
    assert_same(&run, &scene.run("e"));

    // Weights that belong to no checkpoint are read again at each start.
    ok(scene.train("f", &[&flags[..], &["--max_steps", "1"]].concat()));
    std::fs::remove_file(&weights).unwrap();
    refused(&resume(&scene.run("f"), &[]), &["vgg.safetensors", "cannot be read"]);
}

#[test]
fn what_diverged_behind_the_frozen_phase_is_found() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    // Its last checkpoint lies in the frozen phase, and it diverges behind that.
    ok(scene.train("nan", &[LOCAL, PHASES, &["--max_steps", "3"]].concat()));
    let output = resume(&scene.run("nan"), &["--lr", "1e30", "--save_epoch_freq", "9"]);
    let behind = ["training has diverged", "the checkpoint of step 3", "begins in step 5 at node"];
    refused(&output, &behind);
}

#[test]
fn accumulated_batches_resume_to_the_bit() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    let epochs = ["--niter", "2", "--niter_decay", "0", "--accumulate", "2", "--no_instance"];
    ok(scene.train("a", &epochs));
    let losses = rows(scene.run("a").join("losses.jsonl"));
    assert_eq!(losses.len(), 4, "four samples are two steps per epoch");
    ok(scene.train("b", &[&epochs[..], &["--max_steps", "3"]].concat()));
    ok(resume(&scene.run("b"), &[]));
    assert_same(&scene.run("a"), &scene.run("b"));
}
