//! A circuit breaker for one base URL: after some calls in a row without any answer it lets no call through for a while,
//! and then a single call on trial. Pure: time and chance are arguments.

use std::time::{Duration, Instant};

/// The pause after the first opening.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerRule {
    /// The number of calls in a row without an answer that opens the breaker.
    pub failures: u64,
    /// The longest pause.
    pub max_pause: Duration,
    /// Time of a trial call; after that another call may try.
    pub probe_time: Duration,
}

/// The state of one breaker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breaker {
    rule: BreakerRule,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Calls go through; the last `failures` of them had no answer.
    Closed { failures: u64 },
    /// No call goes through until `until`.
    Open { until: Instant, pause: Duration },
    /// A single trial call goes through, and has time until `until`.
    HalfOpen { until: Instant, pause: Duration },
}

/// The state of a breaker, for monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open,
    /// A single call passes, or the next call will.
    HalfOpen,
}

/// May a call go through?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes.
    Yes,
    /// Not before this time has passed.
    NotFor(Duration),
}

impl Breaker {
    pub(super) fn new(rule: BreakerRule) -> Self {
        Self { rule, state: State::Closed { failures: 0 } }
    }

    /// Asks whether a call may go through; a call that may must report its result.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Yes,
            State::Open { until, .. } | State::HalfOpen { until, .. } if now < until => {
                Admission::NotFor(until.duration_since(now))
            }
            State::Open { pause, .. } | State::HalfOpen { pause, .. } => {
                self.state = State::HalfOpen { until: now + self.rule.probe_time, pause };
                Admission::Yes
            }
        }
    }

    /// Reports a call with an answer of any kind. Returns true if this closes the breaker.
    pub(super) fn answered(&mut self) -> bool {
        let was_open = !self.is_closed();
        self.state = State::Closed { failures: 0 };
        was_open
    }

    /// Reports a call without an answer; a call that `is_suspect`, whose own content may be the cause, never opens a
    /// closed breaker. `jitter` is from 0 to 1, and varies the pause by half. Returns true if this opens the breaker.
    pub(super) fn unanswered(&mut self, now: Instant, jitter: f64, is_suspect: bool) -> bool {
        let pause = match self.state {
            State::Closed { .. } if is_suspect => return false,
            State::HalfOpen { pause, .. } if is_suspect => pause,
            State::Closed { failures } if failures + 1 < self.rule.failures => {
                self.state = State::Closed { failures: failures + 1 };
                return false;
            }
            State::Closed { .. } => FIRST_PAUSE,
            // A call that began before the breaker opened.
            State::Open { .. } => return false,
            State::HalfOpen { pause, .. } => pause.saturating_mul(2),
        };
        let was_closed = self.is_closed();
        let pause = pause.min(self.rule.max_pause);
        self.state = State::Open { until: now + pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0), pause };
        was_closed
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Does the breaker let no call through now?
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        matches!(self.state, State::Open { until, .. } | State::HalfOpen { until, .. } if now < until)
    }

    /// The state now.
    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until, .. } if now < until => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Is a trial call under way?
    pub(super) fn is_trying(&self) -> bool {
        matches!(self.state, State::HalfOpen { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try() {
        let (s, ms) = (Duration::from_secs, Duration::from_millis);
        let rule = BreakerRule { failures: 3, max_pause: ms(800), probe_time: s(9) };
        let mut breaker = Breaker::new(rule);
        let start = Instant::now();
        assert!(!breaker.unanswered(start, 1.0, false) && !breaker.unanswered(start, 1.0, false));
        assert!(!breaker.answered(), "an answer between them counts");
        assert!(!breaker.unanswered(start, 1.0, false) && !breaker.unanswered(start, 1.0, false));
        assert!(breaker.unanswered(start, 1.0, false), "the third in a row opens it");
        assert!(breaker.is_shut(start) && !breaker.is_shut(start + ms(500)), "then it is not known to be down");
        assert_eq!(breaker.admit(start), Admission::NotFor(ms(500)));
        assert!(!breaker.unanswered(start + ms(100), 1.0, false), "a straggler changes nothing");
        let later = start + ms(500);
        assert_eq!(breaker.admit(later), Admission::Yes);
        assert_eq!(breaker.admit(later), Admission::NotFor(s(9)), "only one tries");
        assert!(!breaker.unanswered(later, 1.0, false));
        assert_eq!(breaker.admit(later), Admission::NotFor(ms(800)), "the pause doubles up to its bound");
        assert_eq!(breaker.admit(later + ms(800)), Admission::Yes);
        assert_eq!(breaker.admit(later + ms(800) + s(9)), Admission::Yes, "one that never reports is replaced");
        assert!(!breaker.unanswered(later + ms(800) + s(9), 1.0, true));
        assert_eq!(breaker.admit(later + ms(800) + s(9)), Admission::NotFor(ms(800)), "a suspect lengthens no pause");
        assert!(breaker.answered() && breaker.is_closed());
        assert!((0..9).all(|_| !breaker.unanswered(later, 1.0, true)) && breaker.is_closed(), "nor does it open");
    }
}
