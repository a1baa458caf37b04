//! The GPUs whose compilers can be run here.

use crate::listing::Syntax;
use std::path::{Path, PathBuf};

/// Where a compiler comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mesa {
    /// The machine's own Mesa, which until 25 has RADV's null hardware.
    Installed,
    /// Mesa 26 in a folder of its own, with this shim in the place of the kernel's driver.
    Shim(&'static str),
}

/// How a driver names its statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Radv,
    Nvk,
    Honeykrisp,
    Turnip,
}

/// A GPU.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    pub about: &'static str,
    pub mesa: Mesa,
    pub dialect: Dialect,
    /// What the driver or the shim is told, by environment.
    variable: (&'static str, &'static str),
}

const fn null(name: &'static str, about: &'static str) -> Target {
    Target {
        name,
        about,
        mesa: Mesa::Installed,
        dialect: Dialect::Radv,
        variable: ("RADV_FORCE_FAMILY", name),
    }
}

const fn shim(
    name: &'static str,
    about: &'static str,
    dialect: Dialect,
    shim: &'static str,
    variable: (&'static str, &'static str),
) -> Target {
    Target { name, about, mesa: Mesa::Shim(shim), dialect, variable }
}

/// All of them; those of the installed Mesa come first.
pub const TARGETS: [Target; 9] = [
    null("navi31", "AMD RDNA3: RX 7900 XTX"),
    null("navi21", "AMD RDNA2: RX 6900 XT"),
    null("renoir", "AMD Vega, integrated: Ryzen 4000"),
    shim(
        "navi31-26",
        "AMD RDNA3, Mesa 26's compiler",
        Dialect::Radv,
        "amdgpu",
        ("AMDGPU_GPU_ID", "navi31"),
    ),
    shim("gfx1201", "AMD RDNA4: RX 9070 XT", Dialect::Radv, "amdgpu", ("AMDGPU_GPU_ID", "gfx1201")),
    shim("ga106", "NVIDIA Ampere: RTX 3060", Dialect::Nvk, "nouveau", ("NOUVEAU_CHIPSET", "176")),
    shim("ad102", "NVIDIA Ada: RTX 4090", Dialect::Nvk, "nouveau", ("NOUVEAU_CHIPSET", "192")),
    shim("m1", "Apple M1", Dialect::Honeykrisp, "asahi", ("ASAHI_MESA_DEBUG", "")),
    shim("adreno740", "Qualcomm Adreno 740", Dialect::Turnip, "freedreno", ("FD_GPU_ID", "740")),
];

impl Target {
    pub fn syntax(&self) -> Option<Syntax> {
        match self.dialect {
            Dialect::Radv => Some(Syntax::Amd),
            Dialect::Nvk => Some(Syntax::Nvidia),
            // Mesa's drivers for these keep no listing.
            Dialect::Honeykrisp | Dialect::Turnip => None,
        }
    }

    /// What a register is.
    pub fn unit(&self) -> &'static str {
        match self.dialect {
            Dialect::Radv => "vector registers of a lane; waves a SIMD",
            Dialect::Nvk => "registers of a lane; warps an SM, as far as registers allow",
            Dialect::Honeykrisp => "16-bit halves of a lane, 255 at most; SIMD groups a core",
            Dialect::Turnip => "vec4 registers of a lane; waves a core",
        }
    }

    fn driver(&self) -> &'static str {
        match self.dialect {
            Dialect::Radv => "radeon",
            Dialect::Nvk => "nouveau",
            Dialect::Honeykrisp => "asahi",
            Dialect::Turnip => "freedreno",
        }
    }

    /// The command that runs this program's worker on the target; `root` is where Mesa 26 is
    /// unpacked.
    ///
    /// # Errors
    /// What is missing, in one line.
    pub fn command(&self, root: Option<&Path>) -> Result<std::process::Command, String> {
        let program = std::env::current_exe().map_err(|e| format!("this program's path: {e}"))?;
        let (mut command, manifest) = match self.mesa {
            Mesa::Installed => {
                let manifest = manifest(Path::new("/usr/share/vulkan/icd.d"), self.driver())
                    .ok_or("Mesa's radeon driver is not installed (mesa-vulkan-drivers)")?;
                (std::process::Command::new(program), manifest)
            }
            Mesa::Shim(shim) => {
                let root = root.ok_or("Mesa 26 is not unpacked (benches/static/run --all)")?;
                let manifest = manifest(&root.join("usr/share/vulkan/icd.d"), self.driver())
                    .ok_or_else(|| format!("{} has no {} driver", root.display(), self.driver()))?;
                let libraries = root.join("usr/lib/x86_64-linux-gnu");
                let mut command =
                    std::process::Command::new(libraries.join("ld-linux-x86-64.so.2"));
                command
                    .arg("--library-path")
                    .arg(&libraries)
                    .arg("--preload")
                    .arg(libraries.join(format!("lib{shim}_noop_drm_shim.so")))
                    .arg(program);
                (command, manifest)
            }
        };
        for own in TARGETS.iter().map(|t| t.variable.0) {
            command.env_remove(own);
        }
        command
            .env(self.variable.0, self.variable.1)
            // The loader of Debian 12 knows the older name only.
            .env("VK_DRIVER_FILES", &manifest)
            .env("VK_ICD_FILENAMES", &manifest)
            .env("MESA_SHADER_CACHE_DISABLE", "true")
            .env("NODEVICE_SELECT", "1")
            .args(["--worker", self.name]);
        Ok(command)
    }
}

/// `radeon_icd.json`, on other systems `radeon_icd.x86_64.json`.
fn manifest(folder: &Path, driver: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{driver}_icd.")) && name.ends_with("json")
        })
        .collect();
    found.sort();
    found.into_iter().next()
}
