//! Measuring: the device, noise to train on, repetitions and their times.

use crate::device::starting::Starting;
use crate::options::FamilyName;
use pixtape::gpu::Gpu;
use pixtape::picture::{Encoding, Input, PictureFormat, PictureValues, PlaneValues, borrowed};
use pixtape::plan::{Clock, PlanOptions, Program};
use pixtape::run::Trainer;
use pixtape::train::AnyModel;
use pixtape::{Error, Result};
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Instant;

/// The device to measure on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Device {
    pub adapter: Option<String>,
    pub family: Option<FamilyName>,
}

impl Device {
    pub fn open(&self) -> Result<Gpu> {
        crate::device::gpu_with(self.adapter.as_deref(), self.family.map(Into::into))
    }
}

/// Refuses a measuring time that is not positive.
pub(crate) fn check_seconds(seconds: f64) -> Result<()> {
    if seconds > 0.0 && seconds.is_finite() {
        return Ok(());
    }
    Err(Error::Usage(format!("--seconds {seconds}: expected a time above 0")))
}

/// The planes of a step by name.
pub(crate) type Planes = Vec<(&'static str, PlaneValues)>;

/// Noise for the planes of a step.
fn noise(trainer: &Trainer) -> Planes {
    let inputs = trainer.inputs();
    let plane = |(at, first): (usize, &Input)| {
        let count: usize = inputs.iter().map(|batch| batch[at].len()).sum();
        let bytes = (0..count as u32).map(|i| pixtape::rng::random(i, at as u32, 0, 0)[0] as u8);
        let floats = || bytes.clone().map(|v| f32::from(v) / 127.5 - 1.0).collect();
        let values = match first.plane.encoding {
            Encoding::Image(PictureFormat::Bytes) => {
                PlaneValues::Image(PictureValues::Bytes(bytes.collect()))
            }
            Encoding::Image(PictureFormat::Floats) => {
                PlaneValues::Image(PictureValues::Floats(floats()))
            }
            Encoding::Vector => PlaneValues::Vector(floats()),
            // Every model has at least two classes, and a mask no more.
            Encoding::Labels | Encoding::Instances | Encoding::Mask => {
                PlaneValues::Indices(bytes.map(|v| u32::from(v & 1)).collect())
            }
        };
        (first.plane.name, values)
    };
    inputs[0].iter().enumerate().map(plane).collect()
}

/// The learning rate of measured steps, as in the reference implementation.
pub(crate) const LR: f64 = 2e-4;

/// Makes a trainer and runs two steps on noise, so that the driver has compiled everything and
/// every buffer holds plausible values.
pub(crate) fn warm_trainer(
    gpu: &Gpu,
    config: AnyModel,
    options: PlanOptions,
) -> Result<(Trainer, Planes)> {
    let mut starting = Starting::new(gpu);
    let mut trainer = Trainer::with_progress(gpu, config, options, &mut |done, total| {
        starting.show(done, total)
    })?;
    drop(starting);
    let planes = noise(&trainer);
    for _ in 0..2 {
        trainer.step(&borrowed(&planes), LR)?;
        gpu.wait("warm-up")?;
    }
    Ok((trainer, planes))
}

/// Seconds per repetition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub median: f64,
    pub min: f64,
    pub clock: Clock,
}

impl Timing {
    /// Median and minimum of some measurements.
    pub fn of(mut seconds: Vec<f64>, clock: Clock) -> Timing {
        seconds.sort_by(f64::total_cmp);
        Timing { median: seconds[seconds.len() / 2], min: seconds[0], clock }
    }

    /// For JSON, in milliseconds.
    pub fn json(self) -> Value {
        json!({ "median": round(1e3 * self.median), "min": round(1e3 * self.min) })
    }
}

/// Length of a batch of repetitions: long compared with a submit and a wait, short compared with
/// watchdogs.
const BATCH: f64 = 0.02;
/// The most batches to measure.
const BATCHES: usize = 25;

/// Measures some dispatches: batches of repetitions, for at most about `seconds`.
pub(crate) fn time(program: &Program, dispatches: &Range<usize>, seconds: f64) -> Result<Timing> {
    let mut clock = Clock::Wall;
    let mut batch = |repeats: usize| -> Result<f64> {
        let times = program.time(std::slice::from_ref(dispatches), repeats)?;
        clock = times.clock;
        Ok(times.seconds[0] / repeats as f64)
    };
    // The first run may compile; from then on the count doubles until a batch is long enough to be
    // reliable.
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
    Ok(Timing::of(all, clock))
}

/// Device, driver and kernels, without which a figure is meaningless.
pub(crate) fn about(gpu: &Gpu) -> Value {
    let info = gpu.info();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "device": gpu.name(),
        "driver": info.driver,
        "driver_info": info.driver_info,
        "family": gpu.family().to_string(),
    })
}

/// A number rounded to significant digits, for JSON.
pub(crate) fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(4 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_rounding() {
        let t = Timing::of(vec![3.0, 1.0, 2.0], Clock::Wall);
        assert_eq!((t.median, t.min), (2.0, 1.0));
        assert_eq!(
            (round(0.0), round(123_456.7), round(0.001_234_567)),
            (0.0, 123_460.0, 0.001_234_6)
        );
    }
}
