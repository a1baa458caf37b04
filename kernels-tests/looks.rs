//! Looks and edits of label maps: features by label, collected from a run's images, painted onto
//! the instances of a map; instances that get another label or go away.

#[path = "support/program.rs"]
mod program;

use pixtape::io::checkpoint::TensorFile;
use pixtape::io::{IndexMap, Picture};
use program::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SIDE: u32 = 32;

/// Two things of class 1 on class 0.
const THINGS: [(u32, [u32; 2]); 2] = [(1000, [4, 6]), (1001, [18, 12])];

const NET: &str = "--model pix2pixHD --label_nc 3 --ngf 4 --ndf 4 --n_layers_D 2 \
                   --n_downsample_global 1 --n_blocks_global 1 --resize_or_crop none --tune off \
                   --no_vgg_loss --max_steps 2";
const ENCODER: &str = "--instance_feat --nef 4 --n_downsample_E 1 --feat_num 2";

/// Data, runs and what comes of them.
struct Scene {
    dir: TempDir,
}

fn map(value: impl Fn(u32, u32) -> u32) -> IndexMap {
    let data = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    IndexMap::new(SIDE, SIDE, data.map(|(x, y)| value(x, y)).collect()).unwrap()
}

/// The thing at a pixel; each is ten pixels wide and high.
fn thing(x: u32, y: u32) -> Option<u32> {
    let within = |at: u32, from: u32| (from..from + 10).contains(&at);
    let found = THINGS.iter().find(|(_, [left, top])| within(x, *left) && within(y, *top));
    found.map(|(id, _)| *id)
}

fn labels() -> IndexMap {
    map(|x, y| thing(x, y).map_or(0, |id| id / 1000))
}

fn instances() -> IndexMap {
    map(|x, y| thing(x, y).unwrap_or(0))
}

fn scene() -> Scene {
    let scene = Scene { dir: TempDir::new().unwrap() };
    for n in 0..3u32 {
        let at = |folder: &str| scene.made(&format!("data/train_{folder}/{n}.png"));
        labels().save(&at("label"), 8).unwrap();
        instances().save(&at("inst"), 16).unwrap();
        // In each image, things and ground have colours of their own.
        let mut image = picture(SIDE, SIDE, n);
        for (pixel, id) in image.data.chunks_mut(3).zip(&instances().data) {
            let colour = [80 * n, 255 - 100 * n, 200 * (id % 1000)];
            pixel.iter_mut().zip(colour).for_each(|(v, c)| *v = (*v / 8).saturating_add(c as u8));
        }
        image.save_png(&at("img")).unwrap();
    }
    scene
}

impl Scene {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same, in a folder that is there.
    fn made(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn train(&self, name: &str, more: &str) {
        let (root, runs) = (self.at("data"), self.at("runs"));
        let own =
            ["train", "--dataroot", text(&root), "--checkpoints_dir", text(&runs), "--name", name];
        let flags: Vec<&str> = NET.split_whitespace().chain(more.split_whitespace()).collect();
        ok(pixtape(&[&own, &flags[..]].concat()));
    }

    /// Translates a map with its instances: what is said on standard error, and the bytes.
    fn translate(&self, checkpoint: &str, maps: [&Path; 2], more: &[&str]) -> (String, Vec<u8>) {
        let to = self.at("out.png");
        let output = pixtape(&self.words(checkpoint, maps, &to, more));
        let said = errors(&output);
        ok(output);
        (said, std::fs::read(to).unwrap())
    }

    fn refused(&self, more: &[&str], parts: &[&str]) {
        let maps = self.maps();
        let words = [text(&maps[0]), text(&maps[1])].map(Path::new);
        let to = self.at("none.png");
        refused(&pixtape(&self.words("runs/looks", words, &to, more)), parts);
        assert!(!to.exists());
    }

    fn words(&self, run: &str, maps: [&Path; 2], to: &Path, more: &[&str]) -> Vec<String> {
        let [label, instances] = maps.map(text);
        let checkpoint = self.at(run);
        let own = ["translate", "--checkpoint", text(&checkpoint), "--input", label, "--instances"];
        let rest = [instances, "--output", text(to), "--tune", "off"];
        [&own[..], &rest, more].concat().into_iter().map(String::from).collect()
    }

    /// A label map of the data and its instances.
    fn maps(&self) -> [PathBuf; 2] {
        ["label", "inst"].map(|folder| self.at(&format!("data/train_{folder}/0.png")))
    }
}

fn pixtape<S: AsRef<str>>(words: &[S]) -> std::process::Output {
    program::pixtape(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

#[test]
fn looks_are_collected_by_label_and_painted_by_style_or_seed() {
    if !adapter() {
        return;
    }
    let scene = scene();
    scene.train("looks", ENCODER);
    let run = scene.at("runs/looks");
    let maps = scene.maps();
    let maps = [maps[0].as_path(), maps[1].as_path()];
    let made = |more: &[&str]| scene.translate("runs/looks", maps, more).1;

    // Before there are looks.
    scene.refused(&[], &["features of images", "--images", "--features", "pixtape features"]);
    scene.refused(&["--style", "0"], &["--style", "pixtape features"]);

    let own = ["features", "--checkpoint", text(&run), "--n_clusters", "2"];
    let said = ok(pixtape(&own));
    let wanted = "2 labels, 9 instances in 3 images, 4 clusters";
    assert!(said.contains(wanted) && said.contains("features.safetensors"), "{said}");
    let file = run.join("features.safetensors");
    let again = scene.at("again.safetensors");
    ok(pixtape(&[&own[..], &["--output", text(&again)]].concat()));
    assert!(std::fs::read(&file).unwrap() == std::fs::read(&again).unwrap());
    let written = TensorFile::read(&file).unwrap();
    let shapes = written.tensors().iter().map(|(name, t)| (name.as_str(), t.shape.clone()));
    assert_eq!(shapes.collect::<Vec<_>>(), [("label_0", vec![2, 2]), ("label_1", vec![2, 2])]);
    let about = written.about().unwrap();
    assert_eq!(
        (&about["images"], &about["step"], &about["epoch"]),
        (&3.into(), &2.into(), &"latest".into())
    );
    assert_eq!(about["instances"]["1"], 6);
    let shown = ok(pixtape(&["info", text(&file)]));
    assert!(shown.contains("features by label"), "{shown}");

    // Styles go round; seeds give each instance its own and repeat.
    let styles = ["0", "1", "2"].map(|style| made(&["--style", style]));
    assert!(styles[0] != styles[1] && styles[0] == styles[2]);
    let seeds = ["0", "1", "2", "3"].map(|seed| made(&["--seed", seed]));
    assert!(BTreeSet::from(seeds.clone()).len() > 1);
    assert!(made(&["--seed", "3"]) == seeds[3] && made(&[]) == seeds[0]);
    assert!(made(&["--features", text(&again), "--style", "1"]) == styles[1]);

    // A generator's file does with features what its run does.
    let bare = scene.at("generator.safetensors");
    std::fs::copy(run.join("latest_net_G.safetensors"), &bare).unwrap();
    let words = ["--features", text(&again), "--style", "1"];
    assert!(scene.translate("generator.safetensors", maps, &words).1 == styles[1]);

    // Images have features of their own, with upstream's switch or without.
    let image = scene.at("data/train_img/1.png");
    let encoded = made(&["--images", text(&image)]);
    assert!(!styles.contains(&encoded));
    assert!(made(&["--images", text(&image), "--use_encoded_image"]) == encoded);

    // A class that was never seen.
    let strange = scene.at("strange.png");
    map(|x, y| if thing(x, y) == Some(1001) { 2 } else { 0 }).save(&strange, 8).unwrap();
    let (said, _) = scene.translate("runs/looks", [&strange, maps[1]], &["--style", "0"]);
    assert!(said.contains("no features of label 2"), "{said}");

    // Weights of another file, and of another step than the features.
    scene.refused(&["--features", text(&bare)], &["generator.safetensors", "pixtape features"]);
    scene.refused(&["--features", "no.safetensors"], &["no.safetensors", "cannot be read"]);
    let runs = scene.at("runs");
    let more = ["--checkpoints_dir", text(&runs), "--name", "looks", "--continue_train"];
    ok(pixtape(&[&["train"], &more[..], &["--max_steps", "3"]].concat()));
    let (said, _) = scene.translate("runs/looks", maps, &["--style", "0"]);
    assert!(said.contains("step 2") && said.contains("step 3"), "{said}");
}

#[test]
fn edits_are_those_of_the_maps_themselves() {
    if !adapter() {
        return;
    }
    let scene = scene();
    scene.train("looks", ENCODER);
    ok(pixtape(&["features", "--checkpoint", text(&scene.at("runs/looks"))]));
    let maps = scene.maps();
    let maps = [maps[0].as_path(), maps[1].as_path()];
    let made = |maps: [&Path; 2], more: &[&str]| {
        scene.translate("runs/looks", maps, &[&["--style", "0"], more].concat()).1
    };
    let by_hand = |name: &str, label: &dyn Fn(u32, u32) -> u32, id: &dyn Fn(u32, u32) -> u32| {
        let paths = ["label", "inst"].map(|part| scene.made(&format!("{name}/{part}.png")));
        map(label).save(&paths[0], 8).unwrap();
        map(id).save(&paths[1], 16).unwrap();
        made([&paths[0], &paths[1]], &[])
    };
    let plain = made(maps, &[]);
    let relabelled =
        by_hand("relabelled", &|x, y| u32::from(thing(x, y) == Some(1000)), &|x, y| {
            thing(x, y).unwrap_or(0)
        });
    assert!(made(maps, &["--edit", "1001=0"]) == relabelled && relabelled != plain);
    let without = |x: u32, y: u32| thing(x, y).filter(|id| *id != 1001);
    let removed = by_hand("removed", &|x, y| without(x, y).map_or(0, |id| id / 1000), &|x, y| {
        without(x, y).unwrap_or(0)
    });
    assert!(made(maps, &["--edit", "1001="]) == removed && removed != plain);
    assert!(removed != relabelled, "an edge stays around what only gets another label");
    let empty = by_hand("empty", &|_, _| 0, &|_, _| 0);
    assert!(made(maps, &["--edit", "1001=,1000=none"]) == empty);
    assert!(made(maps, &["--edit", "1001=", "--edit", "1000="]) == empty);

    // The map beside the result shows the edit, and nothing else.
    let (_, bytes) =
        scene.translate("runs/looks", maps, &["--style", "0", "--edit", "1001=", "--side_by_side"]);
    let both = scene.at("both.png");
    std::fs::write(&both, bytes).unwrap();
    let shown = Picture::load(&both, 3).unwrap().crop(0, 0, SIDE, SIDE).unwrap();
    assert_eq!(shown, map(|x, y| without(x, y).map_or(0, |id| id / 1000)).visible());

    scene.refused(&["--edit", "77=1"], &["0.png", "no instance 77", "0, 1000, 1001"]);
    scene.refused(&["--edit", "1000=3"], &["label 3", "0 to 2"]);
    scene.refused(&["--edit", "1000=,1001=,0="], &["instance 0", "all there is"]);
    let wrong = ["--edit", "car=1"];
    let output = pixtape(&scene.words("runs/looks", maps, &scene.at("none.png"), &wrong));
    assert!(!output.status.success() && errors(&output).contains("26001=7"));
}

#[test]
fn runs_without_features_have_no_looks() {
    if !adapter() {
        return;
    }
    let scene = scene();
    scene.train("looks", "");
    let run = scene.at("runs/looks");
    refused(
        &pixtape(&["features", "--checkpoint", text(&run)]),
        &["no encoder", "--instance_feat"],
    );
    let file = run.join("latest_net_G.safetensors");
    refused(&pixtape(&["features", "--checkpoint", text(&file)]), &["no run's folder"]);
    scene.refused(&["--features", "any.safetensors"], &["--features", "has none"]);
    scene.refused(&["--style", "1"], &["--style"]);
    // Edits need no features.
    let maps = scene.maps();
    let maps = [maps[0].as_path(), maps[1].as_path()];
    let [plain, edited] =
        [&[][..], &["--edit", "1001="]].map(|more| scene.translate("runs/looks", maps, more).1);
    assert!(plain != edited);
}
