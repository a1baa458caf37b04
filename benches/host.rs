//! What the host spends: recording and planning a training step, and encoding one. `cargo bench --bench host`
//!
//! Medians of many rounds. Planning pix2pix at 256x256 should stay below 150 ms: it is what a person waits for before anything happens.

use pixtape::gpu::Family;
use pixtape::nets::{DiscriminatorKind, InitType, NormKind, UnetConfig};
use pixtape::train::{GanMode, Pix2Pix, Pix2PixConfig};
use pixtape::{Error, Gpu, PlanOptions, Result};
use std::hint::black_box;
use std::time::Instant;

fn config(side: u32, downs: u32, width: u32) -> Pix2PixConfig {
    Pix2PixConfig {
        generator: UnetConfig { input_nc: 3, output_nc: 3, ngf: width, downs, norm: NormKind::Batch, dropout: true },
        discriminator: DiscriminatorKind::Patch { n_layers: 3 },
        ndf: width,
        batch_size: 1,
        width: side,
        height: side,
        gan_mode: GanMode::Vanilla,
        lambda_l1: 100.0,
        beta1: 0.5,
        init_type: InitType::Normal,
        init_gain: 0.02,
        seed: 0,
    }
}

/// Median, fastest and slowest of some rounds, in seconds. The first round warms caches and does not count.
fn rounds(count: usize, mut round: impl FnMut()) -> [f64; 3] {
    round();
    let mut seconds: Vec<f64> = (0..count)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    [seconds[count / 2], seconds[0], seconds[count - 1]]
}

fn row(name: &str, unit: &str, per: f64, [median, fastest, slowest]: [f64; 3]) {
    println!("{name:<84} {:>9.3} {:>9.3} {:>9.3}  {unit}", median * per, fastest * per, slowest * per);
}

fn main() -> Result<()> {
    println!("{:<84} {:>9} {:>9} {:>9}", "", "median", "fastest", "slowest");
    for (name, config) in [("pix2pix 256", config(256, 8, 64)), ("pix2pix 64, a sixteenth of the channels", config(64, 6, 4))] {
        for family in [Family::Workgroup, Family::Register] {
            let plan = || Pix2Pix::plan(&config, family, PlanOptions::default());
            let (nodes, dispatches) = plan().map(|p| (p.nodes().len(), p.dispatches()))?;
            let times = rounds(30, || {
                let _ = black_box(plan());
            });
            row(&format!("record and plan {name}, {family} ({nodes} nodes, {dispatches} dispatches)"), "ms", 1e3, times);
        }
    }
    let gpu = match pollster::block_on(Gpu::request(&Default::default())) {
        Err(Error::Adapter(message)) => {
            println!("encoding: SKIPPED (no adapter): {message}");
            return Ok(());
        }
        found => found?,
    };
    // A small net has as many dispatches as a large one, and does not fill the memory.
    let trainer = Pix2Pix::new(&gpu, config(64, 6, 4), PlanOptions::default())?;
    let program = trainer.program();
    let dispatches = program.dispatch_count();
    let each = 1e6 / dispatches as f64;
    let times = rounds(50, || {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        program.encode(&mut encoder, 0..dispatches);
        black_box(encoder.finish());
    });
    row(&format!("encode a step ({dispatches} dispatches, never submitted)"), "µs a dispatch", each, times);
    // What a step costs the host, and what it takes until the device has done it: the difference is the device's.
    let (mut step, mut submitted) = (0, Vec::new());
    let done = rounds(20, || {
        step += 1;
        let start = Instant::now();
        program.step(&trainer.values(step, 2e-4)).expect("a step");
        submitted.push(start.elapsed().as_secs_f64());
        gpu.wait("step").expect("a step");
    });
    submitted.sort_by(f64::total_cmp);
    row("encode and submit a step", "µs a dispatch", each, [submitted[submitted.len() / 2], submitted[0], submitted[submitted.len() - 1]]);
    row("a step until it is done", "ms", 1e3, done);
    println!("on {}", gpu.name());
    Ok(())
}
