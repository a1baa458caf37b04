//! The table of GPUs.

use pixtape::gpu::Facts;
use pixtape::{Error, Result};
use serde::Deserialize;

/// A GPU; see `gpus.toml` for units and sources.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Gpu {
    pub name: String,
    /// Of [`Facts`], as `dram_gbs`: one table for the rule and the model.
    #[serde(skip)]
    pub cores: f64,
    /// Multiply-adds of a core in a clock.
    pub lanes: f64,
    pub ghz: f64,
    #[serde(skip)]
    pub dram_gbs: f64,
    pub cache_mib: f64,
    pub cache_gbs: f64,
    pub cache_latency: f64,
    pub dram_latency: f64,
    pub dispatch_us: f64,
    /// Target of `benches/static`.
    pub counts: String,
    pub simds: f64,
    pub wave: f64,
    pub workgroup_kib: f64,
}

/// What a dispatch reads and writes.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Bytes {
    /// Of the store.
    pub stored: f64,
    /// Of what the step makes itself.
    pub other: f64,
}

#[derive(Deserialize)]
struct Table {
    gpu: Vec<Gpu>,
}

impl Gpu {
    /// All of them.
    pub fn all() -> Vec<Gpu> {
        let mut all =
            toml::from_str::<Table>(include_str!("gpus.toml")).expect("a test reads it").gpu;
        for gpu in &mut all {
            let Facts { cores, bandwidth, .. } = Facts::named(&gpu.name).expect("a test reads it");
            (gpu.cores, gpu.dram_gbs) = (cores.into(), bandwidth.into());
        }
        all
    }

    /// Those with these names, case aside; without names all.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that the table lacks.
    pub fn named(names: &[String]) -> Result<Vec<Gpu>> {
        let all = Gpu::all();
        if names.is_empty() {
            return Ok(all);
        }
        let find = |name: &String| {
            let found = all.iter().find(|gpu| gpu.name.eq_ignore_ascii_case(name)).cloned();
            found.ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|gpu| gpu.name.as_str()).collect();
                Error::Usage(format!("--gpu {name}: the table has {}", known.join(", ")))
            })
        };
        names.iter().map(find).collect()
    }

    /// The one that an adapter's name contains.
    pub fn of_adapter(adapter: &str) -> Option<Gpu> {
        let adapter = adapter.to_lowercase();
        let contained = |gpu: &Gpu| {
            // `RTX 4090` is no `RTX 4090 Laptop GPU`, and an `M2` no `M2 Max`.
            adapter.ends_with(&gpu.name.to_lowercase())
                || adapter.contains(&format!("{} (", gpu.name.to_lowercase()))
        };
        Gpu::all().into_iter().find(contained)
    }

    /// Multiply-adds in a second, all cores busy.
    pub fn peak(&self) -> f64 {
        self.cores * self.lanes * self.ghz * 1e9
    }

    /// Whether so many bytes stay in the cache from one dispatch to the next.
    fn caches(&self, bytes: f64) -> bool {
        bytes < 0.6 * self.cache_mib * f64::from(1 << 20)
    }

    /// Seconds to move bytes, those of the store from DRAM: a step touches too much for weights to
    /// stay in a cache from one use to the next. Streaming kernels get 85 % of DRAM's bandwidth and
    /// 60 % of a cache's.
    pub fn moving(&self, bytes: &Bytes) -> f64 {
        self.at_rates(bytes, 0.85 * self.dram_gbs, 0.6 * self.cache_gbs)
    }

    /// The least seconds, at full bandwidth.
    pub fn streaming(&self, bytes: &Bytes) -> f64 {
        self.at_rates(bytes, self.dram_gbs, self.cache_gbs)
    }

    fn at_rates(&self, bytes: &Bytes, dram: f64, cache: f64) -> f64 {
        let other = if self.caches(bytes.other) { cache } else { dram };
        1e-9 * (bytes.stored / dram + bytes.other / other)
    }

    /// Clocks that a read waits, from tensors of so many bytes.
    pub fn latency(&self, bytes: f64) -> f64 {
        if self.caches(bytes) { self.cache_latency } else { self.dram_latency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_adapters_are_found_by_name() {
        let all = Gpu::all();
        assert!(all.len() >= 5 && all.iter().all(|gpu| gpu.peak() > 1e12));
        let name = |adapter: &str| Gpu::of_adapter(adapter).map(|gpu| gpu.name);
        assert_eq!(name("NVIDIA GeForce RTX 4090").as_deref(), Some("RTX 4090"));
        assert_eq!(name("AMD Radeon RX 7900 XTX (RADV NAVI31)").as_deref(), Some("RX 7900 XTX"));
        assert_eq!(name("NVIDIA GeForce RTX 4090 Laptop GPU"), None);
        assert_eq!(name("Apple M2 Max"), None);
        let unknown = Gpu::named(&["voodoo".into()]).unwrap_err().to_string();
        assert!(unknown.contains("--gpu voodoo") && unknown.contains("RTX 3060"), "{unknown}");
    }
}
