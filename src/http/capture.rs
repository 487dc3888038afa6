//! Keeps what is passed through: a task for each exchange waits for both bodies to end, and one task writes them all to
//! the store.
//!
//! Rule: nobody waits for it but the end of the program. What cannot be kept is missed by the store, never by the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::exchange::{self, Answer, Exchange, Message};
use crate::redaction::Names;
use crate::request::RecordId;
use crate::store::{Store, StoreError};
use crate::upstream::{CallFailure, Captured, End, Transport};

/// Bytes of bodies in memory at the same time, at most: where they are used up, only the beginning of a body is kept.
const BUDGET_BYTES: usize = 256 << 20;
/// Exchanges on their way or waiting for the store, at most: further ones are missed.
const AT_ONCE: usize = 4096;
/// Exchanges with a packed body that are unpacked and stored at the same time: a small body may unpack to a large one.
const UNPACKING: usize = 2;
/// Exchanges written together, at most.
const BATCH: usize = 64;
/// Bytes of bodies that are worked on at once; more are a task for another thread.
const SMALL_BYTES: usize = 64 << 10;
/// How long a store is left alone that has too many writes waiting.
const PAUSE: Duration = Duration::from_millis(50);
/// How often missed exchanges are told.
const TELL: Duration = Duration::from_secs(1);

/// Everything that is being kept.
pub struct Captures {
    /// Bytes that may still be held.
    pub(super) budget: Arc<Semaphore>,
    places: Arc<Semaphore>,
    missed: Arc<AtomicU64>,
    keeper: Keeper,
    /// One for each exchange.
    tasks: TaskTracker,
    /// The one that writes, and what ends it.
    writing: (TaskTracker, CancellationToken),
}

/// What the tasks share.
#[derive(Clone)]
struct Keeper {
    unpacking: Arc<Semaphore>,
    /// Exchanges are recorded one after the other, in the order in which they ended.
    recording: Arc<Mutex<()>>,
    transport: Arc<dyn Transport>,
    names: Arc<Names>,
    writer: mpsc::UnboundedSender<Kept>,
}

/// An exchange, and what it holds until it is written: its place, and its shares of the budget.
struct Kept {
    exchange: Exchange,
    _held: (OwnedSemaphorePermit, Option<Captured>, Option<Captured>),
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
    /// Keeps what it is told in a store, less what is secret by these names; a recording transport is told all of it.
    pub fn new(store: Arc<dyn Store>, transport: Arc<dyn Transport>, names: Arc<Names>) -> Self {
        // Every exchange in it has a place, so it is bounded.
        let (writer, kept) = mpsc::unbounded_channel();
        let (missed, end) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let writing = TaskTracker::new();
        writing.spawn(write(store, kept, Arc::clone(&missed), end.clone()));
        let unpacking = Arc::new(Semaphore::new(UNPACKING));
        Self {
            budget: Arc::new(Semaphore::new(BUDGET_BYTES)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            missed,
            keeper: Keeper { unpacking, recording: Arc::default(), transport, names, writer },
            tasks: TaskTracker::new(),
            writing: (writing, end),
        }
    }

    /// Waits until everything is kept.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        let (writing, end) = &self.writing;
        end.cancel();
        writing.close();
        writing.wait().await;
    }

    /// Keeps one exchange, once it has ended. A sender that is dropped means that the client has gone.
    pub(super) fn begin(&self, begun: Begun) -> oneshot::Sender<Outcome> {
        let (tell, outcome) = oneshot::channel();
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            self.tasks.spawn(keep(self.keeper.clone(), begun, outcome, place).in_current_span());
        } else {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        tell
    }
}

/// Writes what comes, as much at a time as there is; when it is to end, what is there then.
async fn write(
    store: Arc<dyn Store>,
    mut kept: mpsc::UnboundedReceiver<Kept>,
    missed: Arc<AtomicU64>,
    end: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut told = Instant::now();
    loop {
        let count = tokio::select! {
            biased;
            count = kept.recv_many(&mut batch, BATCH) => count,
            () = end.cancelled() => 0,
            // Somebody may have been missed since.
            () = tokio::time::sleep(TELL) => 0,
        };
        if count > 0 && !store_all(store.as_ref(), &batch).await {
            missed.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        batch.clear();
        if told.elapsed() >= TELL {
            told = Instant::now();
            let count = missed.swap(0, Ordering::Relaxed);
            if count > 0 {
                tracing::warn!(count, "exchanges were not kept: there were too many at once, or the store failed");
            }
        }
        if count == 0 && (end.is_cancelled() || kept.is_closed()) {
            return;
        }
    }
}

async fn store_all(store: &dyn Store, batch: &[Kept]) -> bool {
    loop {
        match store.add_exchanges(batch.iter().map(|kept| kept.exchange.clone()).collect()).await {
            Ok(()) => return true,
            Err(StoreError::Busy) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(%error, "exchanges cannot be kept now");
                return false;
            }
        }
    }
}

async fn keep(keeper: Keeper, begun: Begun, outcome: oneshot::Receiver<Outcome>, place: OwnedSemaphorePermit) {
    let (head, answer_copy, mut failure) = match outcome.await.unwrap_or(Outcome::Failed(None)) {
        Outcome::Answered { status, reason, headers, body } => (Some((status, reason, headers)), body.await.ok(), None),
        Outcome::Failed(failure) => (None, None, failure),
    };
    let request_copy = begun.body.await.ok();
    // Before anything else that takes time: this is the order in which they end.
    let recording = if keeper.transport.records() { Some(keeper.recording.lock().await) } else { None };
    let mut error = match (&head, &failure) {
        (Some(_), _) => None,
        // Only the first line: what a missing fixture differs in is content.
        (None, Some(failure)) => failure.what().lines().next().map(str::to_owned),
        (None, None) => Some("the client went away before the answer".to_owned()),
    };
    let duration_ms = i64::try_from(begun.began.elapsed().as_millis()).unwrap_or(i64::MAX);
    if let Some(End::BrokenOff(cause)) = answer_copy.as_ref().map(|copy| &copy.end) {
        error = Some(match cause {
            Some(cause) => {
                let what = format!("the answer broke off: {cause}");
                let (status, partial) = (None, Vec::new());
                let doubt = CallFailure::Doubt { what, status, partial, content_type: None, is_late: false };
                failure.insert(doubt).what().to_owned()
            }
            None => "the client went away during the answer".to_owned(),
        });
    }
    log(&begun.path, duration_ms, head.as_ref().map(|(status, ..)| *status), error.as_deref());
    let (id, at, path, request_headers) = (begun.id, begun.at, begun.path, begun.headers);
    let credentials = exchange::credentials(&request_headers);
    let answer_headers = head.as_ref().map(|(.., headers)| headers);
    let is_packed = [Some(&request_headers), answer_headers].iter().flatten().any(|h| h.contains_key(CONTENT_ENCODING));
    let _turn = if is_packed { keeper.unpacking.acquire().await.ok() } else { None };
    let length = |copy: &Option<Captured>| copy.as_ref().map_or(0, |copy| copy.bytes.len());
    let is_small = !is_packed && recording.is_none() && length(&request_copy) + length(&answer_copy) <= SMALL_BYTES;
    let (transport, names) = (Arc::clone(&keeper.transport), Arc::clone(&keeper.names));
    let build = move || {
        let (request, request_share) = message(&request_headers, request_copy);
        let (answer, answer_share) = match head {
            Some((status, reason, headers)) => {
                let (message, share) = message(&headers, answer_copy);
                (Some(Answer { status, reason, message }), share)
            }
            None => (None, None),
        };
        let exchange = Exchange { id, number: 0, at, duration_ms, path, request, answer, error, credentials };
        transport.passed(&exchange, failure.as_ref());
        Kept { exchange: exchange.masked(&names), _held: (place, request_share, answer_share) }
    };
    let built = if is_small { Ok(build()) } else { tokio::task::spawn_blocking(build).await };
    drop(recording);
    match built {
        // The writer ends after all of these.
        Ok(kept) => drop(keeper.writer.send(kept)),
        Err(error) => tracing::warn!(%error, "an exchange could not be kept"),
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
