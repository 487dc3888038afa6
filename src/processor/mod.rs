//! Working requests through: the API's immediate ones and the processing run's share one `attempt`.
//!
//! Rule: work that must finish belongs to the processor, never to a client's connection. Every task it spawns is in its
//! tracker, and [`Processor::drain`] awaits them.

mod attempt;
mod classify;
mod log;
mod mask;
mod node;
mod places;
mod policy;
mod recover;
mod run;
mod turns;
mod verify;
mod waiting;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::config::Config;
use crate::contract::Contract;
use crate::observer::ObservedTransport;
use crate::request::{Priority, ProvisioningRequest, State};
use crate::store::{LeasedRequest, RecordKey, RequestStore, StoreError, Submission, SubmitResult};
use crate::upstream::BreakerState;
use node::Node;
use places::{Full, Place, Places};

pub use classify::{ClassifiedAnswer, classify_answer};
pub use places::Load;
use policy::RetryRule;
use waiting::Waiting;

/// A request that was accepted, now or by an earlier call.
#[derive(Debug)]
pub struct Submitted {
    /// The record as it now stands.
    pub request: ProvisioningRequest,
    /// Its Idempotency-Key came before, with the same call: that one's record.
    pub is_repeat: bool,
}

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
    store: Arc<dyn RequestStore>,
    transport: ObservedTransport,
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
    node: Node,
    wake: Arc<Notify>,
    waiting: Waiting,
    tasks: TaskTracker,
}

impl Processor {
    /// A processor; it does nothing by itself until [`Processor::run`].
    pub fn new(
        config: &Config,
        store: Arc<dyn RequestStore>,
        transport: ObservedTransport,
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
                hold: processor.in_doubt_timeout_s,
            },
            is_effective: config.upstream.effective,
            place_wait: processor.immediate_queue_s,
            immediate_wait: processor.immediate_wait_s,
            call_limit: processor.immediate_wait_s + config.upstream.answer_timeout_s,
            poll: processor.poll_s,
            places: Arc::new(Places::new(places, waiting, Arc::clone(&wake))),
            node: Node::new(),
            wake,
            waiting: Waiting::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// May an immediate request wait for a place now?
    ///
    /// # Errors
    /// Too many do already.
    pub fn check_room(&self, priority: Priority) -> Result<(), SubmitError> {
        if self.is_effective { Ok(self.places.check_room(priority, self.place_wait)?) } else { Ok(()) }
    }

    /// Accepts a request: committed when this returns. An immediate one waits for a place first, and is then sent, if its
    /// cards are free in time. `None` if its Idempotency-Key came before with something else.
    ///
    /// # Errors
    /// Too many immediate ones wait for a place, or the store did not take it; nothing is accepted then.
    pub async fn submit(self: &Arc<Self>, submission: Submission) -> Result<Option<Submitted>, SubmitError> {
        let is_immediate = submission.request.process_immediately == Some(true) && self.is_effective;
        let priority = submission.request.priority;
        let place = if is_immediate { Some(self.places.enter(priority, self.place_wait).await?) } else { None };
        let (leased, is_leased) = oneshot::channel();
        let processor = Arc::clone(self);
        let task = async move { processor.accept(submission, place, leased).await };
        let task = self.tasks.spawn(task.in_current_span());
        let ended_early = |e| StoreError::Other(format!("accepting a request ended early: {e}"));
        let Ok(known) = is_leased.await else {
            // Nothing of it is sent by this call.
            let submitted = task.await.map_err(ended_early)??;
            return match submitted {
                Some(Submitted { request, is_repeat }) if is_immediate => {
                    Ok(Some(Submitted { request: self.wait_for(request).await, is_repeat }))
                }
                other => Ok(other),
            };
        };
        // It is on disk: if its outcome cannot be stored, or not yet, that is no error of the call, which then gets the
        // record as it was accepted.
        let mut told = self.waiting.watch(known.number);
        let ended = async {
            tokio::select! {
                ended = task => ended.ok()?.ok()?.map(|submitted| submitted.request),
                Some(told) = told.ended() => Some(told),
            }
        };
        let request = tokio::time::timeout(self.call_limit, ended).await.ok().flatten().unwrap_or(known);
        Ok(Some(Submitted { request, is_repeat: false }))
    }

    /// Accepts a request. An immediate one comes with the place that it is to be sent from: if its cards are free, `leased`
    /// gets the record as it was accepted, and the attempt is made here.
    async fn accept(
        self: Arc<Self>,
        submission: Submission,
        place: Option<Place>,
        leased: oneshot::Sender<ProvisioningRequest>,
    ) -> Result<Option<Submitted>, StoreError> {
        let lease_to = place.as_ref().map(|_| self.node.id());
        let mut results = self.store.submit(vec![Submission { lease_to, ..submission }]).await?;
        if let Some(SubmitResult::New { request, .. }) = results.last() {
            self.transport.observers().tell(|observer| observer.accepted(request));
        }
        let is_repeat = matches!(results.last(), Some(SubmitResult::Repeated(_)));
        match (results.pop(), place) {
            (Some(SubmitResult::New { request, lease: Some(lease) }), Some(place)) => {
                // The client may have gone.
                drop(leased.send(request.clone()));
                let request = self.attempt(LeasedRequest { request, lease }, place).await?;
                Ok(Some(Submitted { request, is_repeat }))
            }
            // The cards are not free: the run sends it when they are, and the place is another one's now.
            (Some(SubmitResult::New { request, .. } | SubmitResult::Repeated(request)), _) => {
                self.wake.notify_one();
                Ok(Some(Submitted { request, is_repeat }))
            }
            (Some(SubmitResult::Conflict), _) => Ok(None),
            (None, _) => Err(StoreError::Other("the store took nothing".to_owned())),
        }
    }

    /// Has the run look for due requests now: somebody changed one beside it.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes a leased request one step further, frees its place, and wakes the run if that may want it.
    async fn attempt(self: &Arc<Self>, leased: LeasedRequest, place: Place) -> Result<ProvisioningRequest, StoreError> {
        // What panics there must not leave the request leased for ever.
        let ended = match AssertUnwindSafe(attempt::attempt(self, leased.clone())).catch_unwind().await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::error!(number = leased.request.number, "working on a request failed");
                self.commit_in_doubt(&leased).await
            }
        };
        place.leave();
        if ended.as_ref().is_ok_and(|(request, released)| *released || request.next_attempt_at.is_some()) {
            self.wake.notify_one();
        }
        ended.map(|(request, _)| request)
    }

    /// Waits for a request that the run sends; when the time is over, its record is returned as it stands.
    async fn wait_for(&self, request: ProvisioningRequest) -> ProvisioningRequest {
        let mut outcome = self.waiting.watch(request.number);
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
        match self.store.find_request(None, RecordKey::Number(seen.number)).await {
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

    /// How many requests are under way, and how many immediate ones wait for that.
    pub fn load(&self) -> Load {
        self.places.load()
    }

    /// What lets calls to each base URL through.
    pub fn breakers(&self) -> Vec<(String, BreakerState)> {
        self.transport.breakers()
    }

    /// Waits until nothing is under way any more.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
