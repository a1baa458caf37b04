//! How large a GPU is: no interface says it, so that it is looked up by the adapter's name.

/// Sizes of a GPU, by which the built-in rule weighs arithmetic, traffic, and how many workgroups
/// it takes to keep all cores busy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Facts {
    /// Cores, each of which runs workgroups of its own: multiprocessors, compute units, Xe cores.
    pub cores: u32,
    /// Arithmetic in single precision at best, in GFLOP/s.
    pub gflops: u32,
    /// Bandwidth of its memory at best, in GB/s.
    pub bandwidth: u32,
}

/// A large GPU: what is assumed where nothing is known.
const LARGE: Facts = Facts { cores: 128, gflops: 24_000, bandwidth: 1_000 };
/// A GPU that shares the memory of its CPU.
const SHARED: Facts = Facts { cores: 12, gflops: 3_000, bandwidth: 80 };

impl Default for Facts {
    fn default() -> Facts {
        LARGE
    }
}

impl Facts {
    /// Of an adapter: from the table, else by its kind.
    pub fn of(info: &wgpu::AdapterInfo) -> Facts {
        let unknown = match info.device_type {
            wgpu::DeviceType::IntegratedGpu => SHARED,
            _ => LARGE,
        };
        Facts::named(&info.name).unwrap_or(unknown)
    }

    /// From the table, by the name that a driver gives. The longest entry counts whose words stand
    /// in the name in a row.
    pub fn named(name: &str) -> Option<Facts> {
        let name = words(name);
        // Parts of the same name for laptops are smaller, and of many sizes.
        if name.contains(" laptop ") || name.contains(" max q ") || name.contains(" mobile ") {
            return None;
        }
        let found = TABLE.iter().filter(|row| name.contains(&words(row.0)));
        let (_, [cores, gflops, bandwidth]) = found.max_by_key(|row| row.0.len())?;
        Some(Facts { cores: *cores, gflops: *gflops, bandwidth: *bandwidth })
    }
}

/// Words in lower case, a space around each, without marks of trade.
fn words(name: &str) -> String {
    let split = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words = split.filter(|word| !matches!(word.to_ascii_lowercase().as_str(), "" | "r" | "tm"));
    words.fold(String::from(" "), |all, word| all + &word.to_ascii_lowercase() + " ")
}

/// Cores, GFLOP/s, GB/s, as the vendors' data sheets have them. RDNA 3 and 4 without their second
/// instruction per cycle, which compilers seldom find.
const TABLE: &[(&str, [u32; 3])] = &[
    ("GTX 1060", [10, 4_400, 192]),
    ("GTX 1070", [15, 6_500, 256]),
    ("GTX 1080", [20, 8_900, 320]),
    ("GTX 1080 Ti", [28, 11_300, 484]),
    ("GTX 1650", [14, 3_000, 128]),
    ("GTX 1660", [22, 5_000, 192]),
    ("GTX 1660 SUPER", [22, 5_000, 336]),
    ("GTX 1660 Ti", [24, 5_400, 288]),
    ("RTX 2060", [30, 6_500, 336]),
    ("RTX 2070", [36, 7_500, 448]),
    ("RTX 2070 SUPER", [40, 9_100, 448]),
    ("RTX 2080", [46, 10_100, 448]),
    ("RTX 2080 Ti", [68, 13_400, 616]),
    ("RTX 3050", [20, 9_100, 224]),
    ("RTX 3060", [28, 12_700, 360]),
    ("RTX 3060 Ti", [38, 16_200, 448]),
    ("RTX 3070", [46, 20_300, 448]),
    ("RTX 3070 Ti", [48, 21_700, 608]),
    ("RTX 3080", [68, 29_800, 760]),
    ("RTX 3080 Ti", [80, 34_100, 912]),
    ("RTX 3090", [82, 35_600, 936]),
    ("RTX 3090 Ti", [84, 40_000, 1_008]),
    ("RTX 4060", [24, 15_100, 272]),
    ("RTX 4060 Ti", [34, 22_100, 288]),
    ("RTX 4070", [46, 29_100, 504]),
    ("RTX 4070 SUPER", [56, 35_500, 504]),
    ("RTX 4070 Ti", [60, 40_100, 504]),
    ("RTX 4070 Ti SUPER", [66, 44_100, 672]),
    ("RTX 4080", [76, 48_700, 717]),
    ("RTX 4080 SUPER", [80, 52_200, 736]),
    ("RTX 4090", [128, 82_600, 1_008]),
    ("RTX 5060", [30, 19_200, 448]),
    ("RTX 5060 Ti", [36, 23_700, 448]),
    ("RTX 5070", [48, 30_900, 672]),
    ("RTX 5070 Ti", [70, 43_900, 896]),
    ("RTX 5080", [84, 56_300, 960]),
    ("RTX 5090", [170, 104_800, 1_792]),
    ("RTX A6000", [84, 38_700, 768]),
    ("Tesla T4", [40, 8_100, 320]),
    ("V100", [80, 15_700, 900]),
    ("NVIDIA A10", [72, 31_200, 600]),
    ("A100", [108, 19_500, 1_555]),
    ("NVIDIA L4", [58, 30_300, 300]),
    ("NVIDIA L40S", [142, 91_600, 864]),
    ("H100", [132, 66_900, 3_350]),
    ("H100 PCIe", [114, 51_200, 2_000]),
    ("H200", [132, 66_900, 4_800]),
    ("RX 580", [36, 6_200, 256]),
    ("RX 5700 XT", [40, 9_800, 448]),
    ("RX 6600", [28, 8_900, 224]),
    ("RX 6600 XT", [32, 10_600, 256]),
    ("RX 6700 XT", [40, 13_200, 384]),
    ("RX 6800", [60, 16_200, 512]),
    ("RX 6800 XT", [72, 20_700, 512]),
    ("RX 6900 XT", [80, 23_000, 512]),
    ("RX 7600", [32, 10_900, 288]),
    ("RX 7700 XT", [54, 17_600, 432]),
    ("RX 7800 XT", [60, 18_700, 624]),
    ("RX 7900 XT", [84, 25_800, 800]),
    ("RX 7900 XTX", [96, 30_700, 960]),
    ("RX 9070", [56, 18_100, 640]),
    ("RX 9070 XT", [64, 24_300, 640]),
    ("Arc A750", [28, 17_200, 512]),
    ("Arc A770", [32, 19_700, 560]),
    ("Arc B580", [20, 14_600, 456]),
    ("Apple M1", [8, 2_600, 68]),
    ("Apple M1 Pro", [16, 5_200, 200]),
    ("Apple M1 Max", [32, 10_400, 400]),
    ("Apple M1 Ultra", [64, 20_800, 800]),
    ("Apple M2", [10, 3_600, 100]),
    ("Apple M2 Pro", [19, 6_800, 200]),
    ("Apple M2 Max", [38, 13_600, 400]),
    ("Apple M2 Ultra", [76, 27_200, 800]),
    ("Apple M3", [10, 3_600, 100]),
    ("Apple M3 Pro", [18, 6_400, 150]),
    ("Apple M3 Max", [40, 14_200, 400]),
    ("Apple M4", [10, 4_000, 120]),
    ("Apple M4 Pro", [20, 8_000, 273]),
    ("Apple M4 Max", [40, 16_100, 546]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_drivers_give_them_are_found_by_their_longest_entry() {
        let cores = |name| Facts::named(name).map(|facts| facts.cores);
        for (name, want) in [
            ("NVIDIA GeForce RTX 3060", Some(28)),
            ("NVIDIA GeForce RTX 3060 Ti", Some(38)),
            ("NVIDIA GeForce RTX 4070 Ti SUPER", Some(66)),
            ("NVIDIA GeForce RTX 4090/PCIe/SSE2", Some(128)),
            ("NVIDIA H100 80GB HBM3", Some(132)),
            ("NVIDIA H100 PCIe", Some(114)),
            ("NVIDIA A100-SXM4-40GB", Some(108)),
            ("Tesla V100-SXM2-16GB", Some(80)),
            ("AMD Radeon RX 7900 XTX (RADV NAVI31)", Some(96)),
            ("AMD Radeon RX 7900 XT", Some(84)),
            ("Intel(R) Arc(tm) A770 Graphics (DG2)", Some(32)),
            ("Apple M2", Some(10)),
            ("Apple M2 Pro", Some(19)),
            ("NVIDIA GeForce RTX 3060 Laptop GPU", None),
            ("NVIDIA A1000", None),
            ("llvmpipe (LLVM 15.0.6, 256 bits)", None),
            ("", None),
        ] {
            assert_eq!(cores(name), want, "{name}");
        }
    }

    #[test]
    fn every_entry_is_found_by_its_own_name_and_is_a_gpu() {
        for (name, sizes) in TABLE {
            let Facts { cores, gflops, bandwidth } = Facts::named(name).expect(name);
            assert_eq!([cores, gflops, bandwidth], *sizes, "{name}");
            // What a core does in a cycle, and what a byte is worth, lie within an order of
            // magnitude of each other on all of them.
            assert!((100..=1000).contains(&(gflops / cores)), "{name}");
            assert!((8..=110).contains(&(gflops / bandwidth)), "{name}");
        }
    }
}
