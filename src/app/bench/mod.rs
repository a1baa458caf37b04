//! `pixtape bench`: what the kernels, and a whole training step, do on the device at hand.

mod kernels;
mod probe;
mod step;

use super::flags::BenchArgs;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{DiscriminatorKind, InitType, NormKind, UnetConfig};
use crate::plan::{PlanOptions, Program};
use crate::train::{GanMode, Pix2Pix, Pix2PixConfig};
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Instant;

/// Measures kernels or a step.
pub(super) fn run(args: &BenchArgs) -> Result<()> {
    if !(args.seconds > 0.0 && args.seconds.is_finite()) {
        return Err(Error::Usage(format!("--seconds {}: a time above 0 is wanted", args.seconds)));
    }
    if args.batch_size == 0 {
        return Err(Error::Usage("--batch_size 0: at least one picture a step".into()));
    }
    let gpu = super::gpu_with(args.adapter.as_deref(), args.family.as_deref())?;
    if cfg!(debug_assertions) {
        eprintln!("note: a debug build; host times mean little");
    }
    match args.what.as_str() {
        "step" => step::run(&gpu, args),
        _ => kernels::run(&gpu, args),
    }
}

/// The training step that a preset stands for.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub(super) fn preset(name: &str, batch_size: u32) -> Result<Pix2PixConfig> {
    let (side, channels) = match name {
        "pix2pix-256" => (256u32, 64),
        "pix2pix-128" => (128, 32),
        "small" => (64, 32),
        _ => return Err(Error::Usage(format!("preset {name:?}: choose pix2pix-256, pix2pix-128 or small"))),
    };
    Ok(Pix2PixConfig {
        generator: UnetConfig { input_nc: 3, output_nc: 3, ngf: channels, downs: side.ilog2(), norm: NormKind::Batch, dropout: true },
        discriminator: DiscriminatorKind::Patch { n_layers: 3 },
        ndf: channels,
        batch_size,
        width: side,
        height: side,
        gan_mode: GanMode::Vanilla,
        lambda_l1: 100.0,
        beta1: 0.5,
        init_type: InitType::Normal,
        init_gain: 0.02,
        seed: 0,
    })
}

/// Pictures of noise for a step: input and target.
fn noise(config: &Pix2PixConfig) -> [Vec<u8>; 2] {
    let g = &config.generator;
    let pixels = config.batch_size * config.width * config.height;
    [(g.input_nc, 0), (g.output_nc, 1)].map(|(channels, stream)| (0..pixels * channels).map(|i| crate::rng::random(i, stream, 0, 0)[0] as u8).collect())
}

/// The learning rate of measured steps: the reference's.
const LR: f64 = 2e-4;

/// Makes a trainer that has done two steps on noise: the driver has compiled everything, and every buffer holds plausible values.
fn warm_trainer(gpu: &Gpu, config: Pix2PixConfig) -> Result<(Pix2Pix, [Vec<u8>; 2])> {
    warm_trainer_with(gpu, config, PlanOptions::default())
}

fn warm_trainer_with(gpu: &Gpu, config: Pix2PixConfig, options: PlanOptions) -> Result<(Pix2Pix, [Vec<u8>; 2])> {
    let pictures = noise(&config);
    let mut trainer = Pix2Pix::new(gpu, config, options)?;
    for _ in 0..2 {
        trainer.step(&pictures[0], &pictures[1], LR)?;
        gpu.wait("warm-up")?;
    }
    Ok((trainer, pictures))
}

/// Seconds that one repetition takes.
#[derive(Clone, Copy, Debug)]
struct Timing {
    median: f64,
    min: f64,
}

impl Timing {
    /// Median and least of some measurements.
    fn of(mut seconds: Vec<f64>) -> Timing {
        seconds.sort_by(f64::total_cmp);
        Timing { median: seconds[seconds.len() / 2], min: seconds[0] }
    }
}

/// Length of a batch of repetitions: long against what a submit and a wait take, short against watchdogs.
const BATCH: f64 = 0.02;
/// More batches than this say nothing new.
const BATCHES: usize = 25;

/// Measures some dispatches: batches of repetitions by the wall clock, for at most about `seconds`.
fn time(program: &Program, dispatches: &Range<usize>, seconds: f64) -> Result<Timing> {
    let batch = |repeats: usize| -> Result<f64> {
        let start = Instant::now();
        program.gpu().scoped("bench", || {
            let mut encoder = program.gpu().device().create_command_encoder(&Default::default());
            (0..repeats).for_each(|_| program.encode(&mut encoder, dispatches.clone()));
            program.gpu().queue().submit([encoder.finish()]);
        })?;
        program.gpu().wait("bench")?;
        Ok(start.elapsed().as_secs_f64() / repeats as f64)
    };
    // The first run may compile; from then on the count doubles until a batch is long enough to be believed.
    let (started, mut repeats) = (Instant::now(), 1);
    batch(1)?;
    let mut each = batch(1)?;
    while each * (repeats as f64) < BATCH / 2.0 && repeats < 4096 {
        repeats = ((BATCH / each) as usize).clamp(repeats + 1, 8 * repeats);
        each = batch(repeats)?;
    }
    let mut all = vec![each];
    while all.len() < BATCHES && started.elapsed().as_secs_f64() < seconds {
        all.push(batch(repeats)?);
    }
    Ok(Timing::of(all))
}

/// Device, driver and kernels: what a figure means nothing without.
fn about(gpu: &Gpu) -> Value {
    let info = gpu.info();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "device": gpu.name(),
        "driver": info.driver,
        "driver_info": info.driver_info,
        "family": gpu.family().to_string(),
    })
}

/// A number cut to what means something, for JSON.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(4 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Family;

    #[test]
    fn presets_plan_without_a_device() {
        for (name, parameters) in [("pix2pix-256", 54_413_955), ("pix2pix-128", 0), ("small", 0)] {
            let config = preset(name, 1).unwrap();
            let plan = Pix2Pix::plan(&config, Family::Workgroup, crate::PlanOptions::default()).unwrap();
            assert!(plan.memory().parameters > 4 * parameters && plan.cost().flop > 0, "{name}");
        }
        assert!(preset("pix2pix-1", 1).is_err());
    }

    #[test]
    fn medians_and_rounding() {
        let t = Timing::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((t.median, t.min), (2.0, 1.0));
        assert_eq!((round(0.0), round(123_456.7), round(0.001_234_567)), (0.0, 123_460.0, 0.001_234_6));
    }
}
