//! A joint call: one attempt at several leased requests of the same content, which are sent as one message for the cards of all.
//!
//! Rule: the call is on disk before it is sent. Only requests join whose own messages differ in nothing but the cards; others are
//! released, and sent alone. A rejection tells nothing of one request among several, so each is then sent alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::Processor;
use super::attempt::{Ended, Prepared, classify, prepare, send, trace_of};
use super::commit::{Committed, commit};
use super::slots::Slot;
use crate::config::UpstreamSource;
use crate::contract::{Contract, Operation};
use crate::request::{CARD_ID, Envelope, Fields, JointCall, ProvisioningRequest, random_hex};
use crate::soap::encode;
use crate::store::{AttemptCommit, LeasedCall, LeasedRequest, MostCards, StoreError};

impl Processor {
    /// How many cards a joint call takes, by type of request. A recording or a replay has a case for each request, so all are sent
    /// alone then.
    pub(super) fn most_cards(&self, contract: &Contract) -> MostCards {
        let target = &self.provider.config.upstream.url;
        if target.record.is_some() || matches!(target.source, UpstreamSource::Replay(_)) {
            return MostCards::new();
        }
        let joint = contract.operations().filter(|operation| operation.coalesces);
        joint.filter_map(|operation| Some((operation.request_type, operation.batch?.get()))).collect()
    }

    /// Sends requests in one call as far as they can be; then frees the slot.
    pub(super) async fn attempt_jointly(self: &Arc<Self>, call: LeasedCall, contract: Arc<Contract>, slot: Slot) {
        let (joint, mut apart) = join(&contract, call, self.clock.now());
        apart.iter_mut().for_each(|leased| leased.request.send_alone());
        if let Err(error) = self.give_back(apart).await {
            tracing::error!(%error, "requests that cannot be sent together could not be released");
        }
        let Some(Joint { operation, envelope, members }) = joint else {
            slot.leave();
            self.wake();
            return;
        };
        let prepared = Prepared { operation, envelope: &envelope };
        let numbers = members.iter().map(|leased| leased.request.number).collect();
        let call = Arc::new(JointCall { id: random_hex(), numbers, body: envelope.redacted.clone() });
        let is_stored = AtomicBool::new(false);
        let attempt = self.send_jointly(&contract, &prepared, (&call, &is_stored), members.clone());
        // A panic must not leave the requests leased for ever.
        let may_others_go_on = match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(committed) => committed
                .is_ok_and(|all| all.iter().any(|one| one.has_released || one.request.next_attempt_at.is_some())),
            Err(_) => {
                for mut leased in members {
                    tracing::error!(number = leased.request.number, "working on a request failed");
                    leased.request.is_in_joint_call = true;
                    leased.request.joint_call = is_stored.load(Ordering::Relaxed).then(|| Arc::clone(&call));
                    drop(self.commit_in_doubt(&leased).await);
                }
                true
            }
        };
        slot.leave();
        if may_others_go_on {
            self.wake();
        }
    }

    /// Makes the attempt: stores the call, sends it, classifies its answer for each request, and commits the outcomes.
    async fn send_jointly(
        &self,
        contract: &Contract,
        prepared: &Prepared<'_>,
        (call, is_stored): (&Arc<JointCall>, &AtomicBool),
        members: Vec<LeasedRequest>,
    ) -> Result<Vec<Committed>, StoreError> {
        let leases = members.iter().map(|leased| (leased.request.number, leased.lease.clone())).collect();
        let Some(LeasedRequest { request: first, lease }) = members.first() else { return Ok(Vec::new()) };
        match self.store.begin_joint_call(Arc::clone(call), leases).await {
            Ok(true) => is_stored.store(true, Ordering::Relaxed),
            // Nothing was tried, so nothing counts. Nobody is woken: the run looks again by its poll, when the store may be well.
            refused => {
                tracing::warn!(number = first.number, ?refused, "a call for several requests cannot be stored");
                self.give_back(members).await?;
                return Ok(Vec::new());
            }
        }
        let (sent, events) = send(self, contract, first, lease, prepared).await;
        let (others, mut response) = (sent.without_text(), None);
        let end = |(index, leased): (usize, LeasedRequest)| {
            let sent = if index == 0 { sent.clone() } else { others.for_other(trace_of(self, &leased.request)) };
            let (outcome, mut attempt) =
                classify(self, &leased.request, prepared, sent, (false, Some(Arc::clone(call))));
            // The answer may be large, and is one text for all of them.
            attempt.response.clone_from(response.get_or_insert_with(|| attempt.response.clone()));
            // What went before the call is told in the history of the first.
            let events = if index == 0 { events.clone() } else { Vec::new() };
            (leased, Ended { outcome, attempt: Some(attempt), events })
        };
        let ended: Vec<_> = members.into_iter().enumerate().map(end).collect();
        if ended.iter().any(|(_, ended)| ended.attempt.as_ref().is_some_and(|attempt| attempt.sent)) {
            let (request_type, requests) = (prepared.operation.request_type, ended.len());
            self.transport.observers().tell(|observer| observer.called_jointly(request_type, requests));
        }
        commit(self, ended, Instant::now()).await
    }

    /// Gives back requests that were not sent.
    async fn give_back(&self, requests: Vec<LeasedRequest>) -> Result<(), StoreError> {
        if !requests.is_empty() {
            let now = self.clock.now();
            let commits = requests.into_iter().map(|leased| AttemptCommit::give_back(leased, now)).collect();
            self.store.commit_attempts(commits).await?;
        }
        Ok(())
    }
}

/// The message of a joint call, and its requests.
struct Joint<'c> {
    operation: &'c Operation,
    envelope: Envelope,
    members: Vec<LeasedRequest>,
}

/// The joint call of requests; also returns those that cannot be sent in it, because the contract has changed since they were
/// accepted. All are, if fewer than two are left.
fn join(contract: &Contract, call: LeasedCall, now: DateTime<Utc>) -> (Option<Joint<'_>>, Vec<LeasedRequest>) {
    let LeasedCall { first, joined } = call;
    let all: Vec<_> = std::iter::once(first.clone()).chain(joined).collect();
    let Some((operation, fields)) = common(contract, &first.request) else { return (None, all) };
    let is_same = |leased: &LeasedRequest| {
        let alone = render(operation, fields, &leased.request.content.cards, now);
        alone.is_some_and(|alone| prepare(contract, &leased.request).is_ok_and(|own| *own.envelope == alone))
    };
    let (members, mut apart): (Vec<_>, Vec<_>) = all.into_iter().partition(is_same);
    let cards = members.iter().flat_map(|leased| &leased.request.content.cards);
    match render(operation, fields, cards, now) {
        Some(envelope) if members.len() > 1 => (Some(Joint { operation, envelope, members }), apart),
        _ => {
            apart.extend(members);
            (None, apart)
        }
    }
}

/// The operation of a request that others may join, and what they have in common.
fn common<'c, 'r>(contract: &'c Contract, request: &'r ProvisioningRequest) -> Option<(&'c Operation, &'r Fields)> {
    let operation = contract.operation(request.content.request_type).filter(|operation| operation.coalesces)?;
    Some((operation, request.content.joint_fields.as_ref()?))
}

/// The message for some cards.
fn render<'r>(
    operation: &Operation,
    fields: &Fields,
    cards: impl IntoIterator<Item = &'r String>,
    now: DateTime<Utc>,
) -> Option<Envelope> {
    let mut fields = fields.clone().with_context(now);
    cards.into_iter().for_each(|card| fields.push(CARD_ID, card));
    let message = encode::request(operation, &fields).ok()?;
    Some(Envelope::without_secret(String::from_utf8(message).ok()?))
}
