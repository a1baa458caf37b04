//! `prepare combine`: the reference implementation's combine_A_and_B, and the folders of
//! pix2pixHD.

use crate::commands::prepare::split::{NAMES, Shares, by_shares, put};
use crate::commands::prepare::work::{
    Common, Job, beside, key, pictures, run_all, some, tell_of_depth,
};
use crate::many::tell_of_rest;
use crate::messages::shown;
use crate::options::ReadingArgs;
use crate::patterns;
use clap::Args;
use pixtape::io::{Listing, Picture, matched_files};
use pixtape::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Flags of `prepare combine`, named as in the reference implementation.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct CombineArgs {
    /// Folder of the left images, with subfolders; without --fold_B it holds both, named x_A and
    /// x_B.
    #[arg(long = "fold_A", required_unless_present = "labels")]
    fold_a: Option<PathBuf>,
    /// Folder of the right images, with the same names (extensions may differ).
    #[arg(long = "fold_B")]
    fold_b: Option<PathBuf>,
    /// Folder for the A|B files.
    #[arg(long = "fold_AB", required_unless_present = "labels")]
    fold_ab: Option<PathBuf>,
    /// The names in the two folders end in _A and _B.
    #[arg(long = "use_AB")]
    use_ab: bool,
    /// Resize B to the size of A instead of refusing pairs of different sizes.
    #[arg(long)]
    resize: bool,
    /// Combine at most this many pairs.
    #[arg(long)]
    num_imgs: Option<usize>,
    #[command(flatten)]
    labelled: LabelledArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

/// Flags for the folders of pix2pixHD.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Label maps, for pix2pixHD")]
struct LabelledArgs {
    /// Folder of label maps, or a pattern where a folder holds others too:
    /// "gtFine/train/*/*_labelIds.png". Files belong together by sorted order; all get the name of
    /// the label map.
    #[arg(long, conflicts_with_all = ["fold_a", "fold_b", "fold_ab"])]
    #[arg(requires_all = ["images", "output"])]
    labels: Option<PathBuf>,
    /// Folder or pattern of instance maps.
    #[arg(long, requires = "labels")]
    instances: Option<PathBuf>,
    /// Folder or pattern of images.
    #[arg(long, requires = "labels")]
    images: Option<PathBuf>,
    /// Folder of images of features.
    #[arg(long, requires = "labels")]
    features: Option<PathBuf>,
    /// ROOT for train_label, train_inst, train_img, val_label and so on.
    #[arg(long, requires = "labels")]
    output: Option<PathBuf>,
    #[command(flatten)]
    shares: Shares,
    /// Hard links instead of copies: they use no space, and a change of one changes the other.
    #[arg(long, requires = "labels")]
    link: bool,
}

pub(crate) fn run(args: &CombineArgs) -> Result<()> {
    match (&args.labelled.labels, &args.labelled.output, &args.fold_a, &args.fold_ab) {
        (Some(labels), Some(output), ..) => labelled(args, labels, output),
        _ if args.labelled.shares.given() => Err(Error::Usage(
            "--train, --val, --test and --seed go with --labels; prepare split distributes pairs"
                .into(),
        )),
        (_, _, Some(fold_a), Some(fold_ab)) => pairs(args, fold_a, fold_ab),
        _ => Err(Error::Internal("combine without folders".into())),
    }
}

/// Copies label maps and what belongs to them into folders per phase.
fn labelled(args: &CombineArgs, labels: &Path, output: &Path) -> Result<()> {
    let given = &args.labelled;
    let beside = [("inst", &given.instances), ("img", &given.images), ("feat", &given.features)];
    let mut folders = vec![("label", labels)];
    folders.extend(beside.iter().filter_map(|(ending, f)| Some((*ending, f.as_deref()?))));
    let lists = folders.iter().map(|(_, path)| listed(path)).collect::<Result<Vec<_>>>()?;
    let mut rows = matched_files(&lists)?;
    rows.truncate(args.num_imgs.unwrap_or(usize::MAX));
    let firsts: Vec<PathBuf> = rows.iter().map(|row| row[0].clone()).collect();
    let places = by_shares(&given.shares, &firsts)?;
    let job = |(row, place): (Vec<PathBuf>, &usize)| {
        let name = key(&row[0], &lists[0].0);
        let to = row.iter().zip(&folders).map(|(file, (ending, _))| {
            let mut name = name.clone().into_os_string();
            name.push(".");
            name.push(file.extension().unwrap_or_default());
            output.join(format!("{}_{ending}", NAMES[*place])).join(name)
        });
        Job { to: to.collect(), from: row }
    };
    let jobs: Vec<Job> = rows.into_iter().zip(&places).map(job).collect();
    run_all(&args.common, &jobs, |_, job| {
        job.from.iter().zip(&job.to).try_for_each(|(from, to)| put(from, to, given.link))
    })?;
    let count = |p: usize| places.iter().filter(|place| **place == p).count();
    println!("train {}, val {}, test {}", count(0), count(1), count(2));
    Ok(())
}

/// The files of a folder or a pattern, and the folder that they lie in.
fn listed(path: &Path) -> Result<(PathBuf, Vec<PathBuf>)> {
    if path.is_dir() {
        let Listing { files, left_out } = Listing::of(path)?;
        tell_of_rest(path, &left_out);
        return Ok((path.into(), files));
    }
    match patterns::files(path)? {
        Some(files) => Ok((patterns::folder(path), files)),
        None => Err(Error::file(path, "no such folder; check the path")),
    }
}

fn pairs(args: &CombineArgs, fold_a: &Path, fold_ab: &Path) -> Result<()> {
    let reading = args.reading.reading();
    let mut jobs = jobs(args, fold_a, fold_ab)?;
    jobs.truncate(args.num_imgs.unwrap_or(usize::MAX));
    tell_of_depth(jobs.iter().flat_map(|j| &j.from));
    run_all(&args.common, &jobs, |_, job| {
        let [a, mut b] = [
            Picture::load_as(&job.from[0], 3, reading)?,
            Picture::load_as(&job.from[1], 3, reading)?,
        ];
        if (a.width, a.height) != (b.width, b.height) {
            if !args.resize {
                let [from_a, from_b] = [&job.from[0], &job.from[1]].map(|p| shown(p));
                let (wa, ha, wb, hb) = (a.width, a.height, b.width, b.height);
                return Err(Error::Usage(format!(
                    "{from_a} is {wa}x{ha}, {from_b} is {wb}x{hb}; a pair has one size: --resize \
                     brings B to that of A"
                )));
            }
            b = b.resize(a.width, a.height)?;
        }
        beside(a, b)?.save_png(&job.to[0])
    })
}

/// Files of a folder by name: the path below the folder without extension and without `ending`.
fn by_name(folder: &Path, output: &Path, ending: &str) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let mut found = BTreeMap::new();
    for file in pictures(folder, output)? {
        let name = key(&file, folder);
        // Others in the folder belong to the other side.
        let name = match ending {
            "" => name,
            _ => match name.to_string_lossy().strip_suffix(ending) {
                Some(name) => name.into(),
                None => continue,
            },
        };
        if let Some(other) = found.insert(name, file.clone()) {
            return Err(Error::Usage(format!(
                "{} and {} have the same name; a pair uses one of them: move the other away",
                shown(&other),
                shown(&file)
            )));
        }
    }
    Ok(found)
}

fn jobs(args: &CombineArgs, fold_a: &Path, fold_ab: &Path) -> Result<Vec<Job>> {
    let fold_b = args.fold_b.as_deref().unwrap_or(fold_a);
    let endings = if args.use_ab || args.fold_b.is_none() { ["_A", "_B"] } else { ["", ""] };
    let a = by_name(fold_a, fold_ab, endings[0])?;
    let b = by_name(fold_b, fold_ab, endings[1])?;
    let mut alone = Vec::new();
    for (here, there, folder, ending) in
        [(&a, &b, fold_b, endings[1]), (&b, &a, fold_a, endings[0])]
    {
        let missing: Vec<String> = here
            .keys()
            .filter(|name| !there.contains_key(*name))
            .map(|name| format!("{}{ending}", shown(name)))
            .collect();
        if !missing.is_empty() {
            alone.push(format!("{} has no {}", shown(folder), some(&missing)));
        }
    }
    if !alone.is_empty() {
        return Err(Error::Usage(format!(
            "images without a partner: {}; complete the pairs or move the rest away",
            alone.join("; ")
        )));
    }
    if a.is_empty() {
        return Err(Error::file(
            fold_a,
            "holds no pairs x_A, x_B; give --fold_B for images of the same names in two folders",
        ));
    }
    let pair = |(name, a): (&PathBuf, &PathBuf)| {
        let mut to = fold_ab.join(name).into_os_string();
        to.push(".png");
        Job { from: vec![a.clone(), b[name].clone()], to: vec![to.into()] }
    };
    Ok(a.iter().map(pair).collect())
}
