//! Training as a whole: the gradient penalty against differences of an f64 penalty, accumulation
//! against a larger batch, the moving average against its formula, and that a step with every
//! option gives the same bits however it is run.

mod support;

use approx::abs_diff_eq;
use pixtape::nets::{
    Discriminator, DiscriminatorConfig, DiscriminatorKind, InitType, Mode, NormKind, UnetConfig,
    Upsample,
};
use pixtape::ops::Ema;
use pixtape::store::Param;
use pixtape::train::{GanMode, Losses, Pix2Pix, Pix2PixConfig, Rates, gradient_penalty};
use pixtape::{Gpu, PlanOptions, Shape};
use std::collections::BTreeMap;
use support::{Case, dot, fill, wide};

/// A picture of a net in f64: `[n, h, w, c]`, channels last.
#[derive(Clone)]
struct Map {
    n: usize,
    h: usize,
    w: usize,
    c: usize,
    v: Vec<f64>,
}

type Params = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// Calls `f(index of y, index of x, index of the weight)` for every product of a 4x4 convolution
/// with padding 1, weights `[co, ci, 4, 4]`.
fn products(
    x: &Map,
    co: usize,
    stride: usize,
    mut f: impl FnMut(usize, usize, usize),
) -> (usize, usize) {
    let (ho, wo) = ((x.h - 2) / stride + 1, (x.w - 2) / stride + 1);
    for (b, oy, ox) in
        (0..x.n).flat_map(|b| (0..ho).flat_map(move |oy| (0..wo).map(move |ox| (b, oy, ox))))
    {
        for (ky, kx) in (0..4).flat_map(|ky| (0..4).map(move |kx| (ky, kx))) {
            let (Some(iy), Some(ix)) =
                ((oy * stride + ky).checked_sub(1), (ox * stride + kx).checked_sub(1))
            else {
                continue;
            };
            if iy >= x.h || ix >= x.w {
                continue;
            }
            for (o, i) in (0..co).flat_map(|o| (0..x.c).map(move |i| (o, i))) {
                f(
                    ((b * ho + oy) * wo + ox) * co + o,
                    ((b * x.h + iy) * x.w + ix) * x.c + i,
                    ((o * x.c + i) * 4 + ky) * 4 + kx,
                );
            }
        }
    }
    (ho, wo)
}

/// 1 / sqrt(var + eps) and xhat of every sample's channel, over `x`.
fn normalised(x: &Map) -> (Vec<f64>, Vec<f64>) {
    let (size, count) = (x.h * x.w * x.c, (x.h * x.w) as f64);
    let (mut rstds, mut xhat) = (Vec::new(), x.v.clone());
    for (b, k) in (0..x.n).flat_map(|b| (0..x.c).map(move |k| (b, k))) {
        let at: Vec<usize> = (0..x.h * x.w).map(|p| b * size + p * x.c + k).collect();
        let mean = at.iter().map(|i| x.v[*i]).sum::<f64>() / count;
        let var = at.iter().map(|i| (x.v[*i] - mean).powi(2)).sum::<f64>() / count;
        let rstd = 1.0 / (var + f64::from(1e-5f32)).sqrt();
        at.iter().for_each(|i| xhat[*i] = (x.v[*i] - mean) * rstd);
        rstds.push(rstd);
    }
    (rstds, xhat)
}

/// The penalty of a PatchGAN with two strided layers, in f64: forward, then the gradient of the sum
/// of its logits back to `x`.
fn penalty(params: &Params, x: &Map, norm: NormKind) -> f64 {
    let layers = [
        ("model.0", 2, None),
        ("model.2", 2, Some("model.3")),
        ("model.5", 1, Some("model.6")),
        ("model.8", 1, None),
    ];
    let normed = |at: Option<&'static str>| at.filter(|_| norm != NormKind::None);
    let gamma = |name: &str| params.get(&format!("{name}.weight")).map(|p| p.1.clone());
    // What each layer saw, made, and (where it has a norm) made of it.
    let mut saved: Vec<(Map, Map, Map)> = Vec::new();
    let mut h = x.clone();
    for (at, (name, stride, norm_name)) in layers.into_iter().enumerate() {
        let (shape, w) = &params[&format!("{name}.weight")];
        let co = shape[0];
        let (ho, wo) = products(&h, co, stride, |_, _, _| ());
        let mut y = Map { n: h.n, h: ho, w: wo, c: co, v: vec![0.0; h.n * ho * wo * co] };
        if let Some((_, bias)) = params.get(&format!("{name}.bias")) {
            y.v.iter_mut().enumerate().for_each(|(i, v)| *v = bias[i % co]);
        }
        products(&h, co, stride, |to, from, k| y.v[to] += h.v[from] * w[k]);
        let mut z = y.clone();
        if let Some(name) = normed(norm_name) {
            z.v = normalised(&y).1;
            if let (Some(gamma), Some((_, beta))) =
                (gamma(name), params.get(&format!("{name}.bias")))
            {
                z.v.iter_mut()
                    .enumerate()
                    .for_each(|(i, v)| *v = *v * gamma[i % co] + beta[i % co]);
            }
        }
        let mut out = z.clone();
        if at + 1 < layers.len() {
            out.v.iter_mut().for_each(|v| *v *= if *v > 0.0 { 1.0 } else { f64::from(0.2f32) });
        }
        saved.push((std::mem::replace(&mut h, out), y, z));
    }
    let mut g = vec![1.0; h.v.len()];
    for (at, ((name, stride, norm_name), (seen, y, z))) in
        layers.into_iter().zip(&saved).enumerate().rev()
    {
        if at + 1 < layers.len() {
            g.iter_mut()
                .zip(&z.v)
                .for_each(|(g, z)| *g *= if *z > 0.0 { 1.0 } else { f64::from(0.2f32) });
        }
        if let Some(name) = normed(norm_name) {
            let ((rstds, xhat), gamma) = (normalised(y), gamma(name));
            let (size, count) = (y.h * y.w * y.c, (y.h * y.w) as f64);
            for (b, k) in (0..y.n).flat_map(|b| (0..y.c).map(move |k| (b, k))) {
                let at: Vec<usize> = (0..y.h * y.w).map(|p| b * size + p * y.c + k).collect();
                let sum = at.iter().map(|i| g[*i]).sum::<f64>() / count;
                let along = at.iter().map(|i| g[*i] * xhat[*i]).sum::<f64>() / count;
                let scale = rstds[b * y.c + k] * gamma.as_ref().map_or(1.0, |gamma| gamma[k]);
                at.iter().for_each(|i| g[*i] = scale * (g[*i] - sum - xhat[*i] * along));
            }
        }
        let (shape, w) = &params[&format!("{name}.weight")];
        let mut dx = vec![0.0; seen.v.len()];
        products(seen, shape[0], stride, |to, from, k| dx[from] += g[to] * w[k]);
        g = dx;
    }
    let norms = g.chunks(g.len() / x.n).map(|s| s.iter().map(|v| v * v).sum::<f64>().sqrt());
    norms.map(|norm| (norm - 1.0).powi(2)).sum::<f64>() / x.n as f64
}

fn draw(param: &Param, stream: u32) -> Vec<f32> {
    let len = param.layout.elements();
    match (param.layout.public_shape().len(), param.name.ends_with("weight")) {
        (4, _) => fill::reals(len, stream, -0.25, 0.25),
        (_, true) => fill::reals(len, stream, 0.5, 1.5),
        _ => fill::reals(len, stream, -0.2, 0.2),
    }
}

#[test]
fn the_gradient_of_the_penalty_is_that_of_differences_in_f64() {
    support::families().into_iter().for_each(penalty_on);
}

fn penalty_on(gpu: &Gpu) {
    const EPS: f64 = 1e-7;
    for norm in [NormKind::Instance, NormKind::InstanceAffine, NormKind::None] {
        let what = format!("penalty, norm {norm} on {}", gpu.family());
        let shape = Shape::new(2, 16, 16, support::parts(&[3, 3]));
        let values = fill::reals(shape.elements() as usize, 1, -1.0, 1.0);
        let mut case = Case::new();
        let x = case.input("x", shape, &values);
        let config = DiscriminatorConfig {
            input: shape.c,
            ndf: 4,
            kind: DiscriminatorKind::Patch { n_layers: 2 },
            norm,
        };
        let d = Discriminator::new(&mut case.store, "D", config).unwrap();
        let logits = d.record(&mut case.tape, &case.store, x, Mode::TRAIN).unwrap().logits;
        let loss = gradient_penalty(&mut case.tape, logits, x).unwrap();
        let wrt = d.weights().trainable(&mut case.tape, &case.store);
        case.tape.backward(&[loss], &wrt).unwrap();
        let done = case.prepare(gpu, &[loss]);
        let mut params = Params::new();
        for (stream, param) in (10..).zip(d.weights().params()) {
            let values = draw(param, stream);
            done.store.write(gpu, param.value, &param.layout, &values).unwrap();
            params.insert(param.name.clone(), (param.layout.public_shape(), wide(&values)));
        }
        done.step(&pixtape::StepValues { step: 1, ..pixtape::StepValues::default() });
        let x = Map { n: 2, h: 16, w: 16, c: 6, v: wide(&values) };
        let value = penalty(&params, &x, norm);
        let got = f64::from(done.read(loss)[0]);
        assert!(abs_diff_eq!(got, value, epsilon = 1e-5 * value), "{what}: {got}, not {value}");
        let slope = |name: &str, way: &dyn Fn(usize) -> f64| {
            let moved = |by: f64| {
                let mut params = params.clone();
                params
                    .get_mut(name)
                    .unwrap()
                    .1
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, v)| *v += by * way(i));
                penalty(&params, &x, norm)
            };
            (moved(EPS) - moved(-EPS)) / (2.0 * EPS)
        };
        let mut worst = 0f64;
        let read = |p: &Param| {
            wide(&pollster::block_on(done.store.read(gpu, p.gradient.unwrap(), &p.layout)).unwrap())
        };
        // A bias before a norm has no gradient but what terms of this size leave when they cancel.
        let whole = d.weights().params().map(|p| dot(&read(p), &read(p))).sum::<f64>().sqrt();
        for param in d.weights().params() {
            let name = &param.name;
            let gradient = read(param);
            let norm = dot(&gradient, &gradient).sqrt() + 0.1 * whole;
            let len = gradient.len();
            for stream in 0..3 {
                let way = wide(&fill::reals(len, 100 + stream, -1.0, 1.0));
                let (differences, found) = (slope(name, &|i| way[i]), dot(&gradient, &way));
                // f64 rounding of the difference quotient: 2e-16 / 1e-7 of a penalty of about 1, a
                // few times.
                let allowed = 3e-6 * norm * dot(&way, &way).sqrt() + 2e-8 * value.max(1.0);
                let off = (differences - found).abs();
                assert!(
                    abs_diff_eq!(differences, found, epsilon = allowed),
                    "{what}: {name}, direction {stream}: {found}, differences say {differences} \
                     (off {off:.2e}, allowed {allowed:.2e})"
                );
                worst = worst.max(off / (norm * dot(&way, &way).sqrt()));
            }
            for at in (0..6).map(|k| k * len / 6) {
                let (differences, found) =
                    (slope(name, &|i| f64::from(u8::from(i == at))), gradient[at]);
                let allowed = 3e-6 * norm + 2e-8 * value.max(1.0);
                assert!(
                    abs_diff_eq!(differences, found, epsilon = allowed),
                    "{what}: {name}[{at}]: {found}, differences say {differences}"
                );
                worst = worst.max((differences - found).abs() / norm);
            }
        }
        let live = d.weights().params().filter(|p| p.layout.public_shape().len() == 4).count();
        println!(
            "{what}: value {got:.6} (f64 {value:.6}), worst relative error of {live} weights and \
             their biases {worst:.1e}"
        );
    }
}

/// The generator of [`base`].
fn unet() -> UnetConfig {
    UnetConfig {
        ngf: 4,
        downs: 5,
        norm: NormKind::Instance,
        dropout: false,
        ..UnetConfig::default()
    }
}

/// A small training of 32x32 pictures with much of what there is.
fn base() -> Pix2PixConfig {
    let generator = unet().into();
    let discriminator = DiscriminatorKind::Patch { n_layers: 1 };
    Pix2PixConfig {
        generator,
        discriminator,
        ndf: 4,
        width: 32,
        height: 32,
        seed: 7,
        ..Pix2PixConfig::default()
    }
}

fn everything() -> Pix2PixConfig {
    let generator = UnetConfig {
        norm: NormKind::InstanceAffine,
        dropout: true,
        upsample: Upsample::Bilinear,
        ..unet()
    }
    .into();
    Pix2PixConfig {
        generator,
        gan_mode: GanMode::Wgangp,
        lambda_tv: 1.0,
        accumulate: 2,
        ema: Some(0.9),
        lambda_gan: 2.0,
        ..base()
    }
}

fn pictures(config: &Pix2PixConfig, step: u64) -> [Vec<u8>; 2] {
    let len = (config.pictures() * config.width * config.height * 3) as usize;
    [0, 1].map(|side| {
        fill::bits(len, 2 * step as u32 + side).iter().map(|w| (w >> 24) as u8).collect()
    })
}

fn run(
    gpu: &Gpu,
    config: &Pix2PixConfig,
    options: PlanOptions,
    steps: u64,
) -> (Pix2Pix, Vec<Losses>) {
    let mut trainer = Pix2Pix::new(gpu, config.clone(), options).unwrap();
    let mut losses = Vec::new();
    for step in 1..=steps {
        let [a, b] = pictures(config, step);
        losses.extend(trainer.step_pair(&a, &b, Rates::new(2e-4, 1e-4)).unwrap());
    }
    losses.extend(trainer.finish().unwrap());
    (trainer, losses)
}

/// Weights of all networks that are saved, by name.
fn weights(trainer: &Pix2Pix) -> Vec<(String, Vec<f32>)> {
    let read = |p: &Param| {
        pollster::block_on(trainer.store().read(trainer.program().gpu(), p.value, &p.layout))
            .unwrap()
    };
    trainer
        .saved_networks()
        .iter()
        .flat_map(|(net, w, _)| {
            w.params().map(|p| (format!("{net} {}", p.name), read(p))).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_step_with_every_option_gives_the_same_bits_however_it_is_run() {
    let Some(gpu) = support::gpu() else { return };
    let config = everything();
    let (first, losses) = run(gpu, &config, crate::support::plan_options(), 3);
    assert!(
        losses.iter().all(|l| l.named.len() == 6 && l.named.iter().all(|(_, v)| v.is_finite())),
        "{losses:?}"
    );
    assert_eq!(
        losses[0].named.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        ["G_GAN", "G_L1", "D_real", "D_fake", "G_TV", "D_GP"]
    );
    let wanted = weights(&first);
    assert!(wanted.iter().any(|(name, _)| name.starts_with("G_ema ")));
    for (what, options) in [
        ("again", crate::support::plan_options()),
        ("no shared slots", PlanOptions { reuse: false, ..crate::support::plan_options() }),
        ("nothing fused", PlanOptions { fuse: false, ..crate::support::plan_options() }),
    ] {
        let (other, found) = run(gpu, &config, options, 3);
        assert_eq!(losses, found, "{what}");
        assert!(wanted == weights(&other), "{what}: weights");
    }
    // Node by node under the checks.
    let checked = Pix2Pix::new(
        gpu,
        config.clone(),
        PlanOptions { guards: true, ..crate::support::plan_options() },
    )
    .unwrap();
    let [a, b] = pictures(&config, 1);
    checked.set_pair(&a, &b).unwrap();
    pollster::block_on(checked.program().run_checked(&checked.values(1, Rates::new(2e-4, 1e-4))))
        .unwrap();
    assert!(
        weights(&checked) == weights(&run(gpu, &config, crate::support::plan_options(), 1).0),
        "the checked step"
    );
}

#[test]
fn accumulated_gradients_are_those_of_a_larger_batch() {
    let Some(gpu) = support::gpu() else { return };
    for (gan_mode, condition_d) in
        [(GanMode::Lsgan, true), (GanMode::Wgangp, true), (GanMode::Hinge, false)]
    {
        // No norm, or the batches' statistics would differ; nothing drawn at random by sample, or
        // the samples would differ.
        let generator = UnetConfig { norm: NormKind::None, ..unet() }.into();
        let lambda_gp = if gan_mode == GanMode::Wgangp { 0.0 } else { 10.0 };
        let whole = Pix2PixConfig {
            generator,
            gan_mode,
            condition_d,
            lambda_gp,
            batch_size: 2,
            init_gain: 0.1,
            lambda_tv: 1.0,
            ..base()
        };
        let parts = Pix2PixConfig { batch_size: 1, accumulate: 2, ..whole.clone() };
        let step = |config: &Pix2PixConfig| {
            let mut trainer =
                Pix2Pix::new(gpu, config.clone(), crate::support::with_gradients()).unwrap();
            let [a, b] = pictures(config, 1);
            // Rate 0: G's gradient is through the same D.
            trainer.step_pair(&a, &b, 0.0).unwrap();
            (trainer.finish().unwrap(), trainer)
        };
        let ((one, whole), (two, parts)) = (step(&whole), step(&parts));
        for ((name, a), (_, b)) in one[0].named.iter().zip(&two[0].named) {
            assert!(
                abs_diff_eq!(a, b, epsilon = 1e-5 * a.abs().max(1e-3)),
                "{gan_mode} {name}: {a} and {b}"
            );
        }
        for ((net, left, _), (_, right, _)) in whole.networks().into_iter().zip(parts.networks()) {
            for (p, q) in left.params().zip(right.params()).filter(|(p, _)| p.gradient.is_some()) {
                let read = |t: &Pix2Pix, p: &Param| {
                    wide(
                        &pollster::block_on(t.store().read(gpu, p.gradient.unwrap(), &p.layout))
                            .unwrap(),
                    )
                };
                let (a, b) = (read(&whole, p), read(&parts, q));
                let off: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
                let (size, error) = (dot(&a, &a).sqrt(), dot(&off, &off).sqrt());
                // The last bias of D has no gradient under hinge or Wasserstein losses where both
                // sides cancel.
                assert!(
                    error <= 1e-4 * size + 1e-7,
                    "{gan_mode} {net} {}: off by {error:.2e} of {size:.2e}",
                    p.name
                );
            }
        }
    }
}

#[test]
fn the_average_follows_its_formula_and_is_no_part_of_the_training() {
    let Some(gpu) = support::gpu() else { return };
    let config = Pix2PixConfig {
        generator: UnetConfig { norm: NormKind::Batch, ..unet() }.into(),
        ema: Some(0.8),
        ..base()
    };
    let mut trainer = Pix2Pix::new(gpu, config.clone(), crate::support::plan_options()).unwrap();
    let of = |trainer: &Pix2Pix, net: &str| -> Vec<Vec<f64>> {
        weights(trainer)
            .into_iter()
            .filter(|(n, _)| n.starts_with(&format!("{net} ")))
            .map(|(_, v)| wide(&v))
            .collect()
    };
    let mut want = of(&trainer, "G");
    assert_eq!(want, of(&trainer, "G_ema"), "it begins as the generator");
    for step in 1..=4u64 {
        let [a, b] = pictures(&config, step);
        trainer.step_pair(&a, &b, 2e-3).unwrap();
        let share = Ema { decay: 0.8 }.share(step as u32);
        for (mean, value) in want.iter_mut().flatten().zip(of(&trainer, "G").into_iter().flatten())
        {
            *mean += share * (value - *mean);
        }
    }
    let got = of(&trainer, "G_ema");
    let count = want.iter().map(Vec::len).sum::<usize>();
    let worst = want
        .iter()
        .flatten()
        .zip(got.iter().flatten())
        .map(|(a, b)| (a - b).abs() / a.abs().max(0.1))
        .max_by(f64::total_cmp)
        .unwrap();
    assert!(count > 1000 && worst < 1e-6, "{count} values, off by {worst:.1e}");
    assert_ne!(got, of(&trainer, "G"));
    let (without, _) =
        run(gpu, &Pix2PixConfig { ema: None, ..config.clone() }, crate::support::plan_options(), 2);
    let (with, _) = run(gpu, &config, crate::support::plan_options(), 2);
    assert_eq!(of(&without, "G"), of(&with, "G"));
    trainer.restart_average().unwrap();
    assert_eq!(of(&trainer, "G"), of(&trainer, "G_ema"));
}

#[test]
fn every_way_to_begin_trains_and_two_rates_are_two_rates() {
    let Some(gpu) = support::gpu() else { return };
    for init_type in [InitType::Normal, InitType::Xavier, InitType::Kaiming, InitType::Orthogonal] {
        let config = Pix2PixConfig { init_type, init_gain: 0.5, ..base() };
        let (trainer, losses) = run(gpu, &config, crate::support::plan_options(), 2);
        assert!(
            losses.iter().all(|l| l.named.iter().all(|(_, v)| v.is_finite())),
            "{init_type:?} {losses:?}"
        );
        let again = run(gpu, &config, crate::support::plan_options(), 2);
        assert!(weights(&trainer) == weights(&again.0), "{init_type:?}: the seed decides");
    }
    let config = base();
    let before =
        weights(&Pix2Pix::new(gpu, config.clone(), crate::support::plan_options()).unwrap());
    for (rates, moved) in [(Rates::new(0.0, 1e-3), "D "), (Rates::new(1e-3, 0.0), "G ")] {
        let mut trainer =
            Pix2Pix::new(gpu, config.clone(), crate::support::plan_options()).unwrap();
        let [a, b] = pictures(&config, 1);
        trainer.step_pair(&a, &b, rates).unwrap();
        for ((name, old), (_, new)) in
            before.iter().zip(weights(&trainer)).filter(|((name, _), _)| name.ends_with("0.weight"))
        {
            assert_eq!(*old != new, name.starts_with(moved), "{name} at {rates:?}");
        }
    }
}

#[test]
fn a_step_takes_exactly_its_pictures() {
    let Some(gpu) = support::gpu() else { return };
    // Two batches of two pictures: the parts of a wrong number would be cut as if it were right.
    let config = Pix2PixConfig { batch_size: 2, accumulate: 2, ..base() };
    let mut trainer = Pix2Pix::new(gpu, config.clone(), crate::support::plan_options()).unwrap();
    let [a, b] = pictures(&config, 1);
    let picture = a.len() / 4;
    assert_eq!(picture, 32 * 32 * 3);
    for count in
        [0, picture, 2 * picture, 3 * picture, 4 * picture - 1, 4 * picture + 1, 5 * picture]
    {
        let other = vec![0u8; count];
        for (input, target, what) in [(&other, &b, "input"), (&a, &other, "target")] {
            let error = trainer.step_pair(input, target, 2e-4).unwrap_err();
            assert!(matches!(error, pixtape::Error::Usage(_)), "{error}");
            let message = error.to_string();
            assert!(
                message.starts_with(what)
                    && message.contains(&format!("{count} values"))
                    && message.contains(&a.len().to_string()),
                "{message}"
            );
        }
    }
    assert_eq!(trainer.steps(), 0);
    trainer.step_pair(&a, &b, 2e-4).unwrap();
    assert_eq!((trainer.steps(), trainer.finish().unwrap().len()), (1, 1));
}

#[test]
fn what_does_not_go_together_is_refused_with_what_to_choose() {
    let refused = |config: Pix2PixConfig, words: &[&str]| {
        let error =
            Pix2Pix::plan(&config, pixtape::gpu::Family::Workgroup, crate::support::plan_options())
                .unwrap_err();
        assert!(
            matches!(error, pixtape::Error::Config { .. }) && error.exit_code() == 1,
            "{error}"
        );
        assert!(words.iter().all(|w| error.to_string().contains(w)), "{error}");
    };
    let batch = UnetConfig { norm: NormKind::Batch, ..unet() }.into();
    refused(
        Pix2PixConfig { gan_mode: GanMode::Wgangp, generator: batch, ..base() },
        &["wgangp", "batch norm", "`norm_D` instance"],
    );
    refused(
        Pix2PixConfig { gan_mode: GanMode::Wgangp, label_smoothing: 0.1, ..base() },
        &["`label_smoothing`", "wgangp"],
    );
    refused(Pix2PixConfig { label_smoothing: 1.0, ..base() }, &["`label_smoothing` 1"]);
    refused(Pix2PixConfig { ema: Some(1.0), ..base() }, &["`ema` 1"]);
    refused(Pix2PixConfig { lambda_tv: -1.0, ..base() }, &["`lambda_TV` -1"]);
    refused(Pix2PixConfig { accumulate: 0, ..base() }, &["`accumulate`"]);
    let mixed = Pix2PixConfig {
        gan_mode: GanMode::Wgangp,
        generator: batch,
        norm_d: Some(NormKind::Instance),
        ..base()
    };
    assert!(
        Pix2Pix::plan(&mixed, pixtape::gpu::Family::Workgroup, crate::support::plan_options())
            .is_ok(),
        "batch norm in G alone is fine"
    );
}
