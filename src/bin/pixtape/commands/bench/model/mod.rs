//! `pixtape bench model`: the time of a training step on GPUs that are not here, on paper.

mod counts;
mod gpus;
mod predict;
mod time;

use crate::commands::bench::flags::ModelArgs;
use crate::commands::bench::measure::{Device, round, warm_trainer};
use crate::options::Preset;
use counts::{Counts, LOOPS};
use gpus::Gpu;
use pixtape::Result;
use pixtape::gpu::Family;
use pixtape::plan::{Plan, PlanOptions};
use pixtape::run::Trainer;
use predict::{PARTS, Prediction};
use serde_json::{Value, json};

/// A step that was measured.
struct Measured {
    adapter: String,
    plan: Plan,
    /// Seconds of each node, by the device's clock.
    nodes: Vec<f64>,
}

/// Runs `bench model`.
pub(crate) fn run(args: &ModelArgs) -> Result<()> {
    let counts = args.counts.as_deref().map_or_else(|| Ok(Counts::built_in()), Counts::read)?;
    let mut gpus = Gpu::named(&args.gpu)?;
    let measured = args.measure.then(|| measure(args)).transpose()?;
    if let Some(measured) = &measured
        && args.gpu.is_empty()
    {
        match Gpu::of_adapter(&measured.adapter) {
            Some(gpu) => gpus = vec![gpu],
            None => eprintln!(
                "note: {} is not in the table of GPUs; it is shown beside all of them (--gpu \
                 chooses)",
                measured.adapter
            ),
        }
    }
    let planned;
    let plan = match &measured {
        Some(measured) => &measured.plan,
        None => {
            planned = plan(args.preset, args.batch_size)?;
            &planned
        }
    };
    let predictions: Vec<Prediction> =
        gpus.iter().map(|gpu| Prediction::new(plan, gpu, &counts)).collect();
    if args.json {
        println!("{:#}", json(args, plan, &predictions, measured.as_ref()));
        return Ok(());
    }
    print_plan(args, plan, &predictions);
    for prediction in &predictions {
        print(prediction, measured.as_ref());
    }
    assumptions(&predictions);
    Ok(())
}

/// As a GPU plans it that nobody has tuned.
fn plan(preset: Preset, batch_size: u32) -> Result<Plan> {
    let options = PlanOptions { max_binding: Some((2 << 30) - 4), ..PlanOptions::default() };
    Trainer::plan(&preset.config(batch_size)?, Family::Workgroup, options)
}

/// Runs the step with the kernels that the prediction is for.
fn measure(args: &ModelArgs) -> Result<Measured> {
    let workgroup = Some(crate::options::FamilyName::Workgroup);
    let gpu = Device { adapter: args.adapter.clone(), family: workgroup }.open()?;
    let config = args.preset.config(args.batch_size)?;
    let (trainer, _) = warm_trainer(&gpu, config, PlanOptions::default().on(&gpu))?;
    let program = trainer.program();
    let nodes = program.time_nodes()?.seconds;
    let config = args.preset.config(args.batch_size)?;
    let plan = Trainer::plan(&config, gpu.family(), PlanOptions::default().on(&gpu))?;
    Ok(Measured { adapter: gpu.info().name.clone(), plan, nodes })
}

impl Measured {
    /// Seconds of a part. The device's clock knows nodes; those of several parts are divided as
    /// they are predicted.
    fn part(&self, prediction: &Prediction, part: usize) -> f64 {
        let nodes = prediction.nodes.iter().zip(&self.nodes);
        nodes.fold(0.0, |sum, (predicted, seconds)| {
            let all: f64 = predicted.iter().sum();
            sum + if all > 0.0 { seconds * predicted[part] / all } else { 0.0 }
        })
    }
}

fn print_plan(args: &ModelArgs, plan: &Plan, predictions: &[Prediction]) {
    let (cost, memory) = (plan.cost(), plan.memory().total());
    let Some(one) = predictions.first() else { return };
    println!("{}, batch {}: a model, not a measurement", args.preset.name(), args.batch_size);
    println!(
        "{} dispatches; {:.1} GFLOP, {:.1} of them after filtering; {:.2} GB of tensors and \
         {:.2} GB of scratch read and written; {} MiB planned",
        plan.dispatches(),
        cost.flop as f64 / 1e9,
        2.0 * one.multiply_adds as f64 / 1e9,
        one.tensors as f64 / 1e9,
        one.scratch as f64 / 1e9,
        memory >> 20
    );
}

fn print(prediction: &Prediction, measured: Option<&Measured>) {
    let Prediction { gpu, parts, .. } = prediction;
    let total = prediction.seconds();
    let ms = |seconds: f64| 1e3 * seconds;
    println!(
        "\n{}: {:.2} ms ({:.1} TFLOP/s, {} GB/s)",
        gpu.name,
        ms(total),
        2.0 * gpu.peak() / 1e12,
        gpu.dram_gbs
    );
    let head = if measured.is_some() { "  measured" } else { "" };
    println!(
        "{:>9} {:>6} {:>8} {:>9} {:>10}{head}  part",
        "ms", "%", "least", "avoidable", "dispatches"
    );
    let mut order: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].dispatches > 0).collect();
    order.sort_by(|a, b| parts[*b].avoidable().total_cmp(&parts[*a].avoidable()));
    for at in order {
        let part = &parts[at];
        let seen = measured.map(|m| format!(" {:>9.3}", ms(m.part(prediction, at))));
        println!(
            "{:>9.3} {:>6.1} {:>8.3} {:>9.3} {:>10}{}  {}",
            ms(part.seconds()),
            100.0 * part.seconds() / total,
            ms(part.least),
            ms(part.avoidable()),
            part.dispatches,
            seen.unwrap_or_default(),
            PARTS[at]
        );
    }
    if let Some(measured) = measured {
        let seen: f64 = measured.nodes.iter().sum();
        println!(
            "measured on {}: {:.2} ms node by node, {:.2} times the prediction",
            measured.adapter,
            ms(seen),
            seen / total
        );
    }
}

/// What the figures rest on.
fn assumptions(predictions: &[Prediction]) {
    println!("\nAssumed:");
    println!(
        "- a dispatch starts when the one before it has ended, {} us later; `ms` includes that",
        predictions.iter().map(|p| p.gpu.dispatch_us).fold(0.0, f64::max)
    );
    println!(
        "- a product: share of multiply-adds and trips to memory of the hot loop as AMD's compiler \
         makes it ({LOOPS}), registers, waves and spills as the GPU's own open compiler does; the \
         vendors' compilers are not known"
    );
    println!(
        "- anything else moves its tensors once: at 85 % of the memory's bandwidth, or, where they \
         take less than 60 % of the cache and are not weights, at 60 % of the cache's"
    );
    println!(
        "- `least`: multiply-adds with every lane busy, or tensors once through the memory, \
         without scratch; `avoidable` is the rest of `ms`. Whether it can be avoided is another question"
    );
    if let Some(unknown) = predictions.iter().map(|p| p.unknown).max().filter(|n| *n > 0) {
        println!(
            "- {unknown} kernels have no counts, nor any like them: half of the loop multiplies \
             and adds, one trip"
        );
    }
}

fn json(
    args: &ModelArgs,
    plan: &Plan,
    predictions: &[Prediction],
    measured: Option<&Measured>,
) -> Value {
    let ms = |seconds: f64| round(1e3 * seconds);
    let gpu = |p: &Prediction| {
        let part = |(at, name): (usize, &&str)| {
            let part = &p.parts[at];
            let mut row = json!({
                "part": name, "ms": ms(part.seconds()), "least_ms": ms(part.least),
                "avoidable_ms": ms(part.avoidable()), "dispatches": part.dispatches,
            });
            if let Some(measured) = measured {
                row["measured_ms"] = ms(measured.part(p, at)).into();
            }
            row
        };
        let parts: Vec<Value> = PARTS.iter().enumerate().map(part).collect();
        json!({ "gpu": p.gpu.name, "ms": ms(p.seconds()), "parts": parts })
    };
    let one = predictions.first();
    let mut report = json!({
        "preset": args.preset.name(), "batch_size": args.batch_size,
        "dispatches": plan.dispatches(), "flop": plan.cost().flop, "bytes": plan.cost().bytes,
        "scratch_bytes": one.map(|p| p.scratch), "multiply_adds": one.map(|p| p.multiply_adds),
        "gpus": predictions.iter().map(gpu).collect::<Vec<_>>(),
    });
    if let Some(measured) = measured {
        report["measured_on"] = measured.adapter.clone().into();
        report["measured_ms"] = ms(measured.nodes.iter().sum()).into();
    }
    report
}
