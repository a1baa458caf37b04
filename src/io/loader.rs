//! Batches decoded ahead of time on worker threads, in order, without end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::io::dataset::Dataset;
use crate::picture::{PlaneValues, Values, borrowed};
use crate::{Error, Result};

/// A batch of samples; images and maps have the dataset's `image_size`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Epoch it belongs to, the first is 1.
    pub epoch: u64,
    /// Its place in the epoch, from 0.
    pub index: usize,
    /// The values of each plane by name, sample after sample, in the dataset's order.
    pub planes: Vec<(&'static str, PlaneValues)>,
    /// The file of each sample.
    pub paths: Vec<PathBuf>,
}

impl Batch {
    /// The values of each plane by name, as a training step takes them.
    pub fn values(&self) -> Vec<(&'static str, Values<'_>)> {
        borrowed(&self.planes)
    }
}

/// Endless batches of a dataset, epoch after epoch.
///
/// Worker `i` of `n` makes the batches `i`, `i + n`, `i + 2n` … and hands them over through a
/// channel of its own that holds one: order needs no sorting, and at most two batches per worker
/// exist. Dropping the loader closes the channels and waits for the workers to finish the batch at
/// hand.
pub struct Loader {
    /// Makes batches here when there are no workers; otherwise unused.
    local: Walk,
    workers: Vec<Worker>,
    /// The worker whose turn it is.
    turn: usize,
}

struct Worker {
    batches: Receiver<Result<Batch>>,
    thread: JoinHandle<()>,
}

impl Loader {
    /// Starts at batch `start_batch` (from 0) of epoch `start_epoch` (from 1). A `start_batch` past
    /// the epoch's end continues in the next: "after the last batch" is a place to resume at.
    ///
    /// With 0 `threads`, and in a browser, images are decoded in [`next`](Self::next), on the
    /// calling thread.
    ///
    /// # Errors
    /// [`Error::Config`] for epoch 0, or when the system has no more threads.
    pub fn new(
        dataset: Arc<Dataset>,
        start_epoch: u64,
        start_batch: usize,
        threads: usize,
    ) -> Result<Self> {
        if start_epoch == 0 {
            return Err(Error::config("epoch_count", "0: epochs count from 1"));
        }
        let per_epoch = dataset.batches_per_epoch() as u64;
        let start = (start_epoch - 1) * per_epoch + start_batch as u64;
        let walk = |first| Walk { dataset: dataset.clone(), per_epoch, next: first, order: None };
        let mut loader = Self { local: walk(start), workers: Vec::new(), turn: 0 };
        let threads = if cfg!(target_arch = "wasm32") { 0 } else { threads };
        for i in 0..threads {
            let (send, batches) = sync_channel(1);
            let mine = walk(start + i as u64);
            let thread = std::thread::Builder::new()
                .name(format!("pixtape-load-{i}"))
                .spawn(move || mine.work(threads as u64, &send))
                .map_err(|e| {
                    let why =
                        format!("{threads}: the system gives no more than {i} ({e}); lower it",);
                    Error::config("num_threads", why)
                })?;
            loader.workers.push(Worker { batches, thread });
        }
        Ok(loader)
    }

    /// The next batch, waiting for it if need be.
    ///
    /// # Errors
    /// That of the dataset when a file of this batch cannot be read. The next call returns the
    /// batch after it.
    #[expect(clippy::should_implement_trait, reason = "there is no end, so no Option")]
    pub fn next(&mut self) -> Result<Batch> {
        if self.workers.is_empty() {
            return self.local.step(1);
        }
        let turn = self.turn;
        self.turn = (turn + 1) % self.workers.len();
        self.workers[turn].batches.recv().unwrap_or_else(|_| {
            Err(Error::Internal(format!("loader thread {turn} of {} died", self.workers.len())))
        })
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Every channel is closed before the first join: a worker that waits to send wakes up.
        let threads: Vec<_> = self.workers.drain(..).map(|w| w.thread).collect();
        for thread in threads {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// A position in the endless row of batches.
struct Walk {
    dataset: Arc<Dataset>,
    per_epoch: u64,
    /// Number of the next batch, from 0 at epoch 1.
    next: u64,
    /// The epoch last seen and its order.
    order: Option<(u64, Vec<u32>)>,
}

impl Walk {
    fn work(mut self, stride: u64, send: &SyncSender<Result<Batch>>) {
        // Sending fails when the loader is gone.
        while send.send(self.step(stride)).is_ok() {}
    }

    /// Makes the batch at hand and moves `stride` on, error or not.
    fn step(&mut self, stride: u64) -> Result<Batch> {
        let (epoch, index) =
            (self.next / self.per_epoch + 1, (self.next % self.per_epoch) as usize);
        self.next += stride;
        let order = match self.order.take() {
            Some((e, order)) if e == epoch => order,
            _ => self.dataset.order(epoch),
        };
        let size = self.dataset.options().batch_size;
        let batch = self.load(epoch, index, &order[index * size..(index + 1) * size]);
        self.order = Some((epoch, order));
        batch
    }

    fn load(&self, epoch: u64, index: usize, places: &[u32]) -> Result<Batch> {
        let data = &self.dataset;
        let (mut planes, mut paths) = (Vec::new(), Vec::new());
        planes.extend(data.planes().iter().map(|plane| (plane.name, plane.empty())));
        for &place in places {
            let sample = data.sample(epoch, place as usize)?;
            for ((_, all), (_, plane)) in planes.iter_mut().zip(&sample.planes) {
                all.append(&data.encode_plane(plane)?);
            }
            paths.push(sample.path);
        }
        Ok(Batch { epoch, index, planes, paths })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::dataset::tests::{folder, options};

    fn open(dir: &tempfile::TempDir) -> Arc<Dataset> {
        Arc::new(Dataset::open(options(dir.path())).unwrap())
    }

    fn take(loader: &mut Loader, n: usize) -> Vec<Batch> {
        (0..n).map(|_| loader.next().unwrap()).collect()
    }

    #[test]
    fn threads_do_not_change_the_batches() {
        let dir = folder(&[(16, 8); 7]);
        let data = open(&dir);
        let mut alone = Loader::new(data.clone(), 1, 0, 0).unwrap();
        let want = take(&mut alone, 11);
        let places: Vec<_> = want.iter().map(|b| (b.epoch, b.index)).collect();
        assert_eq!(places[..4], [(1, 0), (1, 1), (1, 2), (2, 0)]);
        let values = want[0].values();
        assert_eq!((values[0].0, values[0].1.len()), ("input", 2 * 8 * 8 * 3));
        assert_eq!((values[1].0, values[1].1.len()), ("target", 2 * 8 * 8 * 3));
        assert_eq!(want[0].paths.len(), 2);
        for threads in [1, 3] {
            let mut loader = Loader::new(data.clone(), 1, 0, threads).unwrap();
            assert_eq!(take(&mut loader, 11), want, "{threads} threads");
        }
    }

    #[test]
    fn resuming_equals_going_on() {
        let dir = folder(&[(16, 8); 7]);
        let data = open(&dir);
        let all = take(&mut Loader::new(data.clone(), 1, 0, 2).unwrap(), 10);
        for start in 0..6 {
            let (epoch, batch) = (start as u64 / 3 + 1, start % 3);
            let mut loader = Loader::new(data.clone(), epoch, batch, 2).unwrap();
            assert_eq!(take(&mut loader, 4), all[start..start + 4]);
        }
        // After the last batch of epoch 1.
        assert_eq!(take(&mut Loader::new(data.clone(), 1, 3, 0).unwrap(), 2), all[3..5]);
        assert!(Loader::new(data, 0, 0, 0).is_err());
    }

    #[test]
    fn an_error_comes_out_at_its_batch() {
        let dir = folder(&[(16, 8); 6]);
        let mut o = options(dir.path());
        o.serial_batches = true;
        let data = Arc::new(Dataset::open(o).unwrap());
        std::fs::write(dir.path().join("train/03.png"), b"gone").unwrap();
        for threads in [0, 1, 3] {
            let mut loader = Loader::new(data.clone(), 1, 0, threads).unwrap();
            let outcomes: Vec<_> = (0..6).map(|_| loader.next()).collect();
            let good: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
            assert_eq!(good, [true, false, true, true, false, true], "{threads} threads");
            let message = outcomes[1].as_ref().unwrap_err().to_string();
            assert!(message.contains("03.png: is text"), "{message}");
        }
    }

    #[test]
    fn dropping_ends_the_workers() {
        let dir = folder(&[(16, 8); 4]);
        let data = open(&dir);
        for taken in [0, 1, 5] {
            let mut loader = Loader::new(data.clone(), 1, 0, 3).unwrap();
            take(&mut loader, taken);
            drop(loader);
            // Each worker held a reference.
            assert_eq!(Arc::strong_count(&data), 1);
        }
    }
}
