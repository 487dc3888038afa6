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

use crate::exchange::{Answer, Credentials, Exchange, Message, PackedExchange, bare_path};
use crate::observer::{ClientExchange, ObservedTransport, Observers};
use crate::redaction::Names;
use crate::request::RecordId;
use crate::store::{ExchangeStore, StoreError};
use crate::upstream::{CallFailure, Captured, End, proxy_status};

/// Bytes of bodies in memory at the same time, at most: where they are used up, only the beginning of a body is kept.
const BUDGET_BYTES: usize = 64 << 20;
/// The same of the heads of requests: where they are used up, further exchanges are missed.
const HEADS_BYTES: usize = 16 << 20;
/// Bytes that a header takes beside its texts, about.
const HEADER_BYTES: usize = 64;
/// Exchanges on their way or waiting for the store, at most: further ones are missed.
const AT_ONCE: usize = 4096;
/// Exchanges with large bodies that are worked on at the same time: that takes several times their size and a processor,
/// and a small packed body may unpack to a large one.
const LARGE_AT_ONCE: usize = 1;
/// Exchanges written together, at most, and the bytes of their bodies after which there are no more: other writes wait.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of bodies that are worked on at once; more are a task for another thread.
const SMALL_BYTES: usize = 8 << 10;
/// How long a store is left alone that has too many writes waiting.
const PAUSE: Duration = Duration::from_millis(50);
/// How often missed exchanges are told.
const TELL: Duration = Duration::from_secs(1);

/// Everything that is being kept.
pub struct Captures {
    /// Bytes that may still be held.
    pub(super) budget: Arc<Semaphore>,
    heads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
    context: CaptureContext,
    /// One for each exchange.
    tasks: TaskTracker,
    /// The one that writes, and what ends it.
    writing: (TaskTracker, CancellationToken),
}

/// What the tasks share.
#[derive(Clone)]
struct CaptureContext {
    large: Arc<Semaphore>,
    /// Exchanges are recorded one after the other, in the order in which they ended.
    recording: Arc<Mutex<()>>,
    transport: ObservedTransport,
    names: Arc<Names>,
    /// Bytes of a body that are kept once it is unpacked.
    most_bytes: usize,
    writer: mpsc::UnboundedSender<StoredCapture>,
}

/// An exchange, and what it holds until it is written: its place, and its shares of the budget.
struct StoredCapture {
    exchange: Arc<PackedExchange>,
    _held: (Place, Option<Captured>, Option<Captured>),
}

/// The bytes of a request's head, and a place.
type Place = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A request on its way, as far as it is known at its beginning.
pub(super) struct CaptureStart {
    pub(super) id: RecordId,
    pub(super) at: DateTime<Utc>,
    pub(super) began: Instant,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: oneshot::Receiver<Captured>,
    pub(super) place: Place,
}

/// What came of it.
pub(super) enum Outcome {
    /// Upstream's answer has begun.
    Answered { status: u16, reason: String, headers: HeaderMap, body: oneshot::Receiver<Captured> },
    /// There is none, and why; nobody knows if the client went away before it.
    Failed(Option<CallFailure>),
}

impl Captures {
    /// Keeps what it is told in a store, less what is secret by these names; observers are told all of it.
    pub fn new(
        store: Arc<dyn ExchangeStore>,
        transport: ObservedTransport,
        names: Arc<Names>,
        most_bytes: usize,
    ) -> Self {
        // Every exchange in it has a place, so it is bounded.
        let (writer, kept) = mpsc::unbounded_channel();
        let (dropped, end) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let writing = TaskTracker::new();
        writing.spawn(write(store, kept, Arc::clone(&dropped), transport.observers().clone(), end.clone()));
        let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
        Self {
            budget: Arc::new(Semaphore::new(BUDGET_BYTES)),
            heads: Arc::new(Semaphore::new(HEADS_BYTES)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            dropped,
            context: CaptureContext { large, recording: Arc::default(), transport, names, most_bytes, writer },
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

    /// A place for one more exchange with this head; without one it is missed.
    pub(super) fn place(&self, path: &str, headers: &HeaderMap) -> Option<Place> {
        let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
        let head = u32::try_from(path.len() + lines.sum::<usize>()).ok();
        let head = head.and_then(|bytes| Arc::clone(&self.heads).try_acquire_many_owned(bytes).ok());
        let place = head.zip(Arc::clone(&self.places).try_acquire_owned().ok());
        if place.is_none() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        place
    }

    /// Keeps one exchange, once it has ended. A sender that is dropped means that the client has gone.
    pub(super) fn begin(&self, begun: CaptureStart) -> oneshot::Sender<Outcome> {
        let (tell, outcome) = oneshot::channel();
        self.tasks.spawn(keep(self.context.clone(), begun, outcome).in_current_span());
        tell
    }
}

/// Writes what comes, as much at a time as there is; when it is to end, what is there then.
async fn write(
    store: Arc<dyn ExchangeStore>,
    mut kept: mpsc::UnboundedReceiver<StoredCapture>,
    dropped: Arc<AtomicU64>,
    observers: Observers,
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
        let is_over = count == 0 && (end.is_cancelled() || kept.is_closed());
        while !batch.is_empty() {
            let some: Vec<StoredCapture> = batch.drain(..one_write(&batch)).collect();
            if !store_all(store.as_ref(), &some).await {
                dropped.fetch_add(u64::try_from(some.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        }
        if is_over || told.elapsed() >= TELL {
            told = Instant::now();
            let count = dropped.swap(0, Ordering::Relaxed);
            if count > 0 {
                observers.tell(|observer| observer.captures_dropped(count));
                tracing::warn!(count, "exchanges were not kept: there were too many at once, or the store failed");
            }
        }
        if is_over {
            return;
        }
    }
}

/// How many of the first ones are one write.
fn one_write(kept: &[StoredCapture]) -> usize {
    let bytes = kept.iter().scan(0, |sum, kept| {
        *sum += kept.exchange.body_bytes();
        Some(*sum)
    });
    bytes.take_while(|sum| *sum <= BATCH_BYTES).count().max(1)
}

async fn store_all(store: &dyn ExchangeStore, batch: &[StoredCapture]) -> bool {
    loop {
        match store.add_exchanges(batch.iter().map(|kept| Arc::clone(&kept.exchange)).collect()).await {
            Ok(()) => return true,
            Err(StoreError::Busy(_)) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(%error, "exchanges cannot be kept now");
                return false;
            }
        }
    }
}

/// An exchange that has ended.
struct CaptureEnd {
    begun: CaptureStart,
    request: Option<Captured>,
    answer: Option<(u16, String, HeaderMap, Option<Captured>)>,
    duration_ms: i64,
    /// What went wrong in words, and if it was not the client who left, what it is.
    error: Option<(String, Option<CallFailure>)>,
}

async fn keep(context: CaptureContext, begun: CaptureStart, outcome: oneshot::Receiver<Outcome>) {
    let ended = ended(begun, outcome).await;
    // Before anything else that takes time: this is the order in which they ended.
    let recording =
        if context.transport.observers().want_client_exchanges() { Some(context.recording.lock().await) } else { None };
    log(&ended);
    let is_large = ended.is_packed() || ended.bytes() > SMALL_BYTES;
    let _turn = if is_large { context.large.acquire().await.ok() } else { None };
    let is_small = !is_large && recording.is_none();
    let CaptureContext { transport, names, most_bytes, .. } = context.clone();
    let build = move || ended.build(&transport, &names, most_bytes);
    let built = if is_small { Ok(build()) } else { tokio::task::spawn_blocking(build).await };
    drop(recording);
    match built {
        // The writer ends after all of these.
        Ok(kept) => drop(context.writer.send(kept)),
        Err(error) => tracing::warn!(%error, "an exchange could not be kept"),
    }
}

/// Waits for the end of both bodies.
async fn ended(mut begun: CaptureStart, outcome: oneshot::Receiver<Outcome>) -> CaptureEnd {
    let (answer, mut error) = match outcome.await.unwrap_or(Outcome::Failed(None)) {
        Outcome::Answered { status, reason, headers, body } => (Some((status, reason, headers, body.await.ok())), None),
        // Only the first line: what a missing fixture differs in is content.
        Outcome::Failed(Some(failure)) => {
            let words = failure.what().lines().next().unwrap_or_default().to_owned();
            (None, Some((words, Some(failure))))
        }
        Outcome::Failed(None) => (None, Some(("the client went away before the answer".to_owned(), None))),
    };
    let request = (&mut begun.body).await.ok();
    let duration_ms = i64::try_from(begun.began.elapsed().as_millis()).unwrap_or(i64::MAX);
    if let Some((.., Some(Captured { end: End::BrokenOff(cause), .. }))) = &answer {
        error = Some(match cause {
            Some(cause) => {
                let words = format!("the answer broke off: {cause}");
                (words.clone(), Some(CallFailure::in_doubt(words, false)))
            }
            None => ("the client went away during the answer".to_owned(), None),
        });
    }
    CaptureEnd { begun, request, answer, duration_ms, error }
}

impl CaptureEnd {
    fn is_packed(&self) -> bool {
        let answer = self.answer.as_ref().map(|(_, _, headers, _)| headers);
        [Some(&self.begun.headers), answer].into_iter().flatten().any(|h| h.contains_key(CONTENT_ENCODING))
    }

    fn bytes(&self) -> usize {
        let answer = self.answer.as_ref().and_then(|(.., copy)| copy.as_ref());
        [self.request.as_ref(), answer].into_iter().flatten().map(|copy| copy.bytes.len()).sum()
    }

    /// What is kept of it; observers are told all.
    fn build(self, transport: &ObservedTransport, names: &Names, most_bytes: usize) -> StoredCapture {
        let Self { begun, request, answer, duration_ms, error } = self;
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
            path: begun.path,
            request,
            answer,
            error,
            error_type: failure.as_ref().map(|failure| proxy_status::error_type(failure).to_owned()),
            user: credentials.users.first().cloned(),
        };
        let ended = ClientExchange { exchange: &exchange, credentials: &credentials, failure: failure.as_ref() };
        transport.observers().client_exchange_ended(&ended);
        let exchange = Arc::new(PackedExchange::new(exchange.masked(names, &credentials.secrets)));
        StoredCapture { exchange, _held: (begun.place, request_share, answer_share) }
    }
}

/// What is kept of a message; unpacked it is larger, and needs a larger share.
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

/// The path only: what follows it may carry anything.
fn log(ended: &CaptureEnd) {
    let (path, duration_ms) = (bare_path(&ended.begun.path), ended.duration_ms);
    let status = ended.answer.as_ref().map(|(status, ..)| *status);
    match &ended.error {
        Some((error, _)) => tracing::warn!(path, duration_ms, status, error, "pass-through"),
        None => tracing::info!(path, duration_ms, status, "pass-through"),
    }
}
