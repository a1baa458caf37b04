//! You will learn: how to train pix2pix from a program: configuration, images as bytes, losses
//! that arrive late.
//!
//! Run: `cargo run --release --example 04_train_pix2pix` (`-- --smoke`: two steps)
//!
//! Expect: `after … steps G_L1 went from … to …`
//!
//! The images are generated: a disc on the left, the same disc with rotated colours on the right.
//! No file is needed.

use pixtape::nets::UnetConfig;
use pixtape::train::{Losses, Pix2Pix, Pix2PixConfig};
use pixtape::{Gpu, PlanOptions, Result};

const SIDE: u32 = 64;

fn main() -> Result<()> {
    let smoke = std::env::args().any(|a| a == "--smoke");
    let steps = if smoke { 2 } else { 200 };

    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    let config = Pix2PixConfig {
        // Six halvings reduce 64 pixels to one.
        generator: UnetConfig { ngf: 16, downs: 6, ..UnetConfig::default() }.into(),
        ndf: 16,
        width: SIDE,
        height: SIDE,
        seed: 1,
        ..Pix2PixConfig::default()
    };
    let mut trainer = Pix2Pix::new(&gpu, config, PlanOptions::default())?;
    println!("{} on {}", trainer.program().plan().memory(), gpu.name());

    // A step does not wait for the device: it returns the losses of earlier steps.
    let mut losses: Vec<Losses> = Vec::new();
    for step in 0..steps {
        let (input, target) = pair(step);
        losses.extend(trainer.step_pair(&input, &target, 2e-4)?);
    }
    // At the end, wait for the rest.
    losses.extend(trainer.finish()?);

    for row in
        losses.iter().filter(|l| l.step == 1 || l.step % 25 == 0 || l.step == u64::from(steps))
    {
        let named: Vec<String> =
            row.named.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        println!("step {:3}  {}", row.step, named.join("  "));
    }
    let l1 = |row: &Losses| row.get("G_L1").expect("pix2pix has it");
    println!(
        "after {} steps G_L1 went from {:.2} to {:.2}",
        losses.len(),
        l1(&losses[0]),
        l1(losses.last().expect("there were steps"))
    );
    Ok(())
}

/// A pair of images, bytes [rows, columns, 3]: a disc somewhere, and the same with red, green and
/// blue turned around.
fn pair(number: u32) -> (Vec<u8>, Vec<u8>) {
    let [x, y, colour, _] = pixtape::rng::random(number, 0, 0, 7);
    let centre = [x, y].map(|word| 16 + i64::from(word % (SIDE - 32)));
    let disc = [colour as u8, (colour >> 8) as u8, (colour >> 16) as u8];
    let mut pictures = (Vec::new(), Vec::new());
    for row in 0..i64::from(SIDE) {
        for column in 0..i64::from(SIDE) {
            let inside = (column - centre[0]).pow(2) + (row - centre[1]).pow(2) < 14 * 14;
            let [r, g, b] = if inside { disc } else { [30, 60, 90] };
            pictures.0.extend([r, g, b]);
            pictures.1.extend([g, b, r]);
        }
    }
    pictures
}
