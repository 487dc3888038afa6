//! Watching what is exchanged with Conax. Recording is an observer, and so is whatever else counts or shows traffic: it
//! stands in the list that `transport` opens, and no other room knows it.
//!
//! Rule: an observer changes nothing of what it sees. The gateway waits for an observer only where the function is async.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::exchange::{Credentials, Exchange};
use crate::request::ProvisioningRequest;
use crate::upstream::{Call, CallFailure, HttpAnswer, OUT_OF_TIME, PassThroughAnswer, PassThroughRequest, Transport};

/// Is told of each step of an exchange. Each function does nothing unless an observer wants to know.
#[async_trait]
pub trait Observer: Send + Sync {
    /// A call is going to be sent.
    fn started(&self, _call: &Call) {}
    /// A call was answered, or failed; after `took`.
    async fn answered(&self, _call: &Call, _result: &Result<HttpAnswer, CallFailure>, _took: Duration) {}
    /// An attempt has ended: the record as the store has it now.
    async fn ended(&self, _request: &ProvisioningRequest) {}
    /// Does it want to know of clients' own exchanges? Then these are told one after the other, in the order of their ends.
    fn wants_client_exchanges(&self) -> bool {
        false
    }
    /// A client's own exchange has ended. May block, for writing files.
    fn client_exchange_ended(&self, _exchange: &ClientExchange<'_>) {}
}

/// A client's own exchange, not yet masked.
pub struct ClientExchange<'a> {
    /// The exchange.
    pub exchange: &'a Exchange,
    /// What the client signed in with.
    pub credentials: &'a Credentials,
    /// Why there is no whole answer.
    pub failure: Option<&'a CallFailure>,
}

/// The transport, and who watches it.
#[derive(Clone)]
pub struct ObservedTransport {
    transport: Arc<dyn Transport>,
    observers: Arc<[Arc<dyn Observer>]>,
}

impl ObservedTransport {
    /// A transport, and who watches it.
    pub fn new(transport: Arc<dyn Transport>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self { transport, observers: observers.into() }
    }

    /// Makes one call, and waits for its answer for so long at most.
    ///
    /// # Errors
    /// There is no whole answer: why, and whether the call may have arrived.
    pub async fn call(&self, call: Call, limit: Option<Duration>) -> Result<HttpAnswer, CallFailure> {
        if self.observers.is_empty() {
            return self.call_within(call, limit).await;
        }
        self.observers.iter().for_each(|observer| observer.started(&call));
        let began = Instant::now();
        let result = self.call_within(call.clone(), limit).await;
        let took = began.elapsed();
        for observer in self.observers.iter() {
            observer.answered(&call, &result, took).await;
        }
        result
    }

    async fn call_within(&self, call: Call, limit: Option<Duration>) -> Result<HttpAnswer, CallFailure> {
        let Some(limit) = limit else { return self.transport.call(call).await };
        let over = CallFailure::in_doubt(OUT_OF_TIME.to_owned(), true);
        tokio::time::timeout(limit, self.transport.call(call)).await.unwrap_or(Err(over))
    }

    /// Carries a client's own request.
    ///
    /// # Errors
    /// There is no answer: why, and whether the request may have arrived.
    pub async fn pass_through(&self, request: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure> {
        self.transport.pass_through(request).await
    }

    /// Tells how an attempt left a request.
    pub async fn ended(&self, request: &ProvisioningRequest) {
        for observer in self.observers.iter() {
            observer.ended(request).await;
        }
    }

    /// Does an observer want to know of clients' own exchanges?
    pub fn wants_client_exchanges(&self) -> bool {
        self.observers.iter().any(|observer| observer.wants_client_exchanges())
    }

    /// Tells of a client's own exchange.
    pub fn client_exchange_ended(&self, exchange: &ClientExchange<'_>) {
        let wanting = self.observers.iter().filter(|observer| observer.wants_client_exchanges());
        wanting.for_each(|observer| observer.client_exchange_ended(exchange));
    }

    /// Is it known that no call would be answered now?
    pub fn is_down(&self) -> bool {
        self.transport.is_down()
    }
}
