//! You will learn: how to train on two unpaired image sets (here red shapes and blue shapes on
//! gray), with pools and both generators.
//!
//! Run: `cargo run --release --example 06_train_cyclegan` (`-- STEPS` for another number of steps)
//!
//! Expect: `after … steps the cycles went from … to …`

use pixtape::nets::{DiscriminatorKind, ResnetConfig};
use pixtape::train::{CycleGan, CycleGanConfig, Losses};
use pixtape::{Error, Gpu, PlanOptions, Result};

const SIDE: u32 = 32;

fn main() -> Result<()> {
    let steps: u64 = match std::env::args().nth(1).as_deref() {
        None => 200,
        Some("--smoke") => 2,
        Some(n) => {
            n.parse().map_err(|_| Error::Usage(format!("{n}: a number of steps, or --smoke")))?
        }
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
    // Both generators run three times per step: on A, on B, and on the output of the other.
    let mut trainer = CycleGan::new(&gpu, config, PlanOptions::default())?;
    println!("{}", trainer.program().plan().memory());
    let mut all: Vec<Losses> = Vec::new();
    for step in 1..=steps {
        // Losses arrive a few steps late, so that the device need not wait for the host.
        let (a, b) = (shape([220, 40, 30], step), shape([30, 60, 220], 7 * step + 3));
        all.extend(trainer.step_pair(&a, &b, 2e-4)?);
    }
    all.extend(trainer.finish()?);
    for losses in all.iter().filter(|l| l.step % 20 == 1) {
        println!(
            "step {:4}  {}",
            losses.step,
            losses
                .named
                .iter()
                .map(|(name, value)| format!("{name} {value:.3}"))
                .collect::<Vec<_>>()
                .join("  ")
        );
    }
    let cycles = |losses: &Losses| {
        ["cycle_A", "cycle_B"].iter().filter_map(|name| losses.get(name)).sum::<f32>()
    };
    println!(
        "after {} steps the cycles went from {:.2} to {:.2}",
        all.len(),
        cycles(&all[0]),
        cycles(all.last().expect("there were steps"))
    );
    Ok(())
}

/// A rectangle of one colour; the number determines its position and size.
fn shape(colour: [u8; 3], number: u64) -> Vec<u8> {
    let [x, y, w, h] = [3, 5, 11, 13].map(|k| (number * k % 12) as u32 + 4);
    let inside = |column: u32, row: u32| (x..x + w).contains(&column) && (y..y + h).contains(&row);
    (0..SIDE * SIDE)
        .flat_map(|p| if inside(p % SIDE, p / SIDE) { colour } else { [128; 3] })
        .collect()
}
