//! The clock of tests: dates and steady time pass when a test says so, and apart from each other.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::{Clock, Moment};

/// A clock that stands until a test moves it.
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
    use chrono::TimeDelta;

    use crate::clock::Passed;

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
