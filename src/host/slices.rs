//! A step in slices of a frame's time.

use std::ops::Range;
use std::time::Duration;

/// What a call of [`encode_slice`](super::TextureTranslator::encode_slice) came to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Slice {
    /// There is more to do.
    Part {
        /// How much of the image's work has been encoded, 0 to 1.
        done: f32,
    },
    /// The image was drawn: the next call begins another.
    Drawn,
}

/// Where a step is, and how long its dispatches take.
#[derive(Debug)]
pub(super) struct Slices {
    /// Seconds by dispatch.
    seconds: Vec<f64>,
    next: usize,
    last: Range<usize>,
}

impl Slices {
    pub fn new(seconds: Vec<f64>) -> Self {
        Slices { seconds, next: 0, last: 0..0 }
    }

    /// Whether a step has begun and not ended.
    pub fn is_under_way(&self) -> bool {
        self.next > 0
    }

    /// The dispatches that fit into a budget: at least one, and all that are left in the end.
    pub fn next(&mut self, budget: Duration) -> Range<usize> {
        let (start, mut end, mut left) = (self.next, self.next, budget.as_secs_f64());
        while end < self.seconds.len() && (end == start || self.seconds[end] <= left) {
            left -= self.seconds[end];
            end += 1;
        }
        self.last = start..end;
        self.next = if end == self.seconds.len() { 0 } else { end };
        self.last.clone()
    }

    /// Share of a step that lies before the next dispatch.
    pub fn done(&self) -> f32 {
        let sum = |all: &[f64]| all.iter().sum::<f64>();
        (sum(&self.seconds[..self.next]) / sum(&self.seconds).max(f64::MIN_POSITIVE)) as f32
    }

    /// Begins the next step.
    pub fn restart(&mut self) {
        self.next = 0;
    }

    /// Takes measured seconds, one for each dispatch.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measured(&mut self, seconds: Vec<f64>) {
        self.seconds = seconds;
    }

    /// Takes how long the last slice took. All dispatches are scaled halfway towards it, since one
    /// frame may have been held up by something else.
    pub fn took(&mut self, time: Duration) {
        let expected: f64 = self.seconds[self.last.clone()].iter().sum();
        if expected > 0.0 && !time.is_zero() {
            let by = (time.as_secs_f64() / expected).sqrt();
            self.seconds.iter_mut().for_each(|s| *s *= by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn slices_cover_a_step_in_order_and_keep_to_the_budget_where_they_can() {
        let mut slices = Slices::new(vec![0.001, 0.002, 0.010, 0.001, 0.001]);
        assert!(!slices.is_under_way());
        assert_eq!(slices.next(ms(4)), 0..2);
        assert!((slices.done() - 0.2).abs() < 1e-6 && slices.is_under_way());
        // Longer than the budget by itself: alone.
        assert_eq!(slices.next(ms(4)), 2..3);
        assert_eq!(slices.next(ms(4)), 3..5);
        assert!(!slices.is_under_way());
        assert_eq!(slices.next(ms(1000)), 0..5);
        assert_eq!(slices.next(Duration::ZERO), 0..1);
        slices.restart();
        assert_eq!(slices.next(ms(4)), 0..2);
    }

    #[test]
    fn a_slice_that_took_four_times_as_long_makes_the_next_ones_shorter() {
        let mut slices = Slices::new(vec![0.001; 16]);
        assert_eq!(slices.next(ms(8)), 0..8);
        slices.took(ms(32));
        assert_eq!(slices.next(ms(8)), 8..12);
        // Nothing is learnt from no time.
        slices.took(Duration::ZERO);
        assert_eq!(slices.next(ms(8)), 12..16);
    }
}
