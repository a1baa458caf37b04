//! The networks: parameter counts, public names and shapes, and agreement with PyTorch in values,
//! gradients and a training's losses.
//!
//! `golden/nets.json` holds what PyTorch computes in f64, and how far its own f32 is from that: a
//! bound that is measured, not chosen. `golden/make_golden.py` writes it; weights and inputs come
//! from the counter-based generator on both sides.

mod support;

use pixtape::nets::{
    BlockPadding, Discriminator, DiscriminatorConfig, DiscriminatorKind, Generator, NormKind,
    ResnetConfig, Unet, UnetConfig,
};
use pixtape::{Channels, Error, Store};
use std::collections::BTreeMap;

fn unet(input_nc: u32, output_nc: u32, downs: u32, norm: NormKind) -> (Store, Unet) {
    let mut store = Store::new();
    let unet = Unet::new(
        &mut store,
        "G",
        UnetConfig {
            input_nc,
            output_nc,
            ngf: 64,
            downs,
            norm,
            dropout: true,
            ..UnetConfig::default()
        },
    )
    .unwrap();
    (store, unet)
}

fn discriminator(parts: &[u32], kind: DiscriminatorKind, norm: NormKind) -> Discriminator {
    let input = support::parts(parts);
    Discriminator::new(&mut Store::new(), "D", DiscriminatorConfig { input, ndf: 64, kind, norm })
        .unwrap()
}

const fn patch(n_layers: u32) -> DiscriminatorKind {
    DiscriminatorKind::Patch { n_layers }
}

#[test]
fn generators_have_the_published_parameter_counts() {
    let (batch, instance) = (NormKind::Batch, NormKind::Instance);
    for (input, output, downs, norm, count) in [
        (3, 3, 8, batch, 54_413_955),
        (3, 3, 8, instance, 54_409_603),
        (1, 2, 8, batch, 54_409_858),
        (1, 1, 8, batch, 54_407_809),
        (1, 3, 8, batch, 54_411_907),
        (3, 3, 7, batch, 41_828_995),
        (3, 3, 7, instance, 41_825_667),
        // 66.999 M: two more 512-wide convolutions of 4x4 (one on 1024 channels), and two more
        // norms.
        (3, 3, 9, batch, 54_413_955 + 16 * 512 * (512 + 1024) + 4 * 512),
    ] {
        assert_eq!(
            unet(input, output, downs, norm).1.weights().count(),
            count,
            "{input} to {output}, {downs} halvings, {norm}"
        );
    }
    assert_eq!((unet(3, 3, 9, batch).1.weights().count() + 500) / 1000, 66_999);
}

#[test]
fn resnets_have_the_published_parameter_counts_and_names() {
    let net = |blocks, norm, dropout, padding| {
        let config = ResnetConfig { blocks, norm, dropout, padding, ..ResnetConfig::default() };
        Generator::new(&mut Store::new(), "G", config).unwrap()
    };
    let (batch, instance, reflect) = (NormKind::Batch, NormKind::Instance, BlockPadding::Reflect);
    for (blocks, norm, count) in [
        (9, instance, 11_378_179),
        (9, batch, 11_383_427),
        (6, instance, 7_837_699),
        (6, batch, 7_841_411),
    ] {
        assert_eq!(
            net(blocks, norm, false, reflect).weights().count(),
            count,
            "{blocks} blocks, {norm}"
        );
    }
    // Copied from the table of the public files.
    let row = |name: &str, shape, bias| (name.to_string(), shape, bias);
    let blocks = |places: [u32; 2], bias| -> Vec<_> {
        (10..19)
            .flat_map(|b| {
                places.map(|p| row(&format!("model.{b}.conv_block.{p}"), [256, 256], bias))
            })
            .collect()
    };
    let of = |places, bias, norms: &[(String, usize)]| {
        let mut want = expected(
            &[row("model.1", [64, 3], bias), row("model.26", [3, 64], true)],
            |s| s[0],
            7,
            norms,
        );
        let inner = [
            blocks(places, bias),
            vec![row("model.4", [128, 64], bias), row("model.7", [256, 128], bias)],
        ]
        .concat();
        want.append(&mut expected(&inner, |s| s[0], 3, &[]));
        want.append(&mut expected(
            &[row("model.19", [256, 128], bias), row("model.22", [128, 64], bias)],
            |s| s[1],
            3,
            &[],
        ));
        want
    };
    assert_eq!(state_dict(net(9, instance, false, reflect).weights()), of([1, 5], true, &[]));
    assert_eq!(state_dict(net(9, instance, true, reflect).weights()), of([1, 6], true, &[]));
    // Replication is a module in the same places: only the file's own words tell it.
    let edge = net(9, instance, false, BlockPadding::Replicate);
    assert_eq!(
        (state_dict(edge.weights()), edge.weights().about()["padding_type"].as_str()),
        (of([1, 5], true, &[]), "replicate")
    );
    assert!(net(9, instance, false, reflect).weights().about().is_empty());
    assert_eq!(
        state_dict(net(9, instance, false, BlockPadding::Zero).weights()),
        of([0, 3], true, &[])
    );
    let inner = (10..19).flat_map(|b| [2, 7].map(|p| (format!("model.{b}.conv_block.{p}"), 256)));
    let outer =
        [("model.2", 64), ("model.5", 128), ("model.8", 256), ("model.20", 128), ("model.23", 64)]
            .map(|(n, c)| (n.to_string(), c));
    assert_eq!(
        state_dict(net(9, batch, true, reflect).weights()),
        of([1, 6], false, &inner.chain(outer).collect::<Vec<_>>())
    );
    let six = state_dict(net(6, instance, false, reflect).weights());
    assert_eq!(
        (six.len(), &six["model.16.weight"], &six["model.23.weight"]),
        (2 * 18, &vec![256, 128, 3, 3], &vec![3, 64, 7, 7])
    );
}

#[test]
fn discriminators_have_the_published_parameter_counts() {
    let (batch, instance, pair) = (NormKind::Batch, NormKind::Instance, [3, 3].as_slice());
    for (parts, kind, norm, count) in [
        (pair, patch(1), batch, 139_585),
        (pair, patch(2), batch, 666_433),
        (pair, patch(3), batch, 2_768_705),
        (pair, patch(3), instance, 2_767_809),
        (pair, patch(4), batch, 6_964_033),
        (pair, patch(5), batch, 11_159_361),
        (pair, patch(6), batch, 15_354_689),
        (&[3], patch(3), batch, 2_765_633),
        (&[3], patch(3), instance, 2_764_737),
        (pair, DiscriminatorKind::Pixel, batch, 9_024),
        (pair, DiscriminatorKind::Pixel, instance, 8_897),
    ] {
        assert_eq!(
            discriminator(parts, kind, norm).weights().count(),
            count,
            "{parts:?} {kind:?} {norm}"
        );
    }
}

/// Names and shapes in a public file; a norm's counter has no dimensions.
fn state_dict(weights: &pixtape::nets::Weights) -> BTreeMap<String, Vec<usize>> {
    let tensors = weights.params().map(|p| (p.name.clone(), p.layout.public_shape()));
    let counters = weights.norms().iter().map(|n| (format!("{n}.num_batches_tracked"), vec![]));
    let all: Vec<_> = tensors.chain(counters).collect();
    let count = all.len();
    let all: BTreeMap<String, Vec<usize>> = all.into_iter().collect();
    assert_eq!(all.len(), count, "a name is there twice");
    all
}

/// A state dict from rows of (name, shape of a 4x4 weight, has a bias) and rows of (name, channels)
/// for norms.
fn expected(
    convs: &[(String, [usize; 2], bool)],
    bias: impl Fn(&[usize; 2]) -> usize,
    kernel: usize,
    norms: &[(String, usize)],
) -> BTreeMap<String, Vec<usize>> {
    let mut all = BTreeMap::new();
    for (name, shape, has_bias) in convs {
        all.insert(format!("{name}.weight"), vec![shape[0], shape[1], kernel, kernel]);
        if *has_bias {
            all.insert(format!("{name}.bias"), vec![bias(shape)]);
        }
    }
    for (name, channels) in norms {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.insert(format!("{name}.{part}"), vec![*channels]);
        }
        all.insert(format!("{name}.num_batches_tracked"), vec![]);
    }
    all
}

#[test]
fn unet_256_has_the_public_names_and_shapes() {
    // Copied from the table of the public files, not computed: prefix of the level's submodule,
    // then where its layers are.
    let m = "model.model.1.model";
    let levels = [
        ("", "model.model.0", [64, 3], "model.model.3", [128, 3]),
        ("", "model.model.1.model.1", [128, 64], "model.model.1.model.5", [256, 64]),
        (".3.model", "1", [256, 128], "5", [512, 128]),
        (".3.model.3.model", "1", [512, 256], "5", [1024, 256]),
        (".3.model.3.model.3.model", "1", [512, 512], "5", [1024, 512]),
        (".3.model.3.model.3.model.3.model", "1", [512, 512], "5", [1024, 512]),
        (".3.model.3.model.3.model.3.model.3.model", "1", [512, 512], "5", [1024, 512]),
        (".3.model.3.model.3.model.3.model.3.model.3.model", "1", [512, 512], "3", [512, 512]),
    ];
    let named = |prefix: &str, at: &str| {
        if prefix.is_empty() { at.to_string() } else { format!("{m}{prefix}.{at}") }
    };
    let downs: Vec<_> = levels
        .iter()
        .map(|(prefix, down, shape, ..)| (named(prefix, down), *shape, false))
        .collect();
    let ups: Vec<_> = levels
        .iter()
        .map(|(prefix, .., up, shape)| (named(prefix, up), *shape, *up == "model.model.3"))
        .collect();
    // Norms: behind the downs of levels 1 to 6 and the ups of levels 7 to 1.
    let mut norms: Vec<(String, usize)> =
        vec![("model.model.1.model.2".into(), 128), ("model.model.1.model.6".into(), 64)];
    for (level, (prefix, _, down, _, up)) in levels.iter().enumerate().skip(2) {
        if level < 7 {
            norms.push((format!("{m}{prefix}.2"), down[0]));
        }
        norms.push((format!("{m}{prefix}.{}", if level < 7 { 6 } else { 4 }), up[1]));
    }
    let mut want = expected(&downs, |s| s[0], 4, &[]);
    // Transposed convolutions have their output channels second.
    want.append(&mut expected(&ups, |s| s[1], 4, &norms));
    let (_, net) = unet(3, 3, 8, NormKind::Batch);
    let got = state_dict(net.weights());
    assert_eq!(got, want);
    assert_eq!(got.len(), 82);
    assert_eq!(net.weights().params().filter(|p| p.gradient.is_some()).count(), 43);

    // Instance norm: no norm keys, a bias for every convolution.
    let (_, net) = unet(3, 3, 8, NormKind::Instance);
    let mut want = expected(
        &downs.iter().map(|(n, s, _)| (n.clone(), *s, true)).collect::<Vec<_>>(),
        |s| s[0],
        4,
        &[],
    );
    want.append(&mut expected(
        &ups.iter().map(|(n, s, _)| (n.clone(), *s, true)).collect::<Vec<_>>(),
        |s| s[1],
        4,
        &[],
    ));
    assert_eq!(state_dict(net.weights()), want);
    assert_eq!(want.len(), 32);
    // Affine instance norm: a weight and a bias for each norm besides.
    let (_, net) = unet(3, 3, 8, NormKind::InstanceAffine);
    let before: Vec<String> = want.keys().cloned().collect();
    for (name, channels) in &norms {
        want.insert(format!("{name}.weight"), vec![*channels]);
        want.insert(format!("{name}.bias"), vec![*channels]);
    }
    assert_eq!(state_dict(net.weights()), want);
    assert_eq!(want.len(), before.len() + 2 * norms.len());
    // No norm: the biases go as well, but for the outermost.
    let (_, net) = unet(3, 3, 8, NormKind::None);
    assert_eq!(
        state_dict(net.weights()).keys().filter(|k| k.ends_with("bias")).collect::<Vec<_>>(),
        ["model.model.3.bias"]
    );
}

#[test]
fn discriminators_have_the_public_names_and_shapes() {
    let row = |name: &str, shape, bias| (name.to_string(), shape, bias);
    let convs = [
        row("model.0", [64, 6], true),
        row("model.2", [128, 64], false),
        row("model.5", [256, 128], false),
        row("model.8", [512, 256], false),
    ];
    let last = [row("model.11", [1, 512], true)];
    let norms =
        [("model.3".to_string(), 128), ("model.6".to_string(), 256), ("model.9".to_string(), 512)];
    let all: Vec<_> = convs.iter().chain(&last).cloned().collect();
    assert_eq!(
        state_dict(discriminator(&[3, 3], patch(3), NormKind::Batch).weights()),
        expected(&all, |s| s[0], 4, &norms)
    );
    let biased: Vec<_> = all.iter().map(|(n, s, _)| (n.clone(), *s, true)).collect();
    assert_eq!(
        state_dict(discriminator(&[3, 3], patch(3), NormKind::Instance).weights()),
        expected(&biased, |s| s[0], 4, &[])
    );

    let pixel = [
        row("net.0", [64, 6], true),
        row("net.2", [128, 64], false),
        row("net.5", [1, 128], false),
    ];
    let norms = [("net.3".to_string(), 128)];
    assert_eq!(
        state_dict(discriminator(&[3, 3], DiscriminatorKind::Pixel, NormKind::Batch).weights()),
        expected(&pixel, |s| s[0], 1, &norms)
    );
}

#[test]
fn maps_of_the_discriminators_have_the_published_sizes() {
    // Side of the map that a PatchGAN makes of a picture.
    let side = |n_layers: u32, side: u32| {
        let (mut store, mut tape) = (Store::new(), pixtape::Tape::new());
        let config = DiscriminatorConfig {
            input: Channels::new(3),
            ndf: 8,
            kind: patch(n_layers),
            norm: NormKind::Batch,
        };
        let d = Discriminator::new(&mut store, "D", config).unwrap();
        let x = tape.input("x", pixtape::Shape::new(1, side, side, 3));
        let y = d
            .record(&mut tape, &store, x, pixtape::nets::Mode::TRAIN)
            .map(|y| tape.shape(y.logits));
        y.map(|y| (y.h, y.w, y.c.logical()))
    };
    for (n_layers, input, map) in [
        (1, 256, 126),
        (2, 256, 62),
        (3, 256, 30),
        (4, 256, 14),
        (5, 256, 6),
        (6, 256, 2),
        (3, 64, 6),
        (3, 70, 6),
        (3, 286, 33),
        (3, 512, 62),
    ] {
        assert_eq!(side(n_layers, input).unwrap(), (map, map, 1), "{n_layers} layers on {input}");
    }
    assert!(matches!(side(6, 64), Err(Error::Shape { .. })));
}

#[cfg(feature = "io")]
mod golden {
    use super::*;
    use approx::abs_diff_eq;
    use pixtape::nets::{Mode, Upsample, Weights};
    use pixtape::ops::NormMode;
    use pixtape::rng::random;
    use pixtape::store::Param;
    use pixtape::train::{Pix2Pix, Pix2PixConfig};
    use pixtape::{Gpu, Shape, Tensor};
    use serde_json::Value;
    use support::Case;

    const FORMAT: u64 = 2;
    const SEED: u32 = 0x676f_6c64;
    const DOT: u32 = 900;
    const DY: u32 = 901;
    const X: u32 = 902;
    const PICTURES: u32 = 500;

    /// Uniform in `middle -+ scale / 2`, 65536 different values, all of them exact.
    fn draw(count: usize, stream: u32, scale: f64, middle: f64) -> Vec<f32> {
        (0..count as u32)
            .map(|i| {
                (middle + scale * (f64::from(random(i, stream, 0, SEED)[0] >> 16) / 65536.0 - 0.5))
                    as f32
            })
            .collect()
    }

    /// A parameter's values; `conv_scale` is that of the 4-dimensional ones.
    fn values(param: &Param, stream: u32, conv_scale: f64) -> Vec<f32> {
        let (scale, middle) = match param.name.rsplit('.').next().unwrap() {
            _ if param.layout.public_shape().len() == 4 => (conv_scale, 0.0),
            "running_mean" => (0.5, 0.0),
            "bias" => (0.25, 0.0),
            _ => (0.5, 1.0),
        };
        draw(param.layout.elements(), stream, scale, middle)
    }

    /// Writes all parameters: number k of the sorted names draws from stream `first + k`.
    fn fill(gpu: &Gpu, store: &Store, weights: &Weights, first: u32, conv_scale: f64) {
        let sorted: BTreeMap<&str, &Param> =
            weights.params().map(|p| (p.name.as_str(), p)).collect();
        for (stream, param) in (first..).zip(sorted.into_values()) {
            store
                .write(gpu, param.value, &param.layout, &values(param, stream, conv_scale))
                .unwrap();
        }
    }

    fn read() -> Value {
        let golden: Value = serde_json::from_str(include_str!("golden/nets.json"))
            .expect("golden/nets.json is JSON");
        let again = golden["regenerate"]
            .as_str()
            .unwrap_or("python3 kernels-tests/golden/make_golden.py")
            .to_string();
        assert_eq!(
            golden["format"], FORMAT,
            "golden/nets.json is of another format; write it anew: {again}"
        );
        assert_eq!(
            golden["seed"], SEED,
            "golden/nets.json is of another seed; write it anew: {again}"
        );
        golden
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number")).collect()
    }

    /// Between NHWC and NCHW.
    fn moved(values: &[f32], [n, h, w, c]: [usize; 4], to_nhwc: bool) -> Vec<f32> {
        let mut out = vec![0.0; values.len()];
        for (p, out_pixel) in (0..n * h * w).map(|p| (p, p / (h * w) * c * h * w + p % (h * w))) {
            for ch in 0..c {
                let (nhwc, nchw) = (p * c + ch, out_pixel + ch * h * w);
                if to_nhwc { out[nhwc] = values[nchw] } else { out[nchw] = values[nhwc] }
            }
        }
        out
    }

    /// How often further from f64 than PyTorch's own f32 a value may be. That one run is a sample
    /// of one of an error that every order of summation draws anew, and `worst` is its maximum over
    /// a whole tensor: four of them leave room for bad luck alone.
    const TIMES: f64 = 4.0;
    /// Winograd on five or six points has three times the error of the direct sum (see the table in
    /// support/compare.rs). No network here is large enough for the rule to choose it: this is for
    /// runs that force it.
    const TIMES_FILTERED: f64 = 3.0 * TIMES;
    /// Where PyTorch's f32 happens to hit: 16 roundings of the largest values at hand.
    const FLOOR: f64 = 16.0 / 16_777_216.0;

    /// Panics unless `got` (public order) is what the golden file says. Everything is written so
    /// that NaN fails.
    fn compare(what: &str, times: f64, got: &[f32], golden: &Value) {
        let samples = numbers(&golden["samples"]);
        assert!(
            !samples.is_empty() && samples.len() <= got.len(),
            "{what}: {} samples of {} values",
            samples.len(),
            got.len()
        );
        let number = |name: &str| {
            golden[name].as_f64().unwrap_or_else(|| panic!("{what}: no {name} in the golden file"))
        };
        let (norm, error, worst) = (number("norm"), number("error"), number("worst"));
        assert!(norm > 0.0, "{what}: all zeros prove nothing");
        let rms = norm / (got.len() as f64).sqrt();
        for (at, want) in samples.iter().enumerate() {
            let index = at * got.len() / samples.len();
            let off = (f64::from(got[index]) - want).abs();
            let allowed = times * worst + FLOOR * want.abs().max(rms);
            assert!(
                abs_diff_eq!(f64::from(got[index]), want, epsilon = allowed),
                "{what}: element {index} is {}, not {want} (off {off:.3e}, allowed {allowed:.3e})",
                got[index]
            );
        }
        let found = got.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let allowed = times * error + FLOOR * norm;
        assert!(
            abs_diff_eq!(found, norm, epsilon = allowed),
            "{what}: norm {found}, not {norm} (allowed {allowed:.3e})"
        );
        // Sees every element: an error vector of this norm has this dot product with random signs,
        // give or take.
        let dot: f64 = got
            .iter()
            .zip(draw(got.len(), DOT, 2.0, 0.0))
            .map(|(a, b)| f64::from(*a) * f64::from(b))
            .sum();
        let off = (dot - number("dot")).abs();
        assert!(
            abs_diff_eq!(dot, number("dot"), epsilon = times * allowed),
            "{what}: dot {dot}, not {} (off {off:.3e}, allowed {:.3e})",
            number("dot"),
            times * allowed
        );
    }

    /// Runs a net on the golden input under the checks, backward included, and holds everything
    /// against PyTorch.
    fn hold(
        gpu: &Gpu,
        golden: &Value,
        name: &str,
        shape: Shape,
        first: u32,
        record: impl FnOnce(&mut Case, Tensor) -> (Weights, Tensor),
    ) {
        let golden = golden["cases"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["name"] == name)
            .unwrap_or_else(|| panic!("no case {name} in the golden file"));
        let dims = |s: Shape| [s.n, s.h, s.w, s.c.logical()].map(|v| v as usize);
        let host = |stream: u32, shape: Shape| {
            moved(&draw(shape.elements() as usize, stream, 2.0, 0.0), dims(shape), true)
        };
        let mut case = Case::new();
        let x = case.input("x", shape, &host(X, shape));
        let (weights, y) = record(&mut case, x);
        let out = case.tape.shape(y);
        let dy = case.input("dy", out, &host(DY, out));
        let mut wrt = weights.trainable(&mut case.tape, &case.store);
        wrt.push(x);
        let dx = case.backward(y, dy, &wrt).pop().flatten().expect("x has a gradient");
        let done = case.prepare(gpu, &[y, dx]);
        fill(gpu, &done.store, &weights, first, 0.25);
        done.step(&pixtape::StepValues { step: 1, seed: 1, ..Default::default() });
        let times = if done.filtered().is_some() { TIMES_FILTERED } else { TIMES };

        compare(
            &format!("{name}: y"),
            times,
            &moved(&done.read(y), dims(out), false),
            &golden["y"],
        );
        compare(
            &format!("{name}: dx"),
            times,
            &moved(&done.read(dx), dims(shape), false),
            &golden["gradients"]["x"],
        );
        let mut held = 1;
        for param in weights.params() {
            let read = |id| pollster::block_on(done.store.read(gpu, id, &param.layout)).unwrap();
            match param.gradient {
                Some(id) => {
                    compare(
                        &format!("{name}: gradient of {}", param.name),
                        times,
                        &read(id),
                        &golden["gradients"][&param.name],
                    );
                    held += 1;
                }
                None if golden["running"][&param.name].is_object() => compare(
                    &format!("{name}: {}", param.name),
                    times,
                    &read(param.value),
                    &golden["running"][&param.name],
                ),
                None => assert!(
                    golden["running"].as_object().is_some_and(|r| r.is_empty()),
                    "{name}: {} is not in the golden file",
                    param.name
                ),
            }
        }
        assert_eq!(
            held,
            golden["gradients"].as_object().unwrap().len(),
            "{name}: the golden file has other gradients"
        );
    }

    const SMALL: UnetConfig = UnetConfig {
        input_nc: 3,
        output_nc: 3,
        ngf: 8,
        downs: 5,
        norm: NormKind::Batch,
        dropout: false,
        upsample: Upsample::Transpose,
        skips: true,
        quirks: pixtape::nets::UnetQuirks { conv_bias: false, bottleneck_norm: false },
    };

    fn small_unet(
        case: &mut Case,
        x: Tensor,
        norm: NormMode,
        config: UnetConfig,
    ) -> (Weights, Tensor) {
        let net = Unet::new(&mut case.store, "G", config).unwrap();
        let mode = Mode { update_running: norm == NormMode::Batch, ..Mode::run(norm, false) };
        let y = net.record(&mut case.tape, &case.store, x, mode).unwrap();
        (net.weights().clone(), y)
    }

    fn small_resnet(case: &mut Case, x: Tensor, config: ResnetConfig) -> (Weights, Tensor) {
        let net = Generator::new(&mut case.store, "G", config).unwrap();
        let y = net.record(&mut case.tape, &case.store, x, Mode::TRAIN).unwrap();
        (net.weights().clone(), y)
    }

    fn small_discriminator(
        case: &mut Case,
        x: Tensor,
        kind: DiscriminatorKind,
        norm: NormKind,
    ) -> (Weights, Tensor) {
        let config = DiscriminatorConfig { input: case.tape.shape(x).c, ndf: 8, kind, norm };
        let net = Discriminator::new(&mut case.store, "D", config).unwrap();
        let y = net.record(&mut case.tape, &case.store, x, Mode::TRAIN).unwrap().logits;
        (net.weights().clone(), y)
    }

    /// Fake and real: 64 pixels, so that the inner maps are larger than the kernels.
    #[test]
    fn two_batches_in_one_pass_are_judged_as_in_two() {
        let Some(gpu) = support::gpu() else { return };
        for norm in [NormKind::Batch, NormKind::Instance, NormKind::InstanceAffine, NormKind::None]
        {
            for n in [1, 2] {
                two_batches(gpu, norm, Shape::new(n, 64, 64, support::parts(&[3, 3])));
            }
        }
    }

    fn two_batches(gpu: &Gpu, norm: NormKind, shape: Shape) {
        let run = |joint: bool| {
            let mut case = Case::new();
            let config = DiscriminatorConfig { input: shape.c, ndf: 8, kind: patch(3), norm };
            let net = Discriminator::new(&mut case.store, "D", config).unwrap();
            let values = |stream: u32| draw(shape.elements() as usize, stream, 2.0, 0.0);
            let xs = [X, DY].map(|stream| case.input("x", shape, &values(stream)));
            let (tape, store) = (&mut case.tape, &case.store);
            let judged = if joint {
                net.record_both(tape, store, xs, Mode::TRAIN).unwrap()
            } else {
                xs.map(|x| net.record(tape, store, x, Mode::TRAIN).unwrap())
            };
            let logits = judged.map(|judgement| judgement.logits);
            let wrt = net.weights().trainable(tape, store);
            let losses =
                [0, 1].map(|at| tape.bce_with_logits(logits[at], if at == 0 { 0.0 } else { 1.0 }));
            tape.backward(&losses, &wrt).unwrap();
            let done = case.prepare(gpu, &[logits[0], logits[1], losses[0], losses[1]]);
            fill(gpu, &done.store, net.weights(), 200, 0.25);
            done.step(&pixtape::StepValues { step: 1, seed: 1, ..Default::default() });
            let mut all: Vec<(String, Vec<f32>)> = [
                ("fake", logits[0]),
                ("real", logits[1]),
                ("loss", losses[0]),
                ("loss", losses[1]),
            ]
            .map(|(name, tensor)| (name.into(), done.read(tensor)))
            .into();
            for param in net.weights().params() {
                let id = param.gradient.unwrap_or(param.value);
                let values = pollster::block_on(done.store.read(gpu, id, &param.layout)).unwrap();
                all.push((param.name.clone(), values));
            }
            all
        };
        for ((name, joint), (_, apart)) in run(true).into_iter().zip(run(false)) {
            let largest = apart.iter().map(|v| v.abs()).fold(0.0, f32::max);
            let off = joint.iter().zip(&apart).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Another order of additions, through five layers. Biases in front of a norm have no
            // gradient but what is rounded.
            let allowed = if largest < 1e-6 { 1e-6 } else { 2e-5 * largest };
            assert!(
                off <= allowed,
                "{norm} {shape} {name}: off by {off:e}, the largest is {largest}"
            );
        }
    }

    // One test for all nets: they share pipelines, which a software driver takes long to compile.
    #[test]
    fn outputs_and_gradients_are_those_of_pytorch() {
        let Some(gpu) = support::gpu() else { return };
        let golden = read();
        let rgb = Shape::new(2, 32, 32, 3);
        hold(gpu, &golden, "unet_32 batch", rgb, 0, |case, x| {
            small_unet(case, x, NormMode::Batch, SMALL)
        });
        hold(gpu, &golden, "unet_32 running", rgb, 0, |case, x| {
            small_unet(case, x, NormMode::Running, SMALL)
        });
        let resize =
            UnetConfig { norm: NormKind::InstanceAffine, upsample: Upsample::Bilinear, ..SMALL };
        // Larger: the innermost norms would be over four pixels of a picture, or of one that is
        // enlarged and constant, and mostly rounding.
        let larger = Shape::new(2, 64, 64, 3);
        hold(gpu, &golden, "unet_32 bilinear affine", larger, 0, |case, x| {
            small_unet(case, x, NormMode::Batch, resize)
        });
        let plain = UnetConfig { upsample: Upsample::Nearest, skips: false, ..SMALL };
        hold(gpu, &golden, "encoder_decoder_32 nearest", larger, 0, |case, x| {
            small_unet(case, x, NormMode::Batch, plain)
        });
        let pair = |n, side| Shape::new(n, side, side, support::parts(&[3, 3]));
        hold(gpu, &golden, "patch 3", pair(1, 64), 200, |case, x| {
            small_discriminator(case, x, patch(3), NormKind::Batch)
        });
        let affine = NormKind::InstanceAffine;
        hold(gpu, &golden, "patch 2 affine", rgb, 200, |case, x| {
            small_discriminator(case, x, patch(2), affine)
        });
        let resnet = ResnetConfig { ngf: 8, blocks: 2, ..ResnetConfig::default() };
        hold(gpu, &golden, "resnet 2 instance", Shape::new(2, 24, 32, 3), 400, |case, x| {
            small_resnet(case, x, resnet)
        });
        let zero = ResnetConfig {
            blocks: 1,
            norm: NormKind::Batch,
            padding: BlockPadding::Zero,
            ..resnet
        };
        hold(gpu, &golden, "resnet 1 zero batch", Shape::new(2, 16, 16, 3), 400, |case, x| {
            small_resnet(case, x, zero)
        });
        let edge = ResnetConfig { blocks: 1, padding: BlockPadding::Replicate, ..resnet };
        hold(gpu, &golden, "resnet 1 replicate", Shape::new(2, 16, 24, 3), 400, |case, x| {
            small_resnet(case, x, edge)
        });
        hold(gpu, &golden, "pixel", pair(2, 16), 300, |case, x| {
            small_discriminator(case, x, DiscriminatorKind::Pixel, NormKind::Batch)
        });
    }

    /// 64 blocks of 8x8 pixels, each of one colour.
    fn picture(number: u32) -> Vec<u8> {
        let byte = |y: u32, x: u32, c: u32| {
            (random((y / 8 * 8 + x / 8) * 3 + c, PICTURES + number, 0, SEED)[0] >> 24) as u8
        };
        (0..64)
            .flat_map(|y| (0..64).flat_map(move |x| (0..3).map(move |c| byte(y, x, c))))
            .collect()
    }

    #[test]
    fn the_losses_of_a_training_follow_those_of_pytorch() {
        let Some(gpu) = support::gpu() else { return };
        let golden = read();
        let config = Pix2PixConfig {
            generator: UnetConfig { ngf: 8, downs: 6, dropout: false, ..UnetConfig::default() }
                .into(),
            ndf: 8,
            width: 64,
            height: 64,
            seed: 1,
            ..Pix2PixConfig::default()
        };
        let mut trainer = Pix2Pix::new(gpu, config, crate::support::plan_options()).unwrap();
        for ((_, weights, _), first) in trainer.networks().into_iter().zip([0, 200]) {
            fill(gpu, trainer.store(), weights, first, 0.0625);
        }
        let rows = |name: &str| -> Vec<Vec<f64>> {
            golden["curve"][name].as_array().expect("rows").iter().map(numbers).collect()
        };
        let (exact, spreads) = (rows("f64"), rows("spread"));
        assert_eq!((exact.len(), spreads.len()), (20, 20));
        let mut got = Vec::new();
        for step in 0..20 {
            let [a, b] = [0, 1].map(|side| picture(2 * (step % 4) + side));
            got.extend(trainer.step_pair(&a, &b, 2e-4).unwrap());
        }
        got.extend(trainer.finish().unwrap());
        assert_eq!(got.len(), 20);
        // How far PyTorch's own f32 runs get from its f64 one, the furthest of them so far:
        // `curves` in make_golden.py says why they do.
        let mut spread = [0f64; 4];
        for ((losses, exact), measured) in got.iter().zip(&exact).zip(&spreads) {
            for (at, name) in ["G_GAN", "G_L1", "D_real", "D_fake"].iter().enumerate() {
                spread[at] = spread[at].max(measured[at]);
                let off = (f64::from(losses.named[at].1) - exact[at]).abs();
                let allowed = 3.0 * spread[at] + 1e-4 * exact[at].abs();
                println!(
                    "step {:2} {name:6} {:.7} {:.7} off {off:.1e} of {allowed:.1e}",
                    losses.step, losses.named[at].1, exact[at]
                );
                assert!(
                    abs_diff_eq!(f64::from(losses.named[at].1), exact[at], epsilon = allowed),
                    "step {}: {name} is {}, not {} (off {off:.3e}, allowed {allowed:.3e})",
                    losses.step,
                    losses.named[at].1,
                    exact[at]
                );
            }
        }
    }
}
