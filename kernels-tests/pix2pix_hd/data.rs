//! Weights, maps and images that are drawn, here and in `golden/make_hd_golden.py`.

use pixtape::Gpu;
use pixtape::nets::Weights;
use pixtape::picture::Values;
use pixtape::rng::random;
use pixtape::store::{Layout, Param};
use pixtape::train::{Losses, Pix2PixHd, Pix2PixHdConfig, Rates};
use std::collections::BTreeMap;

/// Seed of everything that is drawn.
pub const SEED: u32 = 0x676f_6c64;

/// Streams of the images.
const IMAGES: u32 = 1000;
/// Streams of label maps, and of the images in their place.
const LABELS: u32 = 1100;
/// Streams of maps of instances.
const INSTANCES: u32 = 1200;
/// Streams of features that are given.
const FEATURES: u32 = 1300;

/// Instances are numbered as Cityscapes numbers them, and otherwise.
const IDS: [u32; 8] = [0, 1, 7, 255, 256, 24000, 26001, 65535];

/// Classes of the label maps.
const CLASSES: u64 = 5;

/// The planes of a step, all that a model of some configuration may read.
pub struct Planes {
    labels: Vec<u32>,
    input: Vec<u8>,
    instances: Vec<u32>,
    features: Vec<u8>,
    image: Vec<u8>,
}

impl Planes {
    /// Step `number`, where each has so many samples of a size.
    pub fn new(config: &Pix2PixHdConfig, number: u32) -> Planes {
        let (size, count) = ((config.width, config.height), config.pictures());
        let samples = number * count..(number + 1) * count;
        let of = |stream: u32, side: u32, channels: u32| -> Vec<u32> {
            samples.clone().flat_map(|n| blocks(stream + n, size, side, channels)).collect()
        };
        let bytes = |stream| of(stream, 8, 3).into_iter().map(|word| (word >> 24) as u8).collect();
        let class = |word: u32| ((u64::from(word) * CLASSES) >> 32) as u32;
        Planes {
            labels: of(LABELS, 5, 1).into_iter().map(class).collect(),
            input: bytes(LABELS),
            instances: of(INSTANCES, 7, 1).iter().map(|word| IDS[(word >> 29) as usize]).collect(),
            features: bytes(FEATURES),
            image: bytes(IMAGES),
        }
    }

    /// By name.
    pub fn values(&self) -> [(&'static str, Values<'_>); 5] {
        [
            ("label", Values::Indices(&self.labels)),
            ("input", Values::Bytes(&self.input)),
            ("instances", Values::Indices(&self.instances)),
            ("features", Values::Bytes(&self.features)),
            ("image", Values::Bytes(&self.image)),
        ]
    }
}

/// Blocks of `side` by `side` pixels, each of one word per channel.
fn blocks(stream: u32, (w, h): (u32, u32), side: u32, channels: u32) -> Vec<u32> {
    let across = w.div_ceil(side);
    let pixels = (0..h).flat_map(|y| (0..w).map(move |x| y / side * across + x / side));
    let word = |at: u32| random(at, stream, 0, SEED)[0];
    pixels.flat_map(|at| (0..channels).map(move |c| word(at * channels + c))).collect()
}

/// Writes a network's parameters: number k of the sorted names draws from stream `first` + k.
pub fn fill(gpu: &Gpu, trainer: &Pix2PixHd, weights: &Weights, first: u32) {
    let sorted: BTreeMap<&str, &Param> = weights.params().map(|p| (p.name.as_str(), p)).collect();
    for (stream, param) in (first..).zip(sorted.into_values()) {
        let scale = match (weights.set(), param.layout) {
            (_, Layout::Vector(_)) => 0.25,
            // Without norms the weights keep the size of what passes.
            ("VGG", _) => {
                let terms = param.layout.public_shape()[1..].iter().product::<usize>() as f64;
                (24.0 / terms).sqrt().log2().round_ties_even().exp2()
            }
            _ => 0.0625,
        };
        let unit = |i: u32| f64::from(random(i, stream, 0, SEED)[0] >> 16) / 65536.0 - 0.5;
        let count = param.layout.elements() as u32;
        let values: Vec<f32> = (0..count).map(|i| (scale * unit(i)) as f32).collect();
        trainer.store().write(gpu, param.value, &param.layout, &values).unwrap();
    }
}

/// Writes those of all networks; averages begin as what they are of.
pub fn fill_all(gpu: &Gpu, trainer: &Pix2PixHd) {
    let trained = trainer.networks().into_iter().map(|(name, weights, _)| (name, weights));
    for (name, weights) in trained.chain(trainer.frozen_networks()) {
        let first = match name {
            "G" => 0,
            "D" => 200,
            "E" => 400,
            "VGG" => 600,
            other => panic!("a network {other}"),
        };
        fill(gpu, trainer, weights, first);
    }
    trainer.restart_average().unwrap();
}

/// Trains on the steps' planes, four of them in turn, and returns all losses.
pub fn train(
    trainer: &mut Pix2PixHd,
    steps: std::ops::Range<u32>,
    rates: impl Into<Rates>,
) -> Vec<Losses> {
    let (config, rates) = (trainer.config().clone(), rates.into());
    let mut got = Vec::new();
    for step in steps {
        let planes = Planes::new(&config, step % 4);
        got.extend(trainer.step(&planes.values(), rates).unwrap());
    }
    got.extend(trainer.finish().unwrap());
    got
}
