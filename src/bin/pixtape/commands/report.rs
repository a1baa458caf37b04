//! `pixtape report` and `pixtape compare`: pages of runs.

use crate::options::{CompareArgs, ReportArgs};
use crate::outputs::report;
use pixtape::{Error, Result};

/// Rewrites a run's page.
pub(crate) fn run(args: &ReportArgs) -> Result<()> {
    report::write(&args.run)?;
    println!("wrote {}", args.run.join(report::NAME).display());
    Ok(())
}

/// Writes a page of several runs.
pub(crate) fn compare(args: &CompareArgs) -> Result<()> {
    if args.out.is_dir() {
        return Err(Error::file(&args.out, "is a folder; --out names the page's file"));
    }
    report::write_comparison(&args.runs, &args.out)?;
    println!("wrote {}", args.out.display());
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
