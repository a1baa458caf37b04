//! CycleGAN's training step: its losses against PyTorch's with pools that are full, and going on
//! from the middle of a pool's life.
//!
//! `golden/cycle_gan.json` is written by `golden/make_golden.py`, which draws the same weights,
//! pictures and decisions.

mod support;

use approx::abs_diff_eq;
use pixtape::Gpu;
use pixtape::nets::{DiscriminatorKind, ResnetConfig};
use pixtape::rng::random;
use pixtape::store::Param;
use pixtape::train::{CycleGan, CycleGanConfig, Losses};
use std::collections::BTreeMap;

const SEED: u32 = 0x676f_6c64;
const PICTURES: u32 = 500;

fn config() -> CycleGanConfig {
    CycleGanConfig {
        generator: ResnetConfig { ngf: 8, blocks: 2, ..ResnetConfig::default() }.into(),
        discriminator: DiscriminatorKind::Patch { n_layers: 2 },
        ndf: 8,
        width: 64,
        height: 64,
        pool_size: 2,
        seed: 1,
        ..CycleGanConfig::default()
    }
}

/// 64 blocks of 8x8 pixels, each of one colour.
fn picture(number: u32) -> Vec<u8> {
    let byte = |y: u32, x: u32, c: u32| {
        (random((y / 8 * 8 + x / 8) * 3 + c, PICTURES + number, 0, SEED)[0] >> 24) as u8
    };
    (0..64).flat_map(|y| (0..64).flat_map(move |x| (0..3).map(move |c| byte(y, x, c)))).collect()
}

/// Writes a network's parameters: number k of the sorted names draws from stream `first + k`.
fn fill(gpu: &Gpu, trainer: &CycleGan, net: usize, first: u32) {
    let sorted: BTreeMap<&str, &Param> =
        trainer.networks()[net].1.params().map(|p| (p.name.as_str(), p)).collect();
    for (stream, param) in (first..).zip(sorted.into_values()) {
        let scale = if param.name.ends_with("bias") { 0.25 } else { 0.0625 };
        let unit = |i: u32| f64::from(random(i, stream, 0, SEED)[0] >> 16) / 65536.0 - 0.5;
        let values: Vec<f32> =
            (0..param.layout.elements() as u32).map(|i| (scale * unit(i)) as f32).collect();
        trainer.store().write(gpu, param.value, &param.layout, &values).unwrap();
    }
}

fn train(trainer: &mut CycleGan, steps: std::ops::Range<u32>) -> Vec<Losses> {
    let mut got = Vec::new();
    for step in steps {
        let [a, b] = [0, 1].map(|side| picture(2 * (step % 4) + side));
        got.extend(trainer.step_pair(&a, &b, 2e-4).unwrap());
    }
    got.extend(trainer.finish().unwrap());
    got
}

#[test]
fn losses_follow_those_of_pytorch() {
    let Some(gpu) = support::gpu() else { return };
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("golden/cycle_gan.json")).unwrap();
    let names: Vec<&str> =
        golden["losses"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    let rows = |name: &str| -> Vec<Vec<f64>> {
        golden[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect())
            .collect()
    };
    let (exact, spreads) = (rows("f64"), rows("spread"));
    let mut trainer = CycleGan::new(gpu, config(), crate::support::plan_options()).unwrap();
    (0..4).for_each(|net| fill(gpu, &trainer, net, 100 * net as u32));
    let got = train(&mut trainer, 0..exact.len() as u32);
    assert_eq!(got.len(), exact.len());
    // As in the test of pix2pix's losses: the furthest that PyTorch's own f32 runs got so far.
    let mut spread = [0f64; 8];
    for ((losses, exact), measured) in got.iter().zip(&exact).zip(&spreads) {
        assert_eq!(losses.named.iter().map(|(n, _)| *n).collect::<Vec<_>>(), names);
        for (at, (name, value)) in losses.named.iter().enumerate() {
            spread[at] = spread[at].max(measured[at]);
            let (off, allowed) =
                ((f64::from(*value) - exact[at]).abs(), 3.0 * spread[at] + 1e-4 * exact[at].abs());
            assert!(
                abs_diff_eq!(f64::from(*value), exact[at], epsilon = allowed),
                "step {}: {name} is {value}, not {} (off {off:.3e}, allowed {allowed:.3e})",
                losses.step,
                exact[at]
            );
        }
    }
}

#[test]
fn a_training_goes_on_from_the_middle_of_a_pools_life() {
    let Some(gpu) = support::gpu() else { return };
    let mut whole = CycleGan::new(gpu, config(), crate::support::plan_options()).unwrap();
    let want = train(&mut whole, 0..9);
    let mut first = CycleGan::new(gpu, config(), crate::support::plan_options()).unwrap();
    train(&mut first, 0..5);
    let read = |id| pollster::block_on(first.store().read_raw(gpu, id)).unwrap();
    let mut second =
        CycleGan::new(gpu, CycleGanConfig { ..config() }, crate::support::plan_options()).unwrap();
    let nets = first.networks().into_iter().zip(second.networks());
    for (from, to) in nets.flat_map(|((_, from, _), (_, to, _))| from.params().zip(to.params())) {
        second.store().write_raw(gpu, to.value, &read(from.value)).unwrap();
        for (from, to) in from.moments.into_iter().flatten().zip(to.moments.into_iter().flatten()) {
            second.store().write_raw(gpu, to, &read(from)).unwrap();
        }
    }
    second.set_steps(5);
    let without = train(&mut second, 5..9);
    assert!(
        without[0].named[0].1 != want[5].named[0].1 || without[1].named[0].1 != want[6].named[0].1,
        "an empty pool makes no difference"
    );
    // Once more, with the pools.
    for (from, to) in first
        .networks()
        .into_iter()
        .zip(second.networks())
        .flat_map(|((_, from, _), (_, to, _))| from.params().zip(to.params()))
    {
        second.store().write_raw(gpu, to.value, &read(from.value)).unwrap();
        for (from, to) in from.moments.into_iter().flatten().zip(to.moments.into_iter().flatten()) {
            second.store().write_raw(gpu, to, &read(from)).unwrap();
        }
    }
    for (from, to) in first
        .pools()
        .iter()
        .zip(second.pools())
        .flat_map(|(from, to)| from.pages.pages().zip(to.pages.pages()))
    {
        second.store().write_raw(gpu, to, &read(from)).unwrap();
    }
    second.set_steps(5);
    assert_eq!(train(&mut second, 5..9), want[5..]);
}

#[test]
fn identity_terms_cost_two_passes_and_are_refused_between_different_channels() {
    let plan = |config: &CycleGanConfig| {
        CycleGan::plan(config, pixtape::gpu::Family::Workgroup, crate::support::plan_options())
    };
    let (with, without) = (
        plan(&config()).unwrap(),
        plan(&CycleGanConfig { lambda_identity: 0.0, ..config() }).unwrap(),
    );
    // Two of six generator passes, forward and backward; the discriminators' six are the same.
    assert!(
        without.cost().flop < with.cost().flop * 3 / 4,
        "{} and {}",
        without.cost().flop,
        with.cost().flop
    );
    assert!(without.memory().activations < with.memory().activations);
    let colours = ResnetConfig { ngf: 8, blocks: 2, input_nc: 1, ..ResnetConfig::default() };
    let refused =
        plan(&CycleGanConfig { generator: colours.into(), ..config() }).unwrap_err().to_string();
    assert!(refused.contains("`lambda_identity` 0"), "{refused}");
    assert!(
        plan(&CycleGanConfig { generator: colours.into(), lambda_identity: 0.0, ..config() })
            .is_ok()
    );
}
