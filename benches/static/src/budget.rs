//! What each kernel may use on each target: `budget.toml`.

use crate::figures::Figures;
use crate::saved::{Row, TargetRows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The file.
#[derive(Deserialize, Default, Debug)]
pub struct Budget {
    /// The compiler that a target's limits hold for.
    drivers: BTreeMap<String, String>,
    /// Why the kernels of a shader file use what they use.
    reasons: BTreeMap<String, String>,
    kernels: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default, Debug)]
struct Entry {
    /// Where it is another one than its file's.
    reason: Option<String>,
    #[serde(flatten)]
    limits: BTreeMap<String, Limits>,
}

/// What a kernel may use.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// At most.
    registers: u32,
    /// At most.
    spills: u32,
    /// At least.
    waves: u32,
    /// At most.
    instructions: u32,
    /// At least: multiply-adds of the hot loop's instructions, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<u32>,
    /// At most: waits for memory in the hot loop that no arithmetic hides, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    trips: Option<u32>,
}

impl Limits {
    /// A little above what is used now.
    fn of(figures: &Figures) -> Limits {
        Limits {
            registers: figures.registers + (figures.registers / 20).clamp(1, 4),
            spills: figures.spills,
            waves: figures.waves,
            instructions: figures.instructions + figures.instructions.div_ceil(10),
            share: figures.hot.as_ref().map(|l| (l.share().floor() as u32).saturating_sub(2)),
            trips: figures.hot.as_ref().map(|l| l.trips),
        }
    }

    /// Whether these were written for such figures, a little more or less: then they stay as they
    /// are.
    fn fit(&self, figures: &Figures) -> bool {
        let new = Limits::of(figures);
        self.exceeded(figures).is_empty()
            && self.registers <= new.registers + 4
            && (self.spills, self.waves, self.trips) == (new.spills, new.waves, new.trips)
            && self.instructions <= new.instructions + new.instructions / 20
            && self.share.is_some() == new.share.is_some()
            && self.share.unwrap_or(0) + 3 >= new.share.unwrap_or(0)
    }

    fn exceeded(&self, figures: &Figures) -> Vec<String> {
        let mut found = Vec::new();
        let mut most = |what: &str, used: u32, limit: u32| {
            if used > limit {
                found.push(format!("{used} {what}, at most {limit}"));
            }
        };
        most("registers", figures.registers, self.registers);
        most("spills", figures.spills, self.spills);
        most("instructions", figures.instructions, self.instructions);
        if let (Some(hot), Some(limit)) = (&figures.hot, self.trips) {
            most(
                "waits for memory in a round of the hot loop with no arithmetic",
                hot.trips,
                limit,
            );
        }
        if figures.waves < self.waves {
            found.push(format!("{} waves, at least {}", figures.waves, self.waves));
        }
        match (&figures.hot, self.share) {
            (Some(hot), Some(least)) if hot.share() < f64::from(least) => found.push(format!(
                "{:.0} % of the hot loop are multiply-adds, at least {least} %",
                hot.share()
            )),
            (None, Some(_)) => found.push("no hot loop that multiplies and adds".into()),
            _ => {}
        }
        found
    }
}

/// `Mesa 25.0` of `radv Mesa 25.0.7-2~bpo12+1`.
fn compiler(driver: &str) -> String {
    let version = driver.split("Mesa ").last().unwrap_or_default();
    let parts: Vec<&str> = version.split('.').take(2).collect();
    format!("Mesa {}", parts.join("."))
}

/// What came of holding kernels against it.
#[derive(Default)]
pub struct Verdict {
    /// Targets whose compiler is another one.
    pub skipped: Vec<String>,
    /// How many kernels were held against it.
    pub held: usize,
    /// What is exceeded, a line each.
    pub exceeded: Vec<String>,
}

impl Budget {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn read(path: &Path) -> Result<Budget, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Budget::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(text: &str) -> Result<Budget, String> {
        toml::from_str(text).map_err(|e: toml::de::Error| e.to_string())
    }

    /// Holds kernels against it; `all`: these are all there are.
    pub fn check(&self, targets: &[TargetRows], all: bool) -> Verdict {
        let mut verdict = Verdict::default();
        for TargetRows { target, driver, kernels, .. } in targets {
            match self.drivers.get(target) {
                Some(known) if *known != compiler(driver) => verdict.skipped.push(format!(
                    "{target}: the budget is for {known}, this is {}",
                    compiler(driver)
                )),
                None => verdict.skipped.push(format!("{target}: the budget does not have it")),
                Some(_) => self.check_target(target, kernels, all, &mut verdict),
            }
        }
        verdict
    }

    fn check_target(&self, target: &str, kernels: &[Row], all: bool, verdict: &mut Verdict) {
        for row in kernels {
            let say = |what: String| format!("{target}: {}: {what}", row.name);
            match self.kernels.get(&row.name).and_then(|entry| entry.limits.get(target)) {
                None => verdict.exceeded.push(say("not in the budget".into())),
                Some(limits) => {
                    verdict.held += 1;
                    let found = limits.exceeded(&row.figures);
                    verdict.exceeded.extend(found.into_iter().map(say));
                }
            }
        }
        let gone = self.kernels.iter().filter(|(name, entry)| {
            entry.limits.contains_key(target) && !kernels.iter().any(|row| row.name == **name)
        });
        if all {
            let say = |(name, _)| format!("{target}: {name}: in the budget, but no plan has it");
            verdict.exceeded.extend(gone.map(say));
        }
    }

    /// The same with the figures of today for these targets, as a file's text. Reasons stay, and
    /// so do limits that today's figures still fit and those of other targets.
    pub fn renewed(&self, targets: &[TargetRows]) -> String {
        let mut drivers = self.drivers.clone();
        drivers.extend(targets.iter().map(|t| (t.target.clone(), compiler(&t.driver))));
        let mut kernels: BTreeMap<&str, BTreeMap<&str, Limits>> = BTreeMap::new();
        for TargetRows { target, kernels: rows, .. } in targets {
            for row in rows {
                let old = self.kernels.get(&row.name).and_then(|e| e.limits.get(target));
                let kept = old.filter(|limits| limits.fit(&row.figures)).cloned();
                let limits = kept.unwrap_or_else(|| Limits::of(&row.figures));
                kernels.entry(&row.name).or_default().insert(target, limits);
            }
        }
        let measured = |target: &str| targets.iter().any(|t| t.target == target);
        for (name, entry) in &self.kernels {
            if let Some(limits) = kernels.get_mut(name.as_str()) {
                let others = entry.limits.iter().filter(|(target, _)| !measured(target));
                limits.extend(others.map(|(target, l)| (target.as_str(), l.clone())));
            }
        }
        self.print(&drivers, &kernels)
    }

    fn print(
        &self,
        drivers: &BTreeMap<String, String>,
        kernels: &BTreeMap<&str, BTreeMap<&str, Limits>>,
    ) -> String {
        let mut text = String::from(HEAD);
        text.push_str("\n[drivers]\n");
        for (target, driver) in drivers {
            let _ = writeln!(text, "{target} = {driver:?}");
        }
        text.push_str("\n[reasons]\n");
        let mut files: Vec<&str> =
            kernels.keys().map(|name| name.split('/').next().unwrap_or(name)).collect();
        files.dedup();
        for file in files {
            let reason = self.reasons.get(file).map_or("?", String::as_str);
            let _ = writeln!(text, "{file} = {reason:?}");
        }
        for (name, limits) in kernels {
            let _ = writeln!(text, "\n[kernels.{name:?}]");
            if let Some(reason) = self.kernels.get(*name).and_then(|e| e.reason.as_ref()) {
                let _ = writeln!(text, "reason = {reason:?}");
            }
            for (target, limits) in limits {
                let values = toml::to_string(limits).expect("plain numbers");
                let values: Vec<&str> = values.lines().collect();
                let _ = writeln!(text, "{target} = {{ {} }}", values.join(", "));
            }
        }
        text
    }
}

const HEAD: &str = "\
# What each kernel may use on each target, a little above what it used when this was written.
# `benches/static/run --budget` fails where a kernel takes more; a deliberate change writes this file
# anew in the same commit: `benches/static/run --write-budget` (with --all for the targets of Mesa
# 26). Reasons, by shader file or below a kernel's name, are written by hand and stay.
#
# At most: registers, spills, instructions, trips (waits for memory in a round of the hot loop with no
# arithmetic to hide them).
# At least: waves; share (percent of the hot loop's instructions that are multiply-adds).
";

#[cfg(test)]
mod tests;
