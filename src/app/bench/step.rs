//! `pixtape bench step`: a whole training step, and where its time goes.

use super::{LR, Timing, about, preset, round, warm_trainer_with};
use crate::app::flags::BenchArgs;
use crate::app::train::peak_memory;
use crate::app::tune::resolve;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::Cost;
use crate::plan::{PlanOptions, Program};
use crate::train::Pix2Pix;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// What an operation takes of a step.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    seconds: f64,
    nodes: usize,
    cost: Cost,
}

struct Report {
    /// Where the kernels' choice comes from.
    tuning: String,
    config: crate::train::Pix2PixConfig,
    /// From planning to the end of the second step.
    prepare: f64,
    /// Encoding alone; the whole call, which submits (software drivers compute meanwhile); from the call until the device is done.
    encode: Timing,
    call: Timing,
    done: Timing,
    /// A step when nobody waits for the one before.
    running: f64,
    steps: usize,
    segments: usize,
    parts: Vec<(&'static str, Part)>,
}

/// Rounds of the table by operation: the least of them counts.
const ROUNDS: usize = 3;
/// Fewest and most measured steps.
const STEPS: std::ops::RangeInclusive<usize> = 3..=100;

/// Measures.
pub(super) fn run(gpu: &Gpu, args: &BenchArgs) -> Result<()> {
    let config = preset(&args.preset, args.batch_size)?;
    let plan = Pix2Pix::plan(&config, gpu.family(), PlanOptions::default())?;
    let wish = args.tune.clone().unwrap_or_default();
    let tuned = resolve(gpu, &crate::tune::problems(&plan), &wish, true)?;
    let started = Instant::now();
    let (mut trainer, [input, target]) = warm_trainer_with(gpu, config.clone(), tuned.options(PlanOptions::default()))?;
    let prepare = started.elapsed().as_secs_f64();

    let (started, mut encode, mut call, mut done) = (Instant::now(), Vec::new(), Vec::new(), Vec::new());
    while done.len() < *STEPS.start() || (started.elapsed().as_secs_f64() < args.seconds && done.len() < *STEPS.end()) {
        encode.push(encoding(trainer.program()));
        let start = Instant::now();
        trainer.step(&input, &target, LR)?;
        call.push(start.elapsed().as_secs_f64());
        gpu.wait("step")?;
        done.push(start.elapsed().as_secs_f64());
    }
    trainer.finish()?;
    let steps = done.len();
    let started = Instant::now();
    for _ in 0..steps {
        trainer.step(&input, &target, LR)?;
    }
    trainer.finish()?;
    let running = started.elapsed().as_secs_f64() / steps as f64;
    let parts = parts(&trainer)?;
    let (encode, call, done) = (Timing::of(encode), Timing::of(call), Timing::of(done));
    let segments = trainer.program().segment_count();
    let tuning = tuned.to_string();
    let report = Report { config, tuning, prepare, encode, call, done, running, steps, segments, parts };
    if args.json {
        println!("{:#}", report.json(gpu, args, &trainer));
    } else {
        report.print(gpu, args, &trainer);
    }
    Ok(())
}

/// Seconds that it takes to encode a step, which is then dropped.
fn encoding(program: &Program) -> f64 {
    let start = Instant::now();
    let mut encoder = program.gpu().device().create_command_encoder(&Default::default());
    program.encode(&mut encoder, 0..program.dispatch_count());
    drop(encoder.finish());
    start.elapsed().as_secs_f64()
}

/// Runs the step node by node, waiting for each, and adds up by operation; the longest first.
fn parts(trainer: &Pix2Pix) -> Result<Vec<(&'static str, Part)>> {
    let program = trainer.program();
    let nodes = program.plan().nodes();
    let mut least = vec![f64::INFINITY; nodes.len()];
    for _ in 0..ROUNDS {
        for (range, least) in program.node_ranges().iter().zip(&mut least).filter(|(r, _)| !r.is_empty()) {
            let start = Instant::now();
            program.submit(range.clone())?;
            program.gpu().wait("node")?;
            *least = least.min(start.elapsed().as_secs_f64());
        }
    }
    let mut parts: BTreeMap<&'static str, Part> = BTreeMap::new();
    for (node, seconds) in nodes.iter().zip(least).filter(|(_, s)| s.is_finite()) {
        let part = parts.entry(node.op).or_default();
        part.seconds += seconds;
        part.nodes += 1;
        part.cost = Cost { flop: part.cost.flop + node.cost.flop, bytes: part.cost.bytes + node.cost.bytes };
    }
    let mut parts: Vec<(&'static str, Part)> = parts.into_iter().collect();
    parts.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
    Ok(parts)
}

impl Report {
    fn images(&self) -> f64 {
        f64::from(self.config.batch_size) / self.running
    }

    /// Share of a step that the device would sit idle if the host did not work ahead.
    fn launch_share(&self) -> f64 {
        self.encode.median / self.done.median
    }

    fn print(&self, gpu: &Gpu, args: &BenchArgs, trainer: &Pix2Pix) {
        let plan = trainer.program().plan();
        let (cost, ms) = (plan.cost(), |t: Timing| format!("{:.3} ms (best {:.3})", 1e3 * t.median, 1e3 * t.min));
        println!("{} ({} kernels), {}, batch {}", gpu.name(), gpu.family(), args.preset, self.config.batch_size);
        println!(
            "plan: {} nodes, {} dispatches, {:.2} GFLOP, {:.0} MB touched",
            plan.nodes().len(),
            plan.dispatches(),
            cost.flop as f64 / 1e9,
            cost.bytes as f64 / 1e6
        );
        println!("kernels: {}", self.tuning);
        println!("planned memory: {}", plan.memory());
        if let Some(peak) = peak_memory() {
            println!("process memory peak: {:.0} MiB", peak as f64 / f64::from(1 << 20));
        }
        println!("prepare and two steps: {:.2} s, {} pipelines", self.prepare, gpu.pipeline_count());
        println!("{} steps, {} segments each", self.steps, self.segments);
        println!("  encoding        {}", ms(self.encode));
        println!("  call            {}", ms(self.call));
        println!("  call to done    {}, launch share {:.1} %", ms(self.done), 100.0 * self.launch_share());
        println!("  running         {:.3} ms/step, {:.2} images/s, {:.1} GFLOP/s", 1e3 * self.running, self.images(), cost.flop as f64 / self.running / 1e9);
        let total: f64 = self.parts.iter().map(|(_, p)| p.seconds).sum();
        println!("\nwhere the time goes ({:.3} ms node by node: each is waited for, which adds its own cost)", 1e3 * total);
        println!("{:>6} {:>10} {:>6} {:>9} {:>8}  operation", "%", "ms", "nodes", "GFLOP/s", "GB/s");
        for (op, part) in &self.parts {
            let (flops, bytes) = (part.cost.flop as f64 / part.seconds, part.cost.bytes as f64 / part.seconds);
            println!("{:>6.1} {:>10.3} {:>6} {:>9.1} {:>8.2}  {op}", 100.0 * part.seconds / total, 1e3 * part.seconds, part.nodes, flops / 1e9, bytes / 1e9);
        }
    }

    fn json(&self, gpu: &Gpu, args: &BenchArgs, trainer: &Pix2Pix) -> Value {
        let plan = trainer.program().plan();
        let (memory, cost) = (plan.memory(), plan.cost());
        let ms = |t: Timing| json!({ "median": round(1e3 * t.median), "min": round(1e3 * t.min) });
        let part = |(op, part): &(&str, Part)| json!({ "op": op, "ms": round(1e3 * part.seconds), "nodes": part.nodes, "flop": part.cost.flop, "bytes": part.cost.bytes });
        json!({
            "about": about(gpu),
            "preset": args.preset,
            "batch_size": self.config.batch_size,
            "nodes": plan.nodes().len(),
            "dispatches": plan.dispatches(),
            "pipelines": gpu.pipeline_count(),
            "flop": cost.flop,
            "bytes": cost.bytes,
            "planned_bytes": {
                "total": memory.total(),
                "parameters": memory.parameters,
                "gradients": memory.gradients,
                "moments": memory.moments,
                "running": memory.running,
                "activations": memory.activations,
                "activations_without_reuse": memory.activations_without_reuse,
                "inputs": memory.inputs,
                "uniforms": memory.uniforms,
            },
            "process_peak_bytes": peak_memory(),
            "prepare_s": round(self.prepare),
            "steps": self.steps,
            "segments": self.segments,
            "encode_ms": ms(self.encode),
            "call_ms": ms(self.call),
            "done_ms": ms(self.done),
            "launch_share": round(self.launch_share()),
            "running_ms": round(1e3 * self.running),
            "images_per_s": round(self.images()),
            "gflops": round(cost.flop as f64 / self.running / 1e9),
            "operations": self.parts.iter().map(part).collect::<Vec<_>>(),
        })
    }
}
