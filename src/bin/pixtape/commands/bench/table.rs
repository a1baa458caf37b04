//! Rows of `bench kernels`: measured, printed, as JSON.

use crate::commands::bench::measure::{about, round};
use crate::commands::bench::probe::Ceilings;
use crate::commands::bench::problem::Measured;
use pixtape::gpu::Gpu;
use serde_json::{Value, json};

/// A measured row.
pub(crate) struct Row {
    /// The network it belongs to; `None` for the fixed layer.
    pub net: Option<&'static str>,
    pub batch: u32,
    pub op: &'static str,
    pub name: String,
    /// Whether the output was compared with a reference first.
    pub checked: bool,
    /// Number of such nodes in a step.
    pub uses: usize,
    /// Their share of a step, if the step was measured.
    pub share: Option<f64>,
    pub measured: Measured,
}

/// Something that was not measured, and why.
pub(crate) struct Skipped {
    pub what: String,
    pub why: String,
}

impl Row {
    /// FLOP and bytes per second.
    pub fn rates(&self) -> (f64, f64) {
        let (cost, seconds) = (self.measured.cost, self.measured.timing.median);
        (cost.flop as f64 / seconds, cost.bytes as f64 / seconds)
    }

    fn json(&self, ceilings: Ceilings) -> Value {
        let (flops, bytes) = self.rates();
        let Measured { timing, cost, variant } = &self.measured;
        json!({
            "net": self.net,
            "batch": self.batch,
            "name": self.name,
            "op": self.op,
            "variant": variant,
            "checked": self.checked,
            "median_ms": round(1e3 * timing.median),
            "min_ms": round(1e3 * timing.min),
            "flop": cost.flop,
            "bytes": cost.bytes,
            "gflops": round(flops / 1e9),
            "of_peak": round(flops / ceilings.flops),
            "gbs": round(bytes / 1e9),
            "of_copy": round(bytes / ceilings.bytes),
            "uses": self.uses,
            "share": self.share.map(round),
        })
    }
}

/// Prints all rows, network by network.
pub(crate) fn print(gpu: &Gpu, ceilings: Ceilings, rows: &[Row], skipped: &[Skipped]) {
    println!(
        "{} ({} kernels): {:.1} GFLOP/s of multiply-adds, {:.1} GB/s copying (bytes read and \
         written); times by {}",
        gpu.name(),
        gpu.family(),
        ceilings.flops / 1e9,
        ceilings.bytes / 1e9,
        rows.first().map_or(ceilings.clock, |r| r.measured.timing.clock),
    );
    let mut before = None;
    for row in rows {
        if before != Some((row.net, row.batch)) {
            before = Some((row.net, row.batch));
            match row.net {
                None => println!("\nthe layer for which figures are quoted"),
                Some(net) => println!(
                    "\nlayers of {net}, batch {}; share: of a step, all nodes of that shape \
                     (times)",
                    row.batch
                ),
            }
            println!(
                "{:>10} {:>10} {:>9} {:>6} {:>8} {:>6} {:>7} {:>5}  operation · variant",
                "median ms", "best ms", "GFLOP/s", "% peak", "GB/s", "% copy", "% step", "times"
            );
        }
        let (flops, bytes) = row.rates();
        let share = row.share.map_or(String::new(), |share| format!("{:.1}", 100.0 * share));
        println!(
            "{:>10.4} {:>10.4} {:>9.1} {:>6.1} {:>8.2} {:>6.1} {share:>7} {:>5}  {} · {}",
            1e3 * row.measured.timing.median,
            1e3 * row.measured.timing.min,
            flops / 1e9,
            100.0 * flops / ceilings.flops,
            bytes / 1e9,
            100.0 * bytes / ceilings.bytes,
            row.uses,
            row.name,
            row.measured.variant
        );
    }
    if !skipped.is_empty() {
        println!();
        skipped.iter().for_each(|s| println!("skipped: {}: {}", s.what, s.why));
    }
}

/// Everything as JSON.
pub(crate) fn json(
    gpu: &Gpu,
    batches: &[u32],
    ceilings: Ceilings,
    rows: &[Row],
    skipped: &[Skipped],
) -> Value {
    json!({
        "about": about(gpu),
        "batch_size": batches,
        "clock": ceilings.clock.to_string(),
        "fma_gflops": round(ceilings.flops / 1e9),
        "copy_gbs": round(ceilings.bytes / 1e9),
        "rows": rows.iter().map(|row| row.json(ceilings)).collect::<Vec<_>>(),
        "skipped": skipped.iter().map(|s| json!({
            "what": s.what, "why": s.why,
        })).collect::<Vec<_>>(),
    })
}
