//! Groups writes of the same kind into one transaction: many requests share one wait for the disk, and one round trip to
//! the server. While one transaction of a kind runs, the next writes gather for the next group; a group does not wait
//! long for a slow transaction.
//!
//! Rule: a failed write does not fail the other writes of its group: the writes are then run again one by one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::pace::Pace;
use crate::store::StoreError;

/// The largest number of writes in one transaction.
const GROUP: usize = 128;
/// How long a group waits for the group before it, which may be waiting for another node, or for a server that is away.
const TURN_TIME: Duration = Duration::from_millis(500);
/// The largest number of transactions of one kind at the same time.
const UNDER_WAY: usize = 4;

type Run<I, O> =
    Arc<dyn Fn(Arc<Vec<I>>) -> Pin<Box<dyn Future<Output = Result<Vec<O>, StoreError>> + Send>> + Send + Sync>;

struct Job<I, O> {
    items: Vec<I>,
    answer: oneshot::Sender<Result<Vec<O>, StoreError>>,
}

/// Writes of one kind.
pub(super) struct Batches<I, O> {
    jobs: mpsc::Sender<Job<I, O>>,
    pace: Arc<Mutex<Pace>>,
    /// The task that runs the groups; ends with the store.
    _work: JoinSet<()>,
}

impl<I: Clone + Send + Sync + 'static, O: Send + 'static> Batches<I, O> {
    /// Starts the groups; `queue` is the largest number of waiting writes, and `run` returns one result per item, in order.
    pub(super) fn start<F>(queue: usize, run: impl Fn(Arc<Vec<I>>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<O>, StoreError>> + Send + 'static,
    {
        let (jobs, waiting) = mpsc::channel(queue);
        let run: Run<I, O> = Arc::new(move |items| Box::pin(run(items)));
        let pace = Arc::<Mutex<Pace>>::default();
        let mut work = JoinSet::new();
        work.spawn(write_groups(waiting, run, Arc::clone(&pace)));
        Self { jobs, pace, _work: work }
    }

    /// Writes items together with other waiting writes; refused at once if too many writes wait.
    pub(super) async fn write(&self, items: Vec<I>) -> Result<Vec<O>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { items, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy(self.time_for(self.jobs.max_capacity())),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Writes items that must not be refused: waits for room in the queue.
    pub(super) async fn write_surely(&self, items: Vec<I>) -> Result<Vec<O>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { items, answer }).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The number of waiting writes.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    fn time_for(&self, writes: usize) -> Duration {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.time_for(writes.div_ceil(GROUP), 1, Duration::ZERO)
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

async fn write_groups<I: Clone + Send + Sync + 'static, O: Send + 'static>(
    mut waiting: mpsc::Receiver<Job<I, O>>,
    run: Run<I, O>,
    pace: Arc<Mutex<Pace>>,
) {
    let mut under_way = JoinSet::new();
    while let Some(first) = waiting.recv().await {
        let mut size = first.items.len();
        let mut group = vec![first];
        while size < GROUP {
            let Ok(job) = waiting.try_recv() else { break };
            size += job.items.len();
            group.push(job);
        }
        let (run, pace) = (Arc::clone(&run), Arc::clone(&pace));
        under_way.spawn(async move {
            let began = Instant::now();
            run_group(group, &run).await;
            pace.lock().unwrap_or_else(PoisonError::into_inner).note(began.elapsed());
        });
        let ended = tokio::time::timeout(TURN_TIME, under_way.join_next()).await;
        if ended.is_err() && under_way.len() >= UNDER_WAY {
            under_way.join_next().await;
        }
    }
}

async fn run_group<I: Clone, O>(mut group: Vec<Job<I, O>>, run: &Run<I, O>) {
    let items = Arc::new(group.iter().flat_map(|job| job.items.iter().cloned()).collect::<Vec<_>>());
    match run(items).await {
        Ok(results) => {
            let mut results = results.into_iter();
            for Job { items, answer } in group {
                // The caller may have gone; the change stays.
                drop(answer.send(Ok(results.by_ref().take(items.len()).collect())));
            }
        }
        // Run one by one, each write would now fail in the same way.
        Err(StoreError::Unavailable(why)) => {
            for Job { answer, .. } in group {
                drop(answer.send(Err(StoreError::Unavailable(why.clone()))));
            }
        }
        Err(StoreError::Busy(pause)) => {
            for Job { answer, .. } in group {
                drop(answer.send(Err(StoreError::Busy(pause))));
            }
        }
        Err(error) => {
            let alone = if group.len() == 1 { group.pop() } else { None };
            if let Some(Job { answer, .. }) = alone {
                drop(answer.send(Err(error)));
                return;
            }
            for Job { items, answer } in group {
                drop(answer.send(run(Arc::new(items)).await));
            }
        }
    }
}
