//! Where the time comes from: everything asks a [`Clock`], so that policy is a function of a moment.
//!
//! Rule: a date is for people and for what they scheduled; how long something took or has to wait is measured by the
//! steady clock. Where a wait is kept as a date, it is carried along when the date is set to another one.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

#[cfg(test)]
pub use manual::ManualClock;

#[cfg(test)]
mod manual;

/// A smaller difference between the clocks is no step: reading both takes its time, and dates are slewed.
pub(crate) const LEAST_STEP: TimeDelta = TimeDelta::seconds(1);

/// Tells the time.
pub trait Clock: Send + Sync {
    /// This moment by both clocks.
    fn moment(&self) -> Moment;

    /// The date.
    fn now(&self) -> DateTime<Utc> {
        self.moment().date
    }
}

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The date, which somebody may set.
    pub date: DateTime<Utc>,
    /// The steady clock, which nobody can set.
    pub steady: Instant,
}

/// The difference between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Time by the steady clock.
    pub time: Duration,
    /// The step by which the date was set forward (or back) meanwhile.
    pub step: TimeDelta,
}

impl Moment {
    /// The difference from an earlier moment.
    pub fn since(&self, earlier: &Self) -> Passed {
        let time = self.steady.saturating_duration_since(earlier.steady);
        let step = self.date - earlier.date - TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        Passed { time, step: if step.abs() < LEAST_STEP { TimeDelta::zero() } else { step } }
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn moment(&self) -> Moment {
        Moment { date: Utc::now(), steady: Instant::now() }
    }
}
