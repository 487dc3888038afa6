//! An operator's decision about a request, and its effect on the record.
//!
//! Rule: the record stays true. Only a request that was never sent can be cancelled; a request that may have arrived can
//! only be sent again, or resolved by an operator who knows the outcome.

use chrono::{DateTime, Utc};

use super::history::{Event, EventKind};
use super::part::PartState;
use super::record::{Failure, InDoubt, ProvisioningRequest, State, failure};

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send the request once more now, even if its type's resend rule forbids that.
    Retry,
    /// Do not send the request any more.
    Cancel,
    /// Add a note to the history of the request, without any change to it.
    Note,
    /// Resolve a doubt: the operator knows the outcome.
    Resolve {
        /// Did Conax do the request?
        completed: bool,
        /// Conax's transaction id, if known.
        reference: Option<String>,
    },
}

/// A decision, by whom and why.
#[derive(Clone, Debug)]
pub struct Order {
    /// The decision.
    pub decision: Decision,
    /// User name of the operator.
    pub user: String,
    /// The operator's reason.
    pub reason: String,
    /// When the operator decided.
    pub at: DateTime<Utc>,
}

/// The state of the request does not allow the decision: the reason, as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAllowed(pub &'static str);

impl ProvisioningRequest {
    /// Leaves a request in doubt to an operator, and lets later requests for its cards go on.
    pub fn give_up(&mut self, now: DateTime<Utc>) -> Event {
        self.in_doubt = Some(InDoubt::NeedsOperator);
        self.next_attempt_at = None;
        self.updated_at = now;
        let part = self.current_part_number();
        self.change_part(now, |part| part.state = PartState::InDoubt);
        let text = match part {
            None => "What became of it could not be found out in time; later requests of its cards go on.".to_owned(),
            Some(part) => {
                format!("What became of part {part} could not be found out in time; what comes after it goes on.")
            }
        };
        Event::new(now, EventKind::GaveUp, None, Some(&text))
    }

    /// Does the state of the request allow the decision?
    pub fn allows(&self, decision: &Decision, at: DateTime<Utc>) -> bool {
        let order = Order { decision: decision.clone(), user: String::new(), reason: String::new(), at };
        self.clone().decide(&order).is_ok()
    }

    /// Applies a decision to the record of a request that is not under way.
    ///
    /// # Errors
    /// The state of the request does not allow the decision.
    pub fn decide(&mut self, order: &Order) -> Result<Event, NotAllowed> {
        let text = match self
            .current_part_number()
            .filter(|_| matches!(order.decision, Decision::Retry | Decision::Resolve { .. }))
        {
            Some(part) => format!("part {part}: {}", order.reason),
            None => order.reason.clone(),
        };
        let event = |kind| Event::new(order.at, kind, Some(&order.user), Some(&text));
        let kind = match (&order.decision, self.in_doubt) {
            (Decision::Note, _) => return Ok(event(EventKind::Noted)),
            _ if self.state != State::Pending => return Err(NotAllowed("it has ended")),
            (Decision::Retry, None) if self.attempts == 0 => {
                return Err(NotAllowed("it was not tried yet: it is sent in its turn"));
            }
            (Decision::Retry, Some(InDoubt::RetryOrdered)) => {
                return Err(NotAllowed("it is going to be sent again already"));
            }
            (Decision::Retry, doubt) => {
                self.in_doubt = doubt.map(|_| InDoubt::RetryOrdered);
                self.next_attempt_at = Some(order.at);
                EventKind::Retried
            }
            (Decision::Cancel, Some(_)) => {
                return Err(NotAllowed("it may have been sent: find out in Conax, then settle it"));
            }
            (Decision::Cancel, None) => {
                let cancelled = by_operator(failure::CANCELLED, order);
                match self.parts.is_empty() {
                    true => self.reject(cancelled, None),
                    false => self.reject_waiting_parts(&cancelled, order.at),
                }
                EventKind::Cancelled
            }
            (Decision::Resolve { .. }, None) => {
                return Err(NotAllowed("its outcome is not in doubt: it waits to be sent, and can be cancelled"));
            }
            (Decision::Resolve { completed, reference }, Some(_)) => {
                let failure = (!completed).then(|| by_operator(failure::SETTLED, order));
                let reference = reference.clone();
                match (self.current_part(), failure) {
                    (Some(_), failure) => {
                        let state = if *completed { PartState::Completed } else { PartState::Rejected };
                        self.change_part(order.at, |part| part.end(state, reference, failure));
                    }
                    (None, Some(failure)) => self.reject(failure, reference),
                    (None, None) => {
                        self.end(State::Completed);
                        self.reference_number = reference;
                        self.failure = None;
                    }
                }
                EventKind::Resolved
            }
        };
        self.updated_at = order.at;
        Ok(event(kind))
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.in_doubt = None;
        self.next_attempt_at = None;
    }

    fn reject(&mut self, failure: Failure, reference: Option<String>) {
        self.end(State::Rejected);
        self.reference_number = reference;
        self.failure = Some(failure);
    }
}

/// The failure that names an operator's decision.
fn by_operator(code: &str, order: &Order) -> Failure {
    let description = Some(format!("By {}: {}", order.user, order.reason));
    Failure { code: code.to_owned(), description, ..Failure::default() }
}
