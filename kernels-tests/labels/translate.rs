//! Looks: features of other images, from a run's own encoder or a named one.

use crate::program::*;
use crate::scene::*;
use pixtape::io::Picture;

#[test]
fn one_map_has_the_look_of_each_image_that_is_given_with_it() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    ok(scene.train("a", &[FEATURES, &["--no_vgg_loss", "--max_steps", "3"]].concat()));
    let run = scene.run("a");
    let (map, ids) = (scene.data("train_label/00.png"), scene.data("train_inst/00.png"));
    let image = |n: u32| scene.data(&format!("train_img/{n:02}.png"));
    let maps = ["--input", text(&map), "--instances", text(&ids)];
    let made = |checkpoint: &[&str], n: u32, to: &str| {
        let image = image(n);
        translated(&[checkpoint, &maps, &["--images", text(&image)]].concat(), &scene.at(to))
    };
    let folder = ["--checkpoint", text(&run)];
    let first = made(&folder, 0, "first");
    let grid = cell(&run.join("samples/latest.png"), 32, 1, 0);
    assert_eq!(Picture::load(&scene.at("first/00.png"), 3).unwrap(), grid);
    assert!(first != made(&folder, 1, "second"), "another image makes no difference");
    let [net, encoder] = ["G", "E"].map(|net| run.join(format!("latest_net_{net}.safetensors")));
    let bare = ["--checkpoint", text(&net), "--encoder", text(&encoder)];
    assert!(first == made(&bare, 0, "bare"));
    // Folders, in the order of their names.
    let [maps, ids, images] =
        ["train_label", "train_inst", "train_img"].map(|name| scene.data(name));
    let all = ["--input", text(&maps), "--instances", text(&ids), "--images", text(&images)];
    assert!(first == translated(&[&folder[..], &all].concat(), &scene.at("all")));
    assert_eq!(std::fs::read_dir(scene.at("all")).unwrap().count(), 4);

    let refuse = |words: &[&str], parts: &[&str]| {
        let own = ["translate", "--output", text(&scene.root), "--tune", "off"];
        refused(&pixtape(&[&own, words].concat()), parts)
    };
    let (maps, ids) = (["--input", text(&maps)], ["--instances", text(&ids)]);
    refuse(&[&folder[..], &maps, &ids].concat(), &["features of images", "--images"]);
    let looks = ["--images", text(&images)];
    refuse(&[&folder[..], &maps, &looks].concat(), &["maps of instances", "--instances"]);
    refuse(&[&bare[..], &maps, &ids].concat(), &["--encoder needs --images"]);
    let other = ["--checkpoint", text(&net), "--encoder", text(&net), "--images", text(&images)];
    refuse(&[&other[..], &maps, &ids].concat(), &["expected a feature encoder"]);
    refuse(&[&folder[..], &maps, &ids, &["--heat"]].concat(), &["--heat"]);
    // Results never take the place of what they are made of.
    let over = ["translate", "--output", text(&images), "--tune", "off"];
    let output = pixtape(&[&over, &folder[..], &all].concat());
    refused(&output, &["train_img", "would be written over", "--output"]);
    let (out, grid) = (scene.at("out"), image(1));
    let output = ["translate", "--output", text(&out), "--tune", "off", "--grid", text(&map)];
    refused(&pixtape(&[&output, &folder[..], &all].concat()), &["--grid"]);
    assert!(grid.is_file() && !out.exists());
}

#[test]
fn features_of_labels_take_no_instances() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    let encoder = ["--label_feat", "--nef", "4", "--n_downsample_E", "1", "--feat_num", "2"];
    let more = ["--no_instance", "--no_vgg_loss", "--max_steps", "2"];
    ok(scene.train("a", &[&encoder[..], &more].concat()));
    let (run, maps) = (scene.run("a"), scene.data("train_label"));
    let images = scene.data("train_img");
    let words = ["--checkpoint", text(&run), "--input", text(&maps), "--images", text(&images)];
    translated(&words, &scene.at("made"));
    let grid = cell(&run.join("samples/latest.png"), 32, 1, 0);
    assert_eq!(Picture::load(&scene.at("made/00.png"), 3).unwrap(), grid);
}

#[test]
fn features_are_read_from_files_where_a_run_is_told_so() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    // An encoder of three features: what files hold are images.
    let encoder = ["--instance_feat", "--nef", "4", "--n_downsample_E", "1", "--no_vgg_loss"];
    ok(scene.train("encoder", &[&encoder[..], &["--max_steps", "1"]].concat()));
    let given = ["--load_features", "--niter", "1", "--niter_decay", "0"];
    let flags = [&encoder[..], &given].concat();
    refused(&scene.train("a", &flags), &["train_feat", "--load_features"]);
    std::fs::create_dir(scene.data("train_feat")).unwrap();
    for n in 0..4 {
        let [from, to] = ["img", "feat"].map(|f| scene.data(&format!("train_{f}/{n:02}.png")));
        std::fs::copy(from, to).unwrap();
    }
    let said = ok(scene.train("a", &flags));
    assert!(said.contains("features of 3 channels"), "{said}");
    let run = scene.run("a");
    assert!(!run.join("latest_net_E.safetensors").exists());
    ok(scene.train("b", &[&flags[..], &["--max_steps", "2"]].concat()));
    ok(crate::scene::resume(&scene.run("b"), &[]));
    assert_identical(&run, &scene.run("b"));
    // Translated with the features of an encoder, in their place.
    let [maps, ids, images] =
        ["train_label", "train_inst", "train_img"].map(|name| scene.data(name));
    let words = ["--checkpoint", text(&run), "--input", text(&maps), "--instances", text(&ids)];
    let words = [&words[..], &["--images", text(&images)]].concat();
    let out = scene.at("out");
    let output = pixtape(&[&["translate", "--output", text(&out)], &words[..]].concat());
    refused(&output, &["read its features from files", "--encoder"]);
    let own = scene.run("encoder").join("latest_net_E.safetensors");
    translated(&[&words[..], &["--encoder", text(&own)]].concat(), &out);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 4);
}
