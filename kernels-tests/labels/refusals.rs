//! Mistakes get one line, before anything is written.

use crate::program::*;
use crate::scene::*;
use pixtape::io::IndexMap;

#[test]
fn options_that_do_not_go_together_are_refused() {
    let scene = scene(0);
    let refuse = |more: &[&str], parts: &[&str]| refused(&scene.train("x", more), parts);
    refuse(&["--netG", "unet_256"], &["--netG unet_256", "global and local"]);
    refuse(&["--netG", "resnet_9blocks"], &["--netG resnet_9blocks", "global and local"]);
    refuse(&["--niter_fix_global", "1"], &["--niter_fix_global", "--netG local"]);
    refuse(&["--instance_feat", "--no_instance"], &["--instance_feat", "--no_instance"]);
    refuse(&["--load_features"], &["--load_features", "--instance_feat"]);
    refuse(&["--norm", "batch"], &["--norm", "instance"]);
    refuse(&["--dropout"], &["--dropout", "have none"]);
    refuse(&["--num_D", "5"], &["--num_D", "from 1 to 4"]);
    refuse(&["--n_local_enhancers", "3"], &["--n_local_enhancers", "from 1 to 2"]);
    refuse(&["--dataset_mode", "aligned"], &["--dataset_mode aligned", "pix2pixHD"]);
    for flag in ["--lambda_L1", "--netD", "--direction", "--lambda_A", "--upsample"] {
        let value = match flag {
            "--netD" => "pixel",
            "--direction" => "BtoA",
            "--upsample" => "nearest",
            _ => "1",
        };
        refuse(&[flag, value], &[flag, "does not apply to --model pix2pixHD"]);
    }
    pairs(&scene.at("pairs"), 1);
    let plain = |more: &[&str], parts: &[&str]| {
        refused(&train(&scene.at("pairs"), &scene.runs, "x", more), parts)
    };
    for net in ["global", "local"] {
        plain(&["--netG", net], &["--netG", net, "--model pix2pixHD"]);
    }
    for flag in ["--label_nc", "--num_D", "--niter_fix_global", "--lambda_feat"] {
        plain(&[flag, "1"], &[flag, "does not apply to --model pix2pix;"]);
    }
    plain(&["--dataset_mode", "labels"], &["--dataset_mode labels", "pix2pixHD"]);
    assert!(!scene.run("x").exists());
}

#[test]
fn maps_that_do_not_fit_are_named() {
    let scene = scene(0);
    let refuse = |more: &[&str], parts: &[&str]| refused(&scene.train("x", more), parts);
    // Sample 0 has its first label 3 at the 24th pixel.
    let parts = ["00.png", "label 3", "(24, 0)", "--label_nc"];
    refuse(&["--label_nc", "3"], &parts);
    refuse(&["--label_nc", "0"], &["train_A", "no such folder"]);
    refuse(&["--phase", "test"], &["test_label", "no such folder"]);
    let wrong = scene.data("train_inst/02.png");
    let small = IndexMap::new(16, 32, vec![1; 512]).unwrap().encode("png", 16).unwrap();
    let whole = std::fs::read(&wrong).unwrap();
    std::fs::write(&wrong, small).unwrap();
    refuse(&[], &["02.png", "16x32", "32x32"]);
    std::fs::write(&wrong, whole).unwrap();
    std::fs::remove_file(scene.data("train_img/03.png")).unwrap();
    refuse(&[], &["train_img", "3", "4"]);
    std::fs::remove_dir_all(scene.data("train_inst")).unwrap();
    refuse(FEATURES, &["train_inst", "--no_instance"]);
    assert!(!scene.run("x").exists());
}

#[test]
fn losses_and_files_that_cannot_be_used_are_refused() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    ok(scene.train("a", &["--no_vgg_loss", "--max_steps", "1"]));
    let refuse = |more: &[&str], parts: &[&str]| {
        refused(&scene.train("x", &[&["--max_steps", "1"], more].concat()), parts)
    };
    let [g, d] = ["G", "D"].map(|net| scene.run("a").join(format!("latest_net_{net}.safetensors")));
    refuse(&["--vgg", text(&g)], &["latest_net_G", "VGG-19", "features.0.weight"]);
    refuse(&["--vgg", text(&scene.at("none.pth"))], &["none.pth", "cannot be read"]);
    refuse(&["--gan_mode", "wgangp"], &["--gan_mode wgangp", "lsgan, vanilla or hinge"]);
    refuse(&["--init_G", text(&d)], &["weights of a different network"]);
    refuse(&["--init_E", text(&g)], &["--init_E", "no network E"]);
    refuse(&["--lambda_feat=-1"], &["--lambda_feat -1"]);
    refuse(&["--memory_limit", "100KiB"], &["102400", "--recompute"]);
    assert!(!scene.run("x").exists());

    let out = scene.at("out");
    let own = ["translate", "--checkpoint", text(&g), "--output", text(&out), "--tune", "off"];
    let (maps, ids) = (scene.data("train_label"), scene.data("train_inst"));
    let translate = |more: &[&str], parts: &[&str]| {
        refused(&pixtape(&[&own, more].concat()), parts);
        assert!(!out.exists());
    };
    let (run, input) = (scene.run("a"), ["--input", text(&maps)]);
    let folder = ["translate", "--checkpoint", text(&run), "--output", text(&out)];
    let output = pixtape(&[&folder, &input[..]].concat());
    refused(&output, &["maps of instances", "--instances"]);
    // A label that the generator does not know.
    let high = scene.at("high.png");
    let map = IndexMap::new(32, 32, (0..1024).map(|i| u32::from(i == 35) * 9).collect()).unwrap();
    std::fs::write(&high, map.encode("png", 8).unwrap()).unwrap();
    let one = scene.data("train_inst/00.png");
    let words = ["--input", text(&high), "--instances", text(&one)];
    let output = pixtape(&[&own, &words[..]].concat());
    refused(&output, &["high.png", "label 9", "(3, 1)", "0 to 3"]);
    let _ = std::fs::remove_dir_all(&out);
    // A folder of maps beside a single file, and images where the generator has no features.
    translate(
        &["--input", text(&maps), "--instances", text(&high)],
        &["high.png", "is one file", "give a folder"],
    );
    translate(&["--input", text(&high), "--instances", text(&ids)], &["train_inst", "is a folder"]);
    let images = scene.data("train_img");
    let both = ["--input", text(&maps), "--instances", text(&ids)];
    let words = [&both[..], &["--images", text(&images)]].concat();
    translate(&words, &["train_img", "this one has none"]);
    for flag in ["--heat", "--direction=AtoB"] {
        let name = flag.split('=').next().unwrap();
        translate(&[&both[..], &[flag]].concat(), &[name]);
    }
}
