//! Which variants a problem and a device allow.

use super::estimate;
use super::problem::Problem;
use super::rule;
use super::variant::{Method, Tile, Variant};
use super::winograd::sizes;
use crate::gpu::{Facts, Family};

impl Variant {
    /// Whether the problem and the device's family allow it as it stands.
    pub fn fits(self, problem: &Problem, family: Family) -> bool {
        self.valid_for(problem, family) == self
    }

    /// The nearest variant that the problem and the device's family allow.
    pub(super) fn valid_for(mut self, problem: &Problem, family: Family) -> Variant {
        if !problem.allows(self.method)
            || (self.method != Method::Direct && !sizes::fits(problem, self.method))
        {
            self.method = Method::Direct;
        }
        let product = problem.direct();
        let gemv_fits = gemv_fits(problem, self.method);
        match (self.tile, family) {
            // A subgroup's size is a fact of the device.
            (Tile::Subgroup { rows, .. }, Family::Subgroup(lanes)) => {
                self.tile = Tile::Subgroup { lanes, rows: rows.max(lanes) }
            }
            (Tile::Subgroup { .. }, _) => {
                self.tile = rule::tile(family, Facts::default(), problem, self.method, &product)
            }
            (Tile::Gemv { .. } | Tile::Narrow, _) if !gemv_fits => {
                self.tile = rule::tile(family, Facts::default(), problem, self.method, &product)
            }
            _ => {}
        }
        if self.method != Method::Direct {
            return self;
        }
        let partial = u64::from(self.split) * problem.output.bytes();
        if partial > crate::gpu::MAX_BINDING {
            self.split = 1;
        }
        self.split = self.split.clamp(1, product.blocks.max(1));
        self
    }

    /// Elements that its tiles compute, for each element of the product: more than 1 where they
    /// reach beyond it. 1 for the tiles of CPU drivers, whose subgroups lie as the product asks.
    pub fn waste(self, problem: &Problem) -> f64 {
        match self.tile {
            Tile::Subgroup { .. } => 1.0,
            tile => estimate::waste(tile, &estimate::product(problem, self.method)),
        }
    }

    /// Every variant worth measuring for a problem on a device of a family.
    pub fn candidates(problem: &Problem, family: Family) -> Vec<Variant> {
        let product = problem.direct();
        let mut tiles = match family {
            Family::Subgroup(lanes) => [8, 16, 32]
                .into_iter()
                .filter(|r| *r >= lanes)
                .map(|rows| Tile::Subgroup { lanes, rows })
                .collect(),
            Family::Register => vec![Tile::Register { columns: 2 }, Tile::Register { columns: 4 }],
            Family::Workgroup => Tile::WORKGROUP.to_vec(),
        };
        if product.cols < 4 {
            tiles.push(Tile::Register { columns: 1 });
        }
        if family == Family::Workgroup && product.cols < 8 {
            // Results narrower than the tiles.
            let narrow = [2, 4].into_iter().filter(|columns| *columns <= product.cols);
            tiles.extend(narrow.map(|columns| Tile::Register { columns }));
        }
        if family == Family::Workgroup && product.rows <= 32 {
            tiles.extend([Tile::Gemv { rows: 4 }, Tile::Gemv { rows: 8 }]);
        }
        if family == Family::Workgroup && product.cols < 4 {
            tiles.push(Tile::Narrow);
        }
        let splits: &[u32] =
            if family == Family::Workgroup { &[1, 2, 4, 8, 16, 32] } else { &[1, 2] };
        let mut all = Vec::new();
        for method in Method::ALL.into_iter().filter(|m| problem.allows(*m)) {
            let gemv = gemv_fits(problem, method);
            for &tile in
                tiles.iter().filter(|t| gemv || !matches!(t, Tile::Gemv { .. } | Tile::Narrow))
            {
                // More rounds than memory requires gain nothing.
                for &split in splits.iter().filter(|s| method == Method::Direct || **s == 1) {
                    let variant = Variant { method, tile, split };
                    // What validity would change is another candidate, or none.
                    if variant.valid_for(problem, family) == variant {
                        all.push(variant);
                    }
                }
            }
        }
        all
    }
}

/// Whether the tile of few rows can compute it.
fn gemv_fits(problem: &Problem, method: Method) -> bool {
    method == Method::Direct && !problem.pass.is_weight()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_print_and_parse() {
        for family in [Family::Subgroup(8), Family::Register, Family::Workgroup] {
            let all = Variant::candidates(&Problem::sample(), family);
            assert!(all.len() >= 6, "{family}: {all:?}");
            for variant in all {
                assert_eq!(variant.to_string().parse::<Variant>().unwrap(), variant);
            }
        }
        for wrong in ["fast", "subgroup8", "workgroup65", "workgroup64x128", "split0", "direct"] {
            assert!(wrong.parse::<Variant>().is_err(), "{wrong}");
        }
    }
}
