//! Takes over the requests that a dead node, or an attempt that panicked, left under way. They may have been sent, so
//! they are in doubt, and are resolved like other requests in doubt.

use std::convert::Infallible;
use std::time::Duration;

use chrono::TimeDelta;

use super::commit::Committed;
use super::date::carry;
use super::policy::{self, AttemptContext};
use super::{Processor, Processors};
use crate::clock::{LEAST_STEP, Passed};
use crate::contract::Resend;
use crate::request::{Attempt, InDoubt, ProvisioningRequest};
use crate::store::{AttemptCommit, CommitResult, DateStep, LeasedRequest, StoreError};

/// The number of requests taken over in one transaction.
const BATCH: usize = 100;
/// How often a start tries to recover while the store is out of reach, and the pause between two tries; then the start fails.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

impl Processors {
    /// Shifts due times if the date was set back since the last change, and takes over the requests of dead nodes. Must
    /// be called before anything is sent. The store may be out of reach for a while.
    ///
    /// # Errors
    /// The store.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.try_to_recover().await {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Busy(_))) if tries < TRIES => {
                    tracing::warn!(%error, "the requests that were left under way cannot be recovered yet");
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn try_to_recover(&self) -> Result<(), StoreError> {
        let (now, changed_at) = (self.clock.now(), self.store.find_last_change().await?);
        if let Some(step) = changed_at.map(|changed_at| now - changed_at).filter(|step| *step <= -LEAST_STEP) {
            // The time for which the gateway was stopped is unknown.
            let step = DateStep { by: step, now, noticed_after: TimeDelta::zero(), is_after_stop: true };
            carry(self.store.as_ref(), step).await?;
        }
        self.renew_and_take_over().await
    }

    /// Renews the leases in time, and takes over those of dead nodes, as long as attempts may be under way.
    pub async fn keep_leases(&self) -> Infallible {
        loop {
            tokio::time::sleep(self.node.renew_interval()).await;
            if let Err(error) = self.renew_and_take_over().await {
                tracing::error!(%error, "the leases cannot be renewed: nothing more is sent when they end");
            }
        }
    }

    async fn renew_and_take_over(&self) -> Result<(), StoreError> {
        self.node.renew(self.store.as_ref()).await?;
        loop {
            let taken = self.store.take_over_requests(&self.node.id(), BATCH).await?;
            if taken.is_empty() {
                return Ok(());
            }
            tracing::warn!(requests = taken.len(), "a gateway died with requests under way");
            let message = "The gateway stopped while this request was under way.";
            let of = |request: &ProvisioningRequest| self.of_family(request.content.family);
            let commits: Vec<_> = taken.iter().map(|leased| of(&leased.request).in_doubt(leased, message)).collect();
            self.store.commit_attempts(commits.clone()).await?;
            for AttemptCommit { request, .. } in &commits {
                of(request).transport.observers().ended(request).await;
            }
            self.wake();
        }
    }
}

impl Processor {
    /// Puts a request in doubt after its attempt panicked.
    pub(super) async fn commit_in_doubt(&self, leased: &LeasedRequest) -> Result<Committed, StoreError> {
        let commit = self.in_doubt(leased, "The gateway failed while this request was under way.");
        let request = commit.request.clone();
        let (request, released) = match self.store.commit_attempts(vec![commit]).await?.pop() {
            Some(CommitResult::LeaseLost(record)) => (*record, 0),
            Some(CommitResult::Committed { released }) => (request, released),
            None => (request, 0),
        };
        self.transport.observers().ended(&request).await;
        self.waiting.tell(&request);
        Ok(Committed { request, has_released: released > 0, keeps_lease: false })
    }

    /// The commit that puts a request in doubt; a request that was not sent waits again.
    fn in_doubt(&self, leased: &LeasedRequest, message: &str) -> AttemptCommit {
        let LeasedRequest { mut request, lease } = leased.clone();
        let now = self.clock.now();
        if request.is_in_joint_call && request.joint_call.is_none() && request.in_doubt.is_none() {
            // A joint call is stored before it is sent, and this call was not stored: the request waits for its turn again.
            return AttemptCommit::give_back(LeasedRequest { request, lease }, now);
        }
        let (outcome, attempt) = match policy::sendable(&request) {
            Err(failure) if request.in_doubt.is_none() => (policy::rejected(failure), None),
            _ => {
                // The request was leased at its last change, and sent after that.
                let started_at = request.updated_at;
                let contract = self.contract.load();
                let resend = contract.operation(request.content.request_type).map_or(Resend::Never, |o| o.resend);
                // If the date was set back meanwhile, the elapsed time is unknown.
                let time = (now - started_at).to_std().unwrap_or(Duration::MAX);
                let passed = Passed { time, ..Passed::default() };
                let context = AttemptContext::of(&request, resend, passed, now);
                let attempt = Attempt {
                    attempt: request.attempts.saturating_add(1),
                    part: request.current_part_number(),
                    joint_call: request.joint_call.clone().filter(|_| request.is_in_joint_call),
                    started_at,
                    duration_ms: 0,
                    timings: None,
                    sent: true,
                    http_status: None,
                    error: Some(message.to_owned()),
                    response: None,
                    content_type: None,
                };
                (self.retry.in_doubt(&context, message.to_owned()), Some(attempt))
            }
        };
        request.apply(outcome, attempt.as_ref(), now);
        if request.in_doubt == Some(InDoubt::NeedsOperator) {
            let (number, request_type) = (request.number, request.content.request_type.as_str());
            tracing::error!(number, request_type, "outcome unknown: an operator must settle it");
        }
        AttemptCommit { request, lease, keeps_lease: false, attempt, events: Vec::new() }
    }
}
