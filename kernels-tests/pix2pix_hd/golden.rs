//! Losses, gradients and curves against PyTorch's.

use crate::data::{SEED, fill, fill_all, train};
use crate::{encoded, local, plain, support};
use approx::abs_diff_eq;
use pixtape::Gpu;
use pixtape::io::checkpoint::{TensorFile, save_weights};
use pixtape::nets::{ResnetConfig, VggConfig};
use pixtape::rng::random;
use pixtape::train::{
    Condition, Features, GanMode, Losses, Over, Pix2PixHd, Pix2PixHdConfig, Rates, Source,
};
use serde_json::Value;

/// The stream of the signs that every element of a gradient is multiplied by.
const DOT: u32 = 900;

/// How much further from f64 than PyTorch's own f32 runs a value may be: as in the tests of
/// networks.
const TIMES: f64 = 4.0;
/// Where these happen to hit: 16 roundings of the largest values at hand.
const FLOOR: f64 = 16.0 / 16_777_216.0;
/// A bias before a norm has no gradient but rounding: what may be left of it, of the gradient of
/// its convolution's weight.
const NOTHING: f64 = 1e-5;

fn read() -> Value {
    serde_json::from_str(include_str!("../golden/pix2pix_hd.json")).unwrap()
}

fn cases() -> Vec<(&'static str, Pix2PixHdConfig)> {
    let vgg = Some(VggConfig { channels: [8, 16, 32, 64, 64] });
    let no_edges = Condition { source: Source::Labels(5), edges: false };
    let images = Condition { source: Source::Image(3), edges: false };
    let one = plain;
    vec![
        ("labels and edges", one()),
        ("vgg", Pix2PixHdConfig { width: 64, height: 32, batch_size: 2, num_d: 3, vgg, ..one() }),
        ("vanilla", Pix2PixHdConfig { gan_mode: GanMode::Vanilla, ..one() }),
        (
            "images",
            Pix2PixHdConfig {
                condition: images,
                feature_matching: false,
                width: 40,
                height: 24,
                ..one()
            },
        ),
        (
            "portrait",
            Pix2PixHdConfig {
                condition: no_edges,
                width: 32,
                height: 48,
                num_d: 1,
                n_layers_d: 2,
                ..one()
            },
        ),
        ("one enhancer", Pix2PixHdConfig { generator: local(4, 1).into(), ..one() }),
        (
            "two enhancers",
            Pix2PixHdConfig { generator: local(2, 2).into(), width: 64, height: 48, ..one() },
        ),
        (
            "instance features",
            Pix2PixHdConfig { features: encoded(Over::Instances), batch_size: 2, ..one() },
        ),
        (
            "label features",
            Pix2PixHdConfig { features: encoded(Over::Labels), condition: no_edges, ..one() },
        ),
        (
            "given features",
            Pix2PixHdConfig {
                features: Some(Features::Given(3)),
                generator: local(4, 1).into(),
                ..one()
            },
        ),
    ]
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

/// Panics unless a gradient in public order is what the golden file says. Everything is written so
/// that NaN fails.
fn compare(what: &str, got: &[f32], golden: &Value) {
    let number = |name: &str| golden[name].as_f64().unwrap_or_else(|| panic!("{what}: no {name}"));
    let (size, error, worst) = (number("norm"), number("error"), number("worst"));
    let samples = numbers(&golden["samples"]);
    assert!(size > 0.0 && !samples.is_empty() && samples.len() <= got.len(), "{what}: no values");
    let rms = size / (got.len() as f64).sqrt();
    for (at, want) in samples.iter().enumerate() {
        let index = at * got.len() / samples.len();
        let (value, allowed) = (f64::from(got[index]), TIMES * worst + FLOOR * want.abs().max(rms));
        assert!(
            abs_diff_eq!(value, want, epsilon = allowed),
            "{what}: element {index} is {value}, not {want} (off {:.3e}, allowed {allowed:.3e})",
            (value - want).abs()
        );
    }
    let (found, allowed) = (norm(got), TIMES * error + FLOOR * size);
    assert!(
        abs_diff_eq!(found, size, epsilon = allowed),
        "{what}: norm {found}, not {size} (allowed {allowed:.3e})"
    );
    // Sees every element, as in the tests of networks.
    let sign = |i: u32| 2.0 * (f64::from(random(i, DOT, 0, SEED)[0] >> 16) / 65536.0 - 0.5);
    let dot: f64 = got.iter().zip(0..).map(|(v, i)| f64::from(*v) * sign(i)).sum();
    let (want, allowed) = (number("dot"), TIMES * allowed);
    assert!(
        abs_diff_eq!(dot, want, epsilon = allowed),
        "{what}: dot {dot}, not {want} (off {:.3e}, allowed {allowed:.3e})",
        (dot - want).abs()
    );
}

/// One step of a case: its losses and all gradients.
fn hold(gpu: &Gpu, golden: &Value, config: Pix2PixHdConfig) {
    let case = golden["name"].as_str().unwrap();
    assert!(golden["differences"].as_f64().unwrap() < 1e-5, "{case}: the golden file is no good");
    let mut trainer = Pix2PixHd::new(gpu, config, support::with_gradients()).unwrap();
    fill_all(gpu, &trainer);
    let got = train(&mut trainer, 0..1, 2e-4);
    let wanted = golden["losses"].as_object().unwrap();
    assert_eq!((got.len(), got[0].named.len()), (1, wanted.len()), "{case}: {got:?}");
    for (name, want) in wanted {
        let (value, want) = (f64::from(got[0].get(name).unwrap()), numbers(want));
        let allowed = TIMES * want[1] + FLOOR * want[0].abs();
        assert!(
            abs_diff_eq!(value, want[0], epsilon = allowed),
            "{case}: {name} is {value}, not {} (allowed {allowed:.3e})",
            want[0]
        );
    }
    let gradients = golden["gradients"].as_object().unwrap();
    let mut held = 0;
    for (net, weights, _) in trainer.networks() {
        for param in weights.params() {
            let id = param.gradient.expect("trained");
            let read = pollster::block_on(trainer.store().read(gpu, id, &param.layout)).unwrap();
            let key = format!("{net}.{}", param.name);
            let (what, golden) = (format!("{case}: gradient of {key}"), &gradients[&key]);
            let own = golden["norm"].as_f64().unwrap();
            // Its weight says how large a gradient is there.
            let beside = key.strip_suffix("bias").map(|stem| &gradients[&format!("{stem}weight")]);
            match beside.and_then(|weight| weight["norm"].as_f64()) {
                Some(whole) if own < 1e-9 * whole => {
                    let left = norm(&read);
                    assert!(left <= NOTHING * whole, "{what}: {left:.1e} of {whole:.1e}");
                }
                _ => compare(&what, &read, golden),
            }
            held += 1;
        }
    }
    assert_eq!(held, gradients.len(), "{case}: the golden file has other gradients");
}

// One test for all cases: they share pipelines, which a software driver takes long to compile.
#[test]
fn losses_and_gradients_of_a_step_are_those_of_pytorch() {
    let Some(gpu) = support::gpu() else { return };
    let golden = read();
    let (golden, cases) = (golden["cases"].as_array().unwrap(), cases());
    let names = |golden: &[Value]| -> Vec<String> {
        golden.iter().map(|case| case["name"].as_str().unwrap().into()).collect()
    };
    assert_eq!(names(golden), cases.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for ((_, config), golden) in cases.into_iter().zip(golden) {
        hold(gpu, golden, config);
    }
}

/// Holds a training's losses against a curve of the golden file: as in the tests of the other
/// models, the furthest that PyTorch's own f32 runs got so far is the measure.
fn follow(curve: &str, got: &[Losses]) {
    let golden = read();
    let rows = |name: &str| -> Vec<Vec<f64>> {
        golden[curve][name].as_array().unwrap().iter().map(numbers).collect()
    };
    let names = golden["losses"].as_array().unwrap();
    let (exact, spreads) = (rows("f64"), rows("spread"));
    assert_eq!((got.len(), got.len()), (exact.len(), spreads.len()));
    let mut spread = vec![0f64; names.len()];
    for ((losses, exact), measured) in got.iter().zip(&exact).zip(&spreads) {
        for (at, name) in names.iter().map(|name| name.as_str().unwrap()).enumerate() {
            spread[at] = spread[at].max(measured[at]);
            let value = f64::from(losses.get(name).unwrap());
            let allowed = 3.0 * spread[at] + 1e-5 * exact[at].abs();
            assert!(
                abs_diff_eq!(value, exact[at], epsilon = allowed),
                "{curve}, step {}: {name} is {value}, not {} (off {:.3e}, allowed {allowed:.3e})",
                losses.step,
                exact[at],
                (value - exact[at]).abs()
            );
        }
    }
}

/// A learning rate, in the frozen phase and behind it.
const RATE: f64 = 1e-4;
const FROZEN: Rates = Rates { inner: 0.0, g: RATE, d: RATE };

/// The generator's weights that the frozen phase leaves alone, and the others.
fn weights(gpu: &Gpu, trainer: &Pix2PixHd) -> [Vec<Vec<f32>>; 2] {
    let nets = trainer.networks();
    let (_, weights, _) = nets.iter().find(|(name, ..)| *name == "G").unwrap();
    [true, false].map(|inner| {
        let own = weights.params().filter(|param| param.name.starts_with("model.") == inner);
        own.map(|p| pollster::block_on(trainer.store().read_raw(gpu, p.value)).unwrap()).collect()
    })
}

#[test]
fn the_frozen_phase_and_the_optimiser_behind_it_follow_pytorch() {
    let Some(gpu) = support::gpu() else { return };
    let config = Pix2PixHdConfig {
        generator: local(4, 1).into(),
        features: encoded(Over::Instances),
        pool_size: 2,
        ..plain()
    };
    let mut trainer = Pix2PixHd::new(gpu, config, support::plan_options()).unwrap();
    fill_all(gpu, &trainer);
    let [inner, outer] = weights(gpu, &trainer);
    let mut got = train(&mut trainer, 0..4, FROZEN);
    let [inner_then, outer_then] = weights(gpu, &trainer);
    assert!(inner == inner_then && outer.iter().zip(&outer_then).all(|(a, b)| a != b));
    trainer.restart_generators().unwrap();
    got.extend(train(&mut trainer, 4..8, RATE));
    let [inner_now, _] = weights(gpu, &trainer);
    assert!(inner.iter().zip(&inner_now).all(|(a, b)| a != b));
    follow("frozen", &got);
}

#[test]
fn three_scales_start_from_a_training_of_two_and_follow_pytorch() {
    let Some(gpu) = support::gpu() else { return };
    let size = |config| Pix2PixHdConfig { width: 64, height: 32, ..config };
    let coarse = size(plain());
    let global = ResnetConfig { ngf: 8, halvings: 2, blocks: 1, ..Default::default() };
    assert_eq!(coarse.generator, global.into());
    let fine = Pix2PixHdConfig { generator: local(4, 1).into(), num_d: 3, ..size(plain()) };
    let [coarse, mut fine] =
        [coarse, fine].map(|config| Pix2PixHd::new(gpu, config, support::plan_options()).unwrap());
    fill_all(gpu, &fine);
    let folder = tempfile::tempdir().unwrap();
    let nets = coarse.networks().into_iter().zip(fine.networks()).zip([3000, 3200]);
    for (((name, earlier, _), (_, own, _)), first) in nets {
        fill(gpu, &coarse, earlier, first);
        let (path, store) = (folder.path().join(name), coarse.store());
        pollster::block_on(save_weights(gpu, store, earlier, 0, None, &path)).unwrap();
        let file = TensorFile::read(&path).unwrap();
        let fresh = file.load_matching(gpu, fine.store(), own).unwrap();
        let new = match name {
            "G" => ["model1_1", "model1_2"],
            _ => ["scale2"; 2],
        };
        let expected: Vec<_> = own.params().map(|param| param.name.clone()).collect();
        let is_new = |key: &String| new.iter().any(|part| key.starts_with(part));
        let expected: Vec<_> = expected.into_iter().filter(is_new).collect();
        assert!(fresh == expected && !fresh.is_empty(), "{name}: {fresh:?}");
    }
    let mut got = train(&mut fine, 0..2, FROZEN);
    fine.restart_generators().unwrap();
    got.extend(train(&mut fine, 2..4, RATE));
    follow("earlier", &got);
}
