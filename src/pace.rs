//! The measured pace at which jobs are worked off, by which a caller that is turned away is told when to come again.

use std::time::Duration;

/// A new measurement counts for one part in so many.
const WEIGHT: f64 = 8.0;

/// The time that one job takes, on the average of the last ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace(Option<f64>);

impl Pace {
    /// Takes a job that has ended into account.
    pub fn note(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.0 = Some(self.0.map_or(took, |mean| mean + (took - mean) / WEIGHT));
    }

    /// How long so many jobs take where `at_once` of them are worked on at the same time. `so_far` is how long the present
    /// ones have taken already: when they are slower than the last ones were, that is the measure.
    pub fn time_for(self, jobs: usize, at_once: usize, so_far: Duration) -> Duration {
        let one = Duration::from_secs_f64(self.0.unwrap_or_default()).max(so_far);
        let (jobs, at_once) = (u32::try_from(jobs).unwrap_or(u32::MAX), u32::try_from(at_once).unwrap_or(u32::MAX));
        one.saturating_mul(jobs) / at_once.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_a_queue_follows_what_was_measured() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::default();
        assert_eq!(pace.time_for(10, 2, Duration::ZERO), Duration::ZERO, "nothing is known yet");
        assert_eq!(pace.time_for(10, 2, seconds(1)), seconds(5), "but how long the present ones have taken is");
        pace.note(seconds(2));
        assert_eq!(pace.time_for(10, 4, seconds(1)), seconds(5));
        assert_eq!(pace.time_for(10, 4, seconds(4)), seconds(10), "the present ones are slower");
        for _ in 0..100 {
            pace.note(seconds(1));
        }
        assert!(pace.time_for(10, 1, Duration::ZERO).abs_diff(seconds(10)) < Duration::from_millis(1));
    }
}
