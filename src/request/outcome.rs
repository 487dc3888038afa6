//! The outcome of an attempt, and its effect on the record: PENDING ends once, in COMPLETED or REJECTED.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::history::Attempt;
use super::record::{Failure, InDoubt, ProvisioningRequest, State};

/// The outcome of an attempt for its request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Conax did the request.
    Completed {
        /// Conax's transaction id, if the answer has one.
        reference: Option<String>,
        /// Content of a query's answer.
        result: Option<Box<RawValue>>,
    },
    /// Conax, or the gateway, refused the request for good.
    Rejected {
        /// Conax's transaction id, where the answer has one.
        reference: Option<String>,
        /// The reason.
        failure: Failure,
        /// Conax rejected a resend: an earlier attempt may have worked.
        leaves_doubt: bool,
    },
    /// The request was not delivered, and is tried again.
    RetryLater {
        /// When the next attempt is due.
        at: DateTime<Utc>,
        /// Why the request was not delivered.
        failure: Failure,
    },
    /// Conax rejected a joint call, which does not tell the outcome of this request: the request is sent alone, at once.
    SendAlone {
        /// Why the call was rejected.
        failure: Failure,
    },
    /// The request was sent, and its outcome is unknown.
    InDoubt {
        /// Why the outcome is unknown.
        failure: Failure,
        /// When the gateway tries to resolve the doubt; `None` leaves that to an operator.
        next: Option<Next>,
    },
}

/// When the gateway resolves a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// When the gateway tries to resolve the doubt next.
    pub at: DateTime<Utc>,
    /// When the gateway gives up.
    pub until: DateTime<Utc>,
}

impl ProvisioningRequest {
    /// Applies an outcome to the record; `attempt` is `None` if nothing was sent.
    pub fn apply(&mut self, outcome: Outcome, attempt: Option<&Attempt>, now: DateTime<Utc>) {
        debug_assert_eq!(self.state, State::Pending, "a request ends once");
        self.updated_at = now;
        self.next_attempt_at = None;
        self.in_doubt = None;
        if let Some(attempt) = attempt {
            self.attempts = attempt.attempt;
            self.last_part = attempt.part;
            self.joint_call.clone_from(&attempt.joint_call);
            self.is_in_joint_call = false;
            self.sent |= attempt.sent;
            self.response.clone_from(&attempt.response);
            if attempt.sent {
                self.executed_at = Some(attempt.started_at);
            }
        }
        if let Some(part) = self.current_part() {
            let is_tried_again = self.apply_to_part(part, &outcome, attempt.is_some());
            if !is_tried_again {
                return self.go_on(now);
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
            Outcome::SendAlone { failure } => {
                self.send_alone();
                self.next_attempt_at = Some(now);
                self.failure = Some(failure);
            }
            Outcome::InDoubt { failure, next } => {
                self.send_alone();
                self.next_attempt_at = next.map(|next| next.at);
                self.in_doubt =
                    Some(next.map_or(InDoubt::NeedsOperator, |next| InDoubt::Resolving { until: next.until }));
                self.failure = Some(failure);
            }
        }
    }
}
