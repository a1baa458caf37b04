//! The commands of docs/tasks.md, run by a shell as they stand there, in small folders that are
//! laid out as the public data sets are.
#![cfg(unix)]

#[path = "support/program.rs"]
mod program;

use pixtape::io::IndexMap;
use program::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options of networks so small that an epoch takes no time, for the program's own defaults.
const PAIRS: &str = "netG = \"unet_32\"\nngf = 4\nndf = 4\nload_size = 36\ncrop_size = 32\n\
                     n_epochs = 1\nn_epochs_decay = 0\ntune = \"off\"\n";
const UNPAIRED: &str = "netG = \"resnet_6blocks\"\nngf = 4\nndf = 4\nload_size = 36\n\
                        crop_size = 32\nn_epochs = 1\nn_epochs_decay = 0\ntune = \"off\"\n";
const LABELS: &str = "ngf = 4\nndf = 4\nnef = 4\nnum_D = 1\nn_downsample_global = 2\n\
                      n_blocks_global = 1\nn_downsample_E = 2\nload_size = 64\ncrop_size = 64\n\
                      n_epochs = 1\nn_epochs_decay = 0\ntune = \"off\"\n";

/// A folder in which commands are run.
struct Place {
    dir: tempfile::TempDir,
    /// Numbers of the images drawn so far, so that no two are equal.
    count: u32,
}

impl Place {
    /// None where there is no adapter.
    fn new() -> Option<Place> {
        adapter().then(|| Place { dir: tempfile::tempdir().unwrap(), count: 0 })
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// An RGB image, as JPEG or PNG by its name.
    fn image(&mut self, name: &str, width: u32, height: u32) {
        self.count += 1;
        let drawn = picture(width, height, self.count);
        let image = image::RgbImage::from_raw(width, height, drawn.data).unwrap();
        image.save(self.path(name)).unwrap();
    }

    /// Images of these names, where `{}` is a number, from 1.
    fn images(&mut self, pattern: &str, count: u32, width: u32, height: u32) {
        for number in 1..=count {
            self.image(&pattern.replace("{}", &number.to_string()), width, height);
        }
    }

    fn text(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs all shell blocks of a section of the page.
    fn run(&self, section: &str) {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tasks.md");
        let page = std::fs::read_to_string(page).unwrap();
        let body = page.split("\n## ").find(|part| part.starts_with(section)).expect(section);
        let blocks: Vec<&str> =
            body.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!blocks.is_empty(), "{section}");
        for (name, options) in [("pairs", PAIRS), ("unpaired", UNPAIRED), ("labels", LABELS)] {
            self.text(&format!(".options/{name}.toml"), options);
        }
        // The program under its own name, with small networks.
        let script = "pixtape() {\n  case \"$*\" in\n    \
                      train*cycle_gan*) set -- \"$@\" --config .options/unpaired.toml;;\n    \
                      train*pix2pixHD*) set -- \"$@\" --config .options/labels.toml;;\n    \
                      train*) set -- \"$@\" --config .options/pairs.toml;;\n  esac\n  \
                      echo \"+ pixtape $*\" >&2\n  \"$PIXTAPE\" \"$@\"\n}\n";
        let output = Command::new("sh")
            .arg("-euc")
            .arg(format!("{script}{}", blocks.concat()))
            .env("PIXTAPE", env!("CARGO_BIN_EXE_pixtape"))
            .env("PIXTAPE_CACHE_DIR", "")
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{section}: {said}\n{}", errors(&output));
    }

    /// That a command wrote these, as images that can be read.
    fn has(&self, folder: &str, files: &[&str]) {
        let mut found: Vec<String> = std::fs::read_dir(self.dir.path().join(folder))
            .unwrap_or_else(|e| panic!("{folder}: {e}"))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, files, "{folder}");
        for file in files {
            pixtape::io::AnyPicture::load(&self.dir.path().join(folder).join(file)).unwrap();
        }
    }
}

#[test]
fn facades() {
    let Some(mut place) = Place::new() else { return };
    for phase in ["train", "val", "test"] {
        place.images(&format!("facades/{phase}/{{}}.jpg"), 3, 128, 64);
    }
    place.images("my_labels/{}.png", 2, 64, 64);
    place.run("Labels to photographs: facades");
    place.has("results", &["1.png", "2.png"]);
}

#[test]
fn cityscapes() {
    let Some(mut place) = Place::new() else { return };
    for (phase, city) in [("train", "aachen"), ("train", "ulm"), ("val", "lindau")] {
        for frame in [19, 20] {
            let name = format!("{phase}/{city}/{city}_000000_0000{frame}");
            place.image(&format!("leftImg8bit/{name}_leftImg8bit.png"), 128, 64);
            place.image(&format!("gtFine/{name}_gtFine_color.png"), 128, 64);
            place.text(&format!("gtFine/{name}_gtFine_polygons.json"), "{}");
            // A sky, a road, and two cars on it.
            let class = |at: u32| match (at % 128, at / 128) {
                (20..40 | 70..90, 30..50) => 26,
                (_, 0..24) => 23,
                _ => 7,
            };
            let labels: Vec<u32> = (0..128 * 64).map(class).collect();
            let object = |at: u32| match class(at) {
                26 => 26_000 + u32::from(at % 128 > 50),
                class => class,
            };
            let objects = (0..128 * 64).map(object).collect();
            for (kind, map, bits) in [("labelIds", labels, 8), ("instanceIds", objects, 16)] {
                let file = place.path(&format!("gtFine/{name}_gtFine_{kind}.png"));
                IndexMap::new(128, 64, map).unwrap().save(&file, bits).unwrap();
            }
        }
    }
    place.run("Labels to streets: Cityscapes");
    let train = "cityscapes/train_inst/aachen";
    let [a, b] = [19, 20].map(|frame| format!("aachen_000000_0000{frame}_gtFine_labelIds.png"));
    place.has(train, &[&a, &b]);
    let [a, b] = [19, 20].map(|frame| format!("lindau_000000_0000{frame}_gtFine_labelIds.png"));
    place.has("results", &[&a, &b]);
}

#[test]
fn photographs_to_colour() {
    let Some(mut place) = Place::new() else { return };
    place.images("photos/train/holiday {}.jpg", 3, 60, 48);
    place.images("photos/val/{}.jpg", 2, 60, 48);
    place.images("old_photos/{}.jpg", 2, 50, 70);
    place.run("Black-and-white to colour");
    place.has("results", &["1.png", "2.png"]);
}

#[test]
fn edges2shoes() {
    let Some(mut place) = Place::new() else { return };
    place.images("edges2shoes/train/{}_AB.jpg", 5, 128, 64);
    place.images("edges2shoes/val/{}_AB.jpg", 2, 128, 64);
    place.images("my_edges/{}.png", 1, 64, 64);
    place.images("photos/{}.jpg", 3, 64, 64);
    place.images("my_sketches/sketch_{}.png", 2, 64, 64);
    place.run("Edges to photographs: edges2shoes");
    place.has("lines", &["sketch_1.png", "sketch_2.png"]);
    place.has("results", &["1.png", "sketch_1.png", "sketch_2.png"]);
}

#[test]
fn maps() {
    let Some(mut place) = Place::new() else { return };
    for phase in ["train", "val"] {
        place.images(&format!("maps/{phase}/{{}}.jpg"), 3, 120, 60);
    }
    place.image("town.png", 200, 150);
    place.run("Maps and views from the air: maps");
    place.has("results", &["town.png"]);
}

#[test]
fn night2day() {
    let Some(mut place) = Place::new() else { return };
    for phase in ["train", "val", "test"] {
        place.images(&format!("night2day/{phase}/9000{{}}_a_vs_b.jpg"), 5, 128, 64);
    }
    for side in ["trainA", "trainB"] {
        place.images(&format!("day_and_night/{side}/{side}_{{}}.jpg"), 3, 64, 64);
    }
    place.images("my_days/{}.jpg", 2, 64, 64);
    place.run("Day to night: night2day");
    place.has("results", &["1.png", "2.png"]);
    place.has("nights", &["1.png", "2.png"]);
}

#[test]
fn deep_fashion() {
    let Some(mut place) = Place::new() else { return };
    for (phase, folder) in [("train", "poses/trainB"), ("test", "new_photos")] {
        let mut rows = "name:keypoints_y:keypoints_x\n".to_string();
        for number in 1..=3 {
            let name = format!("fashionWOMENDressesid0000{number}_1front.jpg");
            place.image(&format!("{folder}/{name}"), 44, 64);
            let [ys, xs] = [3, 2].map(|by| {
                let at = |joint: i32| if joint == number { -1 } else { joint * by + number };
                let all: Vec<String> = (0..18).map(|joint| at(joint).to_string()).collect();
                all.join(", ")
            });
            writeln!(rows, "{name}: [{ys}]: [{xs}]").unwrap();
        }
        place.text(&format!("fashion-annotation-{phase}.csv"), &rows);
    }
    place.run("Poses and clothes: DeepFashion");
    let made = [1, 2, 3].map(|number| format!("fashionWOMENDressesid0000{number}_1front.png"));
    place.has("results", &made.each_ref().map(String::as_str));
}

#[test]
fn captions() {
    let Some(mut place) = Place::new() else { return };
    place.images("captions/trainB/house_{}.png", 3, 256, 256);
    let caption = |number: u32, shop: &str| format!("house_{number}.png\tRed roof, {shop}\n");
    let seen = [(1, "shop"), (2, "no shop"), (3, "shop")];
    let rows: String = seen.iter().map(|(number, shop)| caption(*number, shop)).collect();
    place.text("captions.tsv", &rows);
    place.text("new.tsv", &caption(9, "no shop"));
    place.run("Captions");
    place.has("results", &["house_9.png"]);
}

#[test]
fn monet2photo() {
    let Some(mut place) = Place::new() else { return };
    for (folder, count) in [("trainA", 3), ("trainB", 4), ("testA", 2), ("testB", 2)] {
        place.images(&format!("monet2photo/{folder}/2016-08-0{{}} 05_01_40.jpg"), count, 64, 64);
    }
    place.images("my_photos/{}.jpg", 2, 80, 64);
    place.images("my_paintings/{}.jpg", 1, 64, 72);
    place.run("Photographs and paintings: monet2photo");
    place.has("painted", &["1.png", "2.png"]);
    place.has("photographed", &["1.png"]);
}

#[test]
fn horse2zebra() {
    let Some(mut place) = Place::new() else { return };
    for (folder, count) in [("trainA", 4), ("trainB", 3), ("testA", 2), ("testB", 2)] {
        place.images(&format!("horse2zebra/{folder}/n02381460_{{}}.jpg"), count, 64, 64);
    }
    place.run("Horses and zebras: horse2zebra");
    place.has("striped", &["n02381460_1.png", "n02381460_2.png"]);
    place.has("plain", &["n02381460_1.png", "n02381460_2.png"]);
}
