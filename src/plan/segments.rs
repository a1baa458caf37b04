//! A step is submitted in segments short enough for watchdogs (they kill after 2 s) and for others
//! that share the device.

use crate::ops::Cost;
use std::ops::Range;

/// Target duration of a segment on the device, in seconds.
const TARGET: f64 = 0.1;
/// Throughput assumed before anything is measured, that of the slowest adapter worth using: FLOP
/// and bytes per second.
const ESTIMATE: (f64, f64) = (5e10, 5e9);

/// A step that begins so many times as long after the one before as steps did at first is slow, and
/// after so many of these in a row segments are measured again: another program may use the device,
/// or it may have become hot, and segments as they are would take too long. Where the host was what
/// took so long, measuring again changes nothing.
#[cfg(not(target_arch = "wasm32"))]
const SLOWER: f64 = 5.0;
#[cfg(not(target_arch = "wasm32"))]
const SLOW_STEPS: u32 = 3;
/// Steps that show how long they take: the first ones are only queued.
#[cfg(not(target_arch = "wasm32"))]
const FIRST_STEPS: u32 = 8;

/// Time from step to step since segments were measured.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "nothing is measured"))]
struct Pace {
    /// When the last step began, in seconds.
    last: Option<f64>,
    steps: u32,
    /// The longest of the first ones.
    usual: f64,
    /// Slow ones in a row.
    slow: u32,
}

impl Pace {
    /// Whether with the step that begins now there have been enough slow ones.
    #[cfg(not(target_arch = "wasm32"))]
    fn is_slow(&mut self, now: f64) -> bool {
        let Some(last) = self.last.replace(now) else { return false };
        let took = now - last;
        if self.steps < FIRST_STEPS {
            self.steps += 1;
            self.usual = self.usual.max(took);
            return false;
        }
        self.slow = if took >= SLOWER * self.usual { self.slow + 1 } else { 0 };
        self.slow >= SLOW_STEPS
    }
}

/// Seconds that a dispatch takes at most, on any adapter worth using.
pub(super) fn estimate(cost: &Cost) -> f64 {
    cost.flop as f64 / ESTIMATE.0 + cost.bytes as f64 / ESTIMATE.1
}

/// Cuts a step into segments of dispatches.
#[derive(Debug)]
pub(super) struct Segments {
    /// Seconds by dispatch, estimated and later measured.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "nothing is measured"))]
    seconds: Vec<f64>,
    pub cuts: Vec<Range<usize>>,
    /// Steps seen: the first compiles shaders in the driver, the second is measured. Later ones are
    /// where they have become slow.
    pub steps: u32,
    /// Of steps on an adapter with a watchdog.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "nothing is measured"))]
    pace: Option<Pace>,
}

impl Segments {
    /// `whole`: one segment, for adapters without a watchdog.
    pub fn new(costs: &[Cost], whole: bool) -> Self {
        let seconds: Vec<f64> = costs.iter().map(estimate).collect();
        let cuts = if whole { std::iter::once(0..costs.len()).collect() } else { cut(&seconds) };
        let pace = (!whole).then(Pace::default);
        Segments { seconds, cuts, steps: if whole { u32::MAX } else { 0 }, pace }
    }

    /// Whether the step that begins now, in seconds since any moment, should be measured, segment
    /// by segment.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measures(&mut self, now: f64) -> bool {
        if self.steps <= 1 {
            return self.steps == 1;
        }
        let slow = self.pace.as_mut().is_some_and(|pace| pace.is_slow(now));
        if slow {
            self.pace = Some(Pace::default());
        }
        slow
    }

    /// Takes the measured seconds of every segment and cuts again.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measured(&mut self, seconds: &[f64]) {
        for (range, measured) in self.cuts.iter().zip(seconds) {
            let estimated: f64 = self.seconds[range.clone()].iter().sum();
            if estimated > 0.0 {
                self.seconds[range.clone()].iter_mut().for_each(|s| *s *= measured / estimated);
            }
        }
        self.cuts = cut(&self.seconds);
    }
}

/// As few ranges as possible, each at most [`TARGET`] long where its dispatches allow.
fn cut(seconds: &[f64]) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let (mut start, mut sum) = (0, 0.0);
    for (at, s) in seconds.iter().enumerate() {
        if at > start && sum + s > TARGET {
            cuts.push(start..at);
            (start, sum) = (at, 0.0);
        }
        sum += s;
    }
    if start < seconds.len() {
        cuts.push(start..seconds.len());
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_measured_times() {
        // 40 dispatches estimated at 20 ms each.
        let costs = vec![Cost { flop: 1_000_000_000, bytes: 0 }; 40];
        let mut segments = Segments::new(&costs, false);
        assert!(segments.cuts.len() >= 8);
        assert_eq!(
            segments.cuts.iter().flat_map(|r| r.clone()).collect::<Vec<_>>(),
            (0..40).collect::<Vec<_>>()
        );
        // The device is a hundred times faster: one segment will do.
        let seconds: Vec<f64> = segments.cuts.iter().map(|r| 0.0002 * r.len() as f64).collect();
        segments.measured(&seconds);
        assert_eq!((segments.cuts.len(), segments.cuts[0].clone()), (1, 0..40));
        // Then ten times slower than estimated: one dispatch per segment.
        segments.measured(&[8.0]);
        assert_eq!(segments.cuts.len(), 40);
    }

    /// Which of the steps after the second one are measured, by the seconds that each takes.
    fn measured_again(whole: bool, times: &[(usize, f64)]) -> Vec<usize> {
        let mut segments = Segments::new(&[Cost { flop: 1, bytes: 1 }], whole);
        let first = segments.steps;
        for expected in [false, !whole] {
            assert_eq!(segments.measures(0.0), expected);
            segments.steps = segments.steps.saturating_add(1);
        }
        assert!(whole || segments.steps == first + 2);
        let all = times.iter().flat_map(|(count, seconds)| std::iter::repeat_n(*seconds, *count));
        let mut now = 0.0;
        let mut found = Vec::new();
        for (step, seconds) in all.enumerate() {
            if segments.measures(now) {
                found.push(step);
            }
            now += seconds;
        }
        found
    }

    #[test]
    fn segments_are_measured_again_when_steps_take_five_times_as_long() {
        // Three slow steps; what is usual then is learned anew.
        assert_eq!(measured_again(false, &[(3, 0.001), (97, 0.1), (100, 0.6)]), [103]);
        assert_eq!(measured_again(false, &[(100, 0.1), (100, 0.6), (100, 3.5)]), [103, 203]);
        // Less than that, single pauses, and a host that was slow from the start.
        assert!(measured_again(false, &[(100, 0.1), (100, 0.4)]).is_empty());
        let pauses = [(100, 0.1), (1, 60.0), (9, 0.1), (2, 60.0), (50, 0.1)];
        assert!(measured_again(false, &pauses).is_empty());
        assert!(measured_again(false, &[(200, 2.0), (100, 0.1), (100, 2.0)]).is_empty());
        // No watchdog.
        assert!(measured_again(true, &[(100, 0.1), (100, 9.0)]).is_empty());
    }
}
