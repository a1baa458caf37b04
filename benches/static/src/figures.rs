//! What a driver says of a kernel, under the same names for all drivers.

use crate::device::Compiled;
use crate::listing::{Code, Loop, hot_loop};
use crate::targets::{Dialect, Target};
use serde::{Deserialize, Serialize};

/// One kernel on one target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// See [`Target::unit`].
    pub registers: u32,
    /// Values that did not fit and go through memory.
    pub spills: u32,
    /// Bytes of workgroup memory.
    pub workgroup: u32,
    /// How many waves fit; see [`Target::unit`].
    pub waves: u32,
    pub instructions: u32,
    /// Bytes of machine code.
    pub code: u32,
    /// CPU time of the compiler, which is the only figure that is not the same every time.
    pub ms: f64,
    /// Of the hot loop, where the driver keeps a listing.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none", default)]
    pub hot: Option<Loop>,
}

impl Figures {
    pub fn of(target: &Target, compiled: &Compiled) -> Figures {
        let named = |name: &str| {
            compiled.statistics.iter().find(|(n, _)| n == name).map_or(0, |(_, v)| *v as u32)
        };
        let hot = target.syntax().and_then(|s| hot_loop(&Code::read(s, &compiled.listing)));
        let shared = Figures {
            registers: 0,
            spills: 0,
            workgroup: compiled.workgroup,
            waves: 0,
            instructions: 0,
            code: named("Code size"),
            ms: (10.0 * compiled.ms).round() / 10.0,
            hot,
        };
        match target.dialect {
            Dialect::Radv => Figures {
                registers: named("VGPRs"),
                spills: named("Spilled VGPRs") + named("Spilled SGPRs"),
                workgroup: named("LDS size"),
                waves: named("Subgroups per SIMD"),
                instructions: named("Instructions"),
                ..shared
            },
            Dialect::Nvk => Figures {
                registers: named("Number of GPRs"),
                spills: named("Spills to memory"),
                waves: named("Max warps/SM"),
                instructions: named("Instruction count"),
                ..shared
            },
            Dialect::Honeykrisp => Figures {
                registers: named("GPRs"),
                spills: named("Spills"),
                waves: named("Threads") / 32,
                instructions: named("Instructions"),
                ..shared
            },
            Dialect::Turnip => Figures {
                registers: named("Registers used"),
                spills: named("STP Count"),
                waves: named("Max Waves Per Core"),
                instructions: named("Instruction Count"),
                ..shared
            },
        }
    }
}
