//! Where the time comes from: everything asks a [`Clock`], so that policy is a function of a moment.
//!
//! Rule: a date is for people and for what they scheduled; how long something took or has to wait is measured by the
//! steady clock. Where a wait is kept as a date, it is carried along when the date is set to another one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A smaller difference between the clocks is no step: reading both takes its time, and dates are slewed.
const LEAST_STEP: TimeDelta = TimeDelta::seconds(1);

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
    /// What nobody can set.
    pub steady: Instant,
}

/// What lies between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// How long it was.
    pub time: Duration,
    /// How far the date was set forward (or back) beside that.
    pub step: TimeDelta,
}

impl Moment {
    /// What has passed since an earlier moment.
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

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Moment>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(Moment { date: now, steady: Instant::now() }))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut moment = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moment.date += by;
        moment.steady += by;
    }

    /// Sets the date.
    pub fn set(&self, date: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).date = date;
    }
}

impl Clock for ManualClock {
    fn moment(&self) -> Moment {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_is_set_is_told_from_time_that_passes() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let before = clock.moment();
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.moment().since(&before), Passed { time: Duration::from_secs(60), step: TimeDelta::zero() });
        for hours in [-1, 1] {
            let step = TimeDelta::hours(hours);
            clock.set(before.date + TimeDelta::seconds(60) + step);
            assert_eq!(clock.moment().since(&before), Passed { time: Duration::from_secs(60), step });
        }
        clock.set(before.date + TimeDelta::milliseconds(60_999));
        assert_eq!(clock.moment().since(&before).step, TimeDelta::zero(), "that is no step");
    }
}
