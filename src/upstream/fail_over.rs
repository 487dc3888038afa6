//! Several base URLs as one transport: a call goes to the first base URL whose circuit breaker lets it through.
//!
//! Rule: another base URL is tried only if nothing of the request can have been processed, so that a call arrives once at
//! most.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::breaker::{Admission, Breaker, BreakerRule, BreakerState};
use super::{Call, CallFailure, FailureKind, HttpAnswer, PassThroughAnswer, PassThroughRequest, Transport};

/// How long a call waits for a breaker to close; a longer pause fails the call at once.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a waiting call checks whether the trial call was answered.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The base URLs, in the order of preference.
pub struct FailOver(Vec<Node>);

struct Node {
    base_url: String,
    transport: Box<dyn Transport>,
    health: Mutex<Health>,
}

struct Health {
    breaker: Breaker,
    /// The kind of the last failure.
    kind: FailureKind,
    message: String,
}

impl FailOver {
    /// Transports by base URL.
    pub fn new(nodes: Vec<(String, Box<dyn Transport>)>, rule: BreakerRule) -> Self {
        let health = || Health { breaker: Breaker::new(rule), kind: FailureKind::Connect, message: String::new() };
        let node = |(base_url, transport)| Node { base_url, transport, health: Mutex::new(health()) };
        Self(nodes.into_iter().map(node).collect())
    }

    /// The index of the first base URL from `first` on that may be called; or else how long none may be called.
    fn admit(&self, first: usize) -> Result<usize, Refused> {
        let now = Instant::now();
        let mut refused = Refused { pause: Duration::MAX, is_trying: false };
        for (index, node) in self.0.iter().enumerate().skip(first) {
            let mut health = node.health();
            match health.breaker.admit(now) {
                Admission::Yes => return Ok(index),
                Admission::NotFor(pause) => {
                    refused.pause = refused.pause.min(pause);
                    refused.is_trying |= health.breaker.is_trying();
                }
            }
        }
        Err(refused)
    }

    /// The index of the base URL to call, after a short wait for a breaker to close.
    async fn admit_soon(&self) -> Result<usize, CallFailure> {
        let deadline = Instant::now() + ADMIT_TIMEOUT;
        loop {
            match self.admit(0) {
                Ok(index) => return Ok(index),
                Err(Refused { pause, is_trying }) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || (pause > left && !is_trying) {
                        return Err(self.not_tried());
                    }
                    let wait = if is_trying { POLL_INTERVAL } else { pause };
                    tokio::time::sleep(wait.min(left)).await;
                }
            }
        }
    }

    fn not_tried(&self) -> CallFailure {
        let Some(node) = self.0.first() else {
            return CallFailure::NotSent { kind: FailureKind::Connect, message: "there is no base URL".to_owned() };
        };
        let health = node.health();
        let message = format!("not tried, since calls in a row were not answered; the last one: {}", health.message);
        CallFailure::NotSent { kind: health.kind, message }
    }
}

/// No base URL may be called now.
struct Refused {
    /// The shortest pause.
    pause: Duration,
    /// A trial call to a base URL is under way.
    is_trying: bool,
}

/// A call under way. If it is dropped before its end, the breaker is told, so that it does not wait for a report.
struct BreakerGuard<'n>(&'n Node);

impl BreakerGuard<'_> {
    /// Reports the result of the call to the breaker.
    fn report<T>(self, result: &Result<T, CallFailure>, is_suspect: bool) {
        let node = self.0;
        std::mem::forget(self);
        let mut health = node.health();
        match result {
            Ok(_) | Err(CallFailure::InDoubt { status: Some(_), .. }) => {
                if health.breaker.answered() {
                    tracing::warn!(base_url = node.base_url, "upstream answers again");
                }
            }
            Err(CallFailure::NotSent { message, kind }) => node.note(&mut health, *kind, message, false),
            Err(CallFailure::InDoubt { message, .. }) => {
                node.note(&mut health, FailureKind::Connect, message, is_suspect)
            }
            Err(CallFailure::NoFixture { .. }) => {}
        }
    }
}

impl Drop for BreakerGuard<'_> {
    fn drop(&mut self) {
        self.0.health().breaker.unanswered(Instant::now(), rand::random(), true);
    }
}

impl Node {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, call: Call) -> Result<HttpAnswer, CallFailure> {
        let is_suspect = call.is_suspect;
        let guard = BreakerGuard(self);
        let result = self.transport.call(call).await;
        guard.report(&result, is_suspect);
        result
    }

    /// A client's own request without an answer may itself be the cause, and says nothing about upstream.
    async fn pass_through(&self, request: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure> {
        let guard = BreakerGuard(self);
        let result = self.transport.pass_through(request).await;
        guard.report(&result, true);
        result
    }

    fn note(&self, health: &mut Health, kind: FailureKind, message: &str, is_suspect: bool) {
        (health.kind, health.message) = (kind, message.to_owned());
        if health.breaker.unanswered(Instant::now(), rand::random(), is_suspect) {
            tracing::error!(base_url = self.base_url, error = message, "upstream does not answer: calls pause");
        }
    }
}

#[async_trait]
impl Transport for FailOver {
    async fn call(&self, call: Call) -> Result<HttpAnswer, CallFailure> {
        let mut index = self.admit_soon().await?;
        loop {
            let Some(node) = self.0.get(index) else { return Err(self.not_tried()) };
            match node.call(call.clone()).await {
                Err(not_sent @ CallFailure::NotSent { .. }) => match self.admit(index + 1) {
                    Ok(next) => index = next,
                    Err(_) => return Err(not_sent),
                },
                result => return result,
            }
        }
    }

    async fn pass_through(&self, request: PassThroughRequest) -> Result<PassThroughAnswer, CallFailure> {
        let mut index = self.admit_soon().await?;
        loop {
            let Some(node) = self.0.get(index) else { return Err(self.not_tried()) };
            match node.pass_through(request.clone()).await {
                Err(not_sent @ CallFailure::NotSent { .. }) if !request.body.is_taken() => {
                    match self.admit(index + 1) {
                        Ok(next) => index = next,
                        Err(_) => return Err(not_sent),
                    }
                }
                result => return result,
            }
        }
    }

    fn is_down(&self) -> bool {
        let now = Instant::now();
        self.0.iter().all(|node| node.health().breaker.is_shut(now))
    }

    fn breakers(&self) -> Vec<(String, BreakerState)> {
        let now = Instant::now();
        self.0.iter().map(|node| (node.base_url.clone(), node.health().breaker.state(now))).collect()
    }
}
