//! Features by label: collected from images by an encoder, clustered, kept in a file, and painted
//! onto the instances of a map.

use crate::io::checkpoint::TensorFile;
use crate::io::kmeans::{Cluster, k_means};
use crate::io::weights::{Precision, WeightsFile};
use crate::io::{IndexMap, Picture, Region, write_aside};
use crate::rng::{fold_seed, random};
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Tensors of the file: this and the label.
const PREFIX: &str = "label_";

/// Features of instances by label.
#[derive(Clone, Debug, Default)]
pub struct FeatureBank {
    /// Of each instance its features, and whether it is a large part of its image.
    rows: BTreeMap<u32, Vec<(Vec<f32>, bool)>>,
}

impl FeatureBank {
    /// Adds the regions of an image: `values` has their features, the same for all pixels of one.
    ///
    /// # Errors
    /// [`Error::Usage`] for another size than that of the maps.
    pub fn add(
        &mut self,
        labels: &IndexMap,
        regions: &IndexMap,
        values: &Picture<f32>,
    ) -> Result<()> {
        if (values.width, values.height) != (labels.width, labels.height) {
            return Err(Error::Usage("features of another size than their map".into()));
        }
        let channels = values.channels as usize;
        // Upstream's rule: more than half of a 32nd of the image, whose pixels it divides without
        // a remainder.
        let part = labels.data.len() as u64 / 32;
        for Region { label, pixels, first } in regions.regions(labels)?.into_values() {
            let row = values.data[channels * first..][..channels].to_vec();
            let large = 2 * u64::from(pixels) > part;
            self.rows.entry(label).or_default().push((row, large));
        }
        Ok(())
    }

    /// Number of instances.
    pub fn instances(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    /// Clusters the features of each label, at most `n_clusters` for each; of labels that have
    /// instances of more than a 64th of an image these alone. `about` says what they come from.
    ///
    /// # Errors
    /// [`Error::Usage`] without an instance, or for features that are not finite.
    pub fn cluster(
        &self,
        n_clusters: usize,
        seed: u64,
        mut about: Value,
    ) -> Result<FeatureCentres> {
        let mut by_label = BTreeMap::new();
        let (mut instances, mut members) = (json!({}), json!({}));
        for (label, rows) in &self.rows {
            let any_large = rows.iter().any(|(_, large)| *large);
            let kept = rows.iter().filter(|(_, large)| *large || !any_large);
            let kept: Vec<Vec<f32>> = kept.map(|(row, _)| row.clone()).collect();
            if kept.iter().flatten().any(|value| !value.is_finite()) {
                let why = format!("features of label {label} are not finite: the encoder diverged");
                return Err(Error::Usage(why));
            }
            let clusters = k_means(&kept, n_clusters, seed);
            let name = label.to_string();
            instances[&name] = rows.len().into();
            members[&name] = clusters.iter().map(|cluster| cluster.members).collect();
            let centres = clusters.into_iter().map(|Cluster { centre, .. }| centre).collect();
            by_label.insert(*label, centres);
        }
        (about["instances"], about["members"]) = (instances, members);
        (about["n_clusters"], about["seed"]) = (n_clusters.into(), seed.into());
        FeatureCentres::new(by_label, about)
    }
}

/// Which of its label's centres an instance gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look<'a> {
    /// The same for all instances of a label, by number; beyond the last it begins again.
    Style(u64),
    /// One for each instance, by a seed and the name of the picture.
    Random(u64, &'a str),
}

/// Centres of features by label.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureCentres {
    channels: u32,
    by_label: BTreeMap<u32, Vec<Vec<f32>>>,
    /// What they were made from.
    pub about: Value,
}

impl FeatureCentres {
    /// Centres of equal length, at least one for each label.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are none, or of several lengths.
    pub fn new(by_label: BTreeMap<u32, Vec<Vec<f32>>>, about: Value) -> Result<FeatureCentres> {
        let lengths: BTreeSet<usize> = by_label.values().flatten().map(Vec::len).collect();
        match (lengths.first(), lengths.len(), by_label.values().any(Vec::is_empty)) {
            (Some(channels), 1, false) if *channels > 0 => {
                Ok(FeatureCentres { channels: *channels as u32, by_label, about })
            }
            _ => Err(Error::Usage("no centres of features, or of several lengths".into())),
        }
    }

    /// Features for each pixel.
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.by_label.len()
    }

    /// Number of centres of all labels.
    pub fn centres(&self) -> usize {
        self.by_label.values().map(Vec::len).sum()
    }

    /// Reads a file that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<FeatureCentres> {
        let file = TensorFile::read(path)?;
        let wrong =
            |why: &str| Error::file(path, format!("{why}; `pixtape features` writes such a file"));
        let mut by_label = BTreeMap::new();
        for (name, values) in file.tensors() {
            let label = name.strip_prefix(PREFIX).and_then(|label| label.parse::<u32>().ok());
            let (label, channels) = match (label, &values.shape[..]) {
                (Some(label), [_, channels]) if *channels > 0 => (label, *channels),
                _ => return Err(wrong("no features by label")),
            };
            let values = values.f32s();
            if values.iter().any(|value| !value.is_finite()) {
                return Err(wrong(&format!("features of label {label} are not finite")));
            }
            by_label.insert(label, values.chunks(channels).map(<[f32]>::to_vec).collect());
        }
        let about = file.about().cloned().unwrap_or_else(|| json!({}));
        FeatureCentres::new(by_label, about).map_err(|e| wrong(&e.to_string()))
    }

    /// Writes safetensors: `label_N`, `[centres, features]` as f32, for each label.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written. The old file stays then.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut file = WeightsFile { about: Some(self.about.clone()), ..WeightsFile::default() };
        for (label, centres) in &self.by_label {
            let shape = vec![centres.len(), self.channels as usize];
            file.tensors.insert(format!("{PREFIX}{label}"), (shape, centres.concat()).into());
        }
        let bytes = file.to_safetensors(Precision::F32);
        write_aside(path, &bytes.map_err(|e| Error::Internal(format!("safetensors: {e}")))?)
    }

    /// Features for each pixel of a map of labels: every region gets a centre of its label. Adds
    /// labels without centres to `missing`; their regions get zeros.
    ///
    /// # Errors
    /// [`Error::Usage`] for maps of two sizes.
    pub fn paint(
        &self,
        labels: &IndexMap,
        regions: &IndexMap,
        look: Look<'_>,
        missing: &mut BTreeSet<u32>,
    ) -> Result<Picture<f32>> {
        let zeros = vec![0.0; self.channels as usize];
        let mut chosen: BTreeMap<u32, &[f32]> = BTreeMap::new();
        for (id, Region { label, .. }) in regions.regions(labels)? {
            let centre = match self.by_label.get(&label) {
                Some(centres) => &centres[look.of(id, centres.len())],
                None => {
                    missing.insert(label);
                    &zeros
                }
            };
            chosen.insert(id, centre);
        }
        let mut values = Vec::with_capacity(self.channels as usize * regions.data.len());
        for run in regions.data.chunk_by(|a, b| a == b) {
            run.iter().for_each(|_| values.extend_from_slice(chosen[&run[0]]));
        }
        Picture::new(regions.width, regions.height, self.channels, values)
    }
}

impl Look<'_> {
    /// The number of a region's centre, below `count`.
    fn of(&self, region: u32, count: usize) -> usize {
        let number = match self {
            Look::Style(number) => *number,
            Look::Random(seed, name) => {
                let stream = name.bytes().fold(0, |hash, byte| random(hash, byte.into(), 0, 0)[0]);
                let [a, b, ..] = random(region, stream, 0, fold_seed(*seed));
                u64::from(a) << 32 | u64::from(b)
            }
        };
        (number % count.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(width: u32, data: Vec<u32>) -> IndexMap {
        IndexMap::new(width, data.len() as u32 / width, data).unwrap()
    }

    /// Features of a pixel: a number of its region.
    fn features(regions: &IndexMap) -> Picture<f32> {
        let values = regions.data.iter().flat_map(|id| [*id as f32 / 64.0, -1.0]);
        Picture::new(regions.width, regions.height, 2, values.collect()).unwrap()
    }

    #[test]
    fn small_instances_count_where_there_are_no_large_ones() {
        // 256 pixels: more than four of them are a large instance.
        let mut ids = vec![1; 256];
        ids[..5].fill(10);
        ids[16..20].fill(11);
        ids[32..36].fill(20);
        ids[48..51].fill(21);
        let regions = map(16, ids);
        let labels = map(16, regions.data.iter().map(|id| id / 10).collect());
        let mut bank = FeatureBank::default();
        bank.add(&labels, &regions, &features(&regions)).unwrap();
        assert_eq!(bank.instances(), 5);
        let centres = bank.cluster(10, 0, json!({ "epoch": "latest" })).unwrap();
        let row = |id: u32| vec![id as f32 / 64.0, -1.0];
        let wanted = [(0, vec![row(1)]), (1, vec![row(10)]), (2, vec![row(20), row(21)])];
        assert_eq!(centres.by_label, BTreeMap::from(wanted));
        assert_eq!((centres.channels(), centres.labels(), centres.centres()), (2, 3, 4));
        assert_eq!(centres.about["instances"], json!({ "0": 1, "1": 2, "2": 2 }));
        assert_eq!(centres.about["members"]["2"], json!([1, 1]));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("features.safetensors");
        centres.write(&path).unwrap();
        assert_eq!(FeatureCentres::read(&path).unwrap(), centres);
        let first = std::fs::read(&path).unwrap();
        bank.cluster(10, 0, json!({ "epoch": "latest" })).unwrap().write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn regions_get_centres_of_their_labels_and_zeros_where_there_are_none() {
        let by_label = BTreeMap::from([(3, vec![vec![0.25], vec![0.5]]), (4, vec![vec![-1.0]])]);
        let centres = FeatureCentres::new(by_label, json!({})).unwrap();
        let regions = map(4, vec![30, 30, 31, 31, 40, 40, 50, 50]);
        let labels = map(4, vec![3, 3, 3, 3, 4, 4, 5, 5]);
        let paint = |look| {
            let mut missing = BTreeSet::new();
            let made = centres.paint(&labels, &regions, look, &mut missing).unwrap();
            assert_eq!(missing, BTreeSet::from([5]));
            assert_eq!((made.width, made.height, made.channels), (4, 2, 1));
            made.data
        };
        for (style, value) in [(0, 0.25), (1, 0.5), (2, 0.25), (u64::MAX, 0.5)] {
            let wanted = [value, value, value, value, -1.0, -1.0, 0.0, 0.0];
            assert_eq!(paint(Look::Style(style)), wanted, "style {style}");
        }
        let looks: Vec<Vec<f32>> = (0..20).map(|seed| paint(Look::Random(seed, "a"))).collect();
        let pairs: BTreeSet<[u32; 2]> =
            looks.iter().map(|values| [values[0], values[2]].map(f32::to_bits)).collect();
        assert_eq!(pairs.len(), 4, "both instances get both centres, each by itself: {looks:?}");
        assert!(looks.iter().all(|values| values[0] == values[1] && values[2] == values[3]));
        let others: Vec<Vec<f32>> = (0..20).map(|seed| paint(Look::Random(seed, "b"))).collect();
        assert_ne!(looks, others);
        assert_eq!(others, Vec::from_iter((0..20).map(|seed| paint(Look::Random(seed, "b")))));
    }

    #[test]
    fn other_files_are_no_features() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.safetensors");
        let tensors = [
            vec![("label_x", vec![1, 2], vec![0.0; 2])],
            vec![("label_1", vec![2], vec![0.0; 2])],
            vec![("label_1", vec![1, 2], vec![0.0, f32::NAN])],
            vec![("label_1", vec![1, 1], vec![0.0]), ("label_2", vec![1, 2], vec![0.0; 2])],
            vec![],
        ];
        for tensors in tensors {
            let named =
                tensors.into_iter().map(|(name, shape, v)| (name.into(), (shape, v).into()));
            let file = WeightsFile { tensors: named.collect(), ..WeightsFile::default() };
            std::fs::write(&path, file.to_safetensors(Precision::F32).unwrap()).unwrap();
            let message = FeatureCentres::read(&path).unwrap_err().to_string();
            assert!(message.contains("pixtape features"), "{message}");
        }
        let nothing = FeatureBank::default().cluster(10, 0, json!({}));
        assert!(nothing.is_err());
    }
}
