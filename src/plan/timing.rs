//! How long the device takes for parts of a program.

use super::Program;
use crate::error::Result;
use crate::gpu::read_buffer;
use std::fmt;
use std::ops::Range;
use std::time::Instant;

/// How device time is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// The device writes its own time at the beginning and the end of a pass.
    Timestamps,
    /// The host measures submit and wait: their overhead is included.
    Wall,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clock::Timestamps => "timestamps",
            Clock::Wall => "wall clock",
        })
    }
}

/// Measured times.
#[derive(Clone, Debug)]
pub struct Times {
    /// Seconds of each range, all its repetitions together.
    pub seconds: Vec<f64>,
    /// What they were taken with.
    pub clock: Clock,
}

/// Queries in a set, at most: two per pass.
const QUERIES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;
/// Below this the overhead of submit and wait hides whether a driver's timestamps are plausible.
const TELLING: f64 = 0.02;

impl Program {
    /// Seconds that the device takes for every node of the plan, in a step as it is (the step
    /// uniform and the inputs are what was written last). Nodes without dispatches take none.
    ///
    /// # Errors
    /// [`DeviceLost`](crate::Error::DeviceLost), or the validation error that the device reports.
    pub fn time_nodes(&self) -> Result<Times> {
        self.time(&self.ranges, 1)
    }

    /// Seconds that the device takes for each of some ranges of dispatches, run one after the
    /// other, `repeats` times each.
    ///
    /// Where there are timestamps every range is a pass in one submit (or in as many as a step goes
    /// out in). Software drivers may take the time elsewhere than they compute; lavapipe and
    /// llvmpipe's GL flush before each timestamp, and theirs agree with the wall clock. So
    /// timestamps are trusted, on any adapter, unless their sum is zero, or more than the host
    /// waited, or (on a software adapter, where there is nothing else to wait for) a small part of
    /// it. Else, and without timestamps, each range is submitted and waited for.
    ///
    /// # Errors
    /// [`DeviceLost`](crate::Error::DeviceLost), or the validation error that the device reports.
    pub fn time(&self, ranges: &[Range<usize>], repeats: usize) -> Result<Times> {
        self.gpu.wait("timing")?;
        if self.gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            let start = Instant::now();
            let stamped = ranges
                .chunks(QUERIES / 2)
                .map(|chunk| self.stamped(chunk, repeats))
                .collect::<Result<Vec<_>>>()?;
            let seconds: Vec<f64> = stamped.into_iter().flatten().collect();
            if plausible(
                seconds.iter().sum(),
                start.elapsed().as_secs_f64(),
                self.gpu.is_software(),
            ) {
                return Ok(Times { seconds, clock: Clock::Timestamps });
            }
        }
        let seconds =
            ranges.iter().map(|range| self.waited(range, repeats)).collect::<Result<_>>()?;
        Ok(Times { seconds, clock: Clock::Wall })
    }

    fn waited(&self, range: &Range<usize>, repeats: usize) -> Result<f64> {
        if range.is_empty() {
            return Ok(0.0);
        }
        let start = Instant::now();
        self.gpu.scoped("timing", || {
            let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
            (0..repeats).for_each(|_| self.encode(&mut encoder, range.clone()));
            self.gpu.submit(encoder);
        })?;
        self.gpu.wait("timing")?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn stamped(&self, ranges: &[Range<usize>], repeats: usize) -> Result<Vec<f64>> {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let count = 2 * ranges.len() as u32;
        let bytes = u64::from(count * wgpu::QUERY_SIZE);
        // The same watchdogs apply to a step that is timed: it is submitted in the same segments.
        let cuts: Vec<usize> = self.segments.lock().unwrap().cuts.iter().map(|r| r.end).collect();
        let resolved = self.gpu.scoped("timing", || {
            let set = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timing"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
            let resolved = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timing"),
                size: bytes,
                usage,
                mapped_at_creation: false,
            });
            let mut encoder = device.create_command_encoder(&Default::default());
            for (at, range) in (0..).zip(ranges) {
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: &set,
                    beginning_of_pass_write_index: Some(2 * at),
                    end_of_pass_write_index: Some(2 * at + 1),
                };
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some("timing"),
                    timestamp_writes: Some(writes),
                });
                (0..repeats).for_each(|_| self.record(&mut pass, range.clone()));
                drop(pass);
                if cuts.iter().any(|cut| range.contains(&(cut - 1))) {
                    let full = std::mem::replace(
                        &mut encoder,
                        device.create_command_encoder(&Default::default()),
                    );
                    self.gpu.submit(full);
                }
            }
            encoder.resolve_query_set(&set, 0..count, &resolved, 0);
            self.gpu.submit(encoder);
            resolved
        })?;
        let stamps = pollster::block_on(read_buffer(&self.gpu, &resolved, 0, bytes, "timing"))?;
        let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&stamps);
        let period = 1e-9 * f64::from(queue.get_timestamp_period());
        let span = |(pair, range): (&[u64], &Range<usize>)| {
            if range.is_empty() { 0.0 } else { pair[1].saturating_sub(pair[0]) as f64 * period }
        };
        Ok(stamps.chunks(2).zip(ranges).map(span).collect())
    }
}

/// Whether timestamps that sum up to `stamped` are plausible for work that the host waited `waited`
/// seconds for.
fn plausible(stamped: f64, waited: f64, software: bool) -> bool {
    // The two clocks may run at slightly different speeds; between passes a busy machine may let
    // others run.
    stamped > 0.0
        && stamped < 1.02 * waited
        && (!software || waited < TELLING || stamped > 0.1 * waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_believed_where_they_can_be_true() {
        // A GPU may wait for the host; a software adapter has nothing else to do.
        for (stamped, waited, software, yes) in [
            (0.9, 1.0, true, true),
            (0.1, 1.0, true, false),
            (0.1, 1.0, false, true),
            (0.001, 0.01, true, true),
            (1.5, 1.0, false, false),
            (0.0, 1.0, false, false),
        ] {
            assert_eq!(plausible(stamped, waited, software), yes, "{stamped} of {waited}");
        }
    }
}
