//! Keeps what is passed through: a task waits for both bodies to end, and writes them to the store.
//!
//! Rule: nobody waits for it but the end of the program. What cannot be kept is missed by the store, never by the client.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::exchange::{Answer, Exchange, Message};
use crate::redaction::Names;
use crate::request::RecordId;
use crate::store::{Store, StoreError};
use crate::upstream::{CallFailure, Captured, End, Transport};

/// Bytes of bodies in memory at the same time, at most: where they are used up, only the beginning of a body is kept.
const BUDGET_BYTES: usize = 256 << 20;
/// Exchanges with a packed body that are unpacked and stored at the same time: a small body may unpack to a large one.
const UNPACKING: usize = 2;

/// Everything that is being kept.
pub struct Captures {
    /// Bytes that may still be held.
    pub(super) budget: Arc<Semaphore>,
    tasks: TaskTracker,
    keeper: Keeper,
}

/// What the tasks share.
#[derive(Clone)]
struct Keeper {
    unpacking: Arc<Semaphore>,
    storing: Arc<Semaphore>,
    /// Exchanges are recorded one after the other, in the order in which they ended.
    recording: Arc<Mutex<()>>,
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    names: Arc<Names>,
}

/// A request on its way, as far as it is known at its beginning.
pub(super) struct Begun {
    pub(super) id: RecordId,
    pub(super) at: DateTime<Utc>,
    pub(super) began: Instant,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: oneshot::Receiver<Captured>,
}

/// What came of it.
pub(super) enum Outcome {
    /// Upstream's answer has begun.
    Answered { status: u16, reason: String, headers: HeaderMap, body: oneshot::Receiver<Captured> },
    /// There is none, and why; nobody knows if the client went away before it.
    Failed(Option<CallFailure>),
}

impl Captures {
    /// Keeps what it is told in a store with room for `queue` waiting writes, less what is secret by these names; a
    /// recording transport is told all of it. It takes a quarter of the queue at most: the JSON face must not find it full.
    pub fn new(store: Arc<dyn Store>, queue: usize, transport: Arc<dyn Transport>, names: Arc<Names>) -> Self {
        let (unpacking, storing) = (Semaphore::new(UNPACKING), Semaphore::new(queue.div_ceil(4)));
        let keeper = Keeper {
            unpacking: Arc::new(unpacking),
            storing: Arc::new(storing),
            recording: Arc::default(),
            store,
            transport,
            names,
        };
        Self { budget: Arc::new(Semaphore::new(BUDGET_BYTES)), tasks: TaskTracker::new(), keeper }
    }

    /// Waits until everything is kept.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Keeps one exchange, once it has ended. A sender that is dropped means that the client has gone.
    pub(super) fn begin(&self, begun: Begun) -> oneshot::Sender<Outcome> {
        let (tell, outcome) = oneshot::channel();
        self.tasks.spawn(keep(self.keeper.clone(), begun, outcome).in_current_span());
        tell
    }
}

impl Keeper {
    async fn store(&self, exchange: Exchange) -> Result<(), StoreError> {
        let _place = self.storing.try_acquire().map_err(|_| StoreError::Busy)?;
        self.store.add_exchanges(vec![exchange]).await
    }
}

async fn keep(keeper: Keeper, begun: Begun, outcome: oneshot::Receiver<Outcome>) {
    let (head, answer_copy, failure) = match outcome.await.unwrap_or(Outcome::Failed(None)) {
        Outcome::Answered { status, reason, headers, body } => (Some((status, reason, headers)), body.await.ok(), None),
        Outcome::Failed(failure) => (None, None, failure),
    };
    // Before anything else that takes time: this is the order in which they end.
    let recording = if keeper.transport.records() { Some(keeper.recording.lock().await) } else { None };
    let mut error = match (&head, &failure) {
        (Some(_), _) => None,
        (None, Some(failure)) => Some(failure.what().to_owned()),
        (None, None) => Some("the client went away before the answer".to_owned()),
    };
    let duration_ms = i64::try_from(begun.began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let request_copy = begun.body.await.ok();
    if let Some(End::BrokenOff(cause)) = answer_copy.as_ref().map(|copy| &copy.end) {
        error = Some(match cause {
            Some(cause) => format!("the answer broke off: {cause}"),
            None => "the client went away during the answer".to_owned(),
        });
    }
    log(&begun.path, duration_ms, head.as_ref().map(|(status, ..)| *status), error.as_deref());
    let (id, at, path, request_headers) = (begun.id, begun.at, begun.path, begun.headers);
    let answer_headers = head.as_ref().map(|(.., headers)| headers);
    let is_packed = [Some(&request_headers), answer_headers].iter().flatten().any(|h| h.contains_key(CONTENT_ENCODING));
    let _turn = if is_packed { keeper.unpacking.acquire().await.ok() } else { None };
    // Unpacking and recording take their time. The copies keep their shares of the budget until all is stored.
    let (transport, names) = (Arc::clone(&keeper.transport), Arc::clone(&keeper.names));
    let built = tokio::task::spawn_blocking(move || {
        let (request, request_share) = message(&request_headers, request_copy);
        let (answer, answer_share) = match head {
            Some((status, reason, headers)) => {
                let (message, share) = message(&headers, answer_copy);
                (Some(Answer { status, reason, message }), share)
            }
            None => (None, None),
        };
        let exchange = Exchange { id, number: 0, at, duration_ms, path, request, answer, error };
        transport.passed(&exchange, failure.as_ref());
        (exchange.masked(&names), (request_share, answer_share))
    });
    let built = built.await;
    drop(recording);
    let stored = match built {
        Ok((exchange, _shares)) => keeper.store(exchange).await.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = stored {
        tracing::warn!(error, "an exchange could not be kept");
    }
}

fn message(headers: &HeaderMap, copy: Option<Captured>) -> (Message, Option<Captured>) {
    let Some(mut copy) = copy else { return (Message::new(headers, Vec::new(), true), None) };
    (Message::new(headers, std::mem::take(&mut copy.bytes), copy.end != End::Whole), Some(copy))
}

/// The path only: a query may carry anything.
fn log(path: &str, duration_ms: i64, status: Option<u16>, error: Option<&str>) {
    let path = path.split('?').next().unwrap_or_default();
    match error {
        Some(error) => tracing::warn!(path, duration_ms, status, error, "pass-through"),
        None => tracing::info!(path, duration_ms, status, "pass-through"),
    }
}
