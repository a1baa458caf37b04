//! Between the choice of a device and the first step: a line of progress, and compiled kernels kept
//! from run to run.

use crate::device::pipelines::Kept;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::gpu::Gpu;
use std::io::IsTerminal;

/// Shows how kernels get ready; with its end the line vanishes, and what was compiled is kept.
pub(crate) struct Starting {
    bar: ProgressBar,
    kept: Kept,
}

impl Starting {
    /// Opens what earlier runs have kept for this device.
    pub fn new(gpu: &Gpu) -> Starting {
        Starting { bar: ProgressBar::hidden(), kept: Kept::open(gpu) }
    }

    /// Takes the place of the line: what [`pixtape::plan::Plan::prepare_with`] calls.
    pub fn show(&mut self, done: usize, total: usize) {
        if self.bar.is_finished() || self.bar.length() != Some(total as u64) {
            self.bar.finish_and_clear();
            self.bar = line(total as u64);
        }
        self.bar.set_position(done as u64);
        if done == total {
            self.bar.finish_and_clear();
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.kept.save();
    }
}

fn line(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} kernels compiled")
        .expect("a valid template");
    ProgressBar::new(total).with_style(style)
}
