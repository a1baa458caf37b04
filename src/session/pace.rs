//! The speed of a session.

use std::time::Duration;

/// Time in the steps of a session, and how much of it was spent waiting for data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Images of each side per step.
    images: u64,
    steps: u64,
    busy: Duration,
    waited: Duration,
}

impl Pace {
    /// Nothing measured yet.
    pub fn new(images: u64) -> Pace {
        Pace { images, ..Pace::default() }
    }

    /// Adds a step.
    pub fn add(&mut self, seconds: Duration, waited: Duration) {
        self.steps += 1;
        self.busy += seconds;
        self.waited += waited;
    }

    /// Steps since the session began.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Mean seconds per step.
    pub fn seconds_per_step(&self) -> f64 {
        self.busy.as_secs_f64() / self.steps.max(1) as f64
    }

    /// Images of each side per second; 0 before the first step.
    pub fn images_per_second(&self) -> f64 {
        if self.steps == 0 {
            return 0.0;
        }
        self.images as f64 / self.seconds_per_step().max(1e-9)
    }

    /// The share of time that was spent waiting for data, from 0 to 1.
    pub fn wait_share(&self) -> f64 {
        self.waited.as_secs_f64() / self.busy.as_secs_f64().max(1e-9)
    }

    /// Seconds that so many more steps take.
    pub fn seconds_for(&self, steps: u64) -> f64 {
        self.seconds_per_step() * steps as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn rates_are_of_the_steps_alone() {
        let mut pace = Pace::new(4);
        assert_eq!((pace.images_per_second(), pace.wait_share()), (0.0, 0.0));
        for _ in 0..4 {
            pace.add(Duration::from_millis(500), Duration::from_millis(50));
        }
        assert_abs_diff_eq!(pace.seconds_per_step(), 0.5, epsilon = 1e-9);
        assert_abs_diff_eq!(pace.images_per_second(), 8.0, epsilon = 1e-9);
        assert_abs_diff_eq!(pace.wait_share(), 0.1, epsilon = 1e-9);
        assert_abs_diff_eq!(pace.seconds_for(6), 3.0, epsilon = 1e-9);
        assert_eq!(pace.steps(), 4);
    }
}
