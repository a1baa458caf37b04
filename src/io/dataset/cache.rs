//! Decoded and resized samples kept in memory, up to a number of bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::plane::PlaneData;
use crate::Result;

/// The planes of an entry as every epoch finds them, before cropping.
type Prepared = Arc<Vec<PlaneData>>;

/// Keeps what comes first and forgets nothing: every epoch visits every pair once, so no choice of
/// what to forget would hit more often.
#[derive(Debug)]
pub(super) struct Cache {
    limit: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: u64,
    pairs: HashMap<usize, Prepared>,
}

impl Cache {
    pub(super) fn new(limit: u64) -> Self {
        Cache { limit, kept: Mutex::default() }
    }

    /// The pair kept, or the one that `make` makes. Two threads may make the same one; they make
    /// the same.
    pub(super) fn get(
        &self,
        index: usize,
        make: impl FnOnce() -> Result<Vec<PlaneData>>,
    ) -> Result<Prepared> {
        let kept = || self.kept.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(pair) = kept().pairs.get(&index) {
            return Ok(pair.clone());
        }
        let made = Prepared::new(make()?);
        let bytes: u64 = made.iter().map(|p| p.bytes() as u64).sum();
        let mut kept = kept();
        if kept.bytes + bytes <= self.limit && !kept.pairs.contains_key(&index) {
            kept.bytes += bytes;
            kept.pairs.insert(index, made.clone());
        }
        Ok(made)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.lock().unwrap().pairs.len()
    }
}
