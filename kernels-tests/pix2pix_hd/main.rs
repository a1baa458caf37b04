//! pix2pixHD's training step: losses and gradients against PyTorch's, and that they depend on
//! nothing but what they are made of.
//!
//! `golden/pix2pix_hd.json` is written by `golden/make_hd_golden.py`, which draws the same weights,
//! maps and images.

mod data;
mod golden;
mod refusals;
mod state;
#[path = "../support/mod.rs"]
mod support;

use pixtape::nets::{EnhancerConfig, ResnetConfig};
use pixtape::train::{Condition, Features, Over, Pix2PixHdConfig, Source};

/// Five classes and the edges of instances, 48x32, a global generator and two scales.
fn plain() -> Pix2PixHdConfig {
    Pix2PixHdConfig {
        generator: ResnetConfig { ngf: 8, halvings: 2, blocks: 1, ..Default::default() }.into(),
        condition: Condition { source: Source::Labels(5), edges: true },
        ndf: 8,
        width: 48,
        height: 32,
        seed: 1,
        ..Pix2PixHdConfig::default()
    }
}

/// A local enhancer of one block.
fn local(ngf: u32, enhancers: u32) -> EnhancerConfig {
    let blocks = 1;
    EnhancerConfig { ngf, halvings: 2, global_blocks: 1, enhancers, blocks, ..Default::default() }
}

/// Three features of a small encoder.
fn encoded(over: Over) -> Option<Features> {
    Some(Features::Encoded { encoder: Features::encoder(3, 4, 2, 3), over })
}
