//! The sets of images in a folder: what trainings could read it as.

use super::folders::{Folders, Head, counts};
use crate::commands::prepare::work::some;
use crate::messages::shown;
use pixtape::io::Dataset;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A set of samples that a training reads as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// What `--dataroot` would name.
    pub root: PathBuf,
    pub phase: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Files in one folder.
    Single,
    /// Files of the same names in two.
    Sides,
    /// A list of pairs.
    List,
    /// Maps of labels (or, without classes, images) and images, in pix2pixHD's layout.
    Labels { classes: bool, features: bool },
    /// Maps without images, and their folder.
    Maps(PathBuf),
}

impl What {
    /// Whether pix2pixHD would train on images instead of label maps.
    pub fn is_of_images(&self) -> bool {
        matches!(self, What::Labels { classes: false, .. })
    }
}

/// Folders that a training names by default.
const PHASES: [&str; 3] = ["train", "val", "test"];

/// The sets of a folder, sorted by path.
pub(super) fn of(input: &Path, folders: &Folders) -> Vec<Set> {
    let mut sets = Vec::new();
    let tree = Tree { input, folders };
    // The folder may be a phase itself.
    match (tree.is_root(Path::new("")), tree.is_direct(Path::new("")), named(input)) {
        (false, true, Some((root, phase))) => sets.push(Set { root, phase, what: What::Single }),
        _ => tree.visit(Path::new(""), &mut sets),
    }
    sets
}

/// The folder above and the name of a folder.
fn named(folder: &Path) -> Option<(PathBuf, String)> {
    let whole = match folder.file_name() {
        Some(_) => folder.to_path_buf(),
        None => folder.canonicalize().ok()?,
    };
    let phase = whole.file_name()?.to_str()?.to_string();
    let above = whole.parent().filter(|above| !above.as_os_str().is_empty());
    Some((above.unwrap_or(Path::new(".")).into(), phase))
}

/// Lists of pairs in a folder, by the phase that they are of.
pub(super) fn lists(folder: &Path) -> Vec<String> {
    let is_list = |phase: &&&str| {
        let file = |e: &str| folder.join(format!("{phase}.{e}")).is_file();
        !folder.join(phase).is_dir() && (file("tsv") || file("csv"))
    };
    PHASES.iter().filter(is_list).map(|phase| phase.to_string()).collect()
}

/// The folders below the input; paths are relative to it.
struct Tree<'a> {
    input: &'a Path,
    folders: &'a Folders,
}

impl Tree<'_> {
    /// Whether a folder directly contains images.
    fn is_direct(&self, folder: &Path) -> bool {
        self.folders.names().any(|name| name == folder)
    }

    /// Names of subfolders with images somewhere in them.
    fn children(&self, folder: &Path) -> BTreeSet<String> {
        let inner = self.folders.names().filter_map(|name| name.strip_prefix(folder).ok());
        inner
            .filter_map(|name| Some(name.components().next()?.as_os_str().to_str()?.to_string()))
            .collect()
    }

    /// Whether a folder has sets somewhere in it, rather than the files of one.
    fn is_root(&self, folder: &Path) -> bool {
        let below = |child: &String| {
            PHASES.contains(&child.as_str())
                || self.pair_of(folder, child).is_some()
                || self.is_root(&folder.join(child))
        };
        !self.inner_phases(folder).is_empty()
            || !lists(&self.input.join(folder)).is_empty()
            || self.children(folder).iter().any(below)
    }

    /// The set that a subfolder belongs to together with others, and the names of all of them.
    fn pair_of(&self, folder: &Path, child: &str) -> Option<(Set, Vec<String>)> {
        let root = self.input.join(folder);
        let there = |name: &str| root.join(name).is_dir();
        let set = |phase: &str, what| Set { root: root.clone(), phase: phase.into(), what };
        if let Some((phase, ending)) = child.rsplit_once('_')
            && !phase.is_empty()
            && ["label", "inst", "img", "feat", "A", "B"].contains(&ending)
        {
            let name = |ending: &str| format!("{phase}_{ending}");
            let all = ["label", "inst", "img", "feat", "A", "B"].map(name).to_vec();
            let both = |a: &str, b: &str| there(&name(a)) && there(&name(b));
            let features = there(&name("feat"));
            return match (both("label", "img"), both("A", "B"), ending) {
                (true, ..) => Some((set(phase, What::Labels { classes: true, features }), all)),
                (_, true, _) => Some((set(phase, What::Labels { classes: false, features }), all)),
                (_, _, "label" | "inst") => {
                    Some((set(phase, What::Maps(root.join(child))), vec![child.into()]))
                }
                _ => None,
            };
        }
        let phase = child.strip_suffix('A').or(child.strip_suffix('B'))?;
        let [a, b] = ["A", "B"].map(|side| format!("{phase}{side}"));
        // A/train and B/train are sets of their own.
        let inner = phase.is_empty() && !self.inner_phases(folder).is_empty();
        (there(&a) && there(&b) && !inner).then(|| (set(phase, What::Sides), vec![a, b]))
    }

    /// Names of the folders that both A and B of a folder have, where the images lie in these.
    fn inner_phases(&self, folder: &Path) -> Vec<String> {
        let [a, b] = ["A", "B"].map(|side| folder.join(side));
        if self.is_direct(&a) || self.is_direct(&b) {
            return Vec::new();
        }
        self.children(&a).intersection(&self.children(&b)).cloned().collect()
    }

    /// Adds the sets of a folder.
    fn visit(&self, folder: &Path, sets: &mut Vec<Set>) {
        let root = self.input.join(folder);
        let set = |phase: &str, what| Set { root: root.clone(), phase: phase.into(), what };
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for phase in self.inner_phases(folder) {
            sets.push(set(&phase, What::Sides));
            taken.extend(["A".into(), "B".into()]);
        }
        for child in self.children(folder) {
            if taken.contains(&child) {
                continue;
            }
            let path = folder.join(&child);
            match self.pair_of(folder, &child) {
                Some((set, names)) => {
                    // Where there is a folder of the phase itself, it is read instead.
                    let hidden = set.what == What::Sides
                        && !set.phase.is_empty()
                        && set.root.join(&set.phase).is_dir();
                    sets.extend((!hidden).then_some(set));
                    taken.extend(names);
                }
                // What a phase holds is read as one, whatever its subfolders are called.
                None if !PHASES.contains(&child.as_str()) && self.is_root(&path) => {
                    self.visit(&path, sets)
                }
                None => sets.push(set(&child, What::Single)),
            }
        }
        sets.extend(lists(&root).iter().map(|phase| set(phase, What::List)));
    }
}

/// What a set is, in a line.
pub(super) fn text(folders: &Folders, input: &Path, set: &Set, dataset: &Dataset) -> String {
    let place = set.root.join(&set.phase);
    match set.what {
        What::Labels { classes, .. } => {
            let planes: Vec<&str> = dataset.planes().iter().map(|plane| plane.name).collect();
            let labels = match dataset.largest_label() {
                Some(largest) => {
                    let classes = u64::from(largest) + 1;
                    format!("; labels 0 to {largest}: --label_nc {classes} or more")
                }
                None if !classes => "; --label_nc 0".into(),
                None => String::new(),
            };
            format!(
                "label maps and images (pix2pixHD), {}: {} samples of {}{labels}",
                shown(&place),
                dataset.len(),
                planes.join(", ")
            )
        }
        What::Sides => {
            let [a, b] = ["A", "B"].map(|side| {
                let beside = set.root.join(format!("{}{side}", set.phase));
                if beside.is_dir() { beside } else { set.root.join(side).join(&set.phase) }
            });
            format!("two folders, {} and {}: {} pairs by name", shown(&a), shown(&b), dataset.len())
        }
        What::List => format!("a list, {}: {} pairs", shown(&place), dataset.len()),
        What::Single | What::Maps(_) => single(folders, input, &place),
    }
}

/// The files of one folder.
fn single(folders: &Folders, input: &Path, place: &Path) -> String {
    // A set that is the input itself lies where the input does, whatever way that is written.
    let place = if folders.heads(place, input).next().is_some() { place } else { input };
    let files: Vec<_> = folders.heads(place, input).collect();
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let heads: Vec<&Head> = files.iter().filter_map(|(_, head)| head.as_ref()).collect();
    let of_side = |(path, _): &&(PathBuf, Option<Head>)| {
        let stem = stem(path);
        stem.ends_with("_A") || stem.ends_with("_B")
    };
    if files.iter().all(of_side) {
        format!("{}: x_A and x_B in one folder; prepare combine makes A|B files", shown(place))
    } else if heads.iter().all(|h| h.width >= 2 && h.width * 2 >= h.height * 3) {
        let halves: Vec<String> = counts(&heads, |h| (h.width / 2, h.height))
            .into_iter()
            .map(|((w, h), _)| format!("{w}x{h}"))
            .collect();
        let halves = some(&halves);
        format!("{}: A|B files, if the images are pairs: halves of {halves}", shown(place))
    } else {
        format!("{}: single images", shown(place))
    }
}
