//! Sends requests: immediate requests of API calls and due requests of the processing run go through the same `attempt`. Each
//! provider has a processor, which alone sends its requests; `processors` holds them together.
//!
//! Rule: work that must finish belongs to the processor, never to a client's connection. The processor tracks every task
//! that it spawns, and [`Processors::drain`] awaits them all.

mod attempt;
mod classify;
mod commit;
mod date;
mod exchange;
mod joint;
mod log;
mod mask;
mod node;
mod policy;
mod processors;
mod recover;
mod run;
mod session;
mod slot_queue;
mod slots;
mod verify;
mod waiting;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::contract::{Contract, CurrentContract};
use crate::observer::ObservedTransport;
use crate::provider::Provider;
use crate::request::{Cas, Priority, ProvisioningRequest, State};
use crate::store::{LeasedRequest, RecordKey, RequestStore, StoreError, Submission, SubmitResult};
use date::FollowedDate;
use node::Node;
use slots::{Full, Slot, Slots};

pub use classify::{ClassifiedAnswer, classify_answer};
use commit::Committed;
use policy::RetryRule;
use processors::Shared;
pub use processors::{Processors, ProviderState};
use session::Credentials;
pub use slots::Load;
use waiting::Waiting;

/// A request that was accepted, now or by an earlier call.
#[derive(Debug)]
pub struct Submitted {
    /// The record as it now stands.
    pub request: ProvisioningRequest,
    /// Was the Idempotency-Key used before with the same call, so that this is the earlier record?
    pub is_repeat: bool,
}

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The request is immediate, and too many immediate requests wait already.
    #[error("too many immediate requests wait to be sent")]
    Full {
        /// How long until the request would get its turn at the present rate.
        retry_after: Duration,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has not answered in time: the request may be accepted all the same.
    #[error("the store has not told yet whether the request is accepted")]
    Undecided,
}

impl From<Full> for SubmitError {
    fn from(Full { retry_after }: Full) -> Self {
        Self::Full { retry_after }
    }
}

/// How long a caller waits for the acceptance of its request.
const ACCEPT_TIME: Duration = Duration::from_secs(20);

/// How long a request keeps its slot for its parts, before other requests have their turn.
const TURN: Duration = Duration::from_secs(1);

/// Has a request ended, or was it tried, with every part of it that can be sent now?
fn was_tried(request: &ProvisioningRequest) -> bool {
    request.state != State::Pending || (request.attempts > 0 && !request.is_between_parts())
}

/// Sends the requests of one provider, now or in their turn.
pub struct Processor {
    provider: Arc<Provider>,
    store: Arc<dyn RequestStore>,
    transport: ObservedTransport,
    contract: CurrentContract,
    clock: Arc<dyn Clock>,
    retry: RetryRule,
    is_effective: bool,
    /// How long an immediate request waits for a slot (`slot_wait`), and for earlier requests of its cards
    /// (`immediate_wait`).
    slot_wait: Duration,
    immediate_wait: Duration,
    /// How long an API call waits for its own attempt.
    call_limit: Duration,
    poll: Duration,
    slots: Arc<Slots>,
    node: Arc<Node>,
    date: Arc<FollowedDate>,
    wake: Arc<Notify>,
    waiting: Arc<Waiting>,
    credentials: Credentials,
    tasks: TaskTracker,
}

impl Processor {
    /// Creates a processor, which is idle until its run.
    fn new(provider: &Arc<Provider>, shared: &Shared) -> Self {
        let config = &provider.config;
        let processor = &config.processor;
        let wake = Arc::<Notify>::default();
        let (slots, waiting) = (config.upstream.max_concurrency, processor.immediate_queue);
        Self {
            provider: Arc::clone(provider),
            store: Arc::clone(&shared.store),
            transport: provider.transport.clone(),
            contract: Arc::clone(&provider.contract),
            clock: Arc::clone(&shared.clock),
            retry: RetryRule {
                max_attempts: processor.max_attempts,
                initial: processor.backoff_initial_s,
                max: processor.backoff_max_s,
                hold: processor.in_doubt_timeout_s,
            },
            is_effective: config.upstream.effective,
            slot_wait: processor.immediate_queue_s,
            immediate_wait: processor.immediate_wait_s,
            call_limit: processor.immediate_wait_s + config.upstream.answer_timeout_s,
            poll: processor.poll_s,
            slots: Arc::new(Slots::new(slots, waiting, Arc::clone(&wake))),
            node: Arc::clone(&shared.node),
            date: Arc::clone(&shared.date),
            wake,
            waiting: Arc::clone(&shared.waiting),
            credentials: Credentials::new(config.secrets.values()),
            tasks: TaskTracker::new(),
        }
    }

    /// Checks that an immediate request may wait for a slot now.
    ///
    /// # Errors
    /// Too many immediate requests wait already.
    pub fn check_room(&self, priority: Priority) -> Result<(), SubmitError> {
        if self.is_effective { Ok(self.slots.check_room(priority, self.slot_wait)?) } else { Ok(()) }
    }

    /// Accepts a request, and returns its committed record. An immediate request first waits for a slot, and is sent if
    /// its cards are free in time. `None`: the Idempotency-Key was used before with other content.
    ///
    /// # Errors
    /// Too many immediate requests wait for a slot, or the store failed; the request is not accepted then.
    pub async fn submit(
        self: &Arc<Self>,
        submission: Submission,
        contract: Arc<Contract>,
    ) -> Result<Option<Submitted>, SubmitError> {
        let is_immediate = submission.request.process_immediately == Some(true) && self.is_effective;
        let priority = submission.request.priority;
        let slot = if is_immediate { Some(self.slots.enter(priority, self.slot_wait).await?) } else { None };
        let (leased, is_leased) = oneshot::channel();
        let processor = Arc::clone(self);
        let task = async move { processor.accept(submission, contract, slot, leased).await };
        let task = self.tasks.spawn(task.in_current_span());
        let ended_early = |e| StoreError::Other(format!("accepting a request ended early: {e}"));
        let is_leased = tokio::time::timeout(ACCEPT_TIME, is_leased).await.map_err(|_| SubmitError::Undecided)?;
        let Ok(known) = is_leased else {
            // This call makes no attempt of its own.
            let submitted = task.await.map_err(ended_early)??;
            return match submitted {
                Some(Submitted { request, is_repeat }) if is_immediate => {
                    Ok(Some(Submitted { request: self.wait_for(request).await, is_repeat }))
                }
                other => Ok(other),
            };
        };
        // The request is on disk: if its outcome cannot be stored (yet), the call succeeds with the record as accepted.
        let mut told = self.waiting.watch(known.number);
        let ended = async {
            let ended = tokio::select! {
                ended = task => ended.ok()?.ok()?.map(|submitted| submitted.request),
                Some(told) = told.ended() => Some(told),
            };
            match ended {
                // The turn of the request is over, and the run goes on with its next part.
                Some(request) if request.is_between_parts() => told.ended().await,
                ended => ended,
            }
        };
        let request = match tokio::time::timeout(self.call_limit, ended).await.ok().flatten() {
            Some(request) => request,
            None if known.parts.is_empty() => known,
            None => self.as_it_stands(known).await,
        };
        Ok(Some(Submitted { request, is_repeat: false }))
    }

    /// Accepts a request. An immediate request comes with its `slot`: if its cards are free, this makes the attempt,
    /// after sending the accepted record through `leased`.
    async fn accept(
        self: Arc<Self>,
        submission: Submission,
        contract: Arc<Contract>,
        slot: Option<Slot>,
        leased: oneshot::Sender<ProvisioningRequest>,
    ) -> Result<Option<Submitted>, StoreError> {
        let lease_to = slot.as_ref().and_then(|_| self.node.id_to_lease(self.clock.moment().steady));
        let began = Instant::now();
        let mut results = self.store.submit(vec![Submission { lease_to, ..submission }]).await?;
        if let Some(SubmitResult::New { request, .. }) = results.last() {
            self.transport.observers().tell(|observer| {
                observer.accepted(request);
                observer.stored(request, began.elapsed());
            });
        }
        let is_repeat = matches!(results.last(), Some(SubmitResult::Repeated(_)));
        match (results.pop(), slot) {
            (Some(SubmitResult::New { request, lease: Some(lease) }), Some(slot)) => {
                // The client may have gone.
                drop(leased.send(request.clone()));
                // Boxed, so that the task of a request without an attempt is small.
                let request = Box::pin(self.attempt(LeasedRequest { request, lease }, contract, slot)).await?;
                Ok(Some(Submitted { request, is_repeat }))
            }
            // The cards are not free: the run sends the request later, and the slot is given back now.
            (Some(SubmitResult::New { request, .. } | SubmitResult::Repeated(request)), _) => {
                self.wake.notify_one();
                Ok(Some(Submitted { request, is_repeat }))
            }
            (Some(SubmitResult::Conflict), _) => Ok(None),
            (None, _) => Err(StoreError::Other("the store took nothing".to_owned())),
        }
    }

    /// Makes the processing run look for due requests now.
    fn wake(&self) {
        self.wake.notify_one();
    }

    /// Makes attempts at a leased request, part after part during its turn; then frees its slot, and wakes the run if
    /// another request may go on.
    async fn attempt(
        self: &Arc<Self>,
        mut leased: LeasedRequest,
        contract: Arc<Contract>,
        slot: Slot,
    ) -> Result<ProvisioningRequest, StoreError> {
        let turn_ends = Instant::now() + TURN;
        let ended = loop {
            let attempt = attempt::attempt(self, &contract, leased.clone(), turn_ends);
            // A panic must not leave the request leased for ever.
            match AssertUnwindSafe(attempt).catch_unwind().await {
                Ok(Ok(Committed { request, keeps_lease: true, .. })) => leased.request = request,
                Ok(ended) => break ended,
                Err(_) => {
                    tracing::error!(number = leased.request.number, "working on a request failed");
                    break self.commit_in_doubt(&leased).await;
                }
            }
        };
        slot.leave();
        if ended.as_ref().is_ok_and(|c| c.has_released || c.request.next_attempt_at.is_some()) {
            self.wake.notify_one();
        }
        ended.map(|committed| committed.request)
    }

    /// Waits until the run has tried a request, or the time is over; returns the record as it then stands.
    async fn wait_for(&self, request: ProvisioningRequest) -> ProvisioningRequest {
        let mut outcome = self.waiting.watch(request.number);
        // The run may have tried the request before the watch began.
        let mut seen = self.as_it_stands(request).await;
        let deadline = Instant::now() + self.immediate_wait;
        while !was_tried(&seen) && Instant::now() < deadline {
            // Another node may try the request, and its news may be lost.
            let pause = deadline.saturating_duration_since(Instant::now()).min(self.poll);
            match tokio::time::timeout(pause, outcome.ended()).await {
                Ok(Some(ended)) => return ended,
                // No further attempts are made.
                Ok(None) => return self.as_it_stands(seen).await,
                Err(_) => seen = self.as_it_stands(seen).await,
            }
        }
        seen
    }

    /// Reads the record again; returns the record seen last if the store cannot be read.
    async fn as_it_stands(&self, seen: ProvisioningRequest) -> ProvisioningRequest {
        match self.store.find_request(None, RecordKey::Number(seen.number)).await {
            Ok(found) => found.unwrap_or(seen),
            Err(error) => {
                tracing::warn!(number = seen.number, %error, "a request that was accepted cannot be read now");
                seen
            }
        }
    }

    /// The CA systems whose requests it sends.
    fn systems(&self) -> &[Cas] {
        &self.provider.systems
    }

    fn state(&self) -> ProviderState {
        ProviderState {
            provider: self.provider.name().to_owned(),
            load: self.slots.load(),
            breakers: self.transport.breakers(),
            is_down: self.transport.is_down(),
        }
    }

    /// Waits until no attempt is under way.
    async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
