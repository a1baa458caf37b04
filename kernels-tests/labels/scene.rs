//! Drawn label maps, and small nets for them.

use crate::program::{ok, picture, pixtape, text};
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::{Precision, WeightsFile};
use pixtape::io::{IndexMap, Picture};
use pixtape::rng::random;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// Classes of the maps.
pub const CLASSES: u32 = 4;

/// What all runs here have in common; nothing is measured for them.
const COMMON: &str = "--model pix2pixHD --label_nc 4 --ngf 4 --ndf 4 --n_layers_D 2 \
                      --n_downsample_global 1 --n_blocks_global 1 --resize_or_crop none --tune off";

/// A local enhancer.
pub const LOCAL: &[&str] = &["--netG", "local", "--ngf", "2", "--n_blocks_local", "1"];

/// A small encoder of features of each instance.
pub const FEATURES: &[&str] =
    &["--instance_feat", "--nef", "4", "--n_downsample_E", "1", "--feat_num", "2"];

/// `train_label/`, `train_inst/`, `train_img/` and room for runs.
pub struct Scene {
    _dir: TempDir,
    pub root: PathBuf,
    pub runs: PathBuf,
}

/// The label of a pixel of sample `n`.
fn label(x: u32, y: u32, n: u32) -> u32 {
    (x / 8 + y / 8 + n) % CLASSES
}

/// The instance: two of each class, numbered as Cityscapes numbers them.
fn instance(x: u32, y: u32, n: u32) -> u32 {
    1000 * label(x, y, n) + x / 16
}

fn map(size: (u32, u32), value: impl Fn(u32, u32) -> u32) -> IndexMap {
    let (w, h) = size;
    let data = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
    IndexMap::new(w, h, data.map(|(x, y)| value(x, y)).collect()).unwrap()
}

/// A phase of `count` samples: in the image a class has a colour, and an instance a shade of it.
pub fn phase(root: &Path, phase: &str, size: (u32, u32), numbers: std::ops::Range<u32>) {
    for n in numbers {
        let at = |folder: &str| root.join(format!("{phase}_{folder}"));
        let save = |folder: &str, bytes: Vec<u8>| {
            std::fs::create_dir_all(at(folder)).unwrap();
            std::fs::write(at(folder).join(format!("{n:02}.png")), bytes).unwrap();
        };
        save("label", map(size, |x, y| label(x, y, n)).encode("png", 8).unwrap());
        save("inst", map(size, |x, y| instance(x, y, n)).encode("png", 16).unwrap());
        let mut image = picture(size.0, size.1, n);
        for (at, pixel) in image.data.chunks_mut(3).enumerate() {
            let (x, y) = (at as u32 % size.0, at as u32 / size.0);
            let (class, shade) = (60 * label(x, y, n), 40 * (instance(x, y, n) % 1000));
            let colour = [class, 255 - class, shade];
            pixel.iter_mut().zip(colour).for_each(|(v, c)| *v = (*v / 8).saturating_add(c as u8));
        }
        std::fs::create_dir_all(at("img")).unwrap();
        image.save_png(&at("img").join(format!("{n:02}.png"))).unwrap();
    }
}

/// Four samples of 32x32 to train on, and `val` more in `val_label/` and the other folders.
pub fn scene(val: u32) -> Scene {
    let dir = TempDir::new().unwrap();
    let (root, runs) = (dir.path().join("data"), dir.path().join("runs"));
    phase(&root, "train", (32, 32), 0..4);
    phase(&root, "val", (32, 32), 10..10 + val);
    Scene { _dir: dir, root, runs }
}

impl Scene {
    /// Trains a run of these labels; flags behind the common ones count where both are given.
    pub fn train(&self, name: &str, more: &[&str]) -> Output {
        let [root, runs] = [text(&self.root), text(&self.runs)];
        let own = ["train", "--dataroot", root, "--checkpoints_dir", runs, "--name", name];
        let common: Vec<&str> = COMMON.split_whitespace().collect();
        pixtape(&[&own, &common[..], more].concat())
    }

    /// The folder of a run.
    pub fn run(&self, name: &str) -> PathBuf {
        self.runs.join(name)
    }

    /// A file or folder beside data and runs.
    pub fn at(&self, name: &str) -> PathBuf {
        self.root.parent().unwrap().join(name)
    }

    /// A folder of the data.
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Resumes a run.
pub fn resume(run: &Path, more: &[&str]) -> Output {
    pixtape(&[&["resume", text(run)], more].concat())
}

/// Translates, and returns the bytes of the image that comes of the first map.
pub fn translated(words: &[&str], to: &Path) -> Vec<u8> {
    let all = [&["translate"], words, &["--output", text(to), "--tune", "off"]].concat();
    ok(pixtape(&all));
    let mut made: Vec<PathBuf> =
        std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()).collect();
    made.sort();
    std::fs::read(&made[0]).unwrap()
}

/// A file of JSON.
pub fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The rows of a log.
pub fn rows(path: PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Tensors of a file by name.
pub fn tensors(path: &Path) -> WeightsFile {
    WeightsFile::clone(TensorFile::read(path).unwrap().contents())
}

/// Writes a VGG-19 of four channels in each block, with weights that keep the size of what passes.
pub fn vgg(path: &Path) {
    let mut file = WeightsFile::default();
    let mut ci = 3;
    for (stream, place) in (0..).zip([0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]) {
        let mut give = |part: &str, shape: Vec<usize>, scale: f32| {
            let value =
                |i: u32| scale * (random(i, stream, 0, 7)[0] as f32 / u32::MAX as f32 - 0.5);
            let values = (0..shape.iter().product::<usize>() as u32).map(value);
            let values: Vec<f32> = values.collect();
            file.tensors.insert(format!("features.{place}.{part}"), (shape, values).into());
        };
        give("weight", vec![4, ci, 3, 3], 0.8);
        give("bias", vec![4], 0.5);
        ci = 4;
    }
    std::fs::write(path, file.to_safetensors(Precision::F32).unwrap()).unwrap();
}

/// The cell of a grid of square images with 4 pixels between them.
pub fn cell(grid: &Path, side: u32, column: u32, row: u32) -> Picture {
    let grid = Picture::load(grid, 3).unwrap();
    grid.crop(column * (side + 4), row * (side + 4), side, side).unwrap()
}
