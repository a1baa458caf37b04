//! Which files belong together: halves of one file, files of two folders by name, rows of a list,
//! bands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::entry::{Entry, Misfit, subfolder_hint};
use super::options::{DatasetOptions, Direction, Presence, Task};
use super::slot::{Kind, Slot};
use crate::io::picture::list_pictures;
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
        || list_of(root, phase).is_file()
}

fn list_of(root: &Path, phase: &str) -> PathBuf {
    root.join(format!("{phase}.tsv"))
}

/// Finds the pairs, sorted, and what has no partner.
pub(super) fn find(o: &DatasetOptions) -> Result<(Vec<Entry>, Vec<Misfit>)> {
    let (root, phase) = (&o.root, &o.phase);
    if o.task == Task::Unaligned {
        return Ok((unpaired_sets(o)?, Vec::new()));
    }
    if let Some(labels) = o.labels() {
        return Ok((labels.find(root, phase)?, Vec::new()));
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
        return Ok((list_file(root)?, Vec::new()));
    }
    if !root.is_dir() {
        return Err(Error::file(
            root,
            format!("no such folder; {layout} (`dataroot` names ROOT, or a list file)"),
        ));
    }
    let banded = o.bands.iter().any(|b| !b.is_empty());
    let dir = root.join(phase);
    if !photos && !banded && !dir.is_dir() && list_of(root, phase).is_file() {
        return Ok((list_file(&list_of(root, phase))?, Vec::new()));
    }
    if !photos && (banded || !dir.is_dir()) {
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
    let paths = list_pictures(&dir)?;
    if paths.is_empty() {
        return Err(Error::file(
            dir,
            format!("no images in it; {layout} (`phase` names the folder)"),
        ));
    }
    let entry = if photos { Entry::Photo } else { Entry::Halves };
    Ok((paths.into_iter().map(entry).collect(), Vec::new()))
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
fn unpaired_sets(o: &DatasetOptions) -> Result<Vec<Entry>> {
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
    let mut entries = Vec::new();
    for (side, folder) in sides.iter().enumerate() {
        let paths = list_pictures(folder)?;
        if paths.is_empty() {
            return Err(Error::file(folder, format!("no images in it; {layout}")));
        }
        entries.extend(
            paths
                .into_iter()
                .take(o.max_dataset_size.unwrap_or(usize::MAX))
                .map(|path| Entry::Alone(side, path)),
        );
    }
    Ok(entries)
}

/// Pictures of a folder by their path in it without extension.
fn by_name(dir: &Path, misfits: &mut Vec<Misfit>) -> Result<BTreeMap<Vec<u8>, PathBuf>> {
    let mut found = BTreeMap::new();
    for path in list_pictures(dir)? {
        let name = path
            .strip_prefix(dir)
            .unwrap_or(&path)
            .with_extension("")
            .into_os_string()
            .into_encoded_bytes();
        if let Some(other) = found.get(&name) {
            misfits.push(Misfit::new(
                &path,
                format!(
                    "has the name of {}: pairs are matched by name; remove one",
                    Path::new(other).display()
                ),
            ));
        } else {
            found.insert(name, path);
        }
    }
    Ok(found)
}

fn two_folders(
    sides: &[PathBuf; 2],
    bands: &[Vec<String>; 2],
    layout: &str,
) -> Result<(Vec<Entry>, Vec<Misfit>)> {
    // Of each side its folders: one, or one a band.
    let mut folders: Vec<(usize, PathBuf)> = Vec::new();
    for (side, (dir, bands)) in sides.iter().zip(bands).enumerate() {
        for band in bands {
            let folder = dir.join(band);
            if !folder.is_dir() || !is_inside(Path::new(band)) {
                return Err(Error::file(
                    folder,
                    "no such folder of a band; `bands_A` and `bands_B` name the subfolders that \
                     hold a band each",
                ));
            }
            folders.push((side, folder));
        }
        if bands.is_empty() {
            folders.push((side, dir.clone()));
        }
    }
    let mut misfits = Vec::new();
    let files =
        folders.iter().map(|(_, dir)| by_name(dir, &mut misfits)).collect::<Result<Vec<_>>>()?;
    let names: BTreeSet<&Vec<u8>> = files.iter().flat_map(BTreeMap::keys).collect();
    if names.is_empty() {
        return Err(Error::file(&sides[0], format!("no images in it; {layout}")));
    }
    let mut entries = Vec::new();
    for name in names {
        match files.iter().position(|f| !f.contains_key(name)) {
            None => {
                let of = |side: usize| {
                    folders
                        .iter()
                        .zip(&files)
                        .filter(|((s, _), _)| *s == side)
                        .map(|(_, f)| f[name].clone())
                        .collect()
                };
                entries.push(Entry::Files(vec![of(0), of(1)]));
            }
            Some(missing) => {
                let here =
                    files.iter().find_map(|f| f.get(name)).expect("the name came from one of them");
                misfits.push(Misfit::new(
                    here,
                    format!("has no partner of that name in {}", folders[missing].1.display()),
                ));
            }
        }
    }
    Ok((entries, misfits))
}

/// A path that leads nowhere but down, `..` counted.
fn is_inside(path: &Path) -> bool {
    let mut depth = 0i32;
    path.components().all(|c| {
        match c {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        depth >= 0
    })
}

/// Rows `input TAB target`, paths relative to the list. Empty rows, rows that begin with `#` and a
/// first row `input TAB target` are left out.
fn list_file(list: &Path) -> Result<Vec<Entry>> {
    let text = crate::io::file::read_text(list).map_err(|e| {
        Error::file(
            list,
            format!("cannot be read: {e}; a list is text, a row a pair: input TAB target"),
        )
    })?;
    parse_list(&text, list)
}

fn parse_list(text: &str, list: &Path) -> Result<Vec<Entry>> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let root =
        if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.canonicalize().ok();
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let refuse = |message: String| Error::file(list, format!("line {}: {message}", number + 1));
        if line.trim().is_empty()
            || line.starts_with('#')
            || (number == 0 && line.trim() == "input\ttarget")
        {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [input, target] = columns[..] else {
            return Err(refuse(format!("{} columns; a row is input TAB target", columns.len())));
        };
        let path = |text: &str| {
            let path = folder.join(text);
            if text.is_empty() || text.contains(char::is_control) {
                return Err(refuse(format!("{text:?} is no name of a file")));
            }
            // A file that is missing is reported when its header is read.
            let linked = || {
                path.canonicalize()
                    .is_ok_and(|real| root.as_ref().is_some_and(|root| !real.starts_with(root)))
            };
            match !is_inside(Path::new(text)) || linked() {
                false => Ok(vec![path]),
                true => Err(refuse(format!(
                    "{text:?} leads out of the list's folder; paths are relative to the list and \
                     stay below it, links too: copy the files, or move the list up"
                ))),
            }
        };
        entries.push(Entry::Files(vec![path(input)?, path(target)?]));
    }
    if entries.is_empty() {
        Err(Error::file(list, "no pair in it; a row is input TAB target"))
    } else {
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stay_in_their_folder() {
        let list = Path::new("data/list.tsv");
        let two = |a: &str, b: &str| Entry::Files(vec![vec![a.into()], vec![b.into()]]);
        let good =
            parse_list("input\ttarget\na.png\tx/b.png\r\n\n# no\nx/../c.png\t./d e.png\n", list)
                .unwrap();
        assert_eq!(
            good,
            [two("data/a.png", "data/x/b.png"), two("data/x/../c.png", "data/./d e.png")]
        );
        for bad in ["../a.png\tb.png", "a.png\t/etc/passwd", "x/../../a.png\tb.png"] {
            let message = parse_list(bad, list).unwrap_err().to_string();
            assert!(
                message.contains("list.tsv: line 1") && message.contains("leads out"),
                "{message}"
            );
        }
        for bad in ["a.png\t", "a.png\tb\r.png", "a\0.png\tb"] {
            let message = parse_list(bad, list).unwrap_err().to_string();
            assert!(
                message.contains("line 1")
                    && message.contains("no name of a file")
                    && !message.contains(['\r', '\0']),
                "{message}"
            );
        }
        for bad in ["a.png", "a\tb\tc", "# nothing"] {
            let message = parse_list(bad, list).unwrap_err().to_string();
            assert!(message.contains("input TAB target"), "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_list_stay_in_its_folder_too() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("data/sub")).unwrap();
        std::fs::create_dir(at("elsewhere")).unwrap();
        for file in ["data/a.png", "data/sub/b.png", "elsewhere/secret.png", "beside.png"] {
            std::fs::write(at(file), b"").unwrap();
        }
        for (link, to) in [
            ("data/out.png", "elsewhere/secret.png"),
            ("data/away", "elsewhere"),
            ("data/in.png", "data/sub/b.png"),
            ("root", "data"),
        ] {
            std::os::unix::fs::symlink(at(to), at(link)).unwrap();
        }
        let read = |root: &str, text: &str| {
            std::fs::write(at("data/list.tsv"), text).unwrap();
            list_file(&at(root).join("list.tsv")).map_err(|e| e.to_string())
        };
        // By way of a folder that is a link itself too.
        for root in ["data", "root"] {
            assert_eq!(read(root, "a.png\tsub/b.png\nin.png\tnot-there.png\n").unwrap().len(), 2);
            for bad in ["a.png\tout.png", "away/secret.png\ta.png", "a.png\taway/../beside.png\n"] {
                let message = read(root, &format!("a.png\ta.png\n{bad}")).unwrap_err();
                assert!(
                    message.contains("list.tsv: line 2")
                        && message.contains("leads out of the list's folder")
                        && message.lines().count() == 1,
                    "{message}"
                );
            }
        }
    }
}
