//! Which files belong together: halves of one file, files of two folders by name, rows of a list,
//! bands.

use std::path::{Path, PathBuf};

use super::entry::{Entry, Misfit, subfolder_hint};
use super::options::{DatasetOptions, Direction, Presence, Task};
use super::pairs::two_folders;
use super::rows::List;
use super::slot::{Kind, Slot};
use crate::error::shown;
use crate::io::picture::{LeftOut, Listing};
use crate::{Error, Result};

impl DatasetOptions {
    /// Whether there is something to read under the name of a phase.
    pub fn has_phase(&self, phase: &str) -> bool {
        match self.labels() {
            Some(labels) => labels.has_phase(&self.root, phase),
            None => has_phase(&self.root, phase),
        }
    }

    /// Looks whether there are instances, where that is not said, so that other phases are read
    /// alike. Returns their folder if it is not there.
    pub(super) fn decide_instances(&mut self) -> Option<PathBuf> {
        let Task::Labels(labels) = &mut self.task else { return None };
        let folder = labels.instance_folder(&self.root, &self.phase);
        let (found, asked) = (folder.is_dir(), labels.instances == Presence::Found);
        if asked {
            labels.instances = if found { Presence::Required } else { Presence::Ignored };
        }
        (asked && !found).then_some(folder)
    }

    /// The planes of its samples, in their order.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let names = match &self.task {
            Task::Labels(labels) => {
                return labels.folders(&self.root, &self.phase).into_iter().map(|f| f.0).collect();
            }
            Task::Unaligned => ["A", "B"],
            _ => ["input", "target"],
        };
        names.map(|name| Slot::new(name, Kind::Image)).into()
    }

    /// The folder of the samples' first files.
    pub(super) fn folder(&self) -> PathBuf {
        match self.labels() {
            Some(labels) => labels.folders(&self.root, &self.phase)[0].1.clone(),
            None => self.root.join(&self.phase),
        }
    }

    /// The folder or list that misfits are reported for.
    pub(super) fn place(&self) -> PathBuf {
        match self.labels() {
            Some(_) => self.root.clone(),
            None if self.root.is_dir() => self.root.join(&self.phase),
            None => self.root.clone(),
        }
    }
}

/// Whether a folder has pairs or photos under the name of a phase.
fn has_phase(root: &Path, phase: &str) -> bool {
    [root.join(phase), root.join(format!("{phase}A")), root.join("A").join(phase)]
        .iter()
        .any(|p| p.is_dir())
        || list_of(root, phase).is_some()
}

/// The list of a phase, if there is one.
fn list_of(root: &Path, phase: &str) -> Option<PathBuf> {
    ["tsv", "csv"].map(|e| root.join(format!("{phase}.{e}"))).into_iter().find(|l| l.is_file())
}

/// What there is of a phase.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Samples, sorted.
    pub entries: Vec<Entry>,
    /// Files without a partner, and those of a list that are not there.
    pub misfits: Vec<Misfit>,
    /// What to try if all are misfits.
    pub advice: Option<String>,
    /// Files that are not used.
    pub left_out: LeftOut,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Found {
    fn of_list(list: &Path) -> Result<Found> {
        let List { entries, misfits, notes } = List::read(list)?;
        Ok(Found { entries, misfits, notes, ..Found::default() })
    }
}

/// Finds the samples, sorted, and what has no partner.
pub(super) fn find(o: &DatasetOptions) -> Result<Found> {
    let (root, phase) = (&o.root, &o.phase);
    if o.task == Task::Unaligned {
        return unpaired_sets(o);
    }
    if let Some(labels) = o.labels() {
        let (entries, left_out) = labels.find(root, phase)?;
        return Ok(Found { entries, left_out, ..Found::default() });
    }
    let photos = o.task != Task::Aligned;
    let layout = match photos {
        true => format!("expected ROOT/{phase}/*.jpg|png, plain photos"),
        false => format!(
            "expected ROOT/{phase}/*.jpg|png with A on the left and B on the right of each \
             image, ROOT/{phase}A and ROOT/{phase}B, or ROOT/{phase}.tsv"
        ),
    };
    if root.is_file() && !photos {
        return Found::of_list(root);
    }
    if !root.is_dir() {
        return Err(Error::file(
            root,
            format!("no such folder; {layout} (`dataroot` names ROOT, or a list file)"),
        ));
    }
    let banded = o.bands.iter().any(|b| !b.is_empty());
    let dir = root.join(phase);
    // A folder without a name is ROOT itself, which is always there.
    let has_dir = dir.is_dir() && !phase.is_empty();
    if let Some(list) = list_of(root, phase).filter(|_| !photos && !banded && !has_dir) {
        return Found::of_list(&list);
    }
    if !photos && (banded || !has_dir) {
        if let Some(sides) = two_sides(root, phase) {
            return two_folders(&sides, &o.bands, &layout);
        }
        if banded {
            return Err(Error::file(
                root,
                format!(
                    "`bands_A` and `bands_B` name subfolders of ROOT/{phase}A and ROOT/{phase}B, \
                     which are not there"
                ),
            ));
        }
    }
    if !dir.is_dir() {
        let hint = subfolder_hint(root);
        return Err(Error::file(
            dir,
            format!("no such folder; {layout} (`phase` names the folder){hint}"),
        ));
    }
    let Listing { files, left_out } = Listing::of(&dir)?;
    if files.is_empty() {
        let ending = left_out.ending();
        return Err(Error::file(
            dir,
            format!("no images in it; {layout} (`phase` names the folder){ending}"),
        ));
    }
    let entry = if photos { Entry::Photo } else { Entry::Halves };
    let entries = files.into_iter().map(entry).collect();
    let sides = two_sides(root, phase).into_iter().flatten();
    let others = sides.chain(list_of(root, phase)).filter(|_| !photos);
    let note = |other: PathBuf| {
        format!("{} is not read, since {} is there; rename one of them", shown(&other), shown(&dir))
    };
    let notes = others.map(note).collect();
    Ok(Found { entries, left_out, notes, ..Found::default() })
}

/// The folders of A and of B, where there are both.
fn two_sides(root: &Path, phase: &str) -> Option<[PathBuf; 2]> {
    let both = [
        [root.join(format!("{phase}A")), root.join(format!("{phase}B"))],
        [root.join("A").join(phase), root.join("B").join(phase)],
    ];
    both.into_iter().find(|sides| sides.iter().all(|side| side.is_dir()))
}

/// The pictures of two folders that share no pair: those of the input's side, then those of the
/// target's.
fn unpaired_sets(o: &DatasetOptions) -> Result<Found> {
    let (root, phase) = (&o.root, &o.phase);
    let layout = format!(
        "`dataset_mode` unaligned expects ROOT/{phase}A and ROOT/{phase}B, two folders of \
         images that need not be pairs"
    );
    let Some(mut sides) = two_sides(root, phase) else {
        let hint = subfolder_hint(root);
        return Err(Error::file(
            root.join(format!("{phase}A")),
            format!("no such folder, or none for B; {layout}{hint}"),
        ));
    };
    if o.direction == Direction::BtoA {
        sides.swap(0, 1);
    }
    let mut found = Found::default();
    for (side, folder) in sides.iter().enumerate() {
        let Listing { files, left_out } = Listing::of(folder)?;
        if files.is_empty() {
            let ending = left_out.ending();
            return Err(Error::file(folder, format!("no images in it; {layout}{ending}")));
        }
        found.left_out.add(&left_out);
        let most = o.max_dataset_size.unwrap_or(usize::MAX);
        found.entries.extend(files.into_iter().take(most).map(|path| Entry::Alone(side, path)));
    }
    Ok(found)
}
