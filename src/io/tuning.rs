//! Files of tuning results: one per device in the cache folder, one in every run's folder, and
//! those that a user writes.
//!
//! A digest covers the contents. In the cache a damaged file counts as missing.

use super::{create_dir, write_aside};
use crate::error::{Error, Result};
use crate::gpu::{Facts, Gpu};
use crate::ops::{Problem, Tuning, Variant};
use crate::plan::Program;
use crate::tune::{Identity, Report, choices};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const FORMAT: u64 = 1;

/// The choice for a problem. Times are in nanoseconds, as integers, so that they survive JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The chosen variant.
    pub variant: Variant,
    /// Time of the chosen variant.
    pub time: Option<u64>,
    /// The time of the built-in rule's choice.
    pub rule_time: Option<u64>,
}

/// The contents of a file: variants by problem, for one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TuningFile {
    /// The device, driver and kernels that the choices were measured on.
    pub identity: Identity,
    /// Of a run: sizes of the GPU by which the built-in rule chose where nothing was measured.
    pub facts: Option<Facts>,
    /// By the name of the problem.
    pub entries: BTreeMap<String, Entry>,
}

/// A file in the cache.
#[derive(Debug)]
pub struct Cached {
    /// Path of the file.
    pub path: PathBuf,
    /// Time of the last write, if the system says.
    pub written: Option<SystemTime>,
    /// Its contents, or why it cannot be used.
    pub file: Result<TuningFile>,
}

impl TuningFile {
    /// Without choices.
    pub fn new(identity: Identity) -> Self {
        TuningFile { identity, facts: None, entries: BTreeMap::new() }
    }

    /// The variants that a program uses, without times: what a run writes down.
    pub fn used_by(program: &Program) -> Self {
        let mut file = TuningFile::new(Identity::of(program.gpu()));
        file.facts = program.plan().facts();
        let entry = |(problem, variant)| (problem, Entry { variant, time: None, rule_time: None });
        file.entries = choices(program.plan()).into_iter().map(entry).collect();
        file
    }

    /// Adds measured choices.
    pub fn add(&mut self, report: &Report) {
        let nanoseconds = |s: f64| (s * 1e9) as u64;
        for choice in &report.choices {
            let entry = Entry {
                variant: choice.variant,
                time: Some(nanoseconds(choice.seconds)),
                rule_time: choice.rule_seconds.map(nanoseconds),
            };
            self.entries.insert(choice.load.problem.to_string(), entry);
        }
    }

    /// The rule that chooses what the file does not: by the GPU's sizes of the file if it has them,
    /// else of the device.
    pub fn rule(&self, gpu: &Gpu) -> Tuning {
        let rule = Tuning::on(gpu);
        let facts = self.facts.unwrap_or(rule.facts());
        rule.with_facts(facts)
    }

    /// Sets the choice for a problem if the file has one that the problem and the device allow, and
    /// returns whether it did.
    pub fn apply(&self, problem: &Problem, tuning: &mut Tuning) -> bool {
        let entry = self
            .entries
            .get(&problem.to_string())
            .filter(|e| e.variant.fits(problem, tuning.family()));
        entry.inspect(|e| tuning.set(problem, e.variant)).is_some()
    }

    fn content(&self) -> Value {
        let Identity { adapter, ids, driver, family, checked, kernels } = &self.identity;
        let mut entries = Map::new();
        for (problem, Entry { variant, time, rule_time }) in &self.entries {
            let mut entry = Map::new();
            entry.insert("variant".into(), variant.to_string().into());
            for (name, time) in [("ns", time), ("rule_ns", rule_time)] {
                if let Some(time) = time {
                    entry.insert(name.into(), (*time).into());
                }
            }
            entries.insert(problem.clone(), entry.into());
        }
        let mut content = json!({
            "format_version": FORMAT,
            "identity": { "adapter": adapter, "ids": ids, "driver": driver, "family": family, "checked": checked, "kernels": kernels },
            "variants": entries,
        });
        if let Some(Facts { cores, gflops, bandwidth }) = self.facts {
            content["facts"] = json!({ "cores": cores, "gflops": gflops, "bandwidth": bandwidth });
        }
        content
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut content = self.content();
        content["digest"] = digest(&content).into();
        format!("{content:#}\n")
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// What is wrong with it: every part is checked.
    pub fn parse(text: &str) -> std::result::Result<TuningFile, String> {
        let mut content: Value = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
        if content["format_version"].as_u64() != Some(FORMAT) {
            return Err(format!(
                "format version {} is not known; this pixtape reads {FORMAT}",
                content["format_version"]
            ));
        }
        let said = content.as_object_mut().and_then(|c| c.remove("digest"));
        if said != Some(digest(&content).into()) {
            return Err("its digest does not match: it was changed or cut off".into());
        }
        let word = |name: &str| {
            content["identity"][name].as_str().map(String::from).ok_or_else(|| format!("no {name}"))
        };
        let identity = Identity {
            adapter: word("adapter")?,
            ids: word("ids")?,
            driver: word("driver")?,
            family: word("family")?,
            checked: content["identity"]["checked"].as_bool().ok_or("no word on checks")?,
            kernels: word("kernels")?,
        };
        let facts = match &content["facts"] {
            Value::Null => None,
            facts => {
                let number = |name: &str| {
                    let number = facts[name].as_u64().and_then(|n| u32::try_from(n).ok());
                    number.ok_or_else(|| format!("facts without a number of {name}"))
                };
                let [cores, gflops, bandwidth] =
                    [number("cores")?, number("gflops")?, number("bandwidth")?];
                Some(Facts { cores, gflops, bandwidth })
            }
        };
        let mut entries = BTreeMap::new();
        for (problem, entry) in content["variants"].as_object().ok_or("no variants")? {
            let variant = entry["variant"]
                .as_str()
                .ok_or_else(|| format!("no variant for {problem}"))?
                .parse()
                .map_err(|e: Error| e.to_string())?;
            entries.insert(
                problem.clone(),
                Entry { variant, time: entry["ns"].as_u64(), rule_time: entry["rule_ns"].as_u64() },
            );
        }
        Ok(TuningFile { identity, facts, entries })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] if it is missing or damaged.
    pub fn read(path: &Path) -> Result<TuningFile> {
        let bytes = super::file::read(path).map_err(|e| {
            Error::file(path, format!("cannot be read: {e}; `pixtape tune` makes such files"))
        })?;
        let text = String::from_utf8(bytes).map_err(|_| "not text".to_string());
        text.and_then(|t| TuningFile::parse(&t)).map_err(|e| {
            Error::file(
                path,
                format!("not a tuning file: {e}; write a new one with `pixtape tune`"),
            )
        })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// As [`write_aside`].
    pub fn write(&self, path: &Path) -> Result<()> {
        write_aside(path, self.text().as_bytes())
    }

    /// What a cache folder holds for a device, if anything.
    ///
    /// # Errors
    /// [`Error::File`] if there is a file and it is damaged, or of another device.
    pub fn cached(folder: &Path, identity: &Identity) -> Result<Option<TuningFile>> {
        let path = folder.join(name(identity));
        if !path.exists() {
            return Ok(None);
        }
        let file = TuningFile::read(&path)?;
        if file.identity != *identity {
            return Err(Error::file(path, format!("belongs to another device: {}", file.identity)));
        }
        Ok(Some(file))
    }

    /// Adds this to what a cache folder holds for its device, and returns the file.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be written.
    pub fn store(&self, folder: &Path) -> Result<PathBuf> {
        create_dir(folder)?;
        // Another process may have added to it meanwhile. Between this and the rename one more may:
        // its entries are then lost, and will be measured again.
        let mut whole = TuningFile::cached(folder, &self.identity)
            .ok()
            .flatten()
            .unwrap_or_else(|| TuningFile::new(self.identity.clone()));
        whole.entries.extend(self.entries.iter().map(|(problem, entry)| (problem.clone(), *entry)));
        let path = folder.join(name(&self.identity));
        whole.write(&path)?;
        Ok(path)
    }
}

/// Name of the file of a device in the cache folder.
fn name(identity: &Identity) -> String {
    format!("tuning-{}.json", &hex(identity.to_string().as_bytes())[..16])
}

fn digest(content: &Value) -> String {
    hex(content.to_string().as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Every file of a cache folder, and what a crash left of them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).ok();
    let mut found: Vec<PathBuf> =
        entries.into_iter().flatten().flatten().map(|e| e.path()).collect();
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("tuning-") && (name.ends_with(".json") || name.ends_with(".part"))
    };
    found.retain(is_ours);
    found.sort();
    found
}

/// Lists a cache folder.
pub fn list(folder: &Path) -> Vec<Cached> {
    let whole = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
    let cached = |path: PathBuf| Cached {
        written: std::fs::metadata(&path).and_then(|m| m.modified()).ok(),
        file: TuningFile::read(&path),
        path,
    };
    files(folder).into_iter().filter(whole).map(cached).collect()
}

/// Deletes the files in a cache folder, and returns how many there were.
///
/// # Errors
/// [`Error::File`] if one cannot be removed.
pub fn clear(folder: &Path) -> Result<usize> {
    let all = files(folder);
    for path in &all {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file(path, format!("cannot be removed: {e}")));
            }
            _ => {}
        }
    }
    Ok(all.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Family;
    use crate::ops::Pass;
    use crate::shape::{Conv, Shape};

    fn identity(driver: &str) -> Identity {
        Identity {
            adapter: "Vulkan Card".into(),
            ids: "10de:1234".into(),
            driver: driver.into(),
            family: "workgroup".into(),
            checked: false,
            kernels: "0123456789abcdef".into(),
        }
    }

    fn problem(side: u32) -> Problem {
        let (x, y) = (Shape::new(1, 2 * side, 2 * side, 64), Shape::new(1, side, side, 128));
        Problem::of_layer(Pass::ALL[0], x, y, Conv::new(4, 2, 1))
    }

    fn file(sides: std::ops::Range<u32>, variant: &str) -> TuningFile {
        let entry = Entry {
            variant: variant.parse().unwrap(),
            time: Some(123_456_789_012),
            rule_time: None,
        };
        TuningFile {
            identity: identity("1"),
            facts: Some(Facts { cores: 28, gflops: 12_700, bandwidth: 360 }),
            entries: sides.map(|s| (problem(s).to_string(), entry)).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_anything_less_or_else_is_not() {
        let whole = file(1..4, "direct workgroup64 split4");
        let text = whole.text();
        assert_eq!(TuningFile::parse(&text).unwrap(), whole);
        // As files were before a GPU's sizes were written down.
        let plain = TuningFile { facts: None, ..whole.clone() };
        assert!(!plain.text().contains("facts"));
        assert_eq!(TuningFile::parse(&plain.text()).unwrap(), plain);
        // The last character is the line's end.
        for end in (0..text.len() - 1).filter(|e| text.is_char_boundary(*e)) {
            assert!(TuningFile::parse(&text[..end]).is_err(), "cut off at {end}");
        }
        for (from, to) in [
            ("workgroup64", "workgroup32"),
            ("123456789012", "123456789013"),
            ("Card", "Cord"),
            ("12700", "12701"),
            ("\"format_version\": 1", "\"format_version\": 2"),
        ] {
            assert!(
                text.contains(from) && TuningFile::parse(&text.replace(from, to)).is_err(),
                "{from} for {to}"
            );
        }
        // Byte by byte: what still is JSON with another meaning does not fit its digest.
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes)
                .map_err(|e| e.to_string())
                .and_then(|t| TuningFile::parse(&t))
            {
                assert_eq!(changed, whole, "byte {at}");
            }
        }
        for garbage in [
            "",
            "{}",
            "[]",
            "null",
            "{\"format_version\":1}",
            "\u{0}\u{1}",
            "{\"format_version\":1,\"digest\":\"\",\"variants\":{}}",
        ] {
            assert!(TuningFile::parse(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_variant_is_taken_where_it_is_valid_and_nowhere_else() {
        let mut tuning = Tuning::rule(Family::Workgroup);
        let listed = file(8..9, "direct workgroup32 split2");
        assert!(listed.apply(&problem(8), &mut tuning) && !listed.apply(&problem(16), &mut tuning));
        assert_eq!(tuning.choose(&problem(8)).to_string(), "direct workgroup32 split2");
        let rule = Tuning::rule(Family::Workgroup);
        for wrong in ["direct subgroup8x16", "winograd5 gemv4", "direct workgroup64 split64"] {
            let mut tuning = rule.clone();
            assert!(!file(8..9, wrong).apply(&problem(8), &mut tuning), "{wrong}");
            assert_eq!(tuning, rule);
        }
    }

    #[test]
    fn the_cache_merges_and_what_is_broken_or_of_another_device_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("made/on/the/way");
        assert!(TuningFile::cached(&folder, &identity("1")).unwrap().is_none());
        let path = file(1..3, "direct workgroup32").store(&folder).unwrap();
        file(2..5, "direct workgroup64").store(&folder).unwrap();
        let merged = TuningFile::cached(&folder, &identity("1")).unwrap().unwrap();
        assert_eq!(merged.entries.len(), 4);
        assert_eq!(
            merged.entries[&problem(2).to_string()].variant.to_string(),
            "direct workgroup64"
        );
        assert!(TuningFile::cached(&folder, &identity("2")).unwrap().is_none());
        for wrong in ["garbage".to_string(), TuningFile::new(identity("2")).text(), String::new()] {
            std::fs::write(&path, wrong).unwrap();
            assert!(TuningFile::cached(&folder, &identity("1")).is_err());
            file(1..2, "direct workgroup32").store(&folder).unwrap();
            assert_eq!(
                TuningFile::cached(&folder, &identity("1")).unwrap().unwrap().entries.len(),
                1
            );
        }
        // A file stands where the folder would have to be.
        assert!(file(1..2, "direct workgroup32").store(&path).is_err());
        assert!(TuningFile::cached(&path, &identity("1")).unwrap().is_none());
    }

    #[test]
    fn many_writers_at_once_leave_a_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let folder = dir.path();
                scope.spawn(move || {
                    for round in 0..8 {
                        let side = 1 + writer * 8 + round;
                        file(side..side + 1, "direct workgroup64").store(folder).unwrap();
                        let seen = TuningFile::cached(folder, &identity("1"))
                            .expect("never half a file")
                            .expect("there by now");
                        assert!(
                            seen.entries
                                .values()
                                .all(|e| e.variant.to_string() == "direct workgroup64")
                        );
                    }
                });
            }
        });
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "nothing but the file");
    }
}
