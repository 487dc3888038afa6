//! Working requests through: the API's immediate ones and the processing run's share one `execute`.
//!
//! Rule: work that must finish belongs to the processor, never to a client's connection. Every task it spawns is in its
//! tracker, and [`Processor::drain`] awaits them.

mod execute;
mod places;
mod policy;
mod read_back;
mod recover;
mod run;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::config::Config;
use crate::contract::Contract;
use crate::request::{ProvisioningRequest, State, random_hex};
use crate::store::{Acceptance, Accepted, RecordKey, Store, StoreError};
use crate::upstream::Transport;
use places::{Full, Place, Places};
use policy::RetryRule;
use waiting::Waiting;

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It is immediate, and too many wait to be sent.
    #[error("too many immediate requests wait to be sent")]
    Full {
        /// When it will be its turn, as things go now.
        retry_after: Duration,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Full> for SubmitError {
    fn from(Full { retry_after }: Full) -> Self {
        Self::Full { retry_after }
    }
}

/// Sends requests, now or in their turn.
pub struct Processor {
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    contract: Arc<Contract>,
    clock: Arc<dyn Clock>,
    retry: RetryRule,
    is_effective: bool,
    /// How long an immediate request waits for a place, and how long for earlier ones of its card.
    place_wait: Duration,
    immediate_wait: Duration,
    /// How long an API call waits for the attempt that it made.
    call_limit: Duration,
    poll: Duration,
    places: Arc<Places>,
    /// Id of this process's run, shown as process_id.
    run_id: String,
    wake: Arc<Notify>,
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
        let wake = Arc::<Notify>::default();
        let (places, waiting) = (config.upstream.max_concurrency, processor.immediate_queue);
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
            place_wait: processor.immediate_queue_s,
            immediate_wait: processor.immediate_wait_s,
            call_limit: processor.immediate_wait_s + config.upstream.answer_timeout_s,
            poll: processor.poll_s,
            places: Arc::new(Places::new(places, waiting, Arc::clone(&wake))),
            run_id: random_hex(),
            wake,
            waiting: Waiting::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Accepts a request: committed when this returns. An immediate one waits for a place first, and is then sent, if its
    /// cards are free in time. `None` if its Idempotency-Key came before with something else.
    ///
    /// # Errors
    /// Too many immediate ones wait for a place, or the store did not take it; nothing is accepted then.
    pub async fn submit(self: &Arc<Self>, request: Acceptance) -> Result<Option<ProvisioningRequest>, SubmitError> {
        let is_immediate = request.request.process_immediately == Some(true) && self.is_effective;
        let place = if is_immediate { Some(self.places.enter(self.place_wait).await?) } else { None };
        let processor = Arc::clone(self);
        let task = self.tasks.spawn(async move { processor.accept(request, place).await }.in_current_span());
        let accepted = task.await.map_err(|e| StoreError::Other(format!("accepting a request ended early: {e}")))?;
        Ok(accepted?)
    }

    /// Accepts a request; an immediate one comes with the place that it is to be sent from.
    async fn accept(
        self: Arc<Self>,
        asked: Acceptance,
        place: Option<Place>,
    ) -> Result<Option<ProvisioningRequest>, StoreError> {
        let is_immediate = place.is_some();
        let mut accepted = self.store.accept(vec![Acceptance { lease: is_immediate, ..asked }]).await?;
        let request = match (accepted.pop(), place) {
            (Some(Accepted::New { request, leased: true }), Some(place)) => {
                return Ok(Some(self.attempt_in_time(request, place).await));
            }
            // The cards are not free: the run sends it when they are, and the place is another one's now.
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
    async fn attempt_in_time(self: Arc<Self>, request: ProvisioningRequest, place: Place) -> ProvisioningRequest {
        let known = request.clone();
        let mut told = self.waiting.watch(request.number);
        let processor = Arc::clone(&self);
        let attempt = async move { processor.attempt(request, place).await };
        let attempt = self.tasks.spawn(attempt.in_current_span());
        let ended = async {
            tokio::select! {
                ended = attempt => ended.ok()?.ok(),
                Some(told) = told.ended() => Some(told),
            }
        };
        tokio::time::timeout(self.call_limit, ended).await.ok().flatten().unwrap_or(known)
    }

    /// Takes a leased request one step further, frees its place, and wakes the run if that may want it.
    async fn attempt(
        self: &Arc<Self>,
        request: ProvisioningRequest,
        place: Place,
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
        place.leave();
        if settled.as_ref().is_ok_and(|(request, released)| *released || request.next_attempt_at.is_some()) {
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
