//! The pulse of a device: one pass of a convolution, timed again and again.

use super::single::{Single, operands};
use super::{Load, problems};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::{Fused, Tuning};
use crate::plan::Plan;

/// Operands and result of the pass that is timed take no more than this, and it does no more
/// arithmetic than this: a fraction of a second on the slowest device.
const MOST_BYTES: u64 = 16 << 20;
const MOST_FLOP: u64 = 500_000_000;
/// Seconds that a sample takes about, and samples.
const SAMPLE: f64 = 0.01;
const SAMPLES: usize = 5;

/// A pass of a plan with memory of its own, and how long it took at first. Its kernel is the
/// plan's, so that nothing is compiled for it.
pub struct Pulse {
    single: Single,
    repeats: usize,
    first: f64,
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pulse({} s)", self.first)
    }
}

impl Pulse {
    /// Times a pass: the most expensive one of a plan that is small enough; `None` if none is.
    ///
    /// # Errors
    /// What the device reports.
    pub fn new(gpu: &Gpu, plan: &Plan) -> Result<Option<Pulse>> {
        let small = |load: &Load| {
            let [a, b] = load.problem.inputs;
            let bytes = a.bytes() + b.bytes() + load.problem.output.bytes();
            bytes <= MOST_BYTES && load.cost().flop <= MOST_FLOP
        };
        let loads = problems(plan).into_iter().filter(small);
        let Some(load) = loads.max_by_key(|load| load.cost().flop) else { return Ok(None) };
        let problem = load.problem;
        let mut tuning = Tuning::on(gpu);
        if let Some(variant) = super::choices(plan).get(&problem.to_string()) {
            tuning.set(&problem, *variant);
        }
        let values = operands(&problem.inputs);
        let single = Single::new(gpu, &problem, tuning, Fused::default(), &values)?;
        // Software drivers compile at the first run.
        single.run(1)?;
        let once = single.run(1)?;
        let repeats = ((SAMPLE / once.max(1e-9)) as usize).clamp(1, 4096);
        let mut pulse = Pulse { single, repeats, first: 0.0 };
        pulse.first = pulse.seconds()?;
        Ok(Some(pulse))
    }

    /// The fastest of a few samples: what the device can do, whatever disturbs some of them.
    fn seconds(&self) -> Result<f64> {
        let mut samples = (0..SAMPLES).map(|_| self.single.run(self.repeats));
        samples.try_fold(f64::INFINITY, |least, sample| Ok(least.min(sample?)))
    }

    /// How many times as long as at first it takes now.
    ///
    /// # Errors
    /// What the device reports.
    pub fn slowdown(&self) -> Result<f64> {
        Ok(self.seconds()? / self.first.max(1e-9))
    }
}
