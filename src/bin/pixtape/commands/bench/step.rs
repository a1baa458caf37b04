//! `pixtape bench step`: a whole training step and its parts.

use crate::commands::bench::data::Data;
use crate::commands::bench::measure::{LR, Timing, about, check_seconds, round, warm_trainer};
use crate::commands::bench::options::StepOptions;
use crate::commands::bench::whereto::WhereTo;
use crate::commands::bench::{against, sizes};
use pixtape::gpu::Gpu;
use pixtape::picture::borrowed;
use pixtape::plan::{Clock, Program};
use pixtape::run::Trainer;
use pixtape::session::peak_memory;
use pixtape::train::AnyModel;
use pixtape::{Error, Result};
use serde_json::{Value, json};
use std::time::Instant;

struct Report<'a> {
    gpu: &'a Gpu,
    options: &'a StepOptions,
    trainer: Trainer,
    /// Origin of the choice of kernels.
    tuning: String,
    /// Seconds from planning to the end of the second step.
    prepare: f64,
    /// Encoding alone; the whole call, which submits (software drivers compute during it); from the
    /// call until the device is done.
    encode: Timing,
    call: Timing,
    done: Timing,
    /// Seconds per step without waiting for the previous one.
    running: f64,
    steps: usize,
    /// Seconds per step spent waiting for images, and a description of them.
    data_wait: f64,
    data: String,
    where_to: WhereTo,
}

/// Limits of the number of measured steps.
const STEPS: std::ops::RangeInclusive<usize> = 3..=100;

/// Runs `bench step`.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let options = StepOptions::read(words)?;
    check_seconds(options.args.seconds)?;
    if let Some(flags) = &options.args.against {
        return against::run(&options, flags);
    }
    if !options.args.sizes.is_empty() || !options.args.batches.is_empty() {
        return sizes::run(&options);
    }
    if options.args.svg.is_some() {
        return Err(Error::Usage(
            "--svg draws what --sizes and --batches measure; give one of them".into(),
        ));
    }
    let mut train = options.train.clone();
    let data = Data::open(&mut train)?;
    let config = train.resolve(data.dataset())?;
    let gpu = options.device().open()?;
    let report = Report::measure(&gpu, &options, config, &data)?;
    if options.args.json {
        println!("{:#}", report.json());
    } else {
        report.print();
    }
    Ok(())
}

/// Seconds to encode a step, which is then dropped.
fn encoding(program: &Program) -> f64 {
    let start = Instant::now();
    let mut encoder = program.gpu().device().create_command_encoder(&Default::default());
    program.encode(&mut encoder, 0..program.dispatch_count());
    drop(encoder.finish());
    start.elapsed().as_secs_f64()
}

impl<'a> Report<'a> {
    fn measure(
        gpu: &'a Gpu,
        options: &'a StepOptions,
        config: AnyModel,
        data: &Data,
    ) -> Result<Report<'a>> {
        let tuned = options.tuned(gpu, &config)?;
        let started = Instant::now();
        let (mut trainer, planes) = warm_trainer(gpu, config, tuned.options(options.plan()))?;
        let prepare = started.elapsed().as_secs_f64();
        let (started, mut encode, mut call, mut done) =
            (Instant::now(), Vec::new(), Vec::new(), Vec::new());
        while done.len() < *STEPS.start()
            || (started.elapsed().as_secs_f64() < options.args.seconds && done.len() < *STEPS.end())
        {
            encode.push(encoding(trainer.program()));
            let start = Instant::now();
            trainer.step(&borrowed(&planes), LR)?;
            call.push(start.elapsed().as_secs_f64());
            gpu.wait("step")?;
            done.push(start.elapsed().as_secs_f64());
        }
        trainer.finish()?;
        let steps = done.len();
        let started = Instant::now();
        for _ in 0..steps {
            trainer.step(&borrowed(&planes), LR)?;
        }
        trainer.finish()?;
        let running = started.elapsed().as_secs_f64() / steps as f64;
        let data_wait = data.wait(&mut trainer, steps)?;
        let where_to = WhereTo::measure(trainer.program())?;
        let [encode, call, done] =
            [encode, call, done].map(|seconds| Timing::of(seconds, Clock::Wall));
        let tuning = tuned.to_string();
        Ok(Report {
            gpu,
            options,
            trainer,
            tuning,
            prepare,
            encode,
            call,
            done,
            running,
            steps,
            data_wait,
            data: data.describe(),
            where_to,
        })
    }

    fn images(&self) -> f64 {
        f64::from(self.trainer.settings().pictures) / self.running
    }

    /// Share of a step in which the device would be idle if the host did not work ahead.
    fn launch_share(&self) -> f64 {
        self.encode.median / self.done.median
    }

    fn print(&self) {
        let (plan, config) = (self.trainer.program().plan(), self.trainer.settings());
        let generator = self.trainer.generators()[0].config();
        let (cost, ms) = (plan.cost(), |t: Timing| {
            format!("{:.3} ms (best {:.3})", 1e3 * t.median, 1e3 * t.min)
        });
        println!("{} ({} kernels), {}", self.gpu.name(), self.gpu.family(), self.options.size);
        println!(
            "{}x{}, batch {}, {}, ngf {}, ndf {}",
            config.size.0,
            config.size.1,
            config.pictures,
            generator,
            generator.ngf(),
            self.options.train.nets.ndf
        );
        println!(
            "plan: {} nodes, {} dispatches, {:.2} GFLOP, {:.0} MB touched",
            plan.nodes().len(),
            plan.dispatches(),
            cost.flop as f64 / 1e9,
            cost.bytes as f64 / 1e6
        );
        println!("kernels: {}", self.tuning);
        println!("planned memory: {}", plan.memory());
        println!("activations over their lower bound: {:.3}", plan.memory().activations_ratio());
        if let Some(peak) = peak_memory() {
            println!("process memory peak: {:.0} MiB", peak as f64 / f64::from(1 << 20));
        }
        println!(
            "prepare and two steps: {:.2} s, {} pipelines",
            self.prepare,
            self.gpu.pipeline_count()
        );
        println!("{} steps, {} segments each", self.steps, self.trainer.program().segment_count());
        println!(
            "  encoding        {}, {:.2} µs per dispatch",
            ms(self.encode),
            1e6 * self.encode.median / plan.dispatches() as f64
        );
        println!("  call            {}", ms(self.call));
        println!(
            "  call to done    {}, launch share {:.1} %",
            ms(self.done),
            100.0 * self.launch_share()
        );
        println!(
            "  running         {:.3} ms/step, {:.2} images/s, {:.1} GFLOP/s",
            1e3 * self.running,
            self.images(),
            cost.flop as f64 / self.running / 1e9
        );
        println!("  data wait       {:.3} ms/step: {}", 1e3 * self.data_wait, self.data);
        self.where_to.print();
    }

    fn json(&self) -> Value {
        let (plan, config) = (self.trainer.program().plan(), self.trainer.settings());
        let (memory, cost) = (plan.memory(), plan.cost());
        let mut report = json!({
            "about": about(self.gpu),
            "size": self.options.size,
            "flags": self.options.words.join(" "),
            "width": config.size.0,
            "height": config.size.1,
            "batch_size": config.pictures,
            "nodes": plan.nodes().len(),
            "dispatches": plan.dispatches(),
            "pipelines": self.gpu.pipeline_count(),
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
                "activations_lower_bound": memory.activations_lower_bound,
                "inputs": memory.inputs,
                "uniforms": memory.uniforms,
            },
            "activations_ratio": round(memory.activations_ratio()),
            "process_peak_bytes": peak_memory(),
            "prepare_s": round(self.prepare),
            "steps": self.steps,
            "kernels": self.tuning,
            "segments": self.trainer.program().segment_count(),
            "encode_ms": self.encode.json(),
            "call_ms": self.call.json(),
            "done_ms": self.done.json(),
            "launch_share": round(self.launch_share()),
            "running_ms": round(1e3 * self.running),
            "data_wait_ms": round(1e3 * self.data_wait),
            "data": self.data,
            "images_per_s": round(self.images()),
            "gflops": round(cost.flop as f64 / self.running / 1e9),
        });
        self.where_to.json(&mut report);
        report
    }
}
