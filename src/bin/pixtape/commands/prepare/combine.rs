//! `prepare combine`: the reference implementation's combine_A_and_B.

use crate::commands::prepare::work::{
    Common, Job, beside, key, pictures, run_all, some, tell_of_depth,
};
use clap::Args;
use pixtape::io::Picture;
use pixtape::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Flags of `prepare combine`, named as in the reference implementation.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct CombineArgs {
    /// Folder of the left images, with subfolders; without --fold_B it holds both, named x_A and
    /// x_B.
    #[arg(long = "fold_A")]
    fold_a: PathBuf,
    /// Folder of the right images, with the same names (extensions may differ).
    #[arg(long = "fold_B")]
    fold_b: Option<PathBuf>,
    /// Folder for the A|B files.
    #[arg(long = "fold_AB")]
    fold_ab: PathBuf,
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
    common: Common,
}

pub(crate) fn run(args: &CombineArgs) -> Result<()> {
    let mut jobs = jobs(args)?;
    jobs.truncate(args.num_imgs.unwrap_or(usize::MAX));
    tell_of_depth(jobs.iter().flat_map(|j| &j.from));
    run_all(&args.common, &jobs, |_, job| {
        let [a, mut b] = [Picture::load(&job.from[0], 3)?, Picture::load(&job.from[1], 3)?];
        if (a.width, a.height) != (b.width, b.height) {
            if !args.resize {
                let [from_a, from_b] = [&job.from[0], &job.from[1]].map(|p| p.display());
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
        let Some(name) = name.to_string_lossy().strip_suffix(ending).map(PathBuf::from) else {
            continue;
        };
        if let Some(other) = found.insert(name, file.clone()) {
            return Err(Error::Usage(format!(
                "{} and {} have the same name; a pair uses one of them: move the other away",
                other.display(),
                file.display()
            )));
        }
    }
    Ok(found)
}

fn jobs(args: &CombineArgs) -> Result<Vec<Job>> {
    let fold_b = args.fold_b.as_ref().unwrap_or(&args.fold_a);
    let endings = if args.use_ab || args.fold_b.is_none() { ["_A", "_B"] } else { ["", ""] };
    let a = by_name(&args.fold_a, &args.fold_ab, endings[0])?;
    let b = by_name(fold_b, &args.fold_ab, endings[1])?;
    let mut alone = Vec::new();
    for (here, there, folder, ending) in
        [(&a, &b, fold_b, endings[1]), (&b, &a, &args.fold_a, endings[0])]
    {
        let missing: Vec<String> = here
            .keys()
            .filter(|name| !there.contains_key(*name))
            .map(|name| format!("{}{ending}", name.display()))
            .collect();
        if !missing.is_empty() {
            alone.push(format!("{} has no {}", folder.display(), some(&missing)));
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
            &args.fold_a,
            "holds no pairs x_A, x_B; give --fold_B for images of the same names in two folders",
        ));
    }
    let pair = |(name, a): (&PathBuf, &PathBuf)| {
        let mut to = args.fold_ab.join(name).into_os_string();
        to.push(".png");
        Job { from: vec![a.clone(), b[name].clone()], to: vec![to.into()] }
    };
    Ok(a.iter().map(pair).collect())
}
