//! What one attempt made of a request, and the legal transitions: PENDING ends once, and never comes back.

use chrono::{DateTime, Utc};

use super::record::{Failure, ProvisioningRequest, State};

/// One attempt at sending, for the request's history.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Counted from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: i64,
    /// Was the body handed to a connection?
    pub sent: bool,
    /// HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// What went wrong below SOAP.
    pub error: Option<String>,
    /// The answer's body as text.
    pub response: Option<String>,
}

/// What an attempt means for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Conax did it.
    Completed {
        /// Its transaction id.
        reference: Option<String>,
    },
    /// A definite no.
    Rejected {
        /// Conax's transaction id, where the answer has one.
        reference: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// Not delivered: to be tried again.
    Retry {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not delivered.
        failure: Failure,
    },
    /// Sent, outcome unknown: never sent again by itself.
    Uncertain {
        /// What was seen.
        failure: Failure,
    },
}

impl ProvisioningRequest {
    /// Takes the outcome of an attempt (`None` where nothing was tried) into the record.
    pub fn settle(&mut self, outcome: Outcome, attempt: Option<&Attempt>, now: DateTime<Utc>) {
        debug_assert_eq!(self.state, State::Pending, "a request ends once");
        self.updated_at = now;
        self.next_attempt_at = None;
        self.uncertain = false;
        if let Some(attempt) = attempt {
            self.attempts = attempt.attempt;
            self.sent = attempt.sent;
            self.response.clone_from(&attempt.response);
            if attempt.sent {
                self.executed_at = Some(attempt.started_at);
            }
        }
        match outcome {
            Outcome::Completed { reference } => {
                self.state = State::Completed;
                self.reference_number = reference;
                self.failure = None;
            }
            Outcome::Rejected { reference, failure } => {
                self.state = State::Rejected;
                self.executed_at = self.executed_at.or(Some(now));
                self.reference_number = reference;
                self.failure = Some(failure);
            }
            Outcome::Retry { at, failure } => {
                self.next_attempt_at = Some(at);
                self.failure = Some(failure);
            }
            Outcome::Uncertain { failure } => {
                self.uncertain = true;
                self.failure = Some(failure);
            }
        }
    }
}
