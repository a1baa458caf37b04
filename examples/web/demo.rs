//! What the page trains by default: the net, images and order of the program's demo. Compiled
//! natively too, by the test that compares both.

use crate::draw::facade_bytes;
use pixtape::nets::{DiscriminatorKind, UnetConfig};
use pixtape::train::Pix2PixConfig;

/// Pairs that are trained on.
pub const PAIRS: u64 = 64;
/// Those held out are drawn under numbers from here.
const FIRST_HELD_OUT: u64 = 1 << 32;

/// Names of the palette's colours.
pub const LABELS: [&str; 14] = [
    "sky", "roof", "wall", "window", "door", "cornice", "sill", "balcony", "shutter", "ornament",
    "molding", "pillar", "shop", "street",
];

/// The demo's training step for images of a side, with `ngf` channels in both nets.
pub fn config(side: u32, ngf: u32, seed: u64) -> Pix2PixConfig {
    Pix2PixConfig {
        generator: UnetConfig { ngf, downs: 5, dropout: false, ..UnetConfig::default() }.into(),
        discriminator: DiscriminatorKind::Patch { n_layers: 2 },
        ndf: ngf,
        width: side,
        height: side,
        seed,
        ..Pix2PixConfig::default()
    }
}

/// RGB bytes of a label map and of the facade that it stands for.
pub fn pair(seed: u64, number: u64, held_out: bool, side: u32) -> (Vec<u8>, Vec<u8>) {
    let first = if held_out { FIRST_HELD_OUT } else { 0 };
    facade_bytes(seed, first + number, side)
}

/// Which of `count` pairs a step (from 0) takes: each epoch is a shuffle by the seed.
pub fn place(seed: u64, step: u64, count: u64) -> usize {
    let seed = pixtape::rng::fold_seed(seed);
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_key(|&i| pixtape::rng::random(i, 0, (step / count) as u32, seed));
    order[(step % count) as usize] as usize
}
