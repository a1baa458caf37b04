//! The tuner: which variant of a convolution is fastest on a device, found by measuring.
//!
//! [`problems`] lists what a plan computes, [`measure`] tries variants of each and returns what it
//! found, [`Identity`] says what the figures hold for. Where they are kept is the host's matter
//! (`io::tuning` keeps them in a file). Whatever is chosen, results differ by rounding only; a
//! choice that is kept gives the same bits.

#[cfg(not(target_arch = "wasm32"))]
mod check;
#[cfg(not(target_arch = "wasm32"))]
mod measure;
#[cfg(not(target_arch = "wasm32"))]
mod pulse;
#[cfg(not(target_arch = "wasm32"))]
mod search;
#[cfg(not(target_arch = "wasm32"))]
mod single;

#[cfg(not(target_arch = "wasm32"))]
pub use measure::{Choice, Report, measure};
#[cfg(not(target_arch = "wasm32"))]
pub use pulse::Pulse;

use crate::gpu::Gpu;
use crate::ops::{Convolution, Cost, Op, Problem, Variant};
use crate::plan::Plan;
use std::collections::BTreeMap;
use std::fmt;

/// A problem of a plan and what it means to it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// The pass and its shapes.
    pub problem: Problem,
    /// How many nodes are like that.
    pub uses: usize,
}

impl Load {
    /// Arithmetic and traffic of one of them.
    pub fn cost(&self) -> Cost {
        Convolution::of(&self.problem).cost(&self.problem.inputs, &[self.problem.output])
    }

    /// A guess at its share of a step; only proportions matter.
    fn weight(&self) -> f64 {
        let Cost { flop, bytes } = self.cost();
        self.uses as f64 * (flop as f64 + 8.0 * bytes as f64)
    }
}

/// The distinct problems of a plan, those that are likely to cost most first.
pub fn problems(plan: &Plan) -> Vec<Load> {
    let mut found: BTreeMap<String, Load> = BTreeMap::new();
    for problem in plan.nodes().iter().filter_map(|n| plan.problem(n)) {
        found.entry(problem.to_string()).or_insert(Load { problem, uses: 0 }).uses += 1;
    }
    let mut all: Vec<Load> = found.into_values().collect();
    all.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    all
}

/// The variants that a plan's convolutions take.
pub fn choices(plan: &Plan) -> BTreeMap<String, Variant> {
    plan.nodes().iter().filter_map(|n| Some((plan.problem(n)?.to_string(), n.variant()?))).collect()
}

/// What measured figures hold for: the device, its driver, and the kernels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Backend and name of the adapter.
    pub adapter: String,
    /// Vendor and device numbers.
    pub ids: String,
    /// Name of the driver and its version.
    pub driver: String,
    /// The family of tiles.
    pub family: String,
    /// Whether run-time checks are compiled in.
    pub checked: bool,
    /// Hash of every shader file and this crate's version.
    pub kernels: String,
}

impl Identity {
    /// Of a device.
    pub fn of(gpu: &Gpu) -> Identity {
        let info = gpu.info();
        Identity {
            adapter: gpu.name(),
            ids: format!("{:04x}:{:04x}", info.vendor, info.device),
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            family: gpu.family().to_string(),
            checked: gpu.is_checked(),
            kernels: kernels(),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { adapter, ids, driver, family, checked, kernels } = self;
        write!(
            f,
            "{adapter} [{ids}], {driver}, {family}{}, kernels {kernels}",
            if *checked { " checked" } else { "" }
        )
    }
}

/// FNV-1a, 64 bits: the same in every process and build.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// Hash of the kernels' sources.
fn kernels() -> String {
    let parts = crate::shader::FILES
        .iter()
        .flat_map(|(name, text)| [*name, *text])
        .chain([env!("CARGO_PKG_VERSION")]);
    // A byte that no text has keeps the parts apart.
    format!(
        "{:016x}",
        parts.fold(0xcbf2_9ce4_8422_2325, |h, part| fnv(fnv(h, part.as_bytes()), &[0xff]))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(
            (fnv(0xcbf2_9ce4_8422_2325, b""), fnv(0xcbf2_9ce4_8422_2325, b"a")),
            (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c)
        );
        assert_eq!((kernels().len(), kernels()), (16, kernels()));
    }
}
