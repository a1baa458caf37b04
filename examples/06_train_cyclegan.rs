//! Trains a small CycleGAN between two heaps of pictures that share no pair: red shapes and blue shapes on gray.
//!
//! `cargo run --release --example 06_train_cyclegan [STEPS]`

use pixtape::nets::{DiscriminatorKind, ResnetConfig};
use pixtape::train::{CycleGan, CycleGanConfig};
use pixtape::{Error, Gpu, PlanOptions, Result};

const SIDE: u32 = 32;

fn main() -> Result<()> {
    let steps: u64 = match std::env::args().nth(1).as_deref() {
        None => 200,
        Some("--smoke") => 2,
        Some(n) => n.parse().map_err(|_| Error::Usage(format!("{n}: a number of steps, or --smoke")))?,
    };
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    let config = CycleGanConfig {
        generator: ResnetConfig { ngf: 8, blocks: 2, ..ResnetConfig::default() }.into(),
        discriminator: DiscriminatorKind::Patch { n_layers: 2 },
        ndf: 8,
        width: SIDE,
        height: SIDE,
        pool_size: 10,
        ..CycleGanConfig::default()
    };
    // Both generators run three times a step: from A, from B, and from what the other made.
    let mut trainer = CycleGan::new(&gpu, config, PlanOptions::default())?;
    println!("{}", trainer.program().plan().memory());
    for step in 1..=steps {
        // Losses come back a few steps late, so that the device need not wait for the host.
        let (a, b) = (shape([220, 40, 30], step), shape([30, 60, 220], 7 * step + 3));
        for losses in trainer.step(&a, &b, 2e-4)? {
            if losses.step % 20 == 1 {
                println!("{}: {}", losses.step, losses.named.iter().map(|(name, value)| format!("{name} {value:.3} ")).collect::<String>());
            }
        }
    }
    for losses in trainer.finish()? {
        println!("{}: {:?}", losses.step, losses.named);
    }
    Ok(())
}

/// A rectangle of a colour, its place and size by the number.
fn shape(colour: [u8; 3], number: u64) -> Vec<u8> {
    let [x, y, w, h] = [3, 5, 11, 13].map(|k| (number * k % 12) as u32 + 4);
    let inside = |column: u32, row: u32| (x..x + w).contains(&column) && (y..y + h).contains(&row);
    (0..SIDE * SIDE).flat_map(|p| if inside(p % SIDE, p / SIDE) { colour } else { [128; 3] }).collect()
}
