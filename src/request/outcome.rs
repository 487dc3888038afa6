//! What one attempt made of a request, and the legal transitions: PENDING ends once, and never comes back.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::history::Attempt;
use super::record::{Failure, InDoubt, ProvisioningRequest, State};

/// What an attempt means for the request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Conax did it.
    Completed {
        /// Its transaction id.
        reference: Option<String>,
        /// What the answer of a query tells.
        result: Option<Box<RawValue>>,
    },
    /// A definite no.
    Rejected {
        /// Conax's transaction id, where the answer has one.
        reference: Option<String>,
        /// Why.
        failure: Failure,
        /// It is the answer to a repetition: the attempt before it may have worked all the same.
        leaves_doubt: bool,
    },
    /// Not delivered: to be tried again.
    RetryLater {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not delivered.
        failure: Failure,
    },
    /// Sent, outcome unknown.
    InDoubt {
        /// What was seen.
        failure: Failure,
        /// When the gateway looks into it again; `None` leaves it to an operator.
        next: Option<Next>,
    },
}

/// When the gateway resolves what is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// When.
    pub at: DateTime<Utc>,
    /// When the gateway gives up.
    pub until: DateTime<Utc>,
}

impl ProvisioningRequest {
    /// Takes the outcome of an attempt (`None` where nothing was tried) into the record.
    pub fn apply(&mut self, outcome: Outcome, attempt: Option<&Attempt>, now: DateTime<Utc>) {
        debug_assert_eq!(self.state, State::Pending, "a request ends once");
        self.updated_at = now;
        self.next_attempt_at = None;
        self.in_doubt = None;
        if let Some(attempt) = attempt {
            self.attempts = attempt.attempt;
            self.sent |= attempt.sent;
            self.response.clone_from(&attempt.response);
            if attempt.sent {
                self.executed_at = Some(attempt.started_at);
            }
        }
        match outcome {
            Outcome::Completed { reference, result } => {
                self.state = State::Completed;
                self.reference_number = reference;
                self.result = result;
                self.failure = None;
            }
            Outcome::Rejected { reference, failure, leaves_doubt } => {
                self.state = State::Rejected;
                self.in_doubt = leaves_doubt.then_some(InDoubt::Earlier);
                self.reference_number = reference;
                self.failure = Some(failure);
            }
            Outcome::RetryLater { at, failure } => {
                self.next_attempt_at = Some(at);
                self.failure = Some(failure);
            }
            Outcome::InDoubt { failure, next } => {
                self.next_attempt_at = next.map(|next| next.at);
                self.in_doubt =
                    Some(next.map_or(InDoubt::NeedsOperator, |next| InDoubt::Resolving { until: next.until }));
                self.failure = Some(failure);
            }
        }
    }
}
