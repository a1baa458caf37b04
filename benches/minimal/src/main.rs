//! Translates one image of 256x256 pixels by a U-Net (`unet_256`, ngf 64 or the first argument) and
//! says how long each part took. The second argument: a file that keeps compiled kernels.

use pixtape::gpu::Request;
use pixtape::nets::{Generator, InitType, Mode, UnetConfig};
use pixtape::ops::NormMode;
use pixtape::train::Translator;
use pixtape::{Gpu, Plan, PlanOptions, Result, StepValues, Store, Tape};
use std::time::Instant;

fn main() -> Result<()> {
    let start = Instant::now();
    let mut arguments = std::env::args().skip(1);
    let ngf = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(64);
    let cache = arguments.next();

    let gpu = pollster::block_on(Gpu::request(&Request::default()))?;
    if let Some(cache) = &cache {
        let data = std::fs::read(cache).ok();
        // SAFETY: the file is this program's own, written below by the same device.
        unsafe { gpu.open_pipeline_cache(data.as_deref()) }?;
    }
    let device = start.elapsed();
    let config = UnetConfig { downs: 8, ngf, ..UnetConfig::default() };
    let mut store = Store::new();
    let generator = Generator::new(&mut store, "G", config)?;
    let mut tape = Tape::new();
    generator.weights().record_init(&mut tape, &store, InitType::Normal, 0.02, 0);
    Plan::new(&tape, &store, &[], gpu.family(), PlanOptions::default())?
        .prepare(&gpu, &store)?
        .step(&StepValues::default())?;
    let mode = Mode::run(NormMode::Instance, false);
    let options = PlanOptions::default();
    let translator = Translator::new(&gpu, &store, &generator, 256, 256, mode, options)?;
    let ready = start.elapsed();
    let image = vec![100u8; 256 * 256 * 3];
    let made = pollster::block_on(translator.run(&image, 0, 0))?;
    let first = start.elapsed();
    let again = Instant::now();
    pollster::block_on(translator.run(&image, 0, 0))?;
    let second = again.elapsed();
    println!(
        "{}: device {device:.2?}, ready {ready:.2?}, first image {first:.2?} ({} bytes), \
         another {second:.2?}",
        gpu.name(),
        made.len()
    );
    if let (Some(path), Some(data)) = (cache, gpu.pipeline_cache_data()) {
        let written = std::fs::write(&path, data);
        written.unwrap_or_else(|error| eprintln!("{path}: {error}"));
    }
    Ok(())
}
