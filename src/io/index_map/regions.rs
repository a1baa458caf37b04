//! The regions of a map of instances, and which label each has.

use super::IndexMap;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// A region: the pixels of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The label that most of its pixels have; of several the smallest.
    pub label: u32,
    /// How many pixels it has.
    pub pixels: u32,
    /// The place of its first pixel, row by row.
    pub first: usize,
}

impl IndexMap {
    /// The regions of this map of instances by their numbers, with their labels from a map beside
    /// it.
    ///
    /// # Errors
    /// [`Error::Usage`] for maps of two sizes.
    pub fn regions(&self, labels: &IndexMap) -> Result<BTreeMap<u32, Region>> {
        if (self.width, self.height) != (labels.width, labels.height) {
            return Err(Error::Usage("labels and instances are maps of two sizes".into()));
        }
        let mut counts: BTreeMap<u32, (usize, BTreeMap<u32, u32>)> = BTreeMap::new();
        let mut at = 0;
        // Neighbours in a row are mostly of one kind: a look-up for each run of them.
        let pairs: Vec<_> = self.data.iter().zip(&labels.data).collect();
        for run in pairs.chunk_by(|a, b| a == b) {
            let (index, label) = run[0];
            let (_, found) = counts.entry(*index).or_insert_with(|| (at, BTreeMap::new()));
            *found.entry(*label).or_default() += run.len() as u32;
            at += run.len();
        }
        let region = |(first, counts): (usize, BTreeMap<u32, u32>)| {
            let most = counts.iter().rev().max_by_key(|(_, count)| **count);
            let label = most.map_or(0, |(label, _)| *label);
            Region { label, pixels: counts.values().sum(), first }
        };
        Ok(counts.into_iter().map(|(index, found)| (index, region(found))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_the_label_of_most_of_its_pixels() {
        let map = |data: Vec<u32>| IndexMap::new(4, 2, data).unwrap();
        let instances = map(vec![9, 9, 5, 5, 9, 7, 7, 7]);
        let labels = map(vec![1, 2, 4, 3, 2, 8, 8, 6]);
        let found = instances.regions(&labels).unwrap();
        let region = |label, pixels, first| Region { label, pixels, first };
        let wanted = [(5, region(3, 2, 2)), (7, region(8, 3, 5)), (9, region(2, 3, 0))];
        assert_eq!(found, BTreeMap::from(wanted));
        assert!(instances.regions(&IndexMap::new(8, 1, vec![0; 8]).unwrap()).is_err());
    }
}
