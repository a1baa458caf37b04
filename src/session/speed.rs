//! Watches how long steps take: a device may become slow in the middle of a run, because it is hot
//! or because another program uses it.
//!
//! What is found is said and not logged: the logs of a run are the same however fast it was.

/// A block of steps has at least so many, and takes at least so many seconds: neither a few slow
/// steps nor a short load of the machine says anything.
const STEPS: usize = 8;
const SECONDS: f64 = 5.0;
/// So many blocks in a row count, each so many times slower than the fastest of the session.
const BLOCKS: usize = 3;
const SLOWER: f64 = 3.0;

/// What [`Speed::step`] has found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Found {
    /// The first block is over: from now on there is something to compare with.
    Started,
    /// Steps have become slower.
    Slower {
        /// The first step that was.
        since: u64,
        /// How many times as long as before they take.
        factor: f64,
    },
}

/// The times of steps, block by block.
#[derive(Debug)]
pub struct Speed {
    /// Seconds that a block takes at least.
    seconds: f64,
    /// Steps of the block under way, and its first step.
    block: Vec<f64>,
    first: u64,
    /// The fastest block's median.
    best: Option<f64>,
    /// First step and median of the last blocks, all of them slow.
    slow: Vec<(u64, f64)>,
    said: bool,
}

impl Default for Speed {
    fn default() -> Speed {
        let (block, slow) = (Vec::new(), Vec::new());
        Speed { seconds: SECONDS, block, first: 0, best: None, slow, said: false }
    }
}

impl Speed {
    /// With blocks that take at least so many seconds.
    pub fn with_blocks_of(seconds: f64) -> Speed {
        Speed { seconds, ..Speed::default() }
    }

    /// Adds a step: the seconds that it took, without waiting for data.
    pub fn step(&mut self, step: u64, seconds: f64) -> Option<Found> {
        if self.block.is_empty() {
            self.first = step;
        }
        self.block.push(seconds);
        if self.block.len() < STEPS || self.block.iter().sum::<f64>() < self.seconds {
            return None;
        }
        let (first, median) = (self.first, median(std::mem::take(&mut self.block)));
        let Some(best) = self.best else {
            self.best = Some(median);
            return Some(Found::Started);
        };
        self.best = Some(best.min(median));
        if median < SLOWER * best {
            self.slow.clear();
            return None;
        }
        self.slow.push((first, median));
        if self.said || self.slow.len() < BLOCKS {
            return None;
        }
        self.said = true;
        let slow = self.slow.iter().map(|(_, median)| *median).sum::<f64>() / BLOCKS as f64;
        Some(Found::Slower { since: self.slow[0].0, factor: slow / best.max(f64::MIN_POSITIVE) })
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What is said of slow steps; `device`: how many times as long as near the start a kernel takes.
pub fn slower(since: u64, factor: f64, device: Option<f64>) -> String {
    let cause = match device {
        None => "is another program using the device, or is it hot?".into(),
        // Nearer to that than to 1.
        Some(device) if device > factor.sqrt() => format!(
            "measured again, the device itself takes {device:.1} times as long: is another program \
             using it, or is it hot?"
        ),
        Some(device) => format!(
            "measured again, the device itself is as fast as before ({device:.1} times its time): is \
             the host busy, or short of memory?"
        ),
    };
    format!(
        "steps take {factor:.1} times as long as before since step {since}; {cause} The kernels \
         stay as they are, and so do the results"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(speed: &mut Speed, times: impl IntoIterator<Item = f64>) -> Vec<(u64, Found)> {
        let steps = (1..).zip(times);
        steps.filter_map(|(step, time)| Some((step, speed.step(step, time)?))).collect()
    }

    #[test]
    fn steps_that_become_five_times_slower_are_said_once_and_since_when() {
        let all = found(
            &mut Speed::default(),
            std::iter::repeat_n(1.0, 80).chain(std::iter::repeat_n(5.0, 200)),
        );
        let since = 81;
        assert_eq!(all[0], (8, Found::Started));
        assert_eq!(all[1..], [(104, Found::Slower { since, factor: 5.0 })]);
    }

    #[test]
    fn noise_slow_starts_pauses_and_drifts_are_no_change_of_speed() {
        let steady = |step: u64| if step.is_multiple_of(3) { 2.5 } else { 1.0 };
        // Single steps of any length, also several together, once in a while.
        let pauses = |step: u64| if step % 100 < 3 { 300.0 } else { 1.0 };
        let warm = |step: u64| if step < 30 { 9.0 } else { 1.0 };
        let slightly = |step: u64| if step < 100 { 1.0 } else { 2.0 };
        // A load of less than three blocks.
        let load = |step: u64| if (100..112).contains(&step) { 9.0 } else { 1.0 };
        for (what, time) in [
            ("steady", steady as fn(u64) -> f64),
            ("pauses", pauses),
            ("warm", warm),
            ("slightly", slightly),
            ("load", load),
        ] {
            let all = found(&mut Speed::default(), (0..1000).map(time));
            assert_eq!(all.iter().map(|f| f.1).collect::<Vec<_>>(), [Found::Started], "{what}");
        }
        // Steps of a millisecond: blocks are of seconds, not of a few steps.
        let short = |step: u64| if (20_000..30_000).contains(&step) { 0.006 } else { 0.001 };
        assert_eq!(found(&mut Speed::default(), (0..60_000).map(short)).len(), 2);
        let hiccup = |step: u64| if (20_000..20_400).contains(&step) { 0.02 } else { 0.001 };
        assert_eq!(found(&mut Speed::default(), (0..60_000).map(hiccup)).len(), 1);
    }

    #[test]
    fn a_slow_device_and_a_slow_host_are_told_apart() {
        let said = |device| slower(9, 5.0, device);
        assert!(
            said(None).contains("5.0 times as long as before since step 9; is another program")
        );
        assert!(said(Some(4.9)).contains("the device itself takes 4.9 times as long"));
        assert!(said(Some(1.1)).contains("as fast as before (1.1 times its time): is the host"));
    }
}
