//! You will learn: how to train in a run's folder from a program, with checkpoints, validation and
//! samples, and how to resume.
//!
//! Run: `cargo run --release --example 07_train_session` (`-- --smoke`: fewer epochs)
//!
//! Expect: `resumed at step …: … steps more`
//!
//! The images are generated: shapes on the left, the same in other colours on the right.

use pixtape::io::{Dataset, DatasetOptions, Picture, Size, create_dir};
use pixtape::nets::UnetConfig;
use pixtape::run::{About, Opening, Trainer};
use pixtape::session::{Ended, Event, Session, SessionOptions};
use pixtape::train::{AnyModel, Pix2PixConfig, Schedule};
use pixtape::{Gpu, PlanOptions, Result};
use std::path::Path;
use std::sync::Arc;

const SIDE: u32 = 32;

fn main() -> Result<()> {
    let epochs = if std::env::args().any(|a| a == "--smoke") { 1 } else { 20 };
    let folder = std::env::temp_dir().join(format!("pixtape-07-{}", std::process::id()));
    let (data, run) = (folder.join("data"), folder.join("run"));
    draw(&data.join("train"), 0..16)?;
    draw(&data.join("val"), 100..104)?;

    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    train(&gpu, &data, &run, epochs)?;
    // The same call resumes the run that the folder holds.
    let ended = train(&gpu, &data, &run, 2 * epochs)?;
    println!("resumed at step {}: {} steps more", ended.first, ended.step - ended.first);
    println!("see samples/, validation/ and latest_net_G.safetensors in {}", run.display());
    Ok(())
}

fn train(gpu: &Gpu, data: &Path, run: &Path, epochs: u64) -> Result<Ended> {
    let size = Size::square(SIDE);
    let options = DatasetOptions { load_size: size, crop_size: size, ..Default::default() };
    let dataset = Arc::new(Dataset::open(DatasetOptions { root: data.into(), ..options })?);
    let model = AnyModel::Pix2Pix(Pix2PixConfig {
        generator: UnetConfig { ngf: 8, downs: 5, ..UnetConfig::default() }.into(),
        ndf: 8,
        width: SIDE,
        height: SIDE,
        ..Pix2PixConfig::default()
    });
    // A resumed run keeps the kernels that it began with: its steps give the same bits.
    let opening = Opening::resume_or_create(run)?;
    let plan = opening.plan_options(gpu, &model, PlanOptions::default())?;
    let mut trainer = Trainer::new(gpu, model, plan)?;
    // What tools find again in the run's folder.
    let options = serde_json::json!({ "model": "pix2pix", "netG": "unet_32", "ngf": 8 });
    let about = About::new(options.clone(), options, &trainer);
    let folder = opening.open(&mut trainer, about)?;

    let schedule = Schedule::linear(2e-4, epochs, 0);
    let options = SessionOptions { epochs, threads: 1, ..SessionOptions::default() };
    let mut session = Session::new(trainer, dataset, folder, schedule, options)?;
    session.observe(|event: &Event| {
        match event {
            Event::Losses { losses, .. } if losses.step % 16 == 0 => {
                println!("step {:3}  {:?}", losses.step, losses.named);
            }
            Event::Validated(v) => println!("epoch {:2}  val/ L1 {:.4}", v.epoch, v.mean.l1),
            Event::Remark(remark) => println!("{}", remark.message),
            _ => {}
        }
        Ok(())
    });
    session.run()
}

/// Pairs side by side, a PNG file each.
fn draw(folder: &Path, numbers: std::ops::Range<u32>) -> Result<()> {
    create_dir(folder)?;
    for number in numbers {
        let [x, y, colour, _] = pixtape::rng::random(number, 0, 0, 7);
        let (left, top) = (x % (SIDE / 2), y % (SIDE / 2));
        let [r, g, b, _] = colour.to_le_bytes();
        let mut data = Vec::new();
        for (row, column) in (0..SIDE).flat_map(|row| (0..2 * SIDE).map(move |c| (row, c))) {
            let inside =
                (left..left + 16).contains(&(column % SIDE)) && (top..top + 16).contains(&row);
            let [r, g, b] = if inside { [r, g, b] } else { [30, 60, 90] };
            data.extend(if column < SIDE { [r, g, b] } else { [g, b, r] });
        }
        let pair = Picture::new(2 * SIDE, SIDE, 3, data)?;
        pair.save_png(&folder.join(format!("{number}.png")))?;
    }
    Ok(())
}
