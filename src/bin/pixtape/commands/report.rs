//! `pixtape report` and `pixtape compare`: pages of runs.

use crate::messages::shown;
use crate::outputs::report;
use clap::Args;
use pixtape::{Error, Result};
use std::path::PathBuf;

/// Flags of `report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// A run's folder.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

/// Flags of `compare`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareArgs {
    /// Folders of runs.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    pub runs: Vec<PathBuf>,
    /// The page.
    #[arg(long, default_value = "compare.html", value_name = "FILE")]
    pub out: PathBuf,
}

/// Rewrites a run's page.
pub(crate) fn run(args: &ReportArgs) -> Result<()> {
    report::write(&args.run)?;
    println!("wrote {}", shown(&args.run.join(report::NAME)));
    Ok(())
}

/// Writes a page of several runs.
pub(crate) fn compare(args: &CompareArgs) -> Result<()> {
    if args.out.is_dir() {
        return Err(Error::file(&args.out, "is a folder; --out names the page's file"));
    }
    report::write_comparison(&args.runs, &args.out)?;
    println!("wrote {}", shown(&args.out));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_place_of_a_folder_is_refused() {
        let out = tempfile::tempdir().unwrap();
        let args = CompareArgs { runs: vec!["a".into(), "b".into()], out: out.path().into() };
        assert!(compare(&args).unwrap_err().to_string().contains("is a folder"));
    }
}
