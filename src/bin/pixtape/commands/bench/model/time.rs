//! The time of one dispatch, on paper.

use super::counts::Count;
use super::gpus::{Bytes, Gpu};
use pixtape::gpu::Kernel;
use pixtape::plan::Launch;

/// How a kernel that multiplies matrices divides its work.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Tiling {
    /// Rows, and vec4s of columns, of a workgroup.
    rows: f64,
    cols: f64,
    /// Steps of 4 terms in a round of its hot loop.
    steps: f64,
    /// Invocations.
    threads: f64,
}

/// From the file and its constants.
fn tiling(kernel: &Kernel) -> Option<Tiling> {
    let constant = |name: &str, otherwise: u32| {
        let found = kernel.tune.iter().find(|(tuned, _)| *tuned == name);
        f64::from(found.map_or(otherwise, |(_, value)| *value))
    };
    if kernel.file.ends_with("_workgroup") {
        let (high, wide) = (constant("HIGH", 16), constant("WIDE", 16));
        Some(Tiling {
            rows: 4.0 * high * constant("TM", 1),
            cols: wide * constant("TN", 1),
            steps: constant("KB", 4),
            threads: high * wide,
        })
    } else if kernel.file.ends_with("_gemv") {
        // 8 groups of lanes share the sum out.
        let (cols, lanes) = (constant("COLS", 32), constant("LANES", 1));
        let rows = lanes * constant("ROWS", 4);
        Some(Tiling { rows, cols, steps: 8.0, threads: 8.0 * cols * lanes })
    } else if kernel.file.ends_with("_register") {
        Some(Tiling { rows: 512.0, cols: constant("TN", 4), steps: 1.0, threads: 64.0 })
    } else {
        None
    }
}

/// Seconds of a dispatch that reads and writes so many bytes, its start aside.
pub(super) fn seconds(gpu: &Gpu, launch: &Launch<'_>, bytes: &Bytes, count: Count) -> f64 {
    let moving = gpu.moving(bytes);
    let Some((sums, tiling)) = launch.sums.zip(tiling(launch.kernel)) else { return moving };
    let groups: f64 = launch.groups.map(f64::from).iter().product();
    let rounds = (f64::from(sums.steps) / tiling.steps).ceil();
    // Of one workgroup and round, if a core had nothing else to do.
    let work = 16.0 * tiling.rows * tiling.cols * tiling.steps / gpu.lanes / count.share;
    let per_core = (groups / gpu.cores).ceil();
    let resident = resident(gpu, count, tiling.threads).min(per_core);
    let latency = gpu.latency(bytes.stored + bytes.other);
    let round = if count.trips > 0.0 {
        (resident * work).max(count.trips * latency + work)
    } else {
        // The next round's operands come while this one computes.
        (resident * work).max(latency)
    };
    let turns = groups / (gpu.cores * resident);
    // A last turn that is not full costs as much as one that is; of many turns half of it shows.
    let turns = if turns < 4.0 { turns.ceil() } else { turns + 0.5 };
    moving.max(rounds * round * turns / (gpu.ghz * 1e9))
}

/// Workgroups that a core holds, by registers and by workgroup memory.
fn resident(gpu: &Gpu, count: Count, threads: f64) -> f64 {
    let by_registers = (count.waves * gpu.simds * gpu.wave / threads).floor();
    let by_memory = if count.workgroup > 0.0 {
        (1024.0 * gpu.workgroup_kib / count.workgroup).floor()
    } else {
        f64::INFINITY
    };
    by_registers.min(by_memory).max(1.0)
}

/// The least that a dispatch could take: its multiply-adds with every lane busy, or its tensors
/// once through the memory, whichever is longer.
pub(super) fn least(gpu: &Gpu, launch: &Launch<'_>, tensors: &Bytes) -> f64 {
    let arithmetic = launch.sums.map_or(0.0, |s| s.multiply_adds() as f64) / gpu.peak();
    arithmetic.max(gpu.streaming(tensors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::ops::Sums;

    fn gpu() -> Gpu {
        Gpu { cores: 10.0, dram_gbs: 1e6, cache_gbs: 1e6, ..Gpu::all().remove(0) }
    }

    fn of(kernel: &Kernel) -> Launch<'_> {
        Launch { kernel, groups: [1; 3], tensors: 1, stored: 0, scratch: 0, sums: None }
    }

    fn count(share: f64, trips: f64) -> Count {
        Count { share, trips, waves: 16.0, workgroup: 1024.0 }
    }

    #[test]
    fn arithmetic_hides_latency_where_there_is_enough_and_nothing_waits() {
        let kernel = Kernel::new("x_workgroup", "main", &[]).tune("HIGH", 16).tune("KB", 4);
        // A workgroup on each core, 10 rounds: 64 x 64 results of 16 terms are 512 clocks.
        let sums = Sums { rows: 640, cols: 16, steps: 40, times: 1 };
        let launch = Launch { groups: [1, 10, 1], sums: Some(sums), ..of(&kernel) };
        let clocks = |count| seconds(&gpu(), &launch, &Bytes::default(), count) * gpu().ghz * 1e9;
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6 * b;
        assert!(close(clocks(count(1.0, 0.0)), 10.0 * 512.0));
        assert!(close(clocks(count(0.5, 0.0)), 10.0 * 1024.0));
        assert!(close(clocks(count(1.0, 2.0)), 10.0 * (512.0 + 2.0 * gpu().cache_latency)));
        assert!(close(least(&gpu(), &launch, &Bytes::default()) * gpu().ghz * 1e9, 10.0 * 512.0));
        // Ten times the workgroups: more of them on a core, one waits while another computes.
        let many = Launch { groups: [10, 10, 1], ..launch };
        let ten = seconds(&gpu(), &many, &Bytes::default(), count(1.0, 2.0)) * gpu().ghz * 1e9;
        assert!(ten < 6.0 * clocks(count(1.0, 2.0)), "{ten}");
    }

    #[test]
    fn what_moves_bytes_takes_the_bandwidth_of_where_they_are() {
        let kernel = Kernel::new("adam", "adam", &[]);
        let gpu = Gpu::all().remove(0);
        let rate = |stored: f64, other: f64| {
            let bytes = Bytes { stored, other };
            1e-9 * (stored + other) / seconds(&gpu, &of(&kernel), &bytes, count(1.0, 0.0))
        };
        assert!((rate(0.0, 1e9) - 0.85 * gpu.dram_gbs).abs() < 1e-6);
        assert!((rate(0.0, 1e5) - 0.6 * gpu.cache_gbs).abs() < 1e-6);
        // Weights are never where the last step left them.
        assert!((rate(1e5, 0.0) - 0.85 * gpu.dram_gbs).abs() < 1e-6);
    }
}
