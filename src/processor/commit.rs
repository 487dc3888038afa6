//! The last step of an attempt: applies outcomes to their records, and commits both. Requests of a joint call are
//! committed together.
//!
//! Rule: waiting calls are told after the commit.

use std::time::Duration;

use tokio::time::Instant;

use super::Processor;
use super::attempt::Ended;
use super::log::log;
use crate::request::ProvisioningRequest;
use crate::store::{AttemptCommit, CommitResult, LeasedRequest, StoreError};

/// How long an API call waits for the commit of a known outcome; after that the call answers with the record as accepted.
const STORE_TIME: Duration = Duration::from_secs(3);

/// A committed attempt.
pub(super) struct Committed {
    /// The record.
    pub(super) request: ProvisioningRequest,
    /// May other requests go on that waited for this request?
    pub(super) has_released: bool,
    /// Is the next part of the request sent at once, with the same lease?
    pub(super) keeps_lease: bool,
}

/// Applies the outcomes of attempts to their records, and stores both.
///
/// # Errors
/// The outcomes could not be stored. The leases stay: the node that takes them over puts the requests in doubt.
pub(super) async fn commit(
    processor: &Processor,
    attempts: Vec<(LeasedRequest, Ended)>,
    turn_ends: Instant,
) -> Result<Vec<Committed>, StoreError> {
    let accepted: Vec<_> = attempts.iter().map(|(leased, _)| leased.request.clone()).collect();
    let began = Instant::now();
    let apply = |(LeasedRequest { mut request, lease }, ended): (LeasedRequest, Ended)| {
        let Ended { outcome, attempt, events } = ended;
        request.apply(outcome, attempt.as_ref(), processor.clock.now());
        log(&request, attempt.as_ref());
        let keeps_lease = request.is_between_parts() && began < turn_ends && !processor.tasks.is_closed();
        AttemptCommit { request, lease, keeps_lease, attempt, events }
    };
    let commits: Vec<_> = attempts.into_iter().map(apply).collect();
    let mut storing = processor.store.commit_attempts(commits.clone());
    let stored = match tokio::time::timeout(STORE_TIME, &mut storing).await {
        Ok(stored) => stored,
        Err(_) => {
            let numbers: Vec<_> = accepted.iter().map(|request| request.number).collect();
            tracing::warn!(?numbers, "the outcome of requests cannot be stored yet");
            // The outcome may still be lost, so waiting calls get the record as accepted.
            accepted.iter().for_each(|request| processor.waiting.tell(request));
            storing.await
        }
    };
    let results = match stored {
        Ok(results) => results,
        Err(error) => {
            for request in &accepted {
                tracing::error!(number = request.number, %error, "the outcome of a request could not be stored");
                processor.transport.observers().ended(request).await;
            }
            return Err(error);
        }
    };
    let mut committed = Vec::new();
    for (AttemptCommit { request, keeps_lease, .. }, result) in commits.into_iter().zip(results) {
        let one = match result {
            CommitResult::Committed { released } => {
                processor.transport.observers().tell(|observer| observer.stored(&request, began.elapsed()));
                Committed { request, has_released: released > 0, keeps_lease }
            }
            CommitResult::LeaseLost(record) => {
                let number = request.number;
                tracing::warn!(number, "another gateway took the request over: this outcome is not kept");
                Committed { request: *record, has_released: false, keeps_lease: false }
            }
        };
        processor.transport.observers().ended(&one.request).await;
        if !one.request.is_between_parts() {
            processor.waiting.tell(&one.request);
        }
        committed.push(one);
    }
    Ok(committed)
}
