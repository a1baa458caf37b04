//! What a run says and leaves behind.

use crate::program::*;
use crate::scene::*;
use pixtape::io::Picture;

#[test]
fn a_run_is_validated_shown_and_described() {
    if !adapter() {
        return;
    }
    let scene = scene(2);
    let flags = ["--niter", "2", "--niter_decay", "0", "--save_epoch_freq", "1"];
    let said = ok(scene.train("a", &flags));
    let note = "note: training without the VGG loss: --vgg takes torchvision's vgg19";
    assert_eq!(said.matches(note).count(), 1, "{said}");
    for part in ["global on", "4 samples of 32x32", "G_GAN", "D_real"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let run = scene.run("a");
    for file in [
        "options.json",
        "losses.jsonl",
        "latest_net_G.safetensors",
        "latest_net_D.safetensors",
        "latest_optimizer.safetensors",
        "2_net_G.safetensors",
        "best_net_G.safetensors",
        "best.json",
        "validation/worst.png",
        "report.html",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let losses = rows(run.join("losses.jsonl"));
    let names = ["G_GAN", "G_GAN_Feat", "D_real", "D_fake"];
    assert!(losses.len() == 8 && names.iter().all(|name| losses[7][*name].is_f64()), "{losses:?}");
    assert!(losses[7].get("G_VGG").is_none());
    let scores = rows(run.join("validation.jsonl"));
    let epochs: Vec<_> = scores.iter().map(|row| row["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2]);
    assert!(scores.iter().all(|row| row["pictures"] == 2 && row["l1"].as_f64().unwrap() > 0.0));
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for part in ["pix2pixHD", "G_GAN_Feat", "label_nc", "validation"] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    let info = ok(pixtape(&["info", text(&run)]));
    assert!(info.contains("pix2pixHD") && info.contains("netG: global"), "{info}");

    // Input, output and target of two samples of val/: the map in colours, and the image itself.
    let grid = run.join("samples/latest.png");
    assert_eq!(Picture::dimensions(&grid).unwrap(), (3 * 32 + 2 * 4, 2 * 32 + 4));
    let image = Picture::load(&scene.data("val_img/10.png"), 3).unwrap();
    assert_eq!(cell(&grid, 32, 2, 0), image);
    let shown = cell(&grid, 32, 0, 0);
    let colours: std::collections::BTreeSet<&[u8]> = shown.data.chunks(3).collect();
    assert_eq!(colours.len(), CLASSES as usize);
    // `translate` makes the same image of the same maps.
    let (maps, instances) = (scene.data("val_label"), scene.data("val_inst"));
    let words = ["--input", text(&maps), "--instances", text(&instances)];
    let folder = ["--checkpoint", text(&run)];
    let made = translated(&[&folder[..], &words].concat(), &scene.at("made"));
    let made_of = scene.at("made/10.png");
    assert_eq!(Picture::load(&made_of, 3).unwrap(), cell(&grid, 32, 1, 0));
    let file = run.join("latest_net_G.safetensors");
    let bare = ["--checkpoint", text(&file)];
    assert!(made == translated(&[&bare[..], &words].concat(), &scene.at("bare")));
    let best = [&folder[..], &["--epoch", "best"], &words].concat();
    translated(&best, &scene.at("best"));

    // The figures of the last validation, once more.
    let eval = ["eval", "--checkpoint", text(&run), "--dataroot", text(&scene.root)];
    let phase = ["--phase", "val", "--json"];
    let figures: serde_json::Value =
        serde_json::from_str(&ok(pixtape(&[&eval[..], &phase].concat()))).unwrap();
    assert_eq!(figures["pictures"], 2);
    assert_eq!(figures["mean"]["l1"], scores[1]["l1"]);
    ok(pixtape(&["report", text(&run)]));
}

#[test]
fn images_in_place_of_label_maps_are_trained_on_and_translated() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    for (from, to) in [("train_img", "train_A"), ("train_label", "train_B")] {
        std::fs::create_dir(scene.data(to)).unwrap();
        for file in std::fs::read_dir(scene.data(from)).unwrap() {
            let path = file.unwrap().path();
            let image = Picture::load(&path, 3).unwrap();
            image.save_png(&scene.data(to).join(path.file_name().unwrap())).unwrap();
        }
    }
    let flags = ["--label_nc", "0", "--no_instance", "--no_ganFeat_loss", "--no_vgg_loss"];
    let said = ok(scene.train("a", &[&flags[..], &["--max_steps", "2"]].concat()));
    assert!(!said.contains("note:"), "{said}");
    let losses = rows(scene.run("a").join("losses.jsonl"));
    assert!(losses.len() == 2 && losses[1].get("G_GAN_Feat").is_none(), "{losses:?}");
    let input = scene.data("train_A");
    let grid = cell(&scene.run("a").join("samples/latest.png"), 32, 1, 0);
    for checkpoint in [scene.run("a"), scene.run("a").join("latest_net_G.safetensors")] {
        let words = ["--checkpoint", text(&checkpoint), "--input", text(&input)];
        let to = scene.at(if checkpoint.is_dir() { "1" } else { "2" });
        translated(&words, &to);
        assert_eq!(Picture::load(&to.join("00.png"), 3).unwrap(), grid);
    }
    let run = scene.run("a");
    let eval = ["eval", "--checkpoint", text(&run), "--dataroot", text(&scene.root)];
    ok(pixtape(&[&eval[..], &["--phase", "train"]].concat()));
}

#[test]
fn maps_without_instances_and_sides_that_do_not_fit_are_said_once() {
    if !adapter() {
        return;
    }
    let scene = scene(0);
    std::fs::remove_dir_all(&scene.root).unwrap();
    // Higher than wide, and no multiple of 4.
    phase(&scene.root, "train", (30, 42), 0..3);
    std::fs::remove_dir_all(scene.data("train_inst")).unwrap();
    let flags = [LOCAL, &["--no_vgg_loss", "--num_D", "1", "--max_steps", "2"]].concat();
    let said = ok(scene.train("a", &flags));
    let notes: Vec<&str> = said.lines().filter(|line| line.starts_with("note:")).collect();
    assert_eq!(notes.len(), 2, "{said}");
    assert!(said.contains("30x42 are padded by reflection (maps by their edge) to 32x44"));
    assert!(said.contains("train_inst: trained without instances, as --no_instance"), "{said}");
    let options = json(&scene.run("a").join("options.json"));
    assert_eq!(options["options"]["no_instance"], true);
    let input = scene.data("train_label");
    let run = scene.run("a");
    let words = ["--checkpoint", text(&run), "--input", text(&input)];
    translated(&words, &scene.at("made"));
    let made = scene.at("made/00.png");
    assert_eq!(Picture::dimensions(&made).unwrap(), (30, 42));
    let shown = Picture::load(&scene.run("a").join("samples/latest.png"), 3).unwrap();
    assert_eq!(shown.crop(34, 0, 30, 42).unwrap(), Picture::load(&made, 3).unwrap());
}
