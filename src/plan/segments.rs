//! A step is submitted in segments short enough for watchdogs (they kill after 2 s) and for others
//! that share the device.

use crate::ops::Cost;
use std::ops::Range;

/// Target duration of a segment on the device, in seconds.
const TARGET: f64 = 0.1;
/// Throughput assumed before anything is measured, that of the slowest adapter worth using: FLOP
/// and bytes per second.
const ESTIMATE: (f64, f64) = (5e10, 5e9);

/// Cuts a step into segments of dispatches.
#[derive(Debug)]
pub(super) struct Segments {
    /// Seconds by dispatch, estimated and later measured.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "nothing is measured"))]
    seconds: Vec<f64>,
    pub cuts: Vec<Range<usize>>,
    /// Steps seen: the first compiles shaders in the driver, the second is measured.
    pub steps: u32,
}

impl Segments {
    /// `whole`: one segment, for adapters without a watchdog.
    pub fn new(costs: &[Cost], whole: bool) -> Self {
        let seconds: Vec<f64> = costs
            .iter()
            .map(|c| c.flop as f64 / ESTIMATE.0 + c.bytes as f64 / ESTIMATE.1)
            .collect();
        let cuts = if whole { std::iter::once(0..costs.len()).collect() } else { cut(&seconds) };
        Segments { seconds, cuts, steps: if whole { u32::MAX } else { 0 } }
    }

    /// Whether the coming step should be measured, segment by segment.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measures(&self) -> bool {
        self.steps == 1
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
}
