//! Measuring: one pass at a time, by the wall clock.

use super::Load;
use super::check::fault;
use super::search::{Found, GAIN, Trial, search};
use super::single::{Single, operands};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::ops::{Fused, Problem, Tuning, Variant};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What was found for a problem.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// The problem, and how often it occurs.
    pub load: Load,
    /// The fastest variant that passed its check.
    pub variant: Variant,
    /// Seconds it takes.
    pub seconds: f64,
    /// What would be taken without measuring.
    pub rule: Variant,
    /// Seconds that takes, where it runs.
    pub rule_seconds: Option<f64>,
    /// Variants tried.
    pub tried: usize,
}

/// Results of measuring.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// Problem by problem.
    pub choices: Vec<Choice>,
    /// Problems that the time did not suffice for.
    pub left: usize,
    /// Variants that did not run or computed something else, with the reason.
    pub failed: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Measures variants of each problem for at most about `budget`, in which each has a share by its
/// cost, and returns the fastest ones. What is not reached is left to the rule. `current` says
/// which variant the search begins at.
///
/// `progress` gets how many of how many problems are done, and the next one's name.
///
/// # Errors
/// [`Error::DeviceLost`]. A variant that does not run is not chosen, and is named in the report.
pub fn measure(
    gpu: &Gpu,
    loads: &[Load],
    current: &Tuning,
    budget: Duration,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<Report> {
    let started = Instant::now();
    let mut loads = loads.to_vec();
    loads.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    let mut report = Report::default();
    let mut checked = Checked::new();
    for (at, load) in loads.iter().enumerate() {
        let left = budget.saturating_sub(started.elapsed());
        if left.is_zero() {
            report.left = loads.len() - at;
            break;
        }
        progress(at, loads.len(), &load.problem.to_string());
        // What is left is shared out among what is left.
        let rest: f64 = loads[at..].iter().map(Load::weight).sum();
        let until = Instant::now() + left.mul_f64((load.weight() / rest).clamp(0.0, 1.0));
        measure_one(gpu, load, current, until, &mut checked, &mut report)?;
    }
    progress(loads.len() - report.left, loads.len(), "");
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// What was found wrong with a variant on a cropped problem, if anything.
type Checked = HashMap<(String, Variant), Option<String>>;

/// Measures the variants of one problem until about `until`, and reports the fastest.
fn measure_one(
    gpu: &Gpu,
    load: &Load,
    current: &Tuning,
    until: Instant,
    checked: &mut Checked,
    report: &mut Report,
) -> Result<()> {
    let problem = &load.problem;
    let first = current.choose(problem);
    let values = operands(&problem.inputs);
    let check = |variant: Variant| -> Result<Option<String>> {
        let key = (super::check::crop(problem, variant.split).to_string(), variant);
        if let Some(known) = checked.get(&key) {
            return Ok(known.clone());
        }
        let found = fault(gpu, problem, variant).or_else(survive)?;
        checked.insert(key, found.clone());
        Ok(found)
    };
    let time = |variant: Variant, best: Option<f64>| -> Result<Option<Trial>> {
        if best.is_some() && Instant::now() >= until {
            return Ok(None);
        }
        match trial(gpu, problem, variant, &values, best, until) {
            Ok(trial) => Ok(trial),
            Err(e) => Ok(survive(e)?.map(Trial::Failed)),
        }
    };
    let found = search(first, &Variant::candidates(problem, gpu.family()), time, check)?;
    // What a driver keeps of freed buffers until it is polled.
    gpu.wait("tuning")?;
    let Some(found) = found else {
        report.failed.push(format!("{problem}: nothing runs"));
        return Ok(());
    };
    let Found { mut variant, mut seconds, first: mut rule_seconds, tried, mut failed } = found;
    if variant != first
        && let Some(rule) = rule_seconds
    {
        match duel(gpu, problem, [variant, first], seconds.min(rule), &values) {
            Ok([old, gain]) => {
                rule_seconds = Some(old);
                // By the rounds' ratios, which noise spares, not by two medians, which may
                // contradict them.
                (variant, seconds) =
                    if gain * GAIN > 1.0 { (variant, old / gain) } else { (first, old) };
            }
            Err(e) => {
                failed.extend(survive(e)?.map(|why| (variant, why)));
                (variant, seconds) = (first, rule);
            }
        }
    }
    let failed = failed.into_iter().map(|(variant, why)| format!("{problem}: {variant}: {why}"));
    report.failed.extend(failed);
    let choice = Choice { load: *load, variant, seconds, rule: first, rule_seconds, tried };
    report.choices.push(choice);
    Ok(())
}

/// A variant that fails is a reason not to choose it; a lost device ends everything.
fn survive(e: Error) -> Result<Option<String>> {
    match e {
        Error::DeviceLost { .. } => Err(e),
        other => Ok(Some(other.to_string())),
    }
}

/// Samples of a variant, fewer of slow ones.
const SAMPLES: usize = 5;
const SLOW_SAMPLES: usize = 3;
/// Seconds from which one is slow.
const SLOW: f64 = 0.1;
/// Length of a sample, against what a submit and a wait take: software drivers, and GPUs.
const SAMPLE: [f64; 2] = [0.01, 0.003];
/// Slower than the best by these factors: not worth a second sample, not worth more of them.
const HOPELESS: f64 = 3.0;
const WORSE: f64 = 1.25;

/// Measures a variant. `None`: time is up.
fn trial(
    gpu: &Gpu,
    problem: &Problem,
    variant: Variant,
    values: &[Vec<u8>],
    best: Option<f64>,
    until: Instant,
) -> Result<Option<Trial>> {
    let mut tuning = Tuning::on(gpu);
    tuning.set(problem, variant);
    let pipelines = gpu.pipeline_count();
    let single = Single::new(gpu, problem, tuning, Fused::default(), values)?;
    let mut each = single.run(1)?;
    // Software drivers compile at the first run.
    if gpu.pipeline_count() > pipelines || !gpu.is_software() {
        each = single.run(1)?;
    }
    let worse = |seconds: f64, factor: f64| best.is_some_and(|b| seconds > factor * b);
    let length = SAMPLE[usize::from(!gpu.is_software())];
    let mut repeats = 1;
    // A single run on a GPU is mostly submission and waiting: measure a sample.
    while each * (repeats as f64) < length / 2.0 && repeats < 4096 {
        repeats = ((length / each) as usize).clamp(repeats + 1, 8 * repeats);
        each = single.run(repeats)?;
    }
    if worse(each, HOPELESS) {
        return Ok(Some(Trial::Hopeless));
    }
    let count = if each > SLOW { SLOW_SAMPLES } else { SAMPLES };
    let mut samples = vec![each];
    while samples.len() < count {
        if Instant::now() >= until {
            // The first variant has been measured somehow; another one has to be better than that
            // beyond doubt.
            match best {
                None => break,
                Some(_) => return Ok(None),
            }
        }
        samples.push(single.run(repeats)?);
        if samples.iter().all(|s| worse(*s, WORSE)) && samples.len() > 1 {
            return Ok(Some(Trial::Hopeless));
        }
    }
    Ok(Some(Trial::Took(median(samples))))
}

/// Two variants run by turns: the second one's seconds, and how many times faster the first one is,
/// round by round: whatever else the machine did meanwhile, it did to both.
fn duel(
    gpu: &Gpu,
    problem: &Problem,
    variants: [Variant; 2],
    seconds: f64,
    values: &[Vec<u8>],
) -> Result<[f64; 2]> {
    let make = |variant| -> Result<Single> {
        let mut tuning = Tuning::on(gpu);
        tuning.set(problem, variant);
        let single = Single::new(gpu, problem, tuning, Fused::default(), values)?;
        single.run(1).map(|_| single)
    };
    let [new, old] = [make(variants[0])?, make(variants[1])?];
    let repeats = ((SAMPLE[usize::from(!gpu.is_software())] / seconds) as usize).clamp(1, 4096);
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..SAMPLES {
        let (a, b) = (new.run(repeats)?, old.run(repeats)?);
        rounds.iter_mut().zip([b, b / a]).for_each(|(all, value)| all.push(value));
    }
    Ok(rounds.map(median))
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
