//! Planned bytes by use.

use std::fmt;

/// Planned bytes by use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Weights.
    pub parameters: u64,
    /// Gradients of weights.
    pub gradients: u64,
    /// Adam's moments.
    pub moments: u64,
    /// Running statistics.
    pub running: u64,
    /// Activations and everything else that lives within a step.
    pub activations: u64,
    /// Inputs that the host writes.
    pub inputs: u64,
    /// Parameter blocks of the dispatches and the step.
    pub uniforms: u64,
    /// What the activations would take without re-use.
    pub activations_without_reuse: u64,
    /// The most activations alive at one node: what no assignment of buffers can go below in this
    /// order of nodes.
    pub activations_lower_bound: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.parameters
            + self.gradients
            + self.moments
            + self.running
            + self.activations
            + self.inputs
            + self.uniforms
    }

    /// Planned activations over their lower bound: what sharing whole buffers costs.
    pub fn activations_ratio(&self) -> f64 {
        self.activations as f64 / self.activations_lower_bound.max(1) as f64
    }
}

pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MiB: parameters {:.1}, gradients {:.1}, moments {:.1}, running statistics \
             {:.2}, activations {:.1} ({:.1} without re-use, lower bound {:.1}), inputs {:.2}",
            mib(self.total()),
            mib(self.parameters),
            mib(self.gradients),
            mib(self.moments),
            mib(self.running),
            mib(self.activations),
            mib(self.activations_without_reuse),
            mib(self.activations_lower_bound),
            mib(self.inputs),
        )
    }
}
