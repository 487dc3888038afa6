//! Captures the exchanges that are passed through: a task for each exchange waits for both bodies to end, and one task
//! writes the exchanges to the store.
//!
//! Rule: capturing never delays a client; only shutdown waits for it. Under overload exchanges are dropped from the
//! store, never from the traffic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::exchange::{Answer, Credentials, Exchange, Message, PackedExchange, Subject, Subjects, bare_path};
use crate::observer::{ClientExchange, Observers};
use crate::provider::{Provider, Providers};
use crate::redaction::Names;
use crate::request::RecordId;
use crate::store::{ExchangeStore, StoreError};
use crate::timings::Timings;
use crate::upstream::{CallFailure, Captured, End, Stopwatch, proxy_status};

/// Most bytes of bodies in memory; beyond that, only the beginning of a body is kept.
const BUDGET_BYTES: usize = 64 << 20;
/// Most bytes of request heads in memory; beyond that, further exchanges are dropped.
const HEADS_BYTES: usize = 16 << 20;
/// Rough memory of a header in addition to its texts, in bytes.
const HEADER_BYTES: usize = 64;
/// Most exchanges under way or waiting for the store; further exchanges are dropped.
const AT_ONCE: usize = 4096;
/// Most large or packed exchanges that are processed at the same time. Processing takes a processor and several times
/// their size in memory, and a small packed body may unpack to a large body.
const LARGE_AT_ONCE: usize = 1;
/// Most exchanges in one write, and the bytes of bodies that end a write earlier: other writes have to wait meanwhile.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 4 << 20;
/// Most bytes of bodies that are processed on the spot; larger exchanges go to a thread for blocking work.
const SMALL_BYTES: usize = 8 << 10;
/// Pause before the next attempt when too many writes wait for the store.
const PAUSE: Duration = Duration::from_millis(50);
/// Interval between two reports of dropped exchanges.
const TELL: Duration = Duration::from_secs(1);

/// All captures of a server.
pub struct Captures {
    /// Bytes of bodies that may still be held.
    pub(super) budget: Arc<Semaphore>,
    heads: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
    context: CaptureContext,
    /// A task for each exchange.
    tasks: TaskTracker,
    /// The task that writes, and the token that ends it.
    writing: (TaskTracker, CancellationToken),
}

/// Shared by the tasks of all exchanges.
#[derive(Clone)]
struct CaptureContext {
    large: Arc<Semaphore>,
    /// Held while observers see an exchange, so that they see the exchanges in the order of their ends.
    recording: Arc<Mutex<()>>,
    /// By the contract of each provider: what is masked, and what an exchange is about.
    rules: Arc<ArcSwap<BTreeMap<String, (Names, Subjects)>>>,
    /// Most bytes that are kept of an unpacked body.
    most_bytes: usize,
    writer: mpsc::UnboundedSender<StoredCapture>,
}

/// An exchange that is ready for the store, with its slot and its shares of the budgets.
struct StoredCapture {
    exchange: Arc<PackedExchange>,
    _held: (Slot, Option<Captured>, Option<Captured>),
}

/// A share of the heads' budget, and a slot.
type Slot = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A request when its head has come.
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

/// The end of the call to upstream.
pub(super) enum Outcome {
    /// Upstream's answer has begun.
    Answered { status: u16, reason: String, headers: HeaderMap, body: oneshot::Receiver<Captured> },
    /// Upstream gave no answer; the failure is `None` if the client left before.
    Failed(Option<CallFailure>),
}

impl Captures {
    /// Captures exchanges into a store, with their subjects, and with secrets masked, by the contracts of the providers, whose
    /// observers see them unmasked.
    pub fn new(store: Arc<dyn ExchangeStore>, providers: &Providers, most_bytes: usize) -> Self {
        let observers = providers.first().transport.observers();
        // Each exchange in this channel has a slot, which bounds the channel.
        let (writer, kept) = mpsc::unbounded_channel();
        let (dropped, end) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let writing = TaskTracker::new();
        writing.spawn(write(store, kept, Arc::clone(&dropped), observers.clone(), end.clone()));
        let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
        Self {
            budget: Arc::new(Semaphore::new(BUDGET_BYTES)),
            heads: Arc::new(Semaphore::new(HEADS_BYTES)),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            dropped,
            context: CaptureContext {
                large,
                recording: Arc::default(),
                rules: Arc::new(ArcSwap::from_pointee(rules(providers))),
                most_bytes,
                writer,
            },
            tasks: TaskTracker::new(),
            writing: (writing, end),
        }
    }

    /// From now on exchanges are kept by the contracts that the providers have now.
    pub(in crate::http) fn follow(&self, providers: &Providers) {
        self.context.rules.store(rules(providers).into());
    }

    /// Waits until every exchange is stored or dropped.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        let (writing, end) = &self.writing;
        end.cancel();
        writing.close();
        writing.wait().await;
    }

    /// Reserves a slot for an exchange with this head; `None` if the exchange is dropped.
    pub(super) fn slot(&self, path: &str, headers: &HeaderMap) -> Option<Slot> {
        let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
        let head = u32::try_from(path.len() + lines.sum::<usize>()).ok();
        let head = head.and_then(|bytes| Arc::clone(&self.heads).try_acquire_many_owned(bytes).ok());
        let slot = head.zip(Arc::clone(&self.slots).try_acquire_owned().ok());
        if slot.is_none() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        slot
    }

    /// Captures an exchange. A sender that is dropped without an outcome means that the client has left.
    pub(super) fn begin(&self, begun: CaptureStart) -> oneshot::Sender<Outcome> {
        let (tell, outcome) = oneshot::channel();
        self.tasks.spawn(keep(self.context.clone(), begun, outcome).in_current_span());
        tell
    }
}

/// Writes the exchanges that have come, in batches, until `end` is set and no exchange is left.
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
            // Exchanges may have been dropped since the last report.
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
                tracing::warn!(count, "exchanges were dropped: too many came at once, or the store failed");
            }
        }
        if is_over {
            return;
        }
    }
}

/// The number of exchanges that go into the first write.
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
                tracing::warn!(%error, "exchanges cannot be stored now");
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
    timings: Option<Timings>,
    /// The failure in words; and its cause, unless the client left.
    error: Option<(String, Option<CallFailure>)>,
}

async fn keep(context: CaptureContext, begun: CaptureStart, outcome: oneshot::Receiver<Outcome>) {
    let ended = ended(begun, outcome).await;
    // This lock comes before anything that takes time, since its order is the order of the ends.
    let is_wanted = ended.begun.provider.transport.observers().want_client_exchanges();
    let recording = if is_wanted { Some(context.recording.lock().await) } else { None };
    log(&ended);
    let is_large = ended.is_packed() || ended.bytes() > SMALL_BYTES;
    let _turn = if is_large { context.large.acquire().await.ok() } else { None };
    let is_small = !is_large && recording.is_none();
    let own = context.clone();
    let build = move || ended.build(&own);
    let built = if is_small { Ok(build()) } else { tokio::task::spawn_blocking(build).await };
    drop(recording);
    match built {
        // The writing task ends after all senders.
        Ok(kept) => drop(context.writer.send(kept)),
        Err(error) => tracing::warn!(%error, "an exchange could not be captured"),
    }
}

/// Waits for the end of both bodies.
async fn ended(mut begun: CaptureStart, outcome: oneshot::Receiver<Outcome>) -> CaptureEnd {
    let (answer, mut error) = match outcome.await.unwrap_or(Outcome::Failed(None)) {
        Outcome::Answered { status, reason, headers, body } => (Some((status, reason, headers, body.await.ok())), None),
        // Only the first line of the words is kept: the other lines of a missing fixture quote content.
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
    fn is_packed(&self) -> bool {
        let answer = self.answer.as_ref().map(|(_, _, headers, _)| headers);
        [Some(&self.begun.headers), answer].into_iter().flatten().any(|h| h.contains_key(CONTENT_ENCODING))
    }

    fn bytes(&self) -> usize {
        let answer = self.answer.as_ref().and_then(|(.., copy)| copy.as_ref());
        [self.request.as_ref(), answer].into_iter().flatten().map(|copy| copy.bytes.len()).sum()
    }

    /// Builds the exchange, shows it to the observers, and masks it for the store.
    fn build(self, context: &CaptureContext) -> StoredCapture {
        let CaptureContext { rules, most_bytes, .. } = context;
        let Self { begun, request, answer, duration_ms, timings, error } = self;
        let (request, request_share) = message(&begun.headers, request, *most_bytes);
        let (answer, answer_share) = match answer {
            Some((status, reason, headers, copy)) => {
                let (message, share) = message(&headers, copy, *most_bytes);
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
        let rules = rules.load();
        let (names, subjects) = rules.get(begun.provider.name()).expect("each provider has its rules");
        let mut exchange = exchange.masked(names, &credentials.secrets);
        exchange.subject = subjects.find(&exchange);
        let exchange = Arc::new(PackedExchange::new(exchange));
        StoredCapture { exchange, _held: (begun.slot, request_share, answer_share) }
    }
}

fn rules(providers: &Providers) -> BTreeMap<String, (Names, Subjects)> {
    let of = |provider: &Arc<Provider>| {
        let contract = provider.contract.load();
        (provider.name().to_owned(), (Names::from_contract(&contract, &[]), Subjects::of(&contract)))
    };
    providers.iter().map(of).collect()
}

/// The message to keep, and its share of the budget, grown by what unpacking adds.
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

/// Logs the path without query and parameters, which may carry secrets.
fn log(ended: &CaptureEnd) {
    let (path, duration_ms) = (bare_path(&ended.begun.path), ended.duration_ms);
    let status = ended.answer.as_ref().map(|(status, ..)| *status);
    match &ended.error {
        Some((error, _)) => tracing::warn!(path, duration_ms, status, error, "pass-through"),
        None => tracing::info!(path, duration_ms, status, "pass-through"),
    }
}
