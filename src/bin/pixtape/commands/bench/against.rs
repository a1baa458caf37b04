//! `bench step --against`: two sets of options, interleaved step by step.

use crate::commands::bench::measure::{LR, Planes, Timing, about, round, warm_trainer};
use crate::commands::bench::options::StepOptions;
use pixtape::Result;
use pixtape::gpu::Gpu;
use pixtape::picture::borrowed;
use pixtape::plan::Clock;
use pixtape::run::Trainer;
use serde_json::{Value, json};
use std::time::Instant;

/// Limits of the number of rounds; each round runs both once.
const ROUNDS: std::ops::RangeInclusive<usize> = 5..=200;

/// One of the two sets.
struct Side {
    gpu: Gpu,
    trainer: Trainer,
    planes: Planes,
    seconds: Vec<f64>,
}

impl Side {
    fn new(gpu: Gpu, options: &StepOptions) -> Result<Side> {
        let config = options.config(None)?;
        let tuned = options.tuned(&gpu, &config)?;
        let (trainer, planes) = warm_trainer(&gpu, config, tuned.options(options.plan()))?;
        Ok(Side { gpu, trainer, planes, seconds: Vec::new() })
    }

    fn step(&mut self) -> Result<()> {
        let start = Instant::now();
        self.trainer.step(&borrowed(&self.planes), LR)?;
        self.gpu.wait("step")?;
        self.seconds.push(start.elapsed().as_secs_f64());
        Ok(())
    }

    fn timing(&self) -> Timing {
        Timing::of(self.seconds.clone(), Clock::Wall)
    }

    fn json(&self) -> Value {
        let (cost, memory) =
            (self.trainer.program().plan().cost(), self.trainer.program().plan().memory().total());
        json!({
            "about": about(&self.gpu), "step_ms": self.timing().json(), "flop": cost.flop,
            "planned_bytes": memory,
        })
    }
}

/// Runs both and prints the comparison.
pub(crate) fn run(first: &StepOptions, flags: &str) -> Result<()> {
    let second = first.with(flags)?;
    let gpu = first.device().open()?;
    let other =
        if second.device() == first.device() { gpu.clone() } else { second.device().open()? };
    let (mut a, mut b) = (Side::new(gpu, first)?, Side::new(other, &second)?);
    let started = Instant::now();
    for round in 0..*ROUNDS.end() {
        if round >= *ROUNDS.start() && started.elapsed().as_secs_f64() >= first.args.seconds {
            break;
        }
        // The second one finds the caches full of the other's data, so they take turns.
        let (one, two) = if round % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        one.step()?;
        two.step()?;
    }
    let ratio = b.timing().median / a.timing().median;
    let mut ratios: Vec<f64> = a.seconds.iter().zip(&b.seconds).map(|(a, b)| b / a).collect();
    ratios.sort_by(f64::total_cmp);
    let quarters = [ratios[ratios.len() / 4], ratios[3 * ratios.len() / 4]];
    if first.args.json {
        let sides = json!({
            "size": first.size, "flags": first.words.join(" "), "against": flags,
            "rounds": ratios.len(),
        });
        println!(
            "{:#}",
            json!({
                "what": sides, "a": a.json(), "b": b.json(), "ratio": round(ratio),
                "quartiles": quarters.map(round),
            })
        );
        return Ok(());
    }
    println!(
        "{}, batch {}; {} rounds, interleaved, each step waited for",
        first.size,
        first.train.data.batch_size,
        ratios.len()
    );
    for (name, side, flags) in [("A", &a, "as it is"), ("B", &b, flags)] {
        let (time, memory) = (
            side.timing(),
            side.trainer.program().plan().memory().total() as f64 / f64::from(1 << 20),
        );
        println!(
            "{name} {:>10.3} ms (best {:.3}), {memory:.1} MiB planned, {} ({} kernels): {flags}",
            1e3 * time.median,
            1e3 * time.min,
            side.gpu.name(),
            side.gpu.family()
        );
    }
    println!(
        "B over A: {ratio:.3} (medians); half of the rounds between {:.3} and {:.3}",
        quarters[0], quarters[1]
    );
    Ok(())
}
