//! Captures the exchanges that are passed through: a task for each exchange waits for both bodies to end, and one thread
//! builds the exchanges and writes them to the store.
//!
//! Rule: capturing never delays a client; only shutdown waits for it. Under overload exchanges are dropped from the
//! store, never from the traffic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use hyper::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::capture_end::{CaptureEnd, CaptureStart, Outcome, Rules, Slot, StoredCapture, ended};
use crate::exchange::Subjects;
use crate::observer::Observers;
use crate::provider::{Provider, Providers};
use crate::redaction::Names;
use crate::store::{ExchangeStore, StoreError};

/// Most bytes of bodies in memory; beyond that, only the beginning of a body is kept.
const BUDGET_BYTES: usize = 64 << 20;
/// Most bytes of request heads in memory; beyond that, further exchanges are dropped.
const HEADS_BYTES: usize = 16 << 20;
/// Rough memory of a header in addition to its texts, in bytes.
const HEADER_BYTES: usize = 64;
/// Most exchanges under way, waiting for the writing thread, or for the store; further exchanges are dropped.
const AT_ONCE: usize = 4096;
/// Most large or packed exchanges that are processed at the same time. Processing takes a processor and several times
/// their size in memory, and a small packed body may unpack to a large body.
const LARGE_AT_ONCE: usize = 1;
/// Most exchanges in one write, and the bytes of bodies that end a write earlier: other writes have to wait meanwhile.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 4 << 20;
/// Most bytes of bodies that the writing thread processes; larger exchanges have a thread of their own.
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
    /// The thread that writes, and the token that ends its work.
    writing: (TaskTracker, CancellationToken),
}

/// Shared by the tasks of all exchanges.
#[derive(Clone)]
struct CaptureContext {
    large: Arc<Semaphore>,
    /// Locked while observers see an exchange, so that they see exchanges in the order of their ends.
    recording: Arc<Mutex<()>>,
    builder: Builder,
    writer: mpsc::UnboundedSender<Kept>,
}

/// Builds the exchanges for the store.
#[derive(Clone)]
struct Builder {
    rules: Arc<ArcSwap<Rules>>,
    /// Most bytes that are kept of an unpacked body.
    most_bytes: usize,
}

impl Builder {
    /// Builds an exchange: reads, masks and packs its bodies, on the calling thread. `None` if that fails.
    fn build(&self, kept: Kept) -> Option<StoredCapture> {
        let ended = match kept {
            Kept::Ended(ended) => ended,
            Kept::Built(built) => return Some(built),
        };
        let built = catch_unwind(AssertUnwindSafe(|| ended.build(&self.rules.load(), self.most_bytes)));
        if built.is_err() {
            tracing::error!("an exchange could not be captured");
        }
        built.ok()
    }
}

/// An exchange on its way to the store.
enum Kept {
    Ended(Box<CaptureEnd>),
    Built(StoredCapture),
}

impl Captures {
    /// Starts capturing into a store. The providers' contracts find the subjects of exchanges, and mask secrets;
    /// observers see exchanges unmasked.
    pub fn new(store: Arc<dyn ExchangeStore>, providers: &Providers, most_bytes: usize) -> Self {
        let observers = providers.first().transport.observers();
        // Each exchange in this channel holds a slot, which bounds the channel.
        let (writer, kept) = mpsc::unbounded_channel();
        let (dropped, end) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let writing = TaskTracker::new();
        let builder = Builder { rules: Arc::new(ArcSwap::from_pointee(rules(providers))), most_bytes };
        let write = write(store, kept, builder.clone(), Arc::clone(&dropped), observers.clone(), end.clone());
        let runtime = Handle::current();
        writing.spawn_blocking(move || runtime.block_on(write));
        let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
        Self {
            budget: Arc::new(Semaphore::new(BUDGET_BYTES)),
            heads: Arc::new(Semaphore::new(HEADS_BYTES)),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            dropped,
            context: CaptureContext { large, recording: Arc::default(), builder, writer },
            tasks: TaskTracker::new(),
            writing: (writing, end),
        }
    }

    /// From now on, uses the present contracts of the providers.
    pub(in crate::http) fn follow(&self, providers: &Providers) {
        self.context.builder.rules.store(rules(providers).into());
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
    mut kept: mpsc::UnboundedReceiver<Kept>,
    builder: Builder,
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
        let mut built: Vec<_> = batch.drain(..).filter_map(|kept| builder.build(kept)).collect();
        while !built.is_empty() {
            let some: Vec<StoredCapture> = built.drain(..one_write(&built)).collect();
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

async fn keep(context: CaptureContext, begun: CaptureStart, outcome: oneshot::Receiver<Outcome>) {
    let ended = Box::new(ended(begun, outcome).await);
    // Locked before anything that takes time, so that the order is that of the ends.
    let is_wanted = ended.begun.provider.transport.observers().want_client_exchanges();
    let recording = if is_wanted { Some(context.recording.lock().await) } else { None };
    ended.log();
    let is_large = ended.is_packed() || ended.bytes() > SMALL_BYTES;
    let _turn = if is_large { context.large.acquire().await.ok() } else { None };
    if !is_large && recording.is_none() {
        // The writing thread outlives all senders.
        return drop(context.writer.send(Kept::Ended(ended)));
    }
    let builder = context.builder.clone();
    let built = tokio::task::spawn_blocking(move || builder.build(Kept::Ended(ended))).await;
    drop(recording);
    if let Some(built) = built.ok().flatten() {
        drop(context.writer.send(Kept::Built(built)));
    }
}

fn rules(providers: &Providers) -> Rules {
    let of = |provider: &Arc<Provider>| {
        let contract = provider.contract.load();
        (provider.name().to_owned(), (Names::from_contract(&contract, &[]), Subjects::of(&contract)))
    };
    providers.iter().map(of).collect()
}
