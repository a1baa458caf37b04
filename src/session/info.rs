//! `info.json`: what made a run, and on what.

use crate::io::Dataset;
use crate::run::{COMMIT, Trainer};
use crate::tune::Identity;
use serde_json::{Map, Value, json};

/// Version, device, number of parameters, planned memory, data, peak of the process's memory.
pub(super) fn info(trainer: &Trainer, dataset: &Dataset) -> Value {
    let gpu = trainer.program().gpu();
    let (identity, memory) = (Identity::of(gpu), trainer.program().plan().memory());
    let parameters = trainer.networks().into_iter().map(|(net, weights, _)| {
        let trained = weights.params().filter(|p| p.gradient.is_some());
        let count: usize = trained.map(|p| p.layout.elements()).sum();
        (net.to_string(), Value::from(count))
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "adapter": identity.adapter,
        "driver": identity.driver,
        "kernels": identity.family,
        "parameters": Map::from_iter(parameters),
        "memory": {
            "parameters": memory.parameters,
            "gradients": memory.gradients,
            "moments": memory.moments,
            "running": memory.running,
            "activations": memory.activations,
            "inputs": memory.inputs,
            "uniforms": memory.uniforms,
            "total": memory.total(),
        },
        "data": {
            "pairs": dataset.len(),
            "width": dataset.image_size().0,
            "height": dataset.image_size().1,
            "batch_size": trainer.settings().pictures,
            "batches_per_epoch": dataset.batches_per_epoch(),
        },
        "process_peak_bytes": peak_memory(),
    })
}

/// The most memory that this process has used, in bytes, where the system says.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}
