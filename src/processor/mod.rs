//! Working requests through: the API's immediate ones and the processing run's share one `execute`.
//!
//! Rule: work that must finish belongs to the processor, never to a client's connection. Every task it spawns is in its
//! tracker, and [`Processor::drain`] awaits them.

mod execute;
mod policy;
mod read_back;
mod recover;
mod run;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::config::Config;
use crate::contract::Contract;
use crate::request::{ProvisioningRequest, State, random_hex};
use crate::store::{Acceptance, Accepted, RecordKey, Store, StoreError};
use crate::upstream::Transport;
use policy::RetryRule;
use waiting::Waiting;

/// Sends requests, now or in their turn.
pub struct Processor {
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    contract: Arc<Contract>,
    clock: Arc<dyn Clock>,
    retry: RetryRule,
    is_effective: bool,
    immediate_wait: Duration,
    /// How long an API call waits for the attempt that it made.
    call_limit: Duration,
    poll: Duration,
    /// One permit a request under way.
    permits: Arc<Semaphore>,
    /// Id of this process's run, shown as process_id.
    run_id: String,
    wake: Notify,
    /// Due requests may wait for a free place: the end of any request wakes the run, and immediate ones do not take the
    /// place before them.
    is_crowded: AtomicBool,
    waiting: Waiting,
    tasks: TaskTracker,
}

impl Processor {
    /// A processor; it does nothing by itself until [`Processor::run`].
    pub fn new(
        config: &Config,
        store: Arc<dyn Store>,
        transport: Arc<dyn Transport>,
        contract: Arc<Contract>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let processor = &config.processor;
        Self {
            store,
            transport,
            contract,
            clock,
            retry: RetryRule {
                max_attempts: processor.max_attempts,
                initial: processor.backoff_initial_s,
                max: processor.backoff_max_s,
                hold: processor.uncertain_hold_s,
            },
            is_effective: config.upstream.effective,
            immediate_wait: processor.immediate_wait_s,
            call_limit: processor.immediate_wait_s + config.upstream.answer_timeout_s,
            poll: processor.poll_s,
            permits: Arc::new(Semaphore::new(config.upstream.max_concurrency)),
            run_id: random_hex(),
            wake: Notify::new(),
            is_crowded: AtomicBool::new(false),
            waiting: Waiting::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Accepts a request: committed when this returns. An immediate one is sent first, if its cards are free in time.
    /// `None` if its Idempotency-Key came before with something else.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn submit(self: &Arc<Self>, request: Acceptance) -> Result<Option<ProvisioningRequest>, StoreError> {
        let processor = Arc::clone(self);
        let task = self.tasks.spawn(async move { processor.accept(request).await }.in_current_span());
        task.await.map_err(|e| StoreError::Other(format!("accepting a request ended early: {e}")))?
    }

    async fn accept(self: Arc<Self>, asked: Acceptance) -> Result<Option<ProvisioningRequest>, StoreError> {
        let is_immediate = asked.request.process_immediately == Some(true) && self.is_effective;
        // When as many requests are under way as may be, or others wait for a place, this one waits its turn like any other.
        let may_go = is_immediate && !self.is_crowded.load(Ordering::Acquire);
        let permit = may_go.then(|| Arc::clone(&self.permits).try_acquire_owned().ok()).flatten();
        let mut accepted = self.store.accept(vec![Acceptance { lease: permit.is_some(), ..asked }]).await?;
        let request = match (accepted.pop(), permit) {
            (Some(Accepted::New { request, leased: true }), Some(permit)) => {
                return Ok(Some(self.attempt_in_time(request, permit).await));
            }
            (Some(Accepted::New { request, .. } | Accepted::Repeated(request)), _) => request,
            (Some(Accepted::Conflict), _) => return Ok(None),
            (None, _) => return Err(StoreError::Other("the store accepted nothing".to_owned())),
        };
        let outcome = is_immediate.then(|| self.waiting.watch(request.number));
        self.wake.notify_one();
        match outcome {
            Some(outcome) => Ok(Some(self.wait_for(request, outcome).await)),
            None => Ok(Some(request)),
        }
    }

    /// Makes an immediate request's attempt. It is on disk already: if its outcome cannot be stored, or not yet, that is no
    /// error of the call, which then gets the record as it was accepted.
    async fn attempt_in_time(
        self: Arc<Self>,
        request: ProvisioningRequest,
        permit: OwnedSemaphorePermit,
    ) -> ProvisioningRequest {
        let known = request.clone();
        let processor = Arc::clone(&self);
        let attempt = async move { processor.attempt(request, permit).await };
        let attempt = self.tasks.spawn(attempt.in_current_span());
        match tokio::time::timeout(self.call_limit, attempt).await {
            Ok(Ok(Ok(settled))) => settled,
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => known,
        }
    }

    /// Takes a leased request one step further, frees its place, and wakes the run if that may want it.
    async fn attempt(
        self: &Arc<Self>,
        request: ProvisioningRequest,
        permit: OwnedSemaphorePermit,
    ) -> Result<ProvisioningRequest, StoreError> {
        let step = {
            let (processor, request) = (Arc::clone(self), request.clone());
            async move { execute::execute(&processor, request).await }
        };
        // In a task of its own: what panics there must not leave the request leased for ever.
        let settled = match tokio::spawn(step.in_current_span()).await {
            Ok(settled) => settled,
            Err(panic) => {
                tracing::error!(number = request.number, %panic, "working on a request failed");
                self.settle_as_lost(&request).await
            }
        };
        drop(permit);
        let goes_on = settled.as_ref().is_ok_and(|(request, released)| *released || request.next_attempt_at.is_some());
        if goes_on || self.is_crowded.load(Ordering::Acquire) {
            self.wake.notify_one();
        }
        settled.map(|(request, _)| request)
    }

    /// Waits for a request that the run sends; when the time is over, its record is returned as it stands.
    async fn wait_for(&self, request: ProvisioningRequest, mut outcome: waiting::Watch<'_>) -> ProvisioningRequest {
        // It may have been tried before it was watched.
        let seen = self.as_it_stands(request).await;
        if seen.state != State::Pending || seen.attempts > 0 {
            return seen;
        }
        match tokio::time::timeout(self.immediate_wait, outcome.ended()).await {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(_) => self.as_it_stands(seen).await,
        }
    }

    /// The record as the store has it; as it was seen last, if that cannot be read now.
    async fn as_it_stands(&self, seen: ProvisioningRequest) -> ProvisioningRequest {
        match self.store.find(None, RecordKey::Number(seen.number)).await {
            Ok(found) => found.unwrap_or(seen),
            Err(error) => {
                tracing::warn!(number = seen.number, %error, "a request that was accepted cannot be read now");
                seen
            }
        }
    }

    /// Is it known that nothing would reach Conax now?
    pub fn is_upstream_down(&self) -> bool {
        self.transport.is_down()
    }

    /// Waits until nothing is under way any more.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
