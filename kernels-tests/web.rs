//! What the page in `examples/web` trains, on a native device.
//!
//! `examples/web/test` compares the losses that this prints with those of a browser on the same
//! driver. `PIXTAPE_WEB_STEPS`: how many.

#[path = "../examples/web/demo.rs"]
#[allow(dead_code)]
mod demo;
#[path = "../src/bin/pixtape/commands/demo/draw.rs"]
#[allow(dead_code)]
mod draw;
mod support;

use pixtape::PlanOptions;
use pixtape::gpu::Family;
use pixtape::train::{Losses, Pix2Pix};

const SEED: u64 = 1;

#[test]
fn the_page_s_net_learns_natively() {
    // A browser has no subgroups.
    let Some(gpu) = support::family(Family::Register) else { return };
    let steps = std::env::var("PIXTAPE_WEB_STEPS").map_or(12, |n| n.parse().expect("a number"));
    let config = demo::config(64, 16, SEED);
    let mut training = Pix2Pix::new(gpu, config, PlanOptions::default()).unwrap();
    let mut losses: Vec<Losses> = Vec::new();
    for step in 0..steps {
        let number = demo::place(SEED, step, demo::PAIRS) as u64;
        let (input, target) = demo::pair(SEED, number, false, 64);
        losses.extend(training.step_pair(&input, &target, 8e-4).unwrap());
    }
    losses.extend(training.finish().unwrap());
    for row in &losses {
        let values: Vec<String> =
            row.named.iter().map(|(_, value)| format!("{:?}", f64::from(*value))).collect();
        println!("losses {} {}", row.step, values.join(" "));
    }
    let l1 = |row: Option<&Losses>| row.and_then(|row| row.get("G_L1")).expect("pix2pix has it");
    assert!(l1(losses.last()) < l1(losses.first()), "{losses:?}");
}

#[test]
fn every_colour_of_the_palette_has_a_name() {
    assert_eq!(demo::LABELS.len(), draw::PALETTE.len());
}
