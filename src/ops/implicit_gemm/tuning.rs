//! Which variant a problem takes: forced, from a table that was measured, or by the built-in rule.

use super::problem::Problem;
use super::rule;
use super::variant::{PartialVariant, Variant};
use crate::gpu::{Facts, Family, Gpu};
use std::collections::BTreeMap;

/// Which variant each problem takes.
#[derive(Clone, PartialEq, Debug)]
pub struct Tuning {
    family: Family,
    facts: Facts,
    forced: PartialVariant,
    table: BTreeMap<String, Variant>,
}

impl Tuning {
    /// The built-in rule for a family of tiles, on a GPU of which nothing is known.
    pub fn rule(family: Family) -> Self {
        let (facts, forced) = (Facts::default(), PartialVariant::default());
        Tuning { family, facts, forced, table: BTreeMap::new() }
    }

    /// The built-in rule for a device.
    pub fn on(gpu: &Gpu) -> Self {
        Tuning::rule(gpu.family()).with_facts(gpu.facts())
    }

    /// Sets the sizes of the GPU that the rule chooses for.
    #[must_use]
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// Sizes of the GPU that the rule chooses for.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Tunings that use every kernel between them, for tests.
    pub(crate) fn samples() -> Vec<Tuning> {
        let mut all = Vec::new();
        for family in [
            Family::Subgroup(4),
            Family::Subgroup(8),
            Family::Subgroup(16),
            Family::Register,
            Family::Workgroup,
        ] {
            let tiles: &[&str] = match family {
                Family::Subgroup(4) => &["subgroup4x8", "subgroup4x16", "subgroup4x32"],
                Family::Subgroup(8) => &["subgroup8x8", "subgroup8x16", "subgroup8x32"],
                Family::Subgroup(_) => &["subgroup16x16", "subgroup16x32"],
                Family::Register => &["register1", "register2", "register4"],
                Family::Workgroup => &[
                    "workgroup32",
                    "workgroup64",
                    "workgroup128x64",
                    "workgroup128",
                    "gemv4",
                    "gemv8",
                    "narrow",
                ],
            };
            all.push(Tuning::rule(family));
            for tile in tiles {
                for method in ["direct", "direct split4", "winograd3", "winograd5", "winograd6"] {
                    let parts = format!("{method} {tile}").parse().expect("a variant");
                    all.push(Tuning::rule(family).force(parts));
                }
            }
        }
        all
    }

    /// Forces parts of every choice where they apply.
    #[must_use]
    pub fn force(mut self, parts: PartialVariant) -> Self {
        self.forced = parts;
        self
    }

    /// Sets the variant that a problem takes.
    pub fn set(&mut self, problem: &Problem, variant: Variant) {
        self.table.insert(problem.to_string(), variant);
    }

    /// The family of tiles that the rule chooses from.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether parts of every choice are forced, so that a table says little.
    pub fn is_forced(&self) -> bool {
        self.forced != PartialVariant::default()
    }

    /// The variant that a problem takes.
    pub fn choose(&self, problem: &Problem) -> Variant {
        let listed = self.table.get(&problem.to_string()).copied();
        let mut variant = listed.unwrap_or_else(|| rule::choose(self.family, self.facts, problem));
        let PartialVariant { method, tile, split } = self.forced;
        if let Some(method) = method.filter(|m| problem.allows(*m) && *m != variant.method) {
            // What the rule would cut is another sum.
            (variant.method, variant.split) = (method, 1);
        }
        if let Some(tile) = tile {
            variant.tile = tile;
        }
        if let Some(split) = split {
            variant.split = split;
        }
        variant.valid_for(problem, self.family)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Method, Pass};
    use super::*;
    use crate::shape::{Conv, Shape};

    #[test]
    fn what_is_forced_holds_where_it_applies() {
        let tuning = |text: &str| Tuning::rule(Family::Workgroup).force(text.parse().unwrap());
        assert_eq!(
            tuning("winograd5").choose(&Problem::sample()).to_string(),
            "winograd5 workgroup128"
        );
        assert_eq!(
            tuning("winograd5 split4").choose(&Problem::sample()).to_string(),
            "winograd5 workgroup128 split4"
        );
        assert_eq!(tuning("direct split4").choose(&Problem::sample()).split, 4);
        let seven = Problem { conv: Conv::new(7, 1, 3), ..Problem::sample() };
        assert_eq!(tuning("winograd3").choose(&seven).method, Method::Direct);
        // Maps within one tile are left alone.
        for (side, method) in [(3, Method::Direct), (4, Method::Winograd5)] {
            let (x, y) = (Shape::new(1, side + 2, 9, 16), Shape::new(1, side, 7, 16));
            let passes =
                Pass::of_layer(false).map(|pass| Problem::of_layer(pass, x, y, Conv::new(3, 1, 0)));
            assert!(
                passes.iter().all(|p| tuning("winograd5").choose(p).method == method),
                "{side}"
            );
        }
        // A table's choice is taken as it is.
        let mut listed = Tuning::rule(Family::Workgroup);
        listed.set(&Problem::sample(), "direct workgroup32 split2".parse().unwrap());
        assert_eq!(listed.choose(&Problem::sample()).to_string(), "direct workgroup32 split2");
    }
}
