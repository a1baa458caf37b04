//! `pixtape dev loader`: the loader alone.

use pixtape::Result;
use pixtape::io::{Dataset, Loader};
use pixtape::run::Options;
use std::sync::Arc;
use std::time::Instant;

/// Walks through two epochs: the first decodes, the second takes what the cache holds.
pub(crate) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let dataset = Arc::new(Dataset::open(options.dataset()?)?);
    println!(
        "{} pairs, headers read in {:.3} s, {} threads",
        dataset.len(),
        start.elapsed().as_secs_f64(),
        options.data.num_threads
    );
    let mut loader = Loader::new(dataset.clone(), 1, 0, options.data.num_threads)?;
    for epoch in 1..=2 {
        let start = Instant::now();
        let (batches, mut values) = (dataset.batches_per_epoch(), 0);
        for _ in 0..batches {
            let batch = loader.next()?;
            values += batch.values().iter().map(|(_, plane)| plane.len()).sum::<usize>();
        }
        let pairs = (batches * dataset.options().batch_size) as f64 / start.elapsed().as_secs_f64();
        println!(
            "epoch {epoch}: {pairs:.0} pairs/s, {:.0} images/s ({values} values)",
            2.0 * pairs
        );
    }
    Ok(())
}
