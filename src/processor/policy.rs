//! Decisions of the processor as pure functions: what an exchange means for a request, and when it is tried again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::request::{Failure, Outcome, failure};
use crate::soap::answer::Meaning;
use crate::upstream::{CallFailure, Obstacle};

/// How often and when a request that was not delivered is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryRule {
    /// Attempts in all.
    pub max_attempts: u64,
    /// Before the second attempt.
    pub initial: Duration,
    /// At most, between two attempts.
    pub max: Duration,
}

impl RetryRule {
    /// Equal jitter: between half of the doubled delay and the whole of it. `jitter` is from 0 to 1.
    fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled = self.initial.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(30)));
        doubled.min(self.max).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// What becomes of a request whose attempt number `attempt` was not delivered.
    fn not_delivered(&self, attempt: u32, failure: Failure, now: DateTime<Utc>, jitter: f64) -> Outcome {
        if u64::from(attempt) >= self.max_attempts {
            return Outcome::Rejected { reference: None, failure };
        }
        let delay = TimeDelta::from_std(self.delay(attempt, jitter)).unwrap_or(TimeDelta::MAX);
        Outcome::Retry { at: now.checked_add_signed(delay).unwrap_or(now), failure }
    }
}

/// The moment of a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Attempts made, this one included.
    pub attempt: u32,
    /// Now.
    pub now: DateTime<Utc>,
    /// From 0 to 1, drawn for this decision.
    pub jitter: f64,
}

/// What an answer means for the request.
pub(super) fn of_answer(meaning: Meaning, rule: &RetryRule, moment: Moment) -> Outcome {
    match meaning {
        Meaning::Done { reference, .. } => Outcome::Completed { reference },
        Meaning::Refused { reference, failure } => Outcome::Rejected { reference, failure },
        Meaning::Busy(failure) => rule.not_delivered(moment.attempt, failure, moment.now, moment.jitter),
        Meaning::Doubt(what) => Outcome::Uncertain { failure: ours(failure::OUTCOME_UNKNOWN, what) },
    }
}

/// What a call without a whole answer means for the request.
pub(super) fn of_failure(call: &CallFailure, rule: &RetryRule, moment: Moment) -> Outcome {
    match call {
        CallFailure::NotSent { obstacle, what } => {
            let code = match obstacle {
                Obstacle::Connect => failure::CONNECT_FAILED,
                Obstacle::Tls => failure::TLS_FAILED,
            };
            rule.not_delivered(moment.attempt, ours(code, what.clone()), moment.now, moment.jitter)
        }
        CallFailure::Doubt { what, .. } => Outcome::Uncertain { failure: ours(failure::OUTCOME_UNKNOWN, what.clone()) },
    }
}

fn ours(code: &str, what: String) -> Failure {
    Failure { code: code.to_owned(), description: Some(what), ..Failure::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RetryRule = RetryRule { max_attempts: 3, initial: Duration::from_secs(1), max: Duration::from_secs(3) };

    #[test]
    fn delays_double_up_to_the_bound_with_jitter() {
        assert_eq!(RULE.delay(1, 1.0), Duration::from_secs(1));
        assert_eq!(RULE.delay(2, 0.0), Duration::from_secs(1));
        assert_eq!(RULE.delay(2, 1.0), Duration::from_secs(2));
        assert_eq!(RULE.delay(40, 1.0), Duration::from_secs(3));
    }

    #[test]
    fn what_was_not_sent_is_tried_again_until_the_last_attempt() {
        let refused = CallFailure::NotSent { obstacle: Obstacle::Connect, what: "refused".to_owned() };
        let moment = |attempt| Moment { attempt, now: DateTime::UNIX_EPOCH, jitter: 1.0 };
        let Outcome::Retry { at, .. } = of_failure(&refused, &RULE, moment(1)) else { panic!("not a retry") };
        assert_eq!(at.timestamp(), 1);
        assert!(
            matches!(of_failure(&refused, &RULE, moment(3)), Outcome::Rejected { failure, .. } if failure.code == "CONNECT_FAILED")
        );
    }

    #[test]
    fn what_may_have_arrived_is_never_tried_again() {
        let cut = CallFailure::Doubt { what: "cut".to_owned(), status: None, partial: Vec::new(), content_type: None };
        let moment = Moment { attempt: 1, now: DateTime::UNIX_EPOCH, jitter: 0.0 };
        assert!(matches!(of_failure(&cut, &RULE, moment), Outcome::Uncertain { .. }));
    }
}
