//! Observers of the gateway's answers, calls to Conax and commits. Recording and metrics are observers:
//! `serve` makes the list of observers, and no other room knows which observers it holds.
//!
//! Rule: an observer changes nothing of what it sees. The gateway waits for an observer only where the function is async;
//! all others return at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::exchange::{Credentials, Exchange};
use crate::request::{Classification, Correlation, ProvisioningRequest, RequestType, TraceContext};
use crate::upstream::{BreakerState, Call, CallFailure, HttpAnswer, PassThroughAnswer, PassThroughRequest, Transport};

/// An observer. Each function is called after an event, and does nothing by default.
#[async_trait]
pub trait Observer: Send + Sync {
    /// A call of the JSON face was answered.
    fn api_answered(&self, _answer: &ApiAnswer<'_>) {}
    /// Does the observer make spans? Then each call and each attempt gets an id in a trace.
    fn wants_spans(&self) -> bool {
        false
    }
    /// A commit of a request's acceptance or attempt ended, and took so long.
    fn stored(&self, _request: &ProvisioningRequest, _took: Duration) {}
    /// A request was accepted: it is on disk.
    fn accepted(&self, _request: &ProvisioningRequest) {}
    /// A call is about to be sent.
    fn started(&self, _call: &Call) {}
    /// A call was answered, or failed, after `took`.
    async fn answered(&self, _call: &Call, _result: &Result<HttpAnswer, CallFailure>, _took: Duration) {}
    /// An attempt at a request was classified.
    fn classified(&self, _attempt: &ClassifiedAttempt<'_>) {}
    /// A call was sent for several requests of a type.
    fn called_jointly(&self, _request_type: RequestType, _requests: usize) {}
    /// Work on a request has ended for now: the record as the store has it.
    async fn ended(&self, _request: &ProvisioningRequest) {}
    /// Does the observer want clients' own exchanges? They are reported one after the other, in the order of their ends.
    fn wants_client_exchanges(&self) -> bool {
        false
    }
    /// A client's own exchange has ended. May block, for writing files.
    fn client_exchange_ended(&self, _exchange: &ClientExchange<'_>) {}
    /// So many of clients' own exchanges were dropped.
    fn captures_dropped(&self, _count: u64) {}
    /// A client's own request was passed through and answered, by upstream or in its place.
    fn passed_through(&self, _status: u16, _took: Duration) {}
    /// A certificate was loaded: the setting that names its file, and when it or one above it expires.
    fn certificate_loaded(&self, _setting: &str, _expires_at: DateTime<Utc>) {}
    /// The store has committed a group of writes, or could not.
    fn committed(&self, _commit: &Commit) {}
}

/// An answer of the JSON face.
pub struct ApiAnswer<'a> {
    /// Path of the method, below the prefix of all; `None` where there is none.
    pub method: Option<&'a str>,
    /// `status.code`.
    pub code: &'static str,
    /// From the request's head to its answer.
    pub took: Duration,
    /// The call's ids, its place in a trace among them.
    pub correlation: &'a Correlation,
    /// The span of the client that the call stands below in its trace.
    pub parent_span_id: Option<&'a str>,
    /// The number of the record that the call made.
    pub number: Option<i64>,
    /// Did the gateway fail?
    pub is_failure: bool,
}

/// An attempt at a request, with its classified answer.
pub struct ClassifiedAttempt<'a> {
    /// The request before the attempt.
    pub request: &'a ProvisioningRequest,
    /// When the attempt began.
    pub began: DateTime<Utc>,
    /// The classification of the answer, or why there is none.
    pub result: Result<Classification, &'a CallFailure>,
    /// The place of the attempt in the trace of its request.
    pub trace: Option<&'a TraceContext>,
}

/// A transaction of the store.
pub struct Commit {
    /// Writes that shared it.
    pub writes: usize,
    /// The duration.
    pub took: Duration,
    /// Is it on disk?
    pub is_done: bool,
}

/// A client's own exchange, not yet masked.
pub struct ClientExchange<'a> {
    /// The exchange.
    pub exchange: &'a Exchange,
    /// The client's credentials.
    pub credentials: &'a Credentials,
    /// The reason for the lack of a whole answer.
    pub failure: Option<&'a CallFailure>,
}

/// A list of observers.
#[derive(Clone, Default)]
pub struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    /// A list of these observers, in the order of their calls.
    pub fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self(observers.into())
    }

    /// The list with one more observer.
    pub fn and(&self, observer: Arc<dyn Observer>) -> Self {
        Self(self.0.iter().cloned().chain([observer]).collect())
    }

    /// Calls a function of each observer.
    pub fn tell(&self, event: impl Fn(&dyn Observer)) {
        self.0.iter().for_each(|observer| event(observer.as_ref()));
    }

    /// Tells how work on a request left it.
    pub async fn ended(&self, request: &ProvisioningRequest) {
        for observer in self.0.iter() {
            observer.ended(request).await;
        }
    }

    /// Does one of them make spans?
    pub fn want_spans(&self) -> bool {
        self.0.iter().any(|observer| observer.wants_spans())
    }

    /// Does an observer want clients' own exchanges?
    pub fn want_client_exchanges(&self) -> bool {
        self.0.iter().any(|observer| observer.wants_client_exchanges())
    }

    /// Tells of a client's own exchange.
    pub fn client_exchange_ended(&self, exchange: &ClientExchange<'_>) {
        let wanting = self.0.iter().filter(|observer| observer.wants_client_exchanges());
        wanting.for_each(|observer| observer.client_exchange_ended(exchange));
    }
}

/// A transport with its observers.
#[derive(Clone)]
pub struct ObservedTransport {
    transport: Arc<ArcSwap<Arc<dyn Transport>>>,
    observers: Observers,
}

impl ObservedTransport {
    /// Creates a transport with its observers.
    pub fn new(transport: Arc<dyn Transport>, observers: Observers) -> Self {
        Self { transport: Arc::new(ArcSwap::from_pointee(transport)), observers }
    }

    /// Replaces the transport; calls under way end over the old one.
    pub fn replace(&self, transport: Arc<dyn Transport>) {
        self.transport.store(Arc::new(transport));
    }

    /// The observers.
    pub fn observers(&self) -> &Observers {
        &self.observers
    }

    /// Makes one call, and waits for its answer until `cut` says why not any longer: the call is ended then.
    ///
    /// # Errors
    /// There is no whole answer: why, and whether the call may have arrived.
    pub async fn call(&self, call: Call, cut: impl Future<Output = CallFailure>) -> Result<HttpAnswer, CallFailure> {
        self.observers.tell(|observer| observer.started(&call));
        let began = Instant::now();
        let transport = self.transport.load_full();
        let result = tokio::select! {
            biased;
            result = transport.call(call.clone()) => result,
            failure = cut => Err(failure),
        };
        let took = began.elapsed();
        for observer in self.observers.0.iter() {
            observer.answered(&call, &result, took).await;
        }
        result
    }

    /// Carries a client's own request.
    ///
    /// # Errors
    /// There is no answer: why, and whether the request may have arrived.
    pub async fn pass_through(&self, request: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure> {
        self.transport.load_full().pass_through(request).await
    }

    /// Do the breakers of all base URLs pause calls now?
    pub fn is_down(&self) -> bool {
        self.transport.load().is_down()
    }

    /// The state of each base URL's breaker.
    pub fn breakers(&self) -> Vec<(String, BreakerState)> {
        self.transport.load().breakers()
    }
}
