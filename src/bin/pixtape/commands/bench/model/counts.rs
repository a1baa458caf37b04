//! What compilers made of the kernels, as `benches/static/run --json` writes it.

use pixtape::gpu::Kernel;
use pixtape::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// The file.
#[derive(Deserialize)]
pub(super) struct Counts {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    target: String,
    kernels: Vec<Row>,
}

#[derive(Deserialize, Clone, Debug)]
struct Row {
    name: String,
    spills: f64,
    workgroup: f64,
    waves: f64,
    #[serde(rename = "loop")]
    hot: Option<Hot>,
}

#[derive(Deserialize, Clone, Debug)]
struct Hot {
    instructions: f64,
    arithmetic: f64,
    trips: f64,
}

/// What the model takes of a kernel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Count {
    /// Multiply-adds of the instructions of the hot loop.
    pub share: f64,
    /// Trips to memory that nothing hides, in a round of it.
    pub trips: f64,
    /// Waves that fit, by registers.
    pub waves: f64,
    /// Bytes of workgroup memory.
    pub workgroup: f64,
}

/// For a kernel that was never compiled.
const UNKNOWN: Count = Count { share: 0.5, trips: 1.0, waves: 8.0, workgroup: 0.0 };
/// The target whose listings the loops are of: with the compilers of the others, wgpu's robust
/// access splits reads into words, which the vendors' own drivers need not do, or there is no
/// listing.
pub(super) const LOOPS: &str = "navi31";

impl Counts {
    /// Those that came with the program.
    pub fn built_in() -> Counts {
        serde_json::from_str(include_str!("counts.json")).expect("a test reads it")
    }

    /// Those of a file.
    ///
    /// # Errors
    /// [`Error::Usage`] with the path for what cannot be read.
    pub fn read(path: &Path) -> Result<Counts> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::Usage(format!(
                "{}: {e}; --counts takes what benches/static/run --json writes",
                path.display()
            ))
        };
        let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
        serde_json::from_str(&text).map_err(|e| failed(&e))
    }

    /// The kernel of this name or, of the same file and entry, the one with the most constants in
    /// common.
    fn row(&self, target: &str, name: &str) -> Option<&Row> {
        let target = self.targets.iter().find(|t| t.target == target)?;
        let (stem, constants) = name.split_once(' ').unwrap_or((name, ""));
        let common = |row: &Row| {
            let theirs = row.name.split_once(' ').map_or("", |(_, constants)| constants);
            constants.split(' ').filter(|c| theirs.split(' ').any(|t| t == *c)).count()
        };
        let same_stem = |row: &&Row| row.name.split(' ').next() == Some(stem);
        let exact = target.kernels.iter().find(|row| row.name == name);
        exact.or_else(|| target.kernels.iter().filter(same_stem).max_by_key(|row| common(row)))
    }

    /// Of a kernel on a target, and whether it or one like it is known.
    pub fn of(&self, target: &str, kernel: &Kernel) -> (Count, bool) {
        let name = kernel.label();
        let (row, looped) = (self.row(target, &name), self.row(LOOPS, &name));
        let Some((row, hot)) = row.zip(looped.and_then(|row| row.hot.as_ref())) else {
            return (UNKNOWN, false);
        };
        // A spill is a store and a load, taken to be in the loop.
        let instructions = hot.instructions + 2.0 * row.spills;
        let share = hot.arithmetic / instructions;
        let Row { workgroup, waves, .. } = *row;
        (Count { share, trips: hot.trips, waves, workgroup }, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::gpu::Access;

    #[test]
    fn counts_are_of_the_kernel_on_the_target() {
        let text = r#"{"targets":[
            {"target":"navi31","kernels":[{"name":"a/b","spills":0,"workgroup":1,"waves":8,
                "loop":{"instructions":100,"arithmetic":80,"trips":2}}]},
            {"target":"m1","kernels":[{"name":"a/b","spills":30,"workgroup":4096,"waves":12}]}]}"#;
        let counts: Counts = serde_json::from_str(text).unwrap();
        let kernel = Kernel::new("a", "b", &[("x", Access::Read)]);
        let (found, known) = counts.of("m1", &kernel);
        assert!(known);
        assert_eq!(found, Count { share: 0.5, trips: 2.0, waves: 12.0, workgroup: 4096.0 });
        assert_eq!(counts.of("navi31", &kernel).0.share, 0.8);
        assert_eq!(counts.of("m1", &Kernel::new("a", "c", &[])), (UNKNOWN, false));
        // Of a variant that was not counted, what the nearest one has.
        assert_eq!(counts.of("navi31", &kernel.tune("N", 2)).0.share, 0.8);
    }
}
