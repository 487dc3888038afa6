//! The writer thread. All waiting writes, up to a bound, become one transaction, and are answered only after its commit: many
//! requests share one wait for the disk, and no request is told "done" before that is true.
//!
//! A failed write does not fail the other writes of its group: the group is rolled back and run again, each write in a
//! savepoint of its own. (A savepoint copies every page that changes, a cost paid only after a failure.)
//!
//! Rule: after a failed commit the next commit is tried as if nothing had happened, and overwrites the frames that the
//! failed commit left in the WAL; once the disk can be written again, all goes on. Only when the disk cannot be trusted
//! any more (a flush failed, so that the page cache may differ from the disk; or pages are damaged) the writer ends, and
//! the gateway with it: the next start reads the truth from the disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};

use super::connection;
use super::files::Files;
use super::job::{Answers, BUSY_PAUSE, Job, Pending, Trouble};
use crate::observer::{Commit, Observers};
use crate::pace::Pace;
use crate::store::StoreError;

/// The largest number of writes in one transaction.
const GROUP: usize = 256;
/// Pauses between two attempts to empty the WAL of deleted secrets: while other writes wait, and while none does.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
const SWEEP_RETRY: Duration = Duration::from_millis(10);

/// The handle of the writer thread; dropping the handle lets the thread finish the waiting writes, and joins it.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    secrets: Arc<AtomicBool>,
    /// The pace of transactions.
    pace: Arc<Mutex<Pace>>,
    /// Why the thread has ended early.
    failed: watch::Receiver<Option<String>>,
}

impl Writer {
    /// Starts the thread, in a runtime; `queue` is the largest number of waiting writes.
    pub(super) fn start(db: Connection, files: Files, queue: usize, observers: Observers) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(queue);
        let (fail, failed) = watch::channel(None);
        let (secrets, pace) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Pace>>::default());
        let work = Work {
            db,
            files,
            secrets: Arc::clone(&secrets),
            pace: Arc::clone(&pace),
            observers,
            answers: Answers::start(),
            swept: None,
            is_well: true,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                if let Some(why) = work.until_closed(waiting) {
                    fail.send_replace(Some(why));
                }
            })
            .map_err(|e| StoreError::Unavailable(format!("cannot start the writer thread: {e}")))?;
        Ok(Self { jobs: Some(jobs), thread: Mutex::new(Some(thread)), secrets, pace, failed })
    }

    /// A flag that a write sets when it deletes a secret: soon after the commit the thread empties the WAL, which still
    /// has the secret.
    pub(super) fn secrets(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.secrets)
    }

    /// Returns the reason when nothing can be written any more.
    pub(super) async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the writer thread panicked".to_owned(),
        }
    }

    /// Runs `write` inside a transaction, and returns its result after the commit. If too many writes wait, it is refused
    /// at once.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = Pending::boxed(write);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.try_send(job).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy(self.time_for(jobs.max_capacity())),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The number of waiting writes.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    /// The expected time for `writes` waiting writes, assuming full transactions.
    fn time_for(&self, writes: usize) -> Duration {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.time_for(writes.div_ceil(GROUP), 1, Duration::ZERO)
    }

    /// Runs a `write` that must not be refused or lost: waits for room in the queue, and tries again while the database
    /// cannot be written.
    pub(super) async fn write_surely<T: Send + 'static>(
        &self,
        write: impl FnMut(&Connection) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        loop {
            let (job, answer) = Pending::boxed(write.clone());
            let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
            jobs.send(job).await.map_err(|_| stopped())?;
            match answer.await.unwrap_or_else(|_| Err(stopped())) {
                // After the end of the writer, the loop ends when sending fails.
                Err(StoreError::Busy(_) | StoreError::Unavailable(_)) => tokio::time::sleep(BUSY_PAUSE).await,
                result => return result,
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|t| t.join().is_err()) {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

/// The state of the thread.
struct Work {
    db: Connection,
    files: Files,
    secrets: Arc<AtomicBool>,
    pace: Arc<Mutex<Pace>>,
    observers: Observers,
    answers: Answers,
    /// When the WAL was last emptied.
    swept: Option<Instant>,
    /// Did the last group succeed? A failure is logged once, not for every group.
    is_well: bool,
}

impl Work {
    /// Works until all senders are gone; returns the reason if the thread ends early.
    fn until_closed(mut self, mut waiting: mpsc::Receiver<Box<dyn Job>>) -> Option<String> {
        while let Some(first) = self.next(&mut waiting) {
            let mut group = vec![first];
            while group.len() < GROUP {
                match waiting.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
            let began = Instant::now();
            let committed = self.commit(&mut group);
            let (took, writes, is_done) = (began.elapsed(), group.len(), committed.is_ok());
            self.pace.lock().unwrap_or_else(PoisonError::into_inner).note(took);
            self.observers.tell(|observer| observer.committed(&Commit { writes, took, is_done }));
            self.tell(&committed);
            let failed = if let Err(Trouble::ForGood(why)) = &committed { Some(why.clone()) } else { None };
            self.answers.give(group, committed);
            if failed.is_some() {
                return failed;
            }
        }
        None
    }

    /// The next job. Deleted secrets are wiped from the WAL as soon as no write waits, and at the latest after
    /// [`SWEEP_PAUSE`].
    fn next(&mut self, waiting: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
        while self.secrets.load(Ordering::Acquire) {
            let is_late = self.swept.is_none_or(|at| at.elapsed() > SWEEP_PAUSE);
            match waiting.try_recv() {
                Ok(job) if !is_late => return Some(job),
                Ok(job) => {
                    self.sweep();
                    return Some(job);
                }
                Err(TryRecvError::Empty) if self.sweep() => break,
                // A reader still needs frames of the WAL.
                Err(TryRecvError::Empty) => std::thread::sleep(SWEEP_RETRY),
                // A command ends: without a gateway no other process will empty the WAL soon.
                Err(TryRecvError::Disconnected) => {
                    self.sweep();
                    break;
                }
            }
        }
        waiting.blocking_recv()
    }

    /// Empties the WAL, whose old frames stay readable until new frames overwrite them.
    fn sweep(&mut self) -> bool {
        self.swept = Some(Instant::now());
        self.secrets.store(false, Ordering::Release);
        let is_done = connection::empty_wal(&self.db).unwrap_or_else(|error| {
            tracing::debug!(%error, "the WAL cannot be emptied now");
            false
        });
        if !is_done {
            self.secrets.store(true, Ordering::Release);
        }
        is_done
    }

    /// Commits a group; fails if the database files were removed or replaced, since the commit would be lost.
    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
        let gone = |error: StoreError| Trouble::NotNow(error.to_string());
        self.files.check().map_err(gone)?;
        let committed = commit(&mut self.db, group);
        self.files.check().map_err(gone)?;
        match group.iter().find_map(|job| job.damage()) {
            Some(damage) => Err(Trouble::ForGood(damage)),
            None => committed,
        }
    }

    fn tell(&mut self, committed: &Result<(), Trouble>) {
        match committed {
            Ok(()) if !self.is_well => tracing::info!("the store can be written again"),
            Err(Trouble::NotNow(error)) if self.is_well => tracing::error!(error, "the store cannot be written now"),
            Err(Trouble::Busy) if self.is_well => tracing::warn!("another process holds the database"),
            Err(Trouble::ForGood(error)) => tracing::error!(error, "the store cannot be used any more"),
            Ok(()) | Err(_) => {}
        }
        self.is_well = committed.is_ok();
    }
}

fn commit(db: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
    let together = commit_together(db, group).map_err(|error| Trouble::of(&error))?;
    if together {
        return Ok(());
    }
    let apart = begin(db).and_then(|transaction| run_apart(transaction, group));
    apart.and_then(Transaction::commit).map_err(|error| Trouble::of(&error))
}

/// Commits the group as one transaction; rolls back and returns false if any write fails.
fn commit_together(db: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<bool, rusqlite::Error> {
    let transaction = begin(db)?;
    let worked = group.iter_mut().all(|job| job.run(&transaction));
    if worked {
        transaction.commit()?
    } else {
        transaction.rollback()?
    }
    Ok(worked)
}

fn begin(db: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn run_apart<'c>(
    mut transaction: Transaction<'c>,
    group: &mut [Box<dyn Job>],
) -> Result<Transaction<'c>, rusqlite::Error> {
    for job in group {
        let savepoint = transaction.savepoint()?;
        if job.run(&savepoint) {
            savepoint.commit()?;
        }
    }
    Ok(transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_write_takes_no_other_with_it() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)").unwrap();
        let writer = Writer::start(db, Files::default(), 16, Observers::default()).unwrap();
        let insert = |x: i64, fail: bool| {
            writer.write(move |db| {
                db.execute("INSERT INTO t VALUES (?1)", [x])?;
                if fail { Err(StoreError::Other("no".to_owned())) } else { Ok(()) }
            })
        };
        let (a, b, c) = tokio::join!(insert(1, false), insert(2, true), insert(3, false));
        assert!(a.is_ok() && b.is_err() && c.is_ok());
        let sum = writer.write(|db| Ok(db.query_row("SELECT sum(x) FROM t", [], |r| r.get::<_, i64>(0))?)).await;
        assert_eq!(sum.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_believed_ends_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("d");
        let db = Connection::open(&file).unwrap();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)").unwrap();
        drop(db);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[4096..].fill(0x5A);
        std::fs::write(&file, bytes).unwrap();
        let writer =
            Writer::start(Connection::open(&file).unwrap(), Files::default(), 16, Observers::default()).unwrap();
        let written = writer.write_surely(|db| Ok(db.execute("INSERT INTO t VALUES (2)", [])?)).await;
        assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
        assert!(writer.failed().await.contains("restore a backup"));
    }
}
