//! CycleGAN's training step: its losses against PyTorch's with pools that are full, and going on
//! from the middle of a pool's life.
//!
//! `golden/cycle_gan.json` is written by `golden/make_golden.py`, which draws the same weights,
//! pictures and decisions.

mod support;

use approx::abs_diff_eq;
use pixtape::Gpu;
use pixtape::nets::{DiscriminatorKind, ResnetConfig};
use pixtape::ops::Ema;
use pixtape::rng::random;
use pixtape::store::{Param, StoreId};
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

/// Values of a tensor of the store.
fn read(gpu: &Gpu, trainer: &CycleGan, id: StoreId) -> Vec<f64> {
    let raw = pollster::block_on(trainer.store().read_raw(gpu, id)).unwrap();
    raw.into_iter().map(f64::from).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Four steps on three images of each side, in batches of `batch_size`. At rate 0: all gradients
/// are then of the same weights, and the fakes in the pools are those of the same generators.
fn in_batches_of(gpu: &Gpu, batch_size: u32) -> (Vec<Losses>, CycleGan) {
    let accumulate = 3 / batch_size;
    let config = CycleGanConfig { batch_size, accumulate, init_gain: 0.1, ..config() };
    let mut trainer = CycleGan::new(gpu, config, crate::support::with_gradients()).unwrap();
    let mut losses = Vec::new();
    for step in 0..4 {
        let [a, b] = [0, 1]
            .map(|side| (0..3).flat_map(|n| picture(6 * step + 2 * n + side)).collect::<Vec<u8>>());
        losses.extend(trainer.step_pair(&a, &b, 0.0).unwrap());
    }
    losses.extend(trainer.finish().unwrap());
    (losses, trainer)
}

#[test]
fn accumulated_batches_are_a_larger_batch_and_pools_take_their_images_in_turn() {
    let Some(gpu) = support::gpu() else { return };
    let ((one, whole), (other, parts)) = (in_batches_of(gpu, 3), in_batches_of(gpu, 1));
    assert_eq!((whole.pictures_seen(), parts.pictures_seen()), (12, 12));
    // Pools of two: exchanged images show in D's losses.
    for (one, other) in one.iter().zip(&other) {
        for ((name, a), (_, b)) in one.named.iter().zip(&other.named) {
            assert!(abs_diff_eq!(a, b, epsilon = 1e-5 * a.abs()), "{name}: {a} and {b}");
        }
    }
    for ((net, left, _), (_, right, _)) in whole.networks().into_iter().zip(parts.networks()) {
        // A bias before an instance norm has no gradient but rounding.
        let weights = |p: &&Param| p.name.ends_with("weight");
        for (p, q) in left.params().filter(weights).zip(right.params().filter(weights)) {
            let a = read(gpu, &whole, p.gradient.unwrap());
            let b = read(gpu, &parts, q.gradient.unwrap());
            let error = norm(a.iter().zip(&b).map(|(a, b)| a - b));
            let size = norm(a.into_iter());
            assert!(
                size > 0.0 && error <= 1e-4 * size,
                "{net} {}: off by {error:.2e} of {size:.2e}",
                p.name
            );
        }
    }
    let pages = |t: &CycleGan| -> Vec<StoreId> {
        t.pools().iter().flat_map(|pool| pool.pages.pages()).collect()
    };
    for (a, b) in pages(&whole).into_iter().zip(pages(&parts)) {
        let (a, b) = (read(gpu, &whole, a), read(gpu, &parts, b));
        assert!(a.iter().any(|v| *v != 0.0), "nothing is kept");
        assert!(a.iter().zip(&b).all(|(a, b)| abs_diff_eq!(a, b, epsilon = 1e-5)), "a pool");
    }
}

#[test]
fn accumulation_keeps_the_activations_of_one_batch() {
    let activations = |batch_size, accumulate| {
        let config = CycleGanConfig { batch_size, accumulate, ..config() };
        let family = pixtape::gpu::Family::Workgroup;
        CycleGan::plan(&config, family, crate::support::plan_options())
            .unwrap()
            .memory()
            .activations
    };
    let (one, accumulated, whole) = (activations(1, 1), activations(1, 4), activations(4, 1));
    // Each further batch holds its four images, of four channels on the device: real and fake.
    let images = 3 * 4 * 64 * 64 * 4 * 4;
    assert!(
        accumulated <= one + 2 * images && whole > 3 * one,
        "{one} for one batch, {accumulated} for four in turn, {whole} for a batch of four"
    );
}

#[test]
fn averages_follow_both_generators_and_are_no_part_of_the_training() {
    let Some(gpu) = support::gpu() else { return };
    let averaged = CycleGanConfig { ema: Some(0.8), ..config() };
    let make = |config| CycleGan::new(gpu, config, crate::support::plan_options()).unwrap();
    let mut trainer = make(averaged.clone());
    let values = |trainer: &CycleGan, name: &str| -> Vec<f64> {
        let nets = trainer.saved_networks();
        let (_, weights, _) = nets.iter().find(|(net, ..)| *net == name).unwrap();
        weights.params().flat_map(|p| read(gpu, trainer, p.value)).collect()
    };
    let names = [("G_A", "G_A_ema"), ("G_B", "G_B_ema")];
    assert_eq!(trainer.averages(), names.map(|(_, average)| average));
    let mut want = names.map(|(net, _)| values(&trainer, net));
    for (want, (_, average)) in want.iter().zip(names) {
        assert_eq!(want, &values(&trainer, average), "it begins as the generator");
    }
    let mut losses = Vec::new();
    for step in 1..=4 {
        losses.extend(train(&mut trainer, step..step + 1));
        let share = Ema { decay: 0.8 }.share(step);
        for (want, (net, _)) in want.iter_mut().zip(names) {
            for (mean, value) in want.iter_mut().zip(values(&trainer, net)) {
                *mean += share * (value - *mean);
            }
        }
    }
    for (want, (net, average)) in want.iter().zip(names) {
        let got = values(&trainer, average);
        let worst = want.iter().zip(&got).map(|(a, b)| (a - b).abs() / a.abs().max(0.1));
        let worst = worst.max_by(f64::total_cmp).unwrap();
        assert!(want.len() > 1000 && worst < 1e-6, "{average} is off by {worst:.1e}");
        assert_ne!(got, values(&trainer, net), "{average}");
    }
    let shown: Vec<&str> =
        trainer.best_generators().iter().map(|net| net.weights().set()).collect();
    assert_eq!(shown, ["G_A_ema", "G_B_ema"]);
    let mut without = make(config());
    assert_eq!(train(&mut without, 1..5), losses);
    assert_eq!(values(&without, "G_B"), values(&trainer, "G_B"));
}

#[test]
fn a_decay_of_1_and_a_step_without_batches_are_refused() {
    let refused = |config: CycleGanConfig| {
        let family = pixtape::gpu::Family::Workgroup;
        CycleGan::plan(&config, family, crate::support::plan_options()).unwrap_err().to_string()
    };
    assert!(refused(CycleGanConfig { ema: Some(1.0), ..config() }).contains("`ema` 1"));
    assert!(refused(CycleGanConfig { accumulate: 0, ..config() }).contains("`accumulate`"));
    assert!(refused(CycleGanConfig { batch_size: 0, ..config() }).contains("`batch_size`"));
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
    let colours = ResnetConfig { ngf: 8, blocks: 2, input: 1.into(), ..ResnetConfig::default() };
    let refused =
        plan(&CycleGanConfig { generator: colours.into(), ..config() }).unwrap_err().to_string();
    assert!(refused.contains("`lambda_identity` 0"), "{refused}");
    assert!(
        plan(&CycleGanConfig { generator: colours.into(), lambda_identity: 0.0, ..config() })
            .is_ok()
    );
}
