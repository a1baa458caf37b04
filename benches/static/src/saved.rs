//! Figures in a file, one kernel a line, and what changed since an older one.

use crate::figures::Figures;
use crate::kernels::STEPS;
use crate::listing::Loop;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A kernel on a target.
#[derive(Serialize, Deserialize, Debug)]
pub struct Row {
    pub name: String,
    /// Dispatches in each of the steps.
    pub uses: [usize; STEPS.len()],
    #[serde(flatten)]
    pub figures: Figures,
}

/// All kernels on a target.
#[derive(Serialize, Deserialize, Debug)]
pub struct TargetRows {
    pub target: String,
    pub device: String,
    pub driver: String,
    pub kernels: Vec<Row>,
}

/// The file.
#[derive(Serialize, Deserialize, Debug)]
pub struct Saved {
    pub steps: Vec<String>,
    pub targets: Vec<TargetRows>,
}

impl Saved {
    pub fn new(targets: Vec<TargetRows>) -> Saved {
        let steps = STEPS.iter().map(|(step, batch)| format!("{step}, batch {batch}")).collect();
        Saved { steps, targets }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn read(path: &Path) -> Result<Saved, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the system refuses, in one line.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let line = |row: &Row| serde_json::to_string(row).expect("plain data");
        let targets: Vec<String> = self
            .targets
            .iter()
            .map(|TargetRows { target, device, driver, kernels }| {
                let kernels: Vec<String> =
                    kernels.iter().map(|row| format!("      {}", line(row))).collect();
                format!(
                    "    {{\"target\":{target:?},\"device\":{device:?},\"driver\":{driver:?},\
                     \"kernels\":[\n{}\n    ]}}",
                    kernels.join(",\n")
                )
            })
            .collect();
        let text = format!(
            "{{\n  \"steps\":{},\n  \"targets\":[\n{}\n  ]\n}}\n",
            serde_json::to_string(&self.steps).expect("plain data"),
            targets.join(",\n")
        );
        std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Prints what differs from an older file, of the targets that both have.
    pub fn compare(&self, old: &Saved) {
        for new in &self.targets {
            let Some(old) = old.targets.iter().find(|t| t.target == new.target) else {
                println!("\n{}: not in the older file", new.target);
                continue;
            };
            println!("\n{}: what changed", new.target);
            if old.driver != new.driver {
                println!("  driver: {} -> {}", old.driver, new.driver);
            }
            let mut same = 0;
            for row in &new.kernels {
                match old.kernels.iter().find(|o| o.name == row.name) {
                    None => println!("  + {}: {}", row.name, all(&row.figures)),
                    Some(older) => match changes(&older.figures, &row.figures) {
                        none if none.is_empty() => same += 1,
                        some => println!("  {}: {}", row.name, some.join(", ")),
                    },
                }
            }
            for gone in &old.kernels {
                if !new.kernels.iter().any(|row| row.name == gone.name) {
                    println!("  - {}: {}", gone.name, all(&gone.figures));
                }
            }
            println!("  {same} as before");
        }
    }
}

/// The figures that are compared. The compiler's time is not: it is never the same.
fn named(figures: &Figures) -> Vec<(&'static str, Option<f64>)> {
    let hot = figures.hot.as_ref();
    let part = |value: u32| hot.map(|_| f64::from(value));
    let (loop_instructions, trips, hidden, scalar, mads) = hot.map_or((0, 0, 0, 0, 0), |l| {
        (l.instructions, l.trips, l.hidden, l.scalar_reads, l.multiply_adds)
    });
    vec![
        ("registers", Some(f64::from(figures.registers))),
        ("spills", Some(f64::from(figures.spills))),
        ("workgroup memory", Some(f64::from(figures.workgroup))),
        ("waves", Some(f64::from(figures.waves))),
        ("instructions", Some(f64::from(figures.instructions))),
        ("code", Some(f64::from(figures.code))),
        ("loop", part(loop_instructions)),
        ("multiply-adds", part(mads)),
        ("share", hot.map(|l| l.share().round())),
        ("per 16 bytes", hot.and_then(Loop::per_read)),
        ("scalar reads", part(scalar)),
        ("trips", part(trips)),
        ("hidden", part(hidden)),
    ]
}

fn show(value: Option<f64>) -> String {
    value.map_or("none".into(), |v| {
        if v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v:.1}") }
    })
}

fn all(figures: &Figures) -> String {
    let shown = named(figures).into_iter().filter(|(_, v)| v.is_some());
    shown.map(|(name, v)| format!("{name} {}", show(v))).collect::<Vec<_>>().join(", ")
}

fn changes(old: &Figures, new: &Figures) -> Vec<String> {
    named(old)
        .into_iter()
        .zip(named(new))
        .filter(|((_, a), (_, b))| a != b)
        .map(|((name, a), (_, b))| format!("{name} {} -> {}", show(a), show(b)))
        .collect()
}
