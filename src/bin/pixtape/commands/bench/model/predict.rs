//! A plan's step on a GPU, by part.

use super::counts::Counts;
use super::gpus::{Bytes, Gpu};
use super::time;
use pixtape::gpu::Kernel;
use pixtape::plan::{Plan, PlanNode};
use std::collections::HashSet;

/// The parts of a step, by kernel.
pub(super) const PARTS: [&str; 8] = [
    "products in tiles",
    "products of few rows",
    "products of thin maps",
    "transforms of filtering",
    "sums of slices",
    "Adam",
    "norms",
    "the rest",
];

fn part_of(kernel: &Kernel) -> usize {
    match kernel.file {
        file if file.ends_with("_workgroup") => 0,
        "conv2d_gemv" => 1,
        file if file.ends_with("_register") => 2,
        file if file.starts_with("conv2d_winograd") => 3,
        "conv2d_split_sum" => 4,
        "adam" => 5,
        file if file.starts_with("batch_norm") => 6,
        _ => 7,
    }
}

/// Seconds of a part.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Part {
    pub dispatches: usize,
    /// Of the kernels.
    running: f64,
    /// Of starting them.
    starting: f64,
    /// What they could take at the least.
    pub least: f64,
}

impl Part {
    pub fn seconds(&self) -> f64 {
        self.running + self.starting
    }

    /// What is above the least.
    pub fn avoidable(&self) -> f64 {
        self.seconds() - self.least
    }
}

/// A step on a GPU.
pub(super) struct Prediction {
    pub gpu: Gpu,
    pub parts: [Part; PARTS.len()],
    /// Seconds of each node, by part.
    pub nodes: Vec<[f64; PARTS.len()]>,
    /// Bytes of tensors, as the plan counts them.
    pub tensors: u64,
    /// Bytes of nodes' own memory, which come on top.
    pub scratch: u64,
    /// Of all products.
    pub multiply_adds: u64,
    /// Kernels that multiply matrices and have no counts.
    pub unknown: usize,
}

impl Prediction {
    pub fn new(plan: &Plan, gpu: &Gpu, counts: &Counts) -> Prediction {
        let mut prediction = Prediction {
            gpu: gpu.clone(),
            parts: Default::default(),
            nodes: Vec::new(),
            tensors: 0,
            scratch: 0,
            multiply_adds: 0,
            unknown: 0,
        };
        let mut unknown = HashSet::new();
        for node in plan.nodes() {
            let seconds = prediction.add(plan, node, counts, &mut unknown);
            prediction.nodes.push(seconds);
        }
        prediction.unknown = unknown.len();
        prediction
    }

    /// Adds a node, and returns its seconds by part.
    fn add(
        &mut self,
        plan: &Plan,
        node: &PlanNode,
        counts: &Counts,
        unknown: &mut HashSet<Kernel>,
    ) -> [f64; PARTS.len()] {
        let bound: u64 = plan.launches(node).map(|launch| launch.tensors).sum();
        self.tensors += node.cost.bytes;
        let mut seconds = [0.0; PARTS.len()];
        for launch in plan.launches(node) {
            // The plan counts a node's tensors once; its dispatches bind some of them several
            // times and read them in part.
            let once = node.cost.bytes as f64 / bound.max(1) as f64;
            let stored = once * launch.stored as f64;
            let tensors = Bytes { stored, other: once * (launch.tensors - launch.stored) as f64 };
            let bytes = Bytes { other: tensors.other + launch.scratch as f64, ..tensors };
            let (count, known) = counts.of(&self.gpu.counts, launch.kernel);
            if let Some(sums) = launch.sums {
                self.multiply_adds += sums.multiply_adds();
                if !known {
                    unknown.insert(launch.kernel.clone());
                }
            }
            self.scratch += launch.scratch;
            let running = time::seconds(&self.gpu, &launch, &bytes, count);
            let at = part_of(launch.kernel);
            let part = &mut self.parts[at];
            part.dispatches += 1;
            part.running += running;
            part.starting += 1e-6 * self.gpu.dispatch_us;
            part.least += time::least(&self.gpu, &launch, &tensors);
            seconds[at] += running;
        }
        seconds
    }

    /// Of the step.
    pub fn seconds(&self) -> f64 {
        self.parts.iter().map(Part::seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::model::plan;
    use crate::options::Preset;

    #[test]
    fn dispatches_and_bytes_are_the_plans() {
        for preset in [Preset::Pix2Pix256, Preset::CycleGan256] {
            let plan = plan(preset, 1).unwrap();
            for gpu in Gpu::all() {
                let found = Prediction::new(&plan, &gpu, &Counts::built_in());
                let dispatches: usize = found.parts.iter().map(|p| p.dispatches).sum();
                assert_eq!((dispatches, found.tensors), (plan.dispatches(), plan.cost().bytes));
                assert_eq!(found.nodes.len(), plan.nodes().len());
                // Filtering saves multiply-adds, and every part takes at least its least.
                assert!(2 * found.multiply_adds < plan.cost().flop + plan.cost().flop / 5);
                let less = |part: &Part| part.least <= part.seconds();
                assert!(found.parts.iter().all(less), "{}: {:?}", gpu.name, found.parts);
            }
        }
    }

    #[test]
    fn a_faster_gpu_is_predicted_to_be_faster() {
        let plan = plan(Preset::Pix2Pix256, 1).unwrap();
        let seconds = |name: &str| {
            let gpu = &Gpu::named(&[name.into()]).unwrap()[0];
            Prediction::new(&plan, gpu, &Counts::built_in()).seconds()
        };
        assert!(seconds("RTX 4090") < seconds("RTX 3060"));
        assert!(seconds("RTX 3060") < seconds("Apple M2"));
    }

    #[test]
    fn the_kernels_of_the_rule_have_counts() {
        let plan = plan(Preset::Pix2Pix256, 1).unwrap();
        let gpu = &Gpu::all()[0];
        assert_eq!(
            Prediction::new(&plan, gpu, &Counts::built_in()).unknown,
            0,
            "benches/static/README.md says how to count them anew"
        );
    }
}
