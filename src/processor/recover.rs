//! What a dead process left under way, or a step that failed: the bytes may have gone out, so such a request is in doubt,
//! and what is done about it is the same as for any other doubt.

use std::time::Duration;

use chrono::TimeDelta;

use super::Processor;
use super::policy::{self, AttemptContext};
use crate::clock::Passed;
use crate::contract::Resend;
use crate::request::{Attempt, InDoubt, ProvisioningRequest};
use crate::store::{AttemptCommit, DateStep, StoreError};

/// Requests settled in one write.
const BATCH: usize = 100;

impl Processor {
    /// Settles what the last process left under way; to be called before anything is sent.
    ///
    /// # Errors
    /// The store.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let (now, changed_at) = (self.clock.now(), self.store.find_last_change().await?);
        if let Some(step) = changed_at.map(|changed_at| now - changed_at).filter(|step| *step < TimeDelta::zero()) {
            // Nobody knows how long the gateway was stopped.
            self.carry(DateStep { by: step, now, noticed_after: TimeDelta::zero(), is_after_stop: true }).await?;
        }
        let lost = self.store.list_leased_requests().await?;
        for batch in lost.chunks(BATCH) {
            let what = "The gateway stopped while this request was under way.";
            self.store.commit_attempts(batch.iter().map(|request| self.lost(request, what)).collect()).await?;
        }
        if !lost.is_empty() {
            tracing::warn!(requests = lost.len(), "the last run died with requests under way");
        }
        Ok(())
    }

    /// Settles one whose step ended without telling how; also tells whether requests that waited for it may go on.
    pub(super) async fn settle_as_lost(
        &self,
        request: &ProvisioningRequest,
    ) -> Result<(ProvisioningRequest, bool), StoreError> {
        let settlement = self.lost(request, "The gateway failed while this request was under way.");
        let request = settlement.request.clone();
        let released = self.store.commit_attempts(vec![settlement]).await?;
        self.waiting.tell(&request);
        Ok((request, released > 0))
    }

    /// The record of a request of which it is not known how far it got.
    fn lost(&self, request: &ProvisioningRequest, what: &str) -> AttemptCommit {
        let now = self.clock.now();
        let mut request = request.clone();
        let (outcome, attempt) = match policy::sendable(&request) {
            Err(failure) if request.in_doubt.is_none() => (policy::rejected(failure), None),
            _ => {
                // It was leased at its last change, and sent after that.
                let started_at = request.updated_at;
                let resend = self.contract.operation(request.content.request_type).map_or(Resend::Never, |o| o.resend);
                // If the date was set back meanwhile, nobody knows how long ago that was.
                let time = (now - started_at).to_std().unwrap_or(Duration::MAX);
                let passed = Passed { time, ..Passed::default() };
                let context = AttemptContext::of(&request, resend, passed, now);
                let attempt = Attempt {
                    attempt: context.attempt,
                    started_at,
                    duration_ms: 0,
                    sent: true,
                    http_status: None,
                    error: Some(what.to_owned()),
                    response: None,
                    content_type: None,
                };
                (self.retry.in_doubt(&context, what.to_owned()), Some(attempt))
            }
        };
        request.apply(outcome, attempt.as_ref(), now);
        if request.in_doubt == Some(InDoubt::NeedsOperator) {
            let (number, kind) = (request.number, request.content.request_type.as_str());
            tracing::error!(number, kind, "outcome unknown: an operator must settle it");
        }
        AttemptCommit { request, attempt, events: Vec::new() }
    }
}
