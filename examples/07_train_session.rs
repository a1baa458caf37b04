//! You will learn: how to train in a run's folder from a program, with checkpoints, validation and
//! samples, and how to resume.
//!
//! Run: `cargo run --release --example 07_train_session` (`-- --smoke`: fewer epochs)
//!
//! Expect: `resumed at step …: … steps more`
//!
//! The images are generated: shapes on the left, the same in other colours on the right.

use pixtape::io::{Picture, Size, create_dir};
use pixtape::nets::GeneratorKind;
use pixtape::run::Options;
use pixtape::run::options::ModelKind;
use pixtape::session::{Ended, Event, Session};
use pixtape::{Gpu, Result};
use std::path::Path;

const SIDE: u32 = 32;

fn main() -> Result<()> {
    let epochs = if std::env::args().any(|a| a == "--smoke") { 1 } else { 20 };
    let folder = std::env::temp_dir().join(format!("pixtape-07-{}", std::process::id()));
    draw(&folder.join("data/train"), 0..16)?;
    draw(&folder.join("data/val"), 100..104)?;

    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    train(&gpu, &folder, epochs)?;
    // The same call resumes the run that the folder holds.
    let ended = train(&gpu, &folder, 2 * epochs)?;
    println!("resumed at step {}: {} steps more", ended.first, ended.step - ended.first);
    println!("see samples/, validation/ and latest_net_G.safetensors in {}/run", folder.display());
    Ok(())
}

fn train(gpu: &Gpu, folder: &Path, epochs: u64) -> Result<Ended> {
    // Names and defaults are those of `pixtape train`.
    let mut options = Options::new(ModelKind::Pix2Pix);
    options.dataroot = Some(folder.join("data"));
    (options.run.checkpoints_dir, options.run.name) = (folder.into(), "run".into());
    (options.data.load_size, options.data.crop_size) = (Size::square(SIDE), Size::square(SIDE));
    options.nets.net_g = GeneratorKind::Unet { downs: 5 };
    (options.nets.ngf, options.nets.ndf) = (8, 8);
    (options.optim.n_epochs, options.optim.n_epochs_decay) = (epochs, 0);

    let mut session = Session::open(gpu, options)?;
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
