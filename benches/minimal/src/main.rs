//! Translates one image of 256x256 pixels by a U-Net (`unet_256`) and says how long each part took.
//!
//!     pixtape-minimal NGF [KERNELS [WEIGHTS IMAGE RESULT]]
//!
//! KERNELS: a file that keeps compiled kernels. WEIGHTS: a generator's safetensors file; without it
//! weights are random. IMAGE and RESULT: bytes, RGB.

mod files;

use pixtape::gpu::Request;
use pixtape::nets::{Generator, InitType, Mode, UnetConfig};
use pixtape::ops::NormMode;
use pixtape::train::Translator;
use pixtape::{Gpu, Plan, PlanOptions, StepValues, Store, Tape};
use std::error::Error;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Weights of a file, in PyTorch's names and layouts.
fn load(gpu: &Gpu, store: &Store, generator: &Generator, path: &str) -> Result<()> {
    let mut file = files::Weights::open(path)?;
    // Running statistics are not asked for: the norms take those of the image.
    for param in generator.weights().params().filter(|param| param.gradient.is_some()) {
        let (_, values) = file.read(&param.name)?;
        store.write(gpu, param.value, &param.layout, &values)?;
    }
    Ok(())
}

fn initialise(gpu: &Gpu, store: &Store, generator: &Generator) -> Result<()> {
    let mut tape = Tape::new();
    generator.weights().record_init(&mut tape, store, InitType::Normal, 0.02, 0);
    Plan::new(&tape, store, &[], gpu.family(), PlanOptions::default())?
        .prepare(gpu, store)?
        .step(&StepValues::default())?;
    Ok(())
}

fn main() -> Result<()> {
    let start = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ngf = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(64);

    let gpu = pollster::block_on(Gpu::request(&Request::default()))?;
    if let Some(kernels) = arguments.get(1) {
        let data = std::fs::read(kernels).ok();
        // SAFETY: the file is this program's own, written below by the same device.
        unsafe { gpu.open_pipeline_cache(data.as_deref()) }?;
    }
    let device = start.elapsed();
    let config = UnetConfig { downs: 8, ngf, ..UnetConfig::default() };
    let mut store = Store::new();
    let generator = Generator::new(&mut store, "G", config)?;
    match arguments.get(2) {
        Some(path) => load(&gpu, &store, &generator, path)?,
        None => initialise(&gpu, &store, &generator)?,
    }
    let mode = Mode::run(NormMode::Instance, false);
    let options = PlanOptions::default();
    let translator = Translator::new(&gpu, &store, &generator, 256, 256, mode, options)?;
    let ready = start.elapsed();
    let image = arguments.get(3).map_or(Ok(vec![100u8; 256 * 256 * 3]), std::fs::read)?;
    let made = pollster::block_on(translator.run(&image, 0, 0))?;
    let first = start.elapsed();
    let again = Instant::now();
    pollster::block_on(translator.run(&image, 0, 0))?;
    let second = again.elapsed();
    println!(
        "{}: device {:.3} s, ready {:.3} s, first image {:.3} s, another {:.3} s",
        gpu.name(),
        device.as_secs_f64(),
        ready.as_secs_f64(),
        first.as_secs_f64(),
        second.as_secs_f64()
    );
    if let (Some(path), Some(data)) = (arguments.get(1), gpu.pipeline_cache_data()) {
        let written = std::fs::write(path, data);
        written.unwrap_or_else(|error| eprintln!("{path}: {error}"));
    }
    if let Some(path) = arguments.get(4) {
        std::fs::write(path, made)?;
    }
    Ok(())
}
