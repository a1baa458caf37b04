//! Weights of an earlier run: coarse to fine.

use crate::program::*;
use crate::scene::*;
use std::path::Path;

/// Names of the tensors that two files have alike, in name and value.
fn taken(from: &Path, to: &Path) -> Vec<String> {
    let (from, to) = (tensors(from), tensors(to));
    let same = to.tensors.into_iter().filter(|(name, own)| from.tensors.get(name) == Some(own));
    same.map(|(name, _)| name).collect()
}

#[test]
fn a_local_enhancer_starts_from_a_global_generator_and_from_discriminators_of_fewer_scales() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    ok(scene.train("coarse", &["--max_steps", "2"]));
    let coarse = scene.run("coarse");
    let net = |run: &str, net: &str| {
        scene.run(run).join(format!("checkpoints/step_0/latest_net_{net}.safetensors"))
    };
    let start = |name: &str, more: &[&str]| {
        ok(scene.train(name, &[&["--no_vgg_loss", "--max_steps", "1"], more].concat()))
    };
    let fine = [LOCAL, &["--num_D", "3", "--load_pretrain"]].concat();
    let said = start("fine", &[&fine[..], &[text(&coarse)]].concat());
    // The generator's own last convolution is left over; D's finest scale is new.
    let [g, d] = ["G", "D"].map(|net| {
        let file = coarse.join(format!("latest_net_{net}.safetensors"));
        format!("tensors from {}; new: ", text(&file))
    });
    assert!(said.contains(&format!("{g}model1_1.1.weight to model1_2.5.bias")), "{said}");
    assert!(said.contains(&format!("16 of 24 {d}scale2_layer0")), "{said}");
    let from = |net: &str| coarse.join(format!("latest_net_{net}.safetensors"));
    let g = taken(&from("G"), &net("fine", "G"));
    assert!(g.iter().all(|name| name.starts_with("model.")) && g.len() > 8, "{g:?}");
    let d = taken(&from("D"), &net("fine", "D"));
    assert!(d.contains(&"scale1_layer3.0.weight".into()), "{d:?}");
    assert!(d.iter().all(|name| !name.starts_with("scale2")) && d.len() == 16, "{d:?}");

    // The generator's file alone, and a folder as PyTorch leaves it.
    let said = start("alone", &[&fine[..], &[text(&from("G"))]].concat());
    assert!(said.contains("note: G: ") && !said.contains("note: D: "), "{said}");
    assert_eq!(taken(&from("G"), &net("alone", "G")), g);
    assert!(taken(&from("D"), &net("alone", "D")).is_empty());
    let public = scene.at("public");
    std::fs::create_dir(&public).unwrap();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden/weights/hd.pth");
    std::fs::copy(&weights, public.join("latest_net_G.pth")).unwrap();
    let said = start("public", &[&fine[..], &[text(&public)]].concat());
    assert!(said.contains("latest_net_G.pth; new: model1_1.1.weight"), "{said}");
    assert_eq!(taken(&weights, &net("public", "G")), g);

    // Files that are named lie below: what the earlier run has counts.
    let (init, earlier) = (net("fine", "G"), from("G"));
    start("both", &[&fine[..], &[text(&earlier)], &["--init_G", text(&init)]].concat());
    let whole = tensors(&net("both", "G"));
    assert!(whole.tensors == tensors(&init).tensors);
}

#[test]
fn earlier_runs_without_a_generator_are_refused() {
    let scene = scene(0);
    let refuse = |path: &Path, parts: &[&str]| {
        refused(&scene.train("x", &["--load_pretrain", text(path)]), parts);
        assert!(!scene.run("x").exists());
    };
    let empty = scene.at("empty");
    std::fs::create_dir(&empty).unwrap();
    let names = ["--load_pretrain", "latest_net_G.safetensors", "latest_net_G.pth"];
    refuse(&empty, &names);
    refuse(&scene.at("nowhere"), &["nowhere", "cannot be read"]);
}

#[test]
fn an_earlier_run_of_which_nothing_fits_is_refused() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    ok(scene.train("coarse", &["--no_vgg_loss", "--max_steps", "1"]));
    let file = scene.run("coarse").join("latest_net_D.safetensors");
    let output = scene.train("x", &["--load_pretrain", text(&file), "--max_steps", "1"]);
    refused(&output, &["latest_net_D.safetensors", "nothing in it has a name and shape of G"]);
    assert!(!scene.run("x").exists());
}
