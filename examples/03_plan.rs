//! You will learn: what a plan decides before anything runs: the order, the memory that tensors
//! share, the cost.
//!
//! Run: `cargo run --release --example 03_plan` (`-- --smoke`: a small network)
//!
//! Expect: `… slots hold … tensors: … MiB instead of …`
//!
//! No device is needed: a plan is made from shapes.

use pixtape::gpu::Family;
use pixtape::nets::UnetConfig;
use pixtape::train::{Pix2Pix, Pix2PixConfig};
use pixtape::{PlanOptions, Result};

fn main() -> Result<()> {
    let smoke = std::env::args().any(|a| a == "--smoke");
    let (downs, width, side) = if smoke { (6, 8, 64) } else { (8, 64, 256) };
    let config = Pix2PixConfig {
        generator: UnetConfig { ngf: width, downs, ..UnetConfig::default() }.into(),
        ndf: width,
        width: side,
        height: side,
        ..Pix2PixConfig::default()
    };
    let plan = Pix2Pix::plan(&config, Family::Workgroup, PlanOptions::default())?;

    // One line per operation in the order of execution, with the slot of its result.
    println!("{plan}\n");

    // Where the time will go: the five heaviest operations.
    let total = plan.cost().flop as f64;
    let mut heavy: Vec<_> = plan.nodes().iter().collect();
    heavy.sort_by_key(|n| std::cmp::Reverse(n.cost.flop));
    println!("of {:.2} GFLOP per step:", total / 1e9);
    for node in &heavy[..5] {
        println!("{:5.1} %  {}", 100.0 * node.cost.flop as f64 / total, node.label);
    }

    // The tensors that share the busiest slot, and when they are alive.
    let lives = plan.lives();
    let busiest = (0..plan.slots().len())
        .max_by_key(|slot| lives.iter().filter(|l| l.slot == *slot).count())
        .expect("there are slots");
    println!("\nslot {busiest}, {} bytes:", plan.slots()[busiest]);
    let mut inside: Vec<_> = lives.iter().filter(|l| l.slot == busiest).collect();
    inside.sort_by_key(|l| l.nodes);
    for life in inside {
        println!(
            "  {:>9} bytes from {} to {}",
            life.bytes,
            plan.nodes()[life.nodes.0].label,
            plan.nodes()[life.nodes.1].label
        );
    }

    let memory = plan.memory();
    println!(
        "\n{} slots hold {} tensors: {:.1} MiB instead of {:.1}",
        plan.slots().len(),
        lives.len(),
        memory.activations as f64 / f64::from(1 << 20),
        memory.activations_without_reuse as f64 / f64::from(1 << 20)
    );
    Ok(())
}
