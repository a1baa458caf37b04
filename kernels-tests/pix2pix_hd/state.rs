//! What a training's state is, and that nothing else decides its results.

use crate::data::{fill_all, train};
use crate::{encoded, local, plain, support};
use approx::abs_diff_eq;
use pixtape::nets::VggConfig;
use pixtape::ops::Ema;
use pixtape::store::{Param, StoreId};
use pixtape::train::{Losses, Over, Pix2PixHd, Pix2PixHdConfig, Rates};
use pixtape::{Gpu, PlanOptions};

/// A configuration with everything that has state or weights.
fn whole() -> Pix2PixHdConfig {
    Pix2PixHdConfig {
        generator: local(4, 1).into(),
        features: encoded(Over::Instances),
        vgg: Some(VggConfig { channels: [4, 4, 8, 8, 8] }),
        pool_size: 2,
        ema: Some(0.8),
        batch_size: 2,
        ..plain()
    }
}

fn start(gpu: &Gpu, config: Pix2PixHdConfig, options: PlanOptions) -> Pix2PixHd {
    let trainer = Pix2PixHd::new(gpu, config, options).unwrap();
    fill_all(gpu, &trainer);
    trainer
}

fn read(gpu: &Gpu, trainer: &Pix2PixHd, id: StoreId) -> Vec<f32> {
    pollster::block_on(trainer.store().read_raw(gpu, id)).unwrap()
}

/// Everything that a checkpoint holds: weights and averages, moments, pools.
fn state(trainer: &Pix2PixHd) -> Vec<StoreId> {
    let networks = trainer.saved_networks();
    let params: Vec<&Param> = networks.iter().flat_map(|(_, net, _)| net.params()).collect();
    let mut all: Vec<StoreId> = params.iter().map(|param| param.value).collect();
    // Averages have no moments.
    let trained = trainer.networks();
    let params = trained.iter().flat_map(|(_, net, _)| net.params());
    all.extend(params.flat_map(|param| param.moments.into_iter().flatten()));
    all.extend(trainer.pools().iter().flat_map(|pool| pool.pages.pages()));
    all
}

fn values(gpu: &Gpu, trainer: &Pix2PixHd) -> Vec<Vec<f32>> {
    state(trainer).into_iter().map(|id| read(gpu, trainer, id)).collect()
}

#[test]
fn a_step_gives_the_same_bits_twice_and_with_less_memory() {
    let Some(gpu) = support::gpu() else { return };
    let plain = support::plan_options();
    let less = PlanOptions { recompute: true, ..plain.clone() };
    let made = [plain.clone(), plain, less].map(|options| {
        let mut trainer = start(gpu, whole(), options);
        let losses = train(&mut trainer, 0..4, 2e-4);
        (losses, values(gpu, &trainer), trainer.program().plan().memory().activations)
    });
    let [first, second, less] = &made;
    assert!(first.0 == second.0 && first.1 == second.1, "it differs from run to run");
    assert!(first.0 == less.0 && first.1 == less.1, "recomputing makes a difference");
    assert!(less.2 < first.2, "{} bytes of activations, {} recomputed", first.2, less.2);
    assert!(first.1.iter().flatten().all(|value| value.is_finite()));
}

#[test]
fn a_training_goes_on_from_the_middle_of_a_pools_life_and_from_behind_the_frozen_phase() {
    let Some(gpu) = support::gpu() else { return };
    let frozen = Rates { inner: 0.0, ..Rates::from(2e-4) };
    let make = || start(gpu, whole(), support::plan_options());
    let steps = |trainer: &mut Pix2PixHd, steps: std::ops::Range<u32>| -> Vec<Losses> {
        let mut losses = Vec::new();
        for step in steps {
            if step == 2 {
                trainer.restart_generators().unwrap();
            }
            losses.extend(train(
                trainer,
                step..step + 1,
                if step < 2 { frozen } else { 2e-4.into() },
            ));
        }
        losses
    };
    let mut whole = make();
    let want = steps(&mut whole, 0..6);
    let mut first = make();
    steps(&mut first, 0..4);
    // From what a checkpoint holds, all of it or without a part.
    let go_on = |pools: bool, since: u64| {
        let mut second = make();
        let gone = if pools { 0 } else { 1 };
        let (from, to) = (state(&first), state(&second));
        assert_eq!(from.len(), to.len());
        for (from, to) in from.iter().zip(to).rev().skip(gone) {
            second.store().write_raw(gpu, to, &read(gpu, &first, *from)).unwrap();
        }
        second.set_steps(4);
        second.set_generators_since(since);
        let losses = steps(&mut second, 4..6);
        (losses, values(gpu, &second))
    };
    assert!(go_on(true, 2) == (want[4..].to_vec(), values(gpu, &whole)));
    assert!(go_on(false, 2).0 != want[4..], "a missing page of the pool makes no difference");
    assert!(go_on(true, 0).1 != values(gpu, &whole), "the optimiser's age makes no difference");
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn accumulated_batches_are_a_larger_batch_and_the_pool_takes_its_images_in_turn() {
    let Some(gpu) = support::gpu() else { return };
    // At rate 0: all gradients are of the same weights.
    let in_batches_of = |batch_size: u32| {
        let config = Pix2PixHdConfig { batch_size, accumulate: 2 / batch_size, ..whole() };
        let mut trainer = start(gpu, config, support::with_gradients());
        let losses = train(&mut trainer, 0..4, 0.0);
        (losses, trainer)
    };
    let ((one, whole), (other, parts)) = (in_batches_of(2), in_batches_of(1));
    assert_eq!((whole.pictures_seen(), parts.pictures_seen()), (8, 8));
    for (one, other) in one.iter().zip(&other) {
        for ((name, a), (_, b)) in one.named.iter().zip(&other.named) {
            assert!(abs_diff_eq!(a, b, epsilon = 1e-5 * a.abs()), "{name}: {a} and {b}");
        }
    }
    for ((net, left, _), (_, right, _)) in whole.networks().into_iter().zip(parts.networks()) {
        // A bias before a norm has no gradient but rounding.
        let weights = |p: &&Param| p.name.ends_with("weight");
        for (p, q) in left.params().filter(weights).zip(right.params().filter(weights)) {
            let read = |trainer, p: &Param| -> Vec<f64> {
                read(gpu, trainer, p.gradient.unwrap()).into_iter().map(f64::from).collect()
            };
            let (a, b) = (read(&whole, p), read(&parts, q));
            let error = norm(a.iter().zip(&b).map(|(a, b)| a - b));
            let size = norm(a.into_iter());
            assert!(
                size > 0.0 && error <= 1e-4 * size,
                "{net} {}: off by {error:.2e} of {size:.2e}",
                p.name
            );
        }
    }
    let pages = |trainer: &Pix2PixHd| -> Vec<Vec<f32>> {
        let ids = trainer.pools().iter().flat_map(|pool| pool.pages.pages());
        ids.map(|id| read(gpu, trainer, id)).collect()
    };
    for (a, b) in pages(&whole).iter().zip(&pages(&parts)) {
        assert!(a.iter().any(|v| *v != 0.0), "nothing is kept");
        assert!(a.iter().zip(b).all(|(a, b)| abs_diff_eq!(a, b, epsilon = 1e-5)), "a pool");
    }
}

#[test]
fn the_average_follows_the_generator_and_is_no_part_of_the_training() {
    let Some(gpu) = support::gpu() else { return };
    let mut trainer = start(gpu, whole(), support::plan_options());
    let of = |trainer: &Pix2PixHd, name: &str| -> Vec<f64> {
        let nets = trainer.saved_networks();
        let (_, net, _) = nets.iter().find(|(net, ..)| *net == name).unwrap();
        let raw = net.params().flat_map(|param| read(gpu, trainer, param.value));
        raw.map(f64::from).collect()
    };
    assert_eq!(trainer.averages(), ["G_ema"]);
    let mut want = of(&trainer, "G");
    assert_eq!(want, of(&trainer, "G_ema"), "it begins as the generator");
    let mut losses = Vec::new();
    for step in 1..=3 {
        losses.extend(train(&mut trainer, step..step + 1, 2e-4));
        let share = Ema { decay: 0.8 }.share(step);
        for (mean, value) in want.iter_mut().zip(of(&trainer, "G")) {
            *mean += share * (value - *mean);
        }
    }
    let got = of(&trainer, "G_ema");
    let worst = want.iter().zip(&got).map(|(a, b)| (a - b).abs() / a.abs().max(0.1));
    let worst = worst.max_by(f64::total_cmp).unwrap();
    assert!(want.len() > 1000 && worst < 1e-6, "it is off by {worst:.1e}");
    assert_ne!(got, of(&trainer, "G"));
    let mut without = start(gpu, Pix2PixHdConfig { ema: None, ..whole() }, support::plan_options());
    assert_eq!(train(&mut without, 1..4, 2e-4), losses);
    assert_eq!(of(&without, "G"), of(&trainer, "G"));
}
