//! `bench kernels --compare`: times of this run over those of an earlier one.

use crate::commands::bench::measure::round;
use pixtape::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The report of an earlier run.
#[derive(Debug)]
pub(crate) struct Old {
    device: String,
    /// Median milliseconds by net and name.
    rows: BTreeMap<String, f64>,
}

/// Two runs compared.
#[derive(Debug)]
pub(crate) struct Comparison {
    from: String,
    /// Net and name, old and new milliseconds; the largest slowdown first.
    rows: Vec<(String, f64, f64)>,
    /// Rows only in the old run, and only in the new one.
    missing: [Vec<String>; 2],
}

/// The key of a row: net and name; batch and shapes are in the name.
fn key(row: &Value) -> Option<(String, f64)> {
    let name = row["name"].as_str()?;
    let net = row["net"].as_str().map_or(String::new(), |net| format!("{net} "));
    Some((format!("{net}{name}"), row["median_ms"].as_f64().filter(|ms| *ms > 0.0)?))
}

fn rows(report: &Value) -> Option<BTreeMap<String, f64>> {
    report["rows"].as_array()?.iter().map(key).collect()
}

impl Old {
    /// Reads a file that `bench kernels --json` has printed.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or has another format.
    pub fn read(path: &Path) -> Result<Old> {
        let text = pixtape::io::file::read_text(path).map_err(|e| {
            Error::file(
                path,
                format!("cannot be read: {e}; --compare takes the output of bench kernels --json"),
            )
        })?;
        let other = || {
            Error::file(
                path,
                "is not a report of bench kernels; --compare takes the output of bench kernels \
                 --json",
            )
        };
        let report: Value = serde_json::from_str(&text).map_err(|_| other())?;
        let rows = rows(&report).ok_or_else(other)?;
        Ok(Old {
            device: report["about"]["device"].as_str().unwrap_or("an unnamed device").into(),
            rows,
        })
    }

    /// Keeps only the rows that this run measures.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.rows.retain(|name, _| wanted(name));
    }

    /// Compares a new report with it.
    pub fn against(&self, report: &Value) -> Comparison {
        let new = rows(report).unwrap_or_default();
        let mut both: Vec<(String, f64, f64)> = self
            .rows
            .iter()
            .filter_map(|(name, old)| Some((name.clone(), *old, *new.get(name)?)))
            .collect();
        both.sort_by(|a, b| (b.2 / b.1).total_cmp(&(a.2 / a.1)));
        let less = |a: &BTreeMap<String, f64>, b: &BTreeMap<String, f64>| {
            a.keys().filter(|k| !b.contains_key(*k)).cloned().collect()
        };
        Comparison {
            from: self.device.clone(),
            rows: both,
            missing: [less(&self.rows, &new), less(&new, &self.rows)],
        }
    }
}

impl Comparison {
    /// The geometric mean of new over old.
    fn mean(&self) -> f64 {
        let sum: f64 = self.rows.iter().map(|(_, old, new)| (new / old).ln()).sum();
        (sum / self.rows.len().max(1) as f64).exp()
    }

    pub fn print(&self) {
        println!(
            "\nnew over old (on {}), worst first; geometric mean of {} rows {:.3}",
            self.from,
            self.rows.len(),
            self.mean()
        );
        println!("{:>7} {:>10} {:>10}  operation", "new/old", "old ms", "new ms");
        self.rows.iter().for_each(|(name, old, new)| {
            println!("{:>7.3} {old:>10.4} {new:>10.4}  {name}", new / old)
        });
        for (which, names) in
            ["only in the old run", "only in this run"].into_iter().zip(&self.missing)
        {
            names.iter().for_each(|name| println!("{which}: {name}"));
        }
    }

    pub fn json(&self) -> Value {
        let row = |(name, old, new): &(String, f64, f64)| {
            json!({
                "name": name, "old_ms": old, "new_ms": new, "ratio": round(new / old),
            })
        };
        json!({
            "device": self.from,
            "mean_ratio": round(self.mean()),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "only_old": self.missing[0],
            "only_new": self.missing[1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn worst_come_first_and_rows_on_one_side_are_named() {
        let report = |rows: &[(&str, f64)]| json!({ "about": {}, "rows": rows.iter().map(|(n, ms)| json!({ "net": "a", "name": n, "median_ms": ms })).collect::<Vec<_>>() });
        let old = Old {
            device: "d".into(),
            rows: rows(&report(&[("same", 1.0), ("slower", 1.0), ("faster", 4.0), ("gone", 1.0)]))
                .unwrap(),
        };
        let c = old.against(&report(&[
            ("faster", 1.0),
            ("same", 1.0),
            ("slower", 4.0),
            ("fresh", 1.0),
        ]));
        assert_eq!(
            c.rows.iter().map(|r| r.0.as_str()).collect::<Vec<_>>(),
            ["a slower", "a same", "a faster"]
        );
        assert_eq!(c.missing, [vec!["a gone".to_string()], vec!["a fresh".to_string()]]);
        assert_abs_diff_eq!(c.mean(), 1.0, epsilon = 1e-12);
        assert_eq!(c.json()["rows"][0]["ratio"], 4.0);
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.json");
        for text in ["{", "[]", "{\"rows\": [{\"name\": 3}]}"] {
            std::fs::write(&path, text).unwrap();
            let message = Old::read(&path).unwrap_err().to_string();
            assert!(message.contains("old.json") && message.contains("--json"), "{message}");
        }
        assert!(
            Old::read(&dir.path().join("none")).unwrap_err().to_string().contains("cannot be read")
        );
    }
}
