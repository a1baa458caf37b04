//! What commands over many images have in common: they do all that they can.

use crate::messages::{shown, with_flags};
use pixtape::io::LeftOut;
use pixtape::{Error, Result};
use std::path::{Path, PathBuf};

/// Whether an error is about one image of many: not about the place of the results, the device, or
/// this program.
pub(crate) fn is_of_input(error: &Error, outputs: &[PathBuf]) -> bool {
    match error {
        Error::File { path, .. } => !outputs.contains(path),
        Error::DeviceLost { .. } | Error::Adapter(_) => false,
        other => other.exit_code() == 1,
    }
}

/// Says what a folder holds besides images, in a line.
pub(crate) fn tell_of_rest(folder: &Path, left_out: &LeftOut) {
    left_out.note().iter().for_each(|note| eprintln!("note: {}: {note}", shown(folder)));
}

/// Images that could not be translated. Each is named as it comes; the others are translated.
#[derive(Debug)]
pub(crate) struct Failures {
    /// Of the only image an error is the program's.
    single: bool,
    all: usize,
    named: usize,
}

impl Failures {
    /// Of so many images. A `single` one was named itself, not by a folder or a pattern.
    pub fn new(all: usize, single: bool) -> Failures {
        Failures { single, all, named: 0 }
    }

    /// Names an image.
    ///
    /// # Errors
    /// The error itself where it is not about one image of many: see [`is_of_input`].
    pub fn add(&mut self, output: &Path, error: Error) -> Result<()> {
        if self.single || !is_of_input(&error, &[output.into()]) {
            return Err(error);
        }
        self.named += 1;
        eprintln!("not translated: {}", with_flags(&error));
        Ok(())
    }

    /// Names images whose size there is no plan for.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_all<'a>(
        &mut self,
        files: impl Iterator<Item = &'a Path>,
        error: Error,
    ) -> Result<()> {
        if self.single || !is_of_input(&error, &[]) {
            return Err(error);
        }
        let why = error.to_string();
        files.into_iter().try_for_each(|from| self.add(Path::new(""), Error::file(from, &why)))
    }

    /// How many images were translated, when all are done.
    pub fn rest(&self) -> usize {
        self.all - self.named
    }

    /// # Errors
    /// [`Error::Usage`] with the numbers, if there are any.
    pub fn end(&self) -> Result<()> {
        match self.named {
            0 => Ok(()),
            n => Err(Error::Usage(format!("{n} of {} could not be translated", self.all))),
        }
    }
}
