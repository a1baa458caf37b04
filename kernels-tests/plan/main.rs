//! The plan: what must hold for every plan, the errors it answers with, and that a step's results
//! depend on nothing but its inputs.

mod bits;
mod checks;
mod constants;
mod invariants;
mod memory;
mod optimizer;
mod recompute;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
mod tiles;

use pixtape::gpu::Family;
use pixtape::nets::{Discriminator, DiscriminatorConfig, DiscriminatorKind, Generator, UnetConfig};
use pixtape::ops::Tuning;
use pixtape::store::Param;
use pixtape::train::Pix2PixConfig;
use pixtape::{Channels, PlanOptions, Store};
use std::sync::Arc;

/// The generator of [`pix2pix_256`].
fn unet_256() -> UnetConfig {
    UnetConfig { ngf: 64, downs: 8, ..UnetConfig::default() }
}

const FAMILIES: [Family; 3] = [Family::Workgroup, Family::Register, Family::Subgroup(8)];

/// pix2pix as the reference implementation has it, at 256x256.
fn pix2pix_256() -> Pix2PixConfig {
    Pix2PixConfig {
        generator: unet_256().into(),
        ndf: 64,
        width: 256,
        height: 256,
        seed: 7,
        ..Pix2PixConfig::default()
    }
}

/// The smallest training with everything in it: norms, dropout, skips, both networks.
fn tiny() -> Pix2PixConfig {
    let generator = UnetConfig { ngf: 4, downs: 6, ..unet_256() }.into();
    Pix2PixConfig {
        generator,
        discriminator: DiscriminatorKind::Patch { n_layers: 2 },
        ndf: 4,
        width: 64,
        height: 64,
        ..pix2pix_256()
    }
}

/// The store of a training, built in the same order as by [`Pix2Pix`].
fn store_of(config: &Pix2PixConfig) -> (Store, Vec<Param>) {
    let mut store = Store::new();
    let g = Generator::new(&mut store, "G", config.generator).unwrap();
    let input = Channels::concat(&[
        config.generator.input_nc().into(),
        config.generator.output_nc().into(),
    ])
    .unwrap();
    let DiscriminatorKind::Patch { .. } = config.discriminator else {
        panic!("not the pixel discriminator")
    };
    let d = DiscriminatorConfig {
        input,
        ndf: config.ndf,
        kind: config.discriminator,
        norm: config.generator.norm(),
    };
    let d = Discriminator::new(&mut store, "D", d).unwrap();
    for set in ["G", "D"] {
        store.pages(set);
    }
    let params = g.weights().params().chain(d.weights().params()).cloned().collect();
    (store, params)
}

/// The built-in rule, whatever variant the environment forces.
fn ruled() -> PlanOptions {
    PlanOptions {
        tuning: Some(Arc::new(Tuning::rule(Family::Workgroup))),
        ..crate::support::plan_options()
    }
}
