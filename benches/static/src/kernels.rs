//! The kernels that a GPU takes: those of the training steps that people run, planned as for a GPU
//! that nobody has tuned.

use pixtape::gpu::{Family, Kernel};
use pixtape::nets::UnetConfig;
use pixtape::testing::plan_dispatches;
use pixtape::train::{CycleGan, CycleGanConfig, Pix2Pix, Pix2PixConfig};
use pixtape::{Plan, PlanOptions, Result};
use std::collections::HashMap;

/// The steps, by the names of `bench step`'s presets and the batch size.
pub const STEPS: [(&str, u32); 6] = [
    ("pix2pix-256", 1),
    ("pix2pix-256", 16),
    ("pix2pix-128", 1),
    ("pix2pix-128", 16),
    ("cycle_gan-256", 1),
    ("cycle_gan-256", 16),
];

/// A kernel and where it is used.
pub struct Used {
    pub kernel: Kernel,
    /// [`Kernel::label`].
    pub name: String,
    /// Dispatches in each of [`STEPS`].
    pub uses: [usize; STEPS.len()],
}

fn plan(step: &str, batch_size: u32) -> Result<Plan> {
    let options = PlanOptions { max_binding: Some((2 << 30) - 4), ..PlanOptions::default() };
    let family = Family::Workgroup;
    match step {
        "cycle_gan-256" => {
            let config = CycleGanConfig { batch_size, ..CycleGanConfig::default() };
            CycleGan::plan(&config, family, options)
        }
        "pix2pix-128" => {
            let generator = UnetConfig { ngf: 32, downs: 7, ..UnetConfig::default() }.into();
            let small = Pix2PixConfig { ndf: 32, width: 128, height: 128, ..Default::default() };
            Pix2Pix::plan(&Pix2PixConfig { generator, batch_size, ..small }, family, options)
        }
        _ => {
            let config = Pix2PixConfig { batch_size, ..Pix2PixConfig::default() };
            Pix2Pix::plan(&config, family, options)
        }
    }
}

/// All of them, each once, by name.
///
/// # Errors
/// What planning returns.
pub fn all() -> Result<Vec<Used>> {
    let mut found: HashMap<Kernel, [usize; STEPS.len()]> = HashMap::new();
    for (at, (step, batch)) in STEPS.iter().enumerate() {
        for (_, dispatch) in plan_dispatches(&plan(step, *batch)?) {
            found.entry(dispatch.kernel.clone()).or_default()[at] += 1;
        }
    }
    let used = |(kernel, uses): (Kernel, _)| Used { name: kernel.label(), kernel, uses };
    let mut all: Vec<Used> = found.into_iter().map(used).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}
