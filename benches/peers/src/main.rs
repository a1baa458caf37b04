//! `burn-step`: the time of a pix2pix training step in Burn on wgpu, as one line of JSON.

mod nets;
mod step;

use burn::tensor::{Device, Tensor, TensorData};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use step::Trainer;

const USAGE: &str = "usage: burn-step [--size 64|128|256] [--ngf N] [--batch N] [--seconds S]
adapter: CUBECL_WGPU_DEFAULT_DEVICE=Cpu, DiscreteGpu(0), IntegratedGpu(0) ... (Burn's own variable)";

/// Steps before the clock counts: kernels are compiled and tuned in them.
const WARM_UP: usize = 2;
/// Fewest and most measured steps.
const STEPS: std::ops::RangeInclusive<usize> = 3..=100;
/// Slow steps are measured fewer times: the given time is exceeded by at most this factor.
const PATIENCE: f64 = 5.0;

struct Args {
    size: usize,
    ngf: usize,
    batch: usize,
    seconds: f64,
}

fn parse() -> Result<Args, String> {
    let mut args = Args { size: 128, ngf: 32, batch: 1, seconds: 3.0 };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let value = given.next().ok_or_else(|| format!("{flag}: a value is missing\n{USAGE}"))?;
        let number = || {
            value
                .parse::<usize>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| format!("{flag} {value}: expected a number above 0"))
        };
        match flag.as_str() {
            "--size" => args.size = number()?,
            "--ngf" => args.ngf = number()?,
            "--batch" => args.batch = number()?,
            "--seconds" => {
                args.seconds = value
                    .parse()
                    .ok()
                    .filter(|s| *s > 0.0)
                    .ok_or_else(|| format!("{flag} {value}: expected a time above 0"))?
            }
            _ => return Err(format!("{flag}: no such option\n{USAGE}")),
        }
    }
    if !args.size.is_power_of_two() || !(64..=512).contains(&args.size) {
        return Err(format!("--size {}: choose 64, 128, 256 or 512", args.size));
    }
    Ok(args)
}

/// A picture of noise in [-1, 1], the same every time.
fn noise(shape: [usize; 4], mut state: u32) -> TensorData {
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    TensorData::new(values, shape)
}

fn run() -> Result<(), String> {
    let args = parse()?;
    let started = Instant::now();
    let (device, setup) = Device::wgpu_options().init_with_setup().map_err(|e| {
        format!(
            "no \
        device: {e}"
        )
    })?;
    let info = setup.adapter.get_info();
    let device = device.autodiff();
    let mut trainer = Trainer::new(args.size.ilog2() as usize, args.ngf, device.clone());
    device.sync().map_err(|e| format!("the device failed: {e}"))?;
    let setup_seconds = started.elapsed().as_secs_f64();

    let shape = [args.batch, 3, args.size, args.size];
    let (input, target) = (noise(shape, 1), noise(shape, 2));
    let mut step = || -> Result<(f64, [f32; 4]), String> {
        let start = Instant::now();
        // The pictures go up every time, as they do in a training.
        let losses = trainer.step(
            Tensor::from_data(input.clone(), &device),
            Tensor::from_data(target.clone(), &device),
        )?;
        Ok((start.elapsed().as_secs_f64(), losses))
    };
    let (first, losses) = step()?;
    // It can take minutes: say that something happens.
    eprintln!("burn-step: ready after {setup_seconds:.1} s, first step {first:.1} s");
    for _ in 1..WARM_UP {
        step()?;
    }
    let (mut times, begun) = (Vec::new(), Instant::now());
    let within = |factor: f64| begun.elapsed() < Duration::from_secs_f64(factor * args.seconds);
    while times.is_empty()
        || (times.len() < *STEPS.start() && within(PATIENCE))
        || (times.len() < *STEPS.end() && within(1.0))
    {
        times.push(step()?.0);
    }
    times.sort_by(f64::total_cmp);
    let [g, d] = trainer.parameters();
    println!(
        "{{\"tool\": \"burn\", \"version\": \"{}\", \"size\": {}, \"ngf\": {}, \"batch\": \
         {}, \"steps\": {}, \"ms_median\": {:.3}, \"ms_min\": {:.3}, \
         \"setup_s\": {setup_seconds:.3}, \"first_step_s\": {first:.3}, \"parameters\": {}, \
           \"parameters_g\": {g}, \"parameters_d\": {d}, \
         \"first_losses\": {losses:?}, \"device\": {:?}, \"driver\": {:?}}}",
        BURN,
        args.size,
        args.ngf,
        args.batch,
        times.len(),
        1e3 * times[times.len() / 2],
        1e3 * times[0],
        g + d,
        format!("{:?} {}", info.backend, info.name),
        format!("{} {}", info.driver, info.driver_info).trim(),
    );
    Ok(())
}

/// The version in Cargo.toml.
const BURN: &str = "0.22.1";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("burn-step: {message}");
            ExitCode::FAILURE
        }
    }
}
