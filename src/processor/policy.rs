//! The processor's decisions as pure functions: the outcome of an attempt, and the time of the next attempt.
//!
//! Rule: a request that was not sent may be sent again. A request that may have arrived is sent again only as its type's
//! resend rule allows, for a limited time, and is never rejected for lack of an answer.

#[cfg(test)]
mod tests;

use super::classify::ClassifiedAnswer;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Passed;
use crate::contract::Resend;
use crate::request::{Classification, Envelope, Failure, InDoubt, Next, Outcome, ProvisioningRequest, failure};
use crate::upstream::{CallFailure, FailureKind};

/// The longest Retry-After that is obeyed: a wrong header must not block a card for long.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How often and when a request is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryRule {
    /// The largest number of attempts at a request that was not delivered.
    pub max_attempts: u64,
    /// The delay before the second attempt.
    pub initial: Duration,
    /// The longest delay between two attempts.
    pub max: Duration,
    /// How long the gateway tries to resolve a doubt.
    pub hold: Duration,
}

/// The facts about a request after an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptContext {
    /// The resend rule of the request's type.
    pub resend: Resend,
    /// The stage of the doubt before the attempt.
    pub in_doubt: Option<InDoubt>,
    /// How long after the first sending the request may be sent again, if limited.
    pub within: Option<Duration>,
    /// The number of attempts, with this attempt; for a request in parts, at the same part.
    pub attempt: u32,
    /// How long ago the attempt began.
    pub took: Duration,
    /// Did Conax say before this attempt that no earlier attempt was done?
    pub is_verified: bool,
    /// Was the call made for several requests?
    pub is_joint: bool,
    /// Now.
    pub now: DateTime<Utc>,
    /// From 0 to 1, drawn for this decision.
    pub jitter: f64,
}

impl AttemptContext {
    /// The context of a request after an attempt.
    pub(super) fn of(request: &ProvisioningRequest, resend: Resend, passed: Passed, now: DateTime<Utc>) -> Self {
        let within = request.content.request_type.resend_within();
        let attempt = request.current_attempts().saturating_add(1);
        let in_doubt = request.in_doubt.map(|doubt| carried(doubt, within, passed.step));
        Self {
            resend,
            in_doubt,
            within,
            attempt,
            took: passed.time,
            is_verified: false,
            is_joint: false,
            now,
            jitter: rand::random(),
        }
    }
}

impl RetryRule {
    /// Full jitter: anything up to the doubled delay, so that requests that failed together do not come again together.
    fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled = self.initial.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(30)));
        doubled.min(self.max).mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// How long after the first sending the gateway tries to resolve a doubt.
    fn window(&self, context: &AttemptContext) -> Duration {
        context.within.map_or(self.hold, |within| within.min(self.hold))
    }

    /// When to try to resolve a doubt again. Delays double with the age of the doubt, as in `delay`, and the next try
    /// comes in the first half of the remaining time, unless less than the initial delay remains.
    fn next_look(&self, context: &AttemptContext, until: DateTime<Utc>) -> DateTime<Utc> {
        let left = (until - context.now).to_std().unwrap_or_default();
        let lasted = match context.in_doubt {
            Some(_) => self.window(context).saturating_sub(left),
            None => Duration::ZERO,
        };
        let longest = lasted.min(left / 2).max(self.initial).min(self.max);
        later(context.now, longest.mul_f64(context.jitter.clamp(0.0, 1.0))).min(until)
    }

    /// The outcome of an attempt that delivered nothing.
    fn not_delivered(&self, context: &AttemptContext, failure: Failure, not_before: Option<Duration>) -> Outcome {
        if context.in_doubt.is_some() {
            // An earlier attempt may still have arrived.
            let message = failure.description.unwrap_or_default();
            let message = format!("Sent before without a valid answer; then: {message}");
            return self.in_doubt_after(context, message, not_before);
        }
        if u64::from(context.attempt) >= self.max_attempts {
            return rejected(failure);
        }
        let delay = self.delay(context.attempt, context.jitter).max(not_before.unwrap_or_default());
        Outcome::RetryLater { at: later(context.now, delay), failure }
    }

    /// The outcome of an attempt that leaves the request in doubt.
    pub(super) fn in_doubt(&self, context: &AttemptContext, message: String) -> Outcome {
        self.in_doubt_after(context, message, None)
    }

    fn in_doubt_after(&self, context: &AttemptContext, message: String, not_before: Option<Duration>) -> Outcome {
        let until = match (context.resend, context.in_doubt) {
            // An operator's retry is sent once, since later requests for its cards have been sent meanwhile.
            (Resend::Never, _) | (_, Some(InDoubt::RetryOrdered | InDoubt::NeedsOperator | InDoubt::Earlier)) => None,
            (_, Some(InDoubt::Resolving { until })) => Some(until),
            (Resend::Safe | Resend::Verify(_), None) => {
                let within = context.within.map(|within| within.saturating_sub(context.took));
                Some(later(context.now, within.unwrap_or(self.hold).min(self.hold)))
            }
        };
        // At `until` the claim leaves the request to an operator.
        let next = until.filter(|until| *until > context.now);
        let not_before = later(context.now, not_before.unwrap_or_default());
        let next = next.map(|until| Next { at: self.next_look(context, until).max(not_before).min(until), until });
        Outcome::InDoubt { failure: ours(failure::OUTCOME_UNKNOWN, message), next }
    }

    /// The outcome of an attempt with an answer; `retry_after` is the header's value.
    pub(super) fn after_answer(
        &self,
        answer: ClassifiedAnswer,
        retry_after: Option<&str>,
        context: &AttemptContext,
    ) -> Outcome {
        let ClassifiedAnswer { classification, reference, failure, result, .. } = answer;
        let failure = failure.unwrap_or_default();
        let in_doubt = |failure: Failure| self.in_doubt(context, failure.description.unwrap_or_default());
        match classification {
            Classification::Completed => Outcome::Completed { reference, result },
            // The rejection may concern one card of many, and nothing was done.
            Classification::Rejected | Classification::SessionEnded | Classification::HttpRejected
                if context.is_joint =>
            {
                Outcome::SendAlone { failure }
            }
            Classification::Rejected | Classification::SessionEnded => {
                let leaves_doubt = context.in_doubt.is_some() && !context.is_verified;
                Outcome::Rejected { reference, failure, leaves_doubt }
            }
            Classification::RetryLater => self.not_delivered(context, failure, None),
            // An HTTP status says nothing about an earlier attempt.
            Classification::HttpRejected if context.in_doubt.is_some() => in_doubt(failure),
            Classification::HttpRejected => rejected(failure),
            Classification::Overloaded if context.resend == Resend::Never => in_doubt(failure),
            Classification::Overloaded => {
                let not_before = retry_after.and_then(|value| retry_after_of(value, context.now));
                self.not_delivered(context, failure, not_before)
            }
            Classification::Unknown => in_doubt(failure),
        }
    }

    /// The outcome of an attempt without a whole answer.
    pub(super) fn after_failure(&self, call: &CallFailure, context: &AttemptContext) -> Outcome {
        match call {
            CallFailure::NotSent { kind, message } => {
                let code = match kind {
                    FailureKind::Connect => failure::CONNECT_FAILED,
                    FailureKind::Tls => failure::TLS_FAILED,
                    FailureKind::Login => failure::LOGIN_FAILED,
                };
                self.not_delivered(context, ours(code, message.clone()), None)
            }
            // An earlier attempt may have been done, even if there is no fixture now.
            CallFailure::NoFixture { message } if context.in_doubt.is_none() => {
                rejected(ours(failure::NO_FIXTURE, message.clone()))
            }
            CallFailure::InDoubt { message, .. } | CallFailure::NoFixture { message } => {
                self.in_doubt(context, message.clone())
            }
        }
    }
}

/// The delay of a Retry-After in seconds or as a date, up to the longest delay.
fn retry_after_of(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let asked = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(value.trim()).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(asked.min(LONGEST_RETRY_AFTER))
}

fn later(now: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by).ok().and_then(|by| now.checked_add_signed(by)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Shifts the end of resolving by a step of the date, so that the remaining time stays the same. The limited time of a
/// secret is never extended: a machine that slept looks like a date that was set forward.
fn carried(doubt: InDoubt, within: Option<Duration>, step: TimeDelta) -> InDoubt {
    let step = if within.is_some() { step.min(TimeDelta::zero()) } else { step };
    match doubt {
        InDoubt::Resolving { until } => InDoubt::Resolving { until: until.checked_add_signed(step).unwrap_or(until) },
        other => other,
    }
}

/// The outcome of a request that cannot have been done.
pub(super) fn rejected(failure: Failure) -> Outcome {
    Outcome::Rejected { reference: None, failure, leaves_doubt: false }
}

/// A failure that the gateway itself found.
pub(super) fn ours(code: &str, message: String) -> Failure {
    Failure { code: code.to_owned(), description: Some(message), ..Failure::default() }
}

/// The envelope of a request, or why the request must not be sent.
pub(super) fn sendable(request: &ProvisioningRequest) -> Result<&Envelope, Failure> {
    match (&request.content.rejection, request.envelope()) {
        (Some(refusal), _) => Err(refusal.clone()),
        (None, Some(body)) => Ok(body),
        (None, None) => Err(ours(failure::CONTRACT_MISMATCH, "It was never rendered.".to_owned())),
    }
}
