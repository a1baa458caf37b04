//! Appending to a file that may be out of reach for a while.

use crate::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Bytes that are held back before they are written.
const FEW: usize = 8 << 10;
/// Bytes that are held back at most while nothing can be written.
const MOST: usize = 8 << 20;

/// A file that grows by whole records.
///
/// Where it cannot be written (a full disk, a network drive that is away) records wait in memory, up
/// to 8 MiB of them, and come first when it can: half a record is never followed by another one.
#[derive(Debug)]
pub struct Append {
    path: PathBuf,
    file: File,
    waiting: Waiting,
}

impl Append {
    /// Opens a file at its end; it is made where there is none.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Append> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|e| cannot(path, &e))?;
        Ok(Append { path: path.into(), file, waiting: Waiting::default() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a record. It need not be in the file before [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written: the record waits, or is left out where too
    /// many wait.
    pub fn push(&mut self, record: &[u8]) -> Result<()> {
        let full = self.waiting.0.len() + record.len() > MOST;
        if full {
            self.flush()?;
        }
        self.waiting.0.extend_from_slice(record);
        if self.waiting.0.len() >= FEW { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the system, so that others can read it.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written; what is left waits.
    pub fn flush(&mut self) -> Result<()> {
        self.waiting.write_to(&mut self.file).map_err(|e| cannot(&self.path, &e))
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_all().map_err(|e| cannot(&self.path, &e))
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        // Whoever wants to know has called `flush`.
        let _ = self.flush();
    }
}

/// Bytes that are not in the file yet.
#[derive(Debug, Default)]
struct Waiting(Vec<u8>);

impl Waiting {
    fn write_to(&mut self, file: &mut impl Write) -> io::Result<()> {
        let mut done = 0;
        let outcome = loop {
            if done == self.0.len() {
                break Ok(());
            }
            match file.write(&self.0[done..]) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(more) => done += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
        };
        self.0.drain(..done);
        outcome
    }
}

fn cannot(path: &Path, e: &io::Error) -> Error {
    Error::file(path, format!("cannot be written: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        room: usize,
        held: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room - self.held.len());
            if fits == 0 && !bytes.is_empty() {
                return Err(ErrorKind::StorageFull.into());
            }
            self.held.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn half_a_record_is_finished_first_when_there_is_room_again() {
        let mut disk = Disk { room: 9, held: Vec::new() };
        let mut waiting = Waiting(b"one\ntwo\nthree\n".to_vec());
        assert!(waiting.write_to(&mut disk).is_err());
        assert_eq!(disk.held, b"one\ntwo\nt");
        waiting.0.extend_from_slice(b"four\n");
        assert!(waiting.write_to(&mut disk).is_err());
        disk.room = 100;
        waiting.write_to(&mut disk).unwrap();
        assert_eq!(disk.held, b"one\ntwo\nthree\nfour\n");
        waiting.write_to(&mut disk).unwrap();
        assert_eq!(disk.held, b"one\ntwo\nthree\nfour\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_waits_for_a_full_disk_is_bounded() {
        let mut file = Append::open(Path::new("/dev/full")).unwrap();
        file.push(b"little").unwrap();
        let message = file.flush().unwrap_err().to_string();
        assert!(message.contains("/dev/full: cannot be written"), "{message}");
        let record = vec![7; 1 << 20];
        (0..20).for_each(|_| assert!(file.push(&record).is_err()));
        assert!(file.waiting.0.len() <= MOST, "{}", file.waiting.0.len());
    }
}
