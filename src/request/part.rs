//! The parts of a request that is sent in several calls, because its operation takes fewer cards per call: which part is
//! sent next, and how the record ends when all parts have ended.
//!
//! Rule: parts are sent in order. Each part ends with its own outcome, and keeps it: a part that was rejected, or is left
//! to an operator, does not stop later parts.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::outcome::Outcome;
use super::record::{Envelope, Failure, InDoubt, NewRequest, ProvisioningRequest, State, failure};
use crate::secret::Secret;

/// The SOAP request or requests, rendered at acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    /// A single call.
    Whole(Envelope),
    /// Several calls, sent one after the other.
    Parts(Vec<Part>),
}

/// One of several calls of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// CA IDs of the smartcards that the call is for.
    pub cards: Vec<String>,
    /// The SOAP request.
    pub envelope: Envelope,
}

/// The state of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum PartState {
    /// The part is to be sent, under way, or being resolved.
    Pending,
    /// The part was sent, and is left to an operator.
    InDoubt,
    /// Conax did the part.
    Completed,
    /// The part was not done, and never will be.
    Rejected,
}

/// The outcome of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartStatus {
    /// State of the part.
    pub state: PartState,
    /// Number of attempts.
    pub attempts: u32,
    /// Conax's transaction id.
    pub reference_number: Option<String>,
    /// Why the part was rejected, was not delivered yet, or is in doubt.
    pub failure: Option<Failure>,
    /// Conax rejected a resend: the first attempt may have worked.
    pub leaves_doubt: bool,
    /// Does the status differ from the stored status?
    pub is_changed: bool,
}

impl PartStatus {
    /// A part that was not tried yet.
    pub const NEW: Self = Self {
        state: PartState::Pending,
        attempts: 0,
        reference_number: None,
        failure: None,
        leaves_doubt: false,
        is_changed: false,
    };

    /// Ends the part, or leaves it to an operator.
    pub(super) fn end(&mut self, state: PartState, reference: Option<String>, failure: Option<Failure>) {
        (self.state, self.reference_number, self.failure, self.is_changed) = (state, reference, failure, true);
    }
}

impl NewRequest {
    /// The parts; empty for a request with a single call.
    pub fn parts(&self) -> &[Part] {
        match &self.rendered {
            Some(Rendered::Parts(parts)) => parts,
            Some(Rendered::Whole(_)) | None => &[],
        }
    }

    /// The SOAP request of a part, by its index; for a single call its only SOAP request.
    pub fn envelope(&self, part: Option<usize>) -> Option<&Envelope> {
        match (self.rendered.as_ref()?, part) {
            (Rendered::Whole(envelope), _) => Some(envelope),
            (Rendered::Parts(parts), Some(index)) => parts.get(index).map(|part| &part.envelope),
            (Rendered::Parts(_), None) => None,
        }
    }

    /// The secret parameter of the client, until the request has ended.
    pub fn secret(&self) -> Option<Secret> {
        let first = (!self.parts().is_empty()).then_some(0);
        self.envelope(first).and_then(Envelope::secret)
    }
}

impl ProvisioningRequest {
    /// The index of the part that is sent now or next: the first part that has not ended, or else the first part that is
    /// left to an operator. `None` if there are no parts, or all have ended.
    pub fn current_part(&self) -> Option<usize> {
        let first = |state| self.parts.iter().position(|part| part.state == state);
        first(PartState::Pending).or_else(|| first(PartState::InDoubt))
    }

    /// The number of the current part, counted from 1.
    pub fn current_part_number(&self) -> Option<u32> {
        u32::try_from(self.current_part()?).ok()?.checked_add(1)
    }

    /// The SOAP request that is sent now or next.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.content.envelope(self.current_part())
    }

    /// The SOAP request of the last attempt.
    pub fn last_envelope(&self) -> Option<&Envelope> {
        self.envelope_of(self.last_part)
    }

    /// The SOAP request of an attempt, by the number of its part.
    pub fn envelope_of(&self, part: Option<u32>) -> Option<&Envelope> {
        self.content.envelope(part.and_then(|part| usize::try_from(part.checked_sub(1)?).ok()))
    }

    /// The cards of the call that is sent now or next.
    pub fn current_cards(&self) -> &[String] {
        let part = self.current_part().and_then(|index| self.content.parts().get(index));
        part.map_or(&self.content.cards, |part| &part.cards)
    }

    /// The number of attempts at the call that is sent now or next.
    pub fn current_attempts(&self) -> u32 {
        self.current_part().and_then(|index| self.parts.get(index)).map_or(self.attempts, |part| part.attempts)
    }

    /// Has a part ended, so that the next part is sent without delay?
    pub fn is_between_parts(&self) -> bool {
        let is_new = |index: usize| {
            self.parts.get(index).is_some_and(|part| part.state == PartState::Pending && part.attempts == 0)
        };
        self.state == State::Pending
            && self.in_doubt.is_none()
            && self.parts.iter().any(|part| part.state != PartState::Pending)
            && self.current_part().is_some_and(is_new)
    }

    /// Might Conax have done something that no record knows of?
    pub fn has_doubt(&self) -> bool {
        self.in_doubt.is_some() || self.parts.iter().any(|part| part.state == PartState::InDoubt || part.leaves_doubt)
    }

    /// The size of the texts, which are most of a record, in bytes.
    pub fn text_bytes(&self) -> usize {
        let envelopes = match &self.content.rendered {
            Some(Rendered::Whole(envelope)) => envelope.redacted.len(),
            Some(Rendered::Parts(parts)) => parts.iter().map(|part| part.envelope.redacted.len()).sum(),
            None => 0,
        };
        let joint = self.joint_call.as_ref().map_or(0, |call| call.body.len());
        envelopes + joint + self.response.as_ref().map_or(0, |text| text.len())
    }

    /// The cards of the parts that were not done; all cards if there are no parts, or none was done.
    pub fn cards_not_done(&self) -> Vec<&String> {
        let is_done = |(part, _): &(&PartStatus, _)| part.state == PartState::Completed;
        let each = || self.parts.iter().zip(self.content.parts());
        match self.state {
            State::Rejected if each().any(|part| is_done(&part)) => {
                each().filter(|part| !is_done(part)).flat_map(|(_, part)| &part.cards).collect()
            }
            _ => self.content.cards.iter().collect(),
        }
    }

    /// Changes the current part, and goes on to the next one.
    pub(super) fn change_part(&mut self, now: DateTime<Utc>, change: impl FnOnce(&mut PartStatus)) {
        let Some(index) = self.current_part() else { return };
        if let Some(part) = Arc::make_mut(&mut self.parts).get_mut(index) {
            part.is_changed = true;
            change(part);
        }
        self.go_on(now);
    }

    /// Applies the outcome of an attempt to a part; returns true if the same part is tried again.
    pub(super) fn apply_to_part(&mut self, index: usize, outcome: &Outcome, was_tried: bool) -> bool {
        let parts = Arc::make_mut(&mut self.parts);
        // Earlier changes are stored already.
        parts.iter_mut().for_each(|part| part.is_changed = false);
        let Some(part) = parts.get_mut(index) else { return false };
        part.is_changed = true;
        part.attempts += u32::from(was_tried);
        match outcome {
            Outcome::Completed { reference, .. } => part.end(PartState::Completed, reference.clone(), None),
            Outcome::Rejected { reference, failure, leaves_doubt } => {
                part.end(PartState::Rejected, reference.clone(), Some(failure.clone()));
                part.leaves_doubt = *leaves_doubt;
            }
            Outcome::InDoubt { failure, next: None } => part.end(PartState::InDoubt, None, Some(failure.clone())),
            Outcome::RetryLater { failure, .. }
            | Outcome::SendAlone { failure }
            | Outcome::InDoubt { failure, next: Some(_) } => {
                part.failure = Some(failure.clone());
                return true;
            }
        }
        false
    }

    /// Rejects every part that was not sent.
    pub(super) fn reject_waiting_parts(&mut self, failure: &Failure, now: DateTime<Utc>) {
        for part in Arc::make_mut(&mut self.parts) {
            if part.state == PartState::Pending {
                part.end(PartState::Rejected, None, Some(failure.clone()));
            }
        }
        self.go_on(now);
    }

    /// Goes on after the end of a part: the next part is due now, or an operator decides about a part, or all parts have
    /// ended, and the record ends.
    pub(super) fn go_on(&mut self, now: DateTime<Utc>) {
        (self.in_doubt, self.next_attempt_at, self.failure) = (None, None, None);
        match self.current_part().and_then(|index| self.parts.get(index)) {
            Some(part) if part.state == PartState::InDoubt => {
                self.in_doubt = Some(InDoubt::NeedsOperator);
                self.failure.clone_from(&part.failure);
            }
            Some(_) => self.next_attempt_at = Some(now),
            None => self.conclude(),
        }
    }

    /// Ends the record, by the outcomes of its parts.
    fn conclude(&mut self) {
        let completed = self.parts.iter().filter(|part| part.state == PartState::Completed).count();
        self.reference_number = self.parts.iter().find_map(|part| part.reference_number.clone());
        if completed == self.parts.len() {
            self.state = State::Completed;
            return;
        }
        self.state = State::Rejected;
        self.in_doubt = self.parts.iter().any(|part| part.leaves_doubt).then_some(InDoubt::Earlier);
        let first = self.parts.iter().find_map(|part| part.failure.clone());
        self.failure = match completed {
            0 => first,
            _ => Some(Failure {
                code: failure::PARTLY_DONE.to_owned(),
                description: Some(self.tell_parts(completed)),
                ..first.unwrap_or_default()
            }),
        };
    }

    /// A text that lists the cards that were done, and the cards that were not, with reasons.
    fn tell_parts(&self, completed: usize) -> String {
        let each = || self.parts.iter().zip(self.content.parts());
        let done = each().filter(|(status, _)| status.state == PartState::Completed);
        let done: Vec<&str> = done.flat_map(|(_, part)| &part.cards).map(String::as_str).collect();
        let mut text = format!("{completed} of {} calls were done.\nDone: {}.", self.parts.len(), done.join(", "));
        for (status, part) in each().filter(|(status, _)| status.state != PartState::Completed) {
            let doubt = if status.leaves_doubt { ", unless by an earlier attempt" } else { "" };
            let reason = status.failure.as_ref().map(Failure::reason).unwrap_or_default();
            text.push_str(&format!("\nNot done{doubt}: {} ({reason}).", part.cards.join(", ")));
        }
        text
    }
}
