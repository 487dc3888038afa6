//! The rules that every engine keeps for the order of requests. An engine reads the facts that a rule needs, and writes
//! the rule's result.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use strum::VariantArray as _;

use super::{DateStep, StoreError};
use crate::request::{Cas, InDoubt, NewRequest, Priority, ProvisioningRequest, RequestType, State};

/// When a waiting request begins to block later requests for its cards: milliseconds since 1970, by the machine's date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due(pub(super) i64);

impl Due {
    /// The request waits for an operator, and blocks no other request.
    const NEVER: Self = Self(i64::MAX);
    /// The request's turn has come already: the request blocks, even if the clock is set back.
    const SINCE_EVER: Self = Self(0);

    pub(super) fn of_new(request: &NewRequest) -> Self {
        match request.is_scheduled() {
            true => Self(request.scheduled_at.timestamp_millis()),
            false => Self::SINCE_EVER,
        }
    }
}

/// The cards of a request, each with its own queue and lock in its CA system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cards<'a> {
    pub(super) cas: Cas,
    pub(super) ca_ids: &'a [String],
}

impl<'a> Cards<'a> {
    pub(super) fn of(request: &'a NewRequest) -> Self {
        Self { cas: request.family.cas(), ca_ids: &request.cards }
    }
}

/// The order in which a claim looks at the requests of CA systems: EXPRESS of all systems first.
pub(super) fn turns(systems: &[Cas]) -> impl Iterator<Item = (Priority, Cas)> {
    Priority::VARIANTS.iter().flat_map(move |priority| systems.iter().map(move |cas| (*priority, *cas)))
}

/// How a changed request changes the queues and locks of its cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CardChange {
    /// The cards stay locked.
    Keep,
    /// The cards are unlocked, and the request waits in their queues.
    Queue(Due),
    /// The cards are unlocked, and the request has left their queues.
    Release,
}

impl CardChange {
    pub(super) fn after(request: &ProvisioningRequest) -> Self {
        match (request.state, request.in_doubt) {
            (State::Pending, Some(InDoubt::Resolving { .. })) => Self::Keep,
            (State::Pending, Some(InDoubt::NeedsOperator)) => Self::Queue(Due::NEVER),
            (State::Pending, _) => Self::Queue(Due::SINCE_EVER),
            (State::Completed | State::Rejected, _) => Self::Release,
        }
    }
}

/// The next step of a due request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The request in doubt is left to an operator: see [`ProvisioningRequest::give_up`].
    GiveUp,
    /// The request waits until the request with this number changes.
    WaitFor(i64),
    /// The request is leased, and its cards are locked.
    Lease,
}

impl Step {
    /// The next step of a due request. A request in doubt that is being resolved still holds the locks of its cards, so
    /// that no other request blocks it.
    pub(super) fn of(
        in_doubt: Option<InDoubt>,
        now: DateTime<Utc>,
        find_blocker: impl FnOnce() -> Result<Option<i64>, StoreError>,
    ) -> Result<Self, StoreError> {
        Ok(match in_doubt {
            Some(InDoubt::Resolving { until }) if until <= now => Self::GiveUp,
            Some(InDoubt::Resolving { .. }) => Self::Lease,
            _ => find_blocker()?.map_or(Self::Lease, Self::WaitFor),
        })
    }
}

/// The requests that block one card.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CardView {
    /// The closest earlier due request that waits for the card.
    pub(super) predecessor: Option<i64>,
    /// Another request that has locked the card.
    pub(super) holder: Option<i64>,
}

impl CardView {
    /// The request that blocks this card, if any: the closest predecessor, so that waiters form a chain and each completion
    /// wakes one.
    pub(super) fn blocker(self) -> Option<i64> {
        self.predecessor.or(self.holder)
    }
}

/// The sequence number of a new request, greater than the last number of each of its cards.
pub(super) fn next_sequence_number(last: impl IntoIterator<Item = i64>) -> i64 {
    last.into_iter().fold(0, i64::max) + 1
}

/// How due times are shifted when the machine's date was set. The shift concerns requests whose turn had come or that
/// were tried, and that do not wait for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DueShift {
    /// The shift of the due time, and of the end of resolving a doubt.
    pub(super) by: TimeDelta,
    /// Request types that may be sent again only for a limited time. Their `resolve_until` is never shifted forward,
    /// since the program cannot tell a date set forward from a machine that slept.
    pub(super) limited_types: Vec<&'static str>,
    /// The latest `resolve_until` of these types: after a stop of the gateway, the time to resolve is over.
    pub(super) limited_until: Option<DateTime<Utc>>,
    /// Records written within this range already have dates of the new clock.
    pub(super) untouched: RangeInclusive<DateTime<Utc>>,
}

impl From<DateStep> for DueShift {
    fn from(step: DateStep) -> Self {
        let limited = RequestType::all().filter(|request_type| request_type.resend_within().is_some());
        Self {
            by: step.by,
            limited_types: limited.map(RequestType::as_str).collect(),
            limited_until: step.is_after_stop.then_some(step.now),
            untouched: step.now.checked_sub_signed(step.noticed_after).unwrap_or(step.now)..=step.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_for_its_blocker_unless_it_has_its_cards_and_is_given_up_in_time() {
        let now = DateTime::UNIX_EPOCH;
        let step = |in_doubt, blocker| Step::of(in_doubt, now, || Ok(blocker)).unwrap();
        let until = |seconds| Some(InDoubt::Resolving { until: now + TimeDelta::seconds(seconds) });
        assert_eq!(step(None, None), Step::Lease);
        assert_eq!(step(None, Some(7)), Step::WaitFor(7));
        assert_eq!(step(Some(InDoubt::RetryOrdered), Some(7)), Step::WaitFor(7));
        assert_eq!(step(until(1), Some(7)), Step::Lease);
        assert_eq!([step(until(0), None), step(until(-1), Some(7))], [Step::GiveUp; 2]);
    }

    #[test]
    fn the_closest_predecessor_blocks_before_the_holder() {
        let blocker = |predecessor, holder| CardView { predecessor, holder }.blocker();
        assert_eq!([blocker(Some(1), Some(2)), blocker(None, Some(2)), blocker(None, None)], [Some(1), Some(2), None]);
    }

    #[test]
    fn a_number_is_greater_than_the_last_of_each_card() {
        assert_eq!([next_sequence_number([]), next_sequence_number([3, 9, 4])], [1, 10]);
    }
}
