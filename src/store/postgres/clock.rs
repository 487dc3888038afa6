//! The date of the server, which all nodes share, so that they agree on the time even if their own dates differ.
//!
//! Rule: the date advances with the machine's steady clock, and is compared with the server's date at each sign of life.
//! So setting the date of a node has no effect; the date of the server is for NTP to keep.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Clock, Moment};

/// Differences up to this are ignored: they come from the round trip to the server.
const TOLERANCE: TimeDelta = TimeDelta::milliseconds(50);

/// The date of the server at some moment of the steady clock.
#[derive(Debug)]
pub(super) struct ServerClock(Mutex<Moment>);

impl ServerClock {
    /// The date of this machine, until that of the server is known.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Moment { date: Utc::now(), steady: Instant::now() }))
    }

    /// Takes over the server's date, in milliseconds since 1970, read between the moments `asked` and `answered`.
    pub(super) fn set(&self, date_ms: i64, asked: Instant, answered: Instant) {
        let Some(date) = DateTime::from_timestamp_millis(date_ms) else { return };
        let told = Moment { date, steady: asked + answered.duration_since(asked) / 2 };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if (date_at(&known, told.steady) - told.date).abs() > TOLERANCE {
            *known = told;
        }
    }
}

fn date_at(known: &Moment, steady: Instant) -> DateTime<Utc> {
    let passed =
        |from: Instant, to: Instant| TimeDelta::from_std(to.saturating_duration_since(from)).unwrap_or_default();
    known.date + passed(known.steady, steady) - passed(steady, known.steady)
}

impl Clock for ServerClock {
    fn moment(&self) -> Moment {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let steady = Instant::now();
        Moment { date: date_at(&known, steady), steady }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_date_is_the_servers_and_does_not_tremble() {
        let (clock, asked) = (ServerClock::new(), Instant::now());
        let far = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let answered = asked + Duration::from_millis(20);
        clock.set(far.timestamp_millis(), asked, answered);
        let shown = || clock.now() - far;
        assert!(shown() < TimeDelta::seconds(5), "{}", shown());
        let before = clock.moment();
        clock.set((far + TimeDelta::milliseconds(40)).timestamp_millis(), asked, answered);
        assert!(clock.moment().since(&before).step.is_zero());
        assert!(clock.now() - before.date < TimeDelta::seconds(5));
    }
}
