//! Pages about runs: `report.html` beside a run, and several runs side by side.
//!
//! A page is one file that fetches nothing. Static content is written as HTML here; `chart.js` and
//! `page.js` draw curves, move sliders and sort. They are embedded in the page, as `style.css` is.

mod compare;
mod curves;
mod folder;
pub(crate) mod html;
mod options;
mod page;
mod parts;
mod pictures;
mod validation;

use folder::Run;
use pixtape::Result;
use pixtape::io::write_aside;
use pixtape::session::{Event, Observer};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The page's file in a run's folder.
pub(crate) const NAME: &str = "report.html";

/// Rewrites a run's page from the contents of its folder.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let run = Run::read(folder)?;
    write_aside(&folder.join(NAME), page::render(&run)?.as_bytes())
}

/// A page that is rewritten during its run, as often as the cost is negligible.
#[derive(Debug)]
pub(crate) struct Live {
    folder: PathBuf,
    /// When the page was last written, and how long that took.
    last: Option<(Instant, Duration)>,
}

impl Live {
    pub fn new(folder: &Path) -> Live {
        Live { folder: folder.into(), last: None }
    }

    /// Rewrites the page, unless that would take more than a fiftieth of the run's time.
    fn write(&mut self) -> Result<()> {
        if self.last.is_some_and(|(when, took)| when.elapsed() < 50 * took) {
            return Ok(());
        }
        let start = Instant::now();
        write(&self.folder)?;
        self.last = Some((Instant::now(), start.elapsed()));
        Ok(())
    }
}

impl Observer for Live {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::EpochEnded { .. } => self.write(),
            Event::Ended(_) => write(&self.folder),
            // The page says why; that it could not be written would not matter beside that.
            Event::Diverged { .. } => {
                let _ = write(&self.folder);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Writes one page that compares runs.
pub(crate) fn write_comparison(folders: &[PathBuf], out: &Path) -> Result<()> {
    let runs = folders.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>>>()?;
    write_aside(out, compare::render(&runs)?.as_bytes())
}

#[cfg(test)]
mod tests;
