//! Label maps with instances and images, as pix2pixHD lays them out: a folder per plane, named
//! after the phase.

use std::path::{Path, PathBuf};

use super::entry::{Entry, subfolder_hint};
use super::options::{LabelSet, Presence};
use super::slot::{Kind, Slot};
use crate::io::matching::matched;
use crate::io::picture::LeftOut;
use crate::{Error, Result};

impl LabelSet {
    /// The folders of a phase and what they hold, in the order of a sample's planes.
    pub(super) fn folders(&self, root: &Path, phase: &str) -> Vec<(Slot, PathBuf)> {
        let folder = |ending: &str| root.join(format!("{phase}_{ending}"));
        let (input, target) = match self.classes {
            0 => ((Slot::new("input", Kind::Image), folder("A")), folder("B")),
            _ => ((Slot::new("label", Kind::Labels), folder("label")), folder("img")),
        };
        let instances =
            (Slot::new("instances", Kind::Instances), self.instance_folder(root, phase));
        let features = (Slot::new("features", Kind::Regions), folder("feat"));
        let has_instances = match self.instances {
            Presence::Found => instances.1.is_dir(),
            Presence::Required => true,
            Presence::Ignored => false,
        };
        let mut all = vec![input];
        all.extend(has_instances.then_some(instances));
        all.push((Slot::new("image", Kind::Image), target));
        all.extend(self.features.then_some(features));
        all
    }

    /// Where the instance maps of a phase are, if there are any.
    pub(super) fn instance_folder(&self, root: &Path, phase: &str) -> PathBuf {
        root.join(format!("{phase}_inst"))
    }

    /// Whether a folder has the input's files of a phase.
    pub(super) fn has_phase(&self, root: &Path, phase: &str) -> bool {
        self.folders(root, phase).first().is_some_and(|(_, folder)| folder.is_dir())
    }

    /// Finds the samples, sorted, and what the folders hold besides.
    ///
    /// # Errors
    /// [`Error::File`] for folders that are missing or empty, and as
    /// [`matched_by_order`](crate::io::matched_by_order).
    pub(super) fn find(&self, root: &Path, phase: &str) -> Result<(Vec<Entry>, LeftOut)> {
        let folders = self.folders(root, phase);
        let layout = match self.classes {
            0 => format!("expected ROOT/{phase}_A and ROOT/{phase}_B"),
            _ => format!("expected ROOT/{phase}_label and ROOT/{phase}_img"),
        };
        let layout = format!(
            "{layout}, with ROOT/{phase}_inst for instances and ROOT/{phase}_feat for features"
        );
        if let Some((slot, folder)) = folders.iter().find(|(_, folder)| !folder.is_dir()) {
            let option = match slot.kind {
                Kind::Instances => " (`no_instance` does without)",
                Kind::Regions => " (`load_features` asks for it)",
                _ => " (`dataroot` names ROOT, `phase` the first word)",
            };
            let hint = subfolder_hint(root);
            return Err(Error::file(folder, format!("no such folder; {layout}{option}{hint}")));
        }
        let folders: Vec<&PathBuf> = folders.iter().map(|(_, folder)| folder).collect();
        let (rows, left_out) = matched(&folders)?;
        let entry = |row: Vec<PathBuf>| Entry::Files(row.into_iter().map(|f| vec![f]).collect());
        Ok((rows.into_iter().map(entry).collect(), left_out))
    }
}
