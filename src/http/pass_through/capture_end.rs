//! A captured exchange, from its head to its end: waits for both bodies, and builds the exchange for the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::exchange::{Answer, Credentials, Exchange, Message, PackedExchange, Subject, Subjects, bare_path};
use crate::observer::ClientExchange;
use crate::provider::Provider;
use crate::redaction::Names;
use crate::request::RecordId;
use crate::timings::Timings;
use crate::upstream::{CallFailure, Captured, End, Stopwatch, proxy_status};

/// Rules by the name of the provider: the names whose values its contract masks, and how to find the subject of an exchange.
pub(super) type Rules = BTreeMap<String, (Names, Subjects)>;

/// A share of the heads' budget, and a slot.
pub(super) type Slot = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// The start of a capture, when the head of the request has come.
pub(super) struct CaptureStart {
    /// The provider whose exchange is captured.
    pub(super) provider: Arc<Provider>,
    pub(super) id: RecordId,
    pub(super) at: DateTime<Utc>,
    pub(super) began: Instant,
    pub(super) stopwatch: Stopwatch,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: oneshot::Receiver<Captured>,
    pub(super) slot: Slot,
}

/// The outcome of the call to upstream.
pub(super) enum Outcome {
    /// Upstream's answer has begun.
    Answered { status: u16, reason: String, headers: HeaderMap, body: oneshot::Receiver<Captured> },
    /// Upstream gave no answer; the failure is `None` if the client left before.
    Failed(Option<CallFailure>),
}

/// An exchange that has ended.
pub(super) struct CaptureEnd {
    pub(super) begun: CaptureStart,
    request: Option<Captured>,
    answer: Option<(u16, String, HeaderMap, Option<Captured>)>,
    duration_ms: i64,
    timings: Option<Timings>,
    /// The failure in words, with its cause; without a cause if the client left.
    error: Option<(String, Option<CallFailure>)>,
}

/// An exchange that is ready for the store, with its slot and its shares of the budgets.
pub(super) struct StoredCapture {
    pub(super) exchange: Arc<PackedExchange>,
    _held: (Slot, Option<Captured>, Option<Captured>),
}

/// Waits for the end of both bodies.
pub(super) async fn ended(mut begun: CaptureStart, outcome: oneshot::Receiver<Outcome>) -> CaptureEnd {
    let (answer, mut error) = match outcome.await.unwrap_or(Outcome::Failed(None)) {
        Outcome::Answered { status, reason, headers, body } => (Some((status, reason, headers, body.await.ok())), None),
        // Only the first line is kept: the other lines of a missing fixture quote content.
        Outcome::Failed(Some(failure)) => {
            let words = failure.message().lines().next().unwrap_or_default().to_owned();
            (None, Some((words, Some(failure))))
        }
        Outcome::Failed(None) => (None, Some(("the client went away before the answer".to_owned(), None))),
    };
    let request = (&mut begun.body).await.ok();
    let duration_ms = i64::try_from(begun.began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let timings = begun.stopwatch.timings();
    if let Some((.., Some(Captured { end: End::BrokenOff(cause), .. }))) = &answer {
        error = Some(match cause {
            Some(cause) => {
                let words = format!("the answer broke off: {cause}");
                (words.clone(), Some(CallFailure::in_doubt(words, false)))
            }
            None => ("the client went away during the answer".to_owned(), None),
        });
    }
    CaptureEnd { begun, request, answer, duration_ms, timings, error }
}

impl CaptureEnd {
    pub(super) fn is_packed(&self) -> bool {
        let answer = self.answer.as_ref().map(|(_, _, headers, _)| headers);
        [Some(&self.begun.headers), answer].into_iter().flatten().any(|h| h.contains_key(CONTENT_ENCODING))
    }

    pub(super) fn bytes(&self) -> usize {
        let answer = self.answer.as_ref().and_then(|(.., copy)| copy.as_ref());
        [self.request.as_ref(), answer].into_iter().flatten().map(|copy| copy.bytes.len()).sum()
    }

    /// Builds the exchange, shows it to the observers, and masks it for the store.
    pub(super) fn build(self, rules: &Rules, most_bytes: usize) -> StoredCapture {
        let Self { begun, request, answer, duration_ms, timings, error } = self;
        let (request, request_share) = message(&begun.headers, request, most_bytes);
        let (answer, answer_share) = match answer {
            Some((status, reason, headers, copy)) => {
                let (message, share) = message(&headers, copy, most_bytes);
                (Some(Answer { status, reason, message }), share)
            }
            None => (None, None),
        };
        let (error, failure) = error.map_or((None, None), |(words, failure)| (Some(words), failure));
        let credentials = Credentials::of(&begun.headers);
        let exchange = Exchange {
            id: begun.id,
            number: 0,
            at: begun.at,
            duration_ms,
            timings,
            path: begun.path,
            request,
            answer,
            error,
            error_type: failure.as_ref().map(|failure| proxy_status::error_type(failure).to_owned()),
            user: credentials.users.first().cloned(),
            subject: Subject::default(),
        };
        let ended = ClientExchange { exchange: &exchange, credentials: &credentials, failure: failure.as_ref() };
        begun.provider.transport.observers().client_exchange_ended(&ended);
        let (names, subjects) = rules.get(begun.provider.name()).expect("each provider has its rules");
        let mut exchange = exchange.masked(names, &credentials.secrets);
        exchange.subject = subjects.find(&exchange);
        let exchange = Arc::new(PackedExchange::new(exchange));
        StoredCapture { exchange, _held: (begun.slot, request_share, answer_share) }
    }
    /// Logs the exchange by its path, without query and parameters, which may have secrets.
    pub(super) fn log(&self) {
        let (path, duration_ms) = (bare_path(&self.begun.path), self.duration_ms);
        let status = self.answer.as_ref().map(|(status, ..)| *status);
        match &self.error {
            Some((error, _)) => tracing::warn!(path, duration_ms, status, error, "pass-through"),
            None => tracing::info!(path, duration_ms, status, "pass-through"),
        }
    }
}

/// The message to store, and its share of the budget, enlarged by the growth of unpacking.
fn message(headers: &HeaderMap, copy: Option<Captured>, most_bytes: usize) -> (Message, Option<Captured>) {
    let Some(mut copy) = copy else { return (Message::new(headers, Vec::new(), true, most_bytes), None) };
    let packed = copy.bytes.len();
    let is_cut = copy.end != End::Whole;
    let mut message = Message::new(headers, std::mem::take(&mut copy.bytes), is_cut, most_bytes);
    if !copy.pay(message.body.len().saturating_sub(packed)) {
        message.drop_body();
    }
    (message, Some(copy))
}
