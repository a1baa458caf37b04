//! Reading every sample before a training does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::Misfit;
use super::random::Random;
use super::scan::{ScanProgress, misfit};
use super::{Dataset, Task};
use crate::Result;

impl Dataset {
    /// Decodes all files of the samples that fit, as a training would, on so many threads. Returns
    /// what cannot be used after all: files that are cut off, values that are not numbers.
    pub fn verify(&self, threads: usize, progress: ScanProgress<'_>) -> Vec<Misfit> {
        let masks = self.holes.as_ref().map_or(&[][..], |holes| holes.masks());
        let all = self.entries.len() + masks.len();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let found: Mutex<Vec<(usize, Misfit)>> = Mutex::default();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let result = match (self.entries.get(at), at.checked_sub(self.entries.len())) {
                    (Some(entry), _) => self.read(at).map_err(|e| misfit(entry.path(), e)),
                    (None, Some(mask)) if mask < masks.len() => {
                        self.read_mask(mask).map_err(|e| misfit(&masks[mask], e))
                    }
                    _ => break,
                };
                if let Err(misfit) = result {
                    found.lock().unwrap_or_else(|e| e.into_inner()).push((at, misfit));
                }
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
            }
        };
        // A browser has no threads, and one thread needs no other.
        match threads.min(all) {
            0 | 1 => work(),
            threads => {
                std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))))
            }
        }
        let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, misfit)| misfit).collect()
    }

    /// Reads a sample (or an image that has no partner) to its end.
    fn read(&self, entry: usize) -> Result<()> {
        let mut random = Random::new([self.options.seed, 1, entry as u64]);
        let planes = self.cut(entry, &mut random)?;
        let path = self.entries[entry].path();
        if matches!(self.options.task, Task::Aligned | Task::Unaligned) {
            for (place, plane) in planes.into_iter().enumerate() {
                let side = if self.entries[entry].has(0) { place } else { 1 };
                self.channelled(plane.as_image()?.clone(), side, path)?;
            }
        }
        Ok(())
    }

    fn read_mask(&self, mask: usize) -> Result<()> {
        self.holes.as_ref().map_or(Ok(()), |holes| holes.read(mask, self.options.reading).map(drop))
    }
}
