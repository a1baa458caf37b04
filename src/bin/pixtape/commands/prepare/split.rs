//! `prepare split`: distributes files over train, val and test.

use crate::commands::prepare::work::{Common, Job, key, pictures, relative, run_all, some};
use crate::messages::shown;
use clap::Args;
use pixtape::io::{read_text, write_aside_with};
use pixtape::rng::{fold_seed, random};
use pixtape::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The phases that files are distributed over.
pub(crate) const NAMES: [&str; 3] = ["train", "val", "test"];

/// Flags of `prepare split`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct SplitArgs {
    /// A folder of images. Images of the same name (x, x_A and x_B, in any subfolder) stay
    /// together.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the splits: OUTPUT/train, OUTPUT/val, OUTPUT/test, with the same subfolders.
    #[arg(long)]
    output: PathBuf,
    #[command(flatten)]
    shares: Shares,
    /// A file with the names for train, one per line (paths below --input, with or without
    /// extension); names in no list are left out.
    #[arg(long, value_name = "FILE")]
    train_list: Option<PathBuf>,
    /// A file with the names for val.
    #[arg(long, value_name = "FILE")]
    val_list: Option<PathBuf>,
    /// A file with the names for test.
    #[arg(long, value_name = "FILE")]
    test_list: Option<PathBuf>,
    /// Hard links instead of copies: they use no space, and a change of one changes the other.
    #[arg(long)]
    link: bool,
    #[command(flatten)]
    common: Common,
}

/// How many files go where.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// Share of train: shares are relative to their sum [default: 8].
    #[arg(long)]
    train: Option<f64>,
    /// Share of val [default: 1].
    #[arg(long)]
    val: Option<f64>,
    /// Share of test [default: 1].
    #[arg(long)]
    test: Option<f64>,
    /// Seed of the random assignment [default: 1].
    #[arg(long)]
    seed: Option<u64>,
}

impl Shares {
    /// Whether any of the flags is there.
    pub fn given(&self) -> bool {
        self.train.or(self.val).or(self.test).is_some() || self.seed.is_some()
    }
}

pub(crate) fn run(args: &SplitArgs) -> Result<()> {
    let files = pictures(&args.input, &args.output)?;
    let lists = [&args.train_list, &args.val_list, &args.test_list];
    let places = if lists.iter().any(|l| l.is_some()) {
        by_lists(&args.input, &files, lists)?
    } else {
        by_shares(&args.shares, &files)?.into_iter().map(Some).collect()
    };
    let jobs: Vec<Job> = files
        .iter()
        .zip(&places)
        .filter_map(|(file, place)| {
            place.map(|p| {
                Job::new(file, args.output.join(NAMES[p]).join(relative(file, &args.input)))
            })
        })
        .collect();
    run_all(&args.common, &jobs, |_, job| put(&job.from[0], &job.to[0], args.link))?;
    let count = |p: usize| places.iter().filter(|place| **place == Some(p)).count();
    let left_out = places.iter().filter(|place| place.is_none()).count();
    println!("train {}, val {}, test {}, left out {left_out}", count(0), count(1), count(2));
    Ok(())
}

/// Copies or hard-links a file, atomically.
pub(crate) fn put(from: &Path, to: &Path, link: bool) -> Result<()> {
    if !link {
        let mut source = pixtape::io::file::open(from).map_err(|e| {
            Error::file(from, format!("cannot be opened: {e}; check its permissions"))
        })?;
        return write_aside_with(to, |target| std::io::copy(&mut source, target).map(drop));
    }
    let failed = |e: std::io::Error| {
        Error::file(
            to,
            format!(
                "cannot be linked to {}: {e}; hard links need the same disk: leave out --link to \
                 copy",
                shown(from)
            ),
        )
    };
    if to.exists() {
        std::fs::remove_file(to).map_err(failed)?;
    }
    std::fs::hard_link(from, to).map_err(failed)
}

/// The key of files that stay together: the name without folder, extension, _A and _B.
fn group(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_suffix("_A").or(stem.strip_suffix("_B")).unwrap_or(&stem).to_string()
}

/// Of each file its place in [`NAMES`].
pub(crate) fn by_shares(given: &Shares, files: &[PathBuf]) -> Result<Vec<usize>> {
    let shares = [given.train.unwrap_or(8.0), given.val.unwrap_or(1.0), given.test.unwrap_or(1.0)];
    let sum: f64 = shares.iter().sum();
    if shares.iter().any(|s| !(*s >= 0.0)) || !(sum > 0.0 && sum.is_finite()) {
        return Err(Error::Usage(format!(
            "shares --train {} --val {} --test {}: expected none below 0 and at least one above",
            shares[0], shares[1], shares[2]
        )));
    }
    let mut groups: BTreeMap<String, u32> = files.iter().map(|f| (group(f), 0)).collect();
    let mut order: Vec<(u32, String)> = (0..)
        .zip(groups.keys())
        .map(|(i, name)| (random(i, 0, 0, fold_seed(given.seed.unwrap_or(1)))[0], name.clone()))
        .collect();
    order.sort();
    // Boundaries are rounded, so each split is within one file of its share.
    let count = order.len() as f64;
    let border = |upto: usize| (count * shares[..upto].iter().sum::<f64>() / sum).round() as usize;
    for (at, (_, name)) in order.into_iter().enumerate() {
        groups.insert(name, if at < border(1) { 0 } else { 1 + u32::from(at >= border(2)) });
    }
    Ok(files.iter().map(|f| groups[&group(f)] as usize).collect())
}

fn by_lists(
    input: &Path,
    files: &[PathBuf],
    lists: [&Option<PathBuf>; 3],
) -> Result<Vec<Option<usize>>> {
    let mut named: HashMap<PathBuf, Vec<usize>> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        for name in [relative(file, input).to_path_buf(), key(file, input)] {
            named.entry(name).or_default().push(at);
        }
    }
    let mut places = vec![None; files.len()];
    for (place, list) in lists.iter().enumerate().filter_map(|(p, l)| l.as_ref().map(|l| (p, l))) {
        let text = read_text(list, "a text file with one name per line")?;
        let names = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let (known, unknown): (Vec<&str>, Vec<&str>) =
            names.partition(|n| named.contains_key(Path::new(n)));
        if !unknown.is_empty() {
            return Err(Error::file(
                list,
                format!("lists names that are not in {}: {}", shown(input), some(&unknown)),
            ));
        }
        for &at in known.iter().flat_map(|n| &named[Path::new(n)]) {
            if places[at].is_some_and(|p| p != place) {
                return Err(Error::file(
                    list,
                    format!(
                        "{} is in another list too; an image belongs to one split",
                        shown(&files[at])
                    ),
                ));
            }
            places[at] = Some(place);
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(shares: [f64; 3], seed: u64) -> Shares {
        let [train, val, test] = shares.map(Some);
        Shares { train, val, test, seed: Some(seed) }
    }

    #[test]
    fn shares_are_met_pairs_stay_together_and_the_seed_decides() {
        let files: Vec<PathBuf> = (0..50)
            .flat_map(|i| [format!("in/{i}_A.png"), format!("in/sub/{i}_B.jpg")])
            .map(PathBuf::from)
            .collect();
        let places = by_shares(&shares([8.0, 1.0, 1.0], 1), &files).unwrap();
        let count = |p| places.iter().filter(|place| **place == p).count();
        assert_eq!((count(0), count(1), count(2)), (80, 10, 10));
        assert!(places.chunks(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(by_shares(&shares([80.0, 10.0, 10.0], 1), &files).unwrap(), places);
        let unsaid = Shares { train: None, val: None, test: None, seed: None };
        assert_eq!(by_shares(&unsaid, &files).unwrap(), places);
        assert_ne!(by_shares(&shares([8.0, 1.0, 1.0], 2), &files).unwrap(), places);
        assert!(by_shares(&shares([1.0, 0.0, 0.0], 1), &files).unwrap().iter().all(|p| *p == 0));
        for bad in [[-1.0, 1.0, 1.0], [0.0; 3], [f64::NAN, 1.0, 1.0], [f64::INFINITY, 1.0, 1.0]] {
            assert!(by_shares(&shares(bad, 1), &files).is_err(), "{bad:?}");
        }
    }
}
