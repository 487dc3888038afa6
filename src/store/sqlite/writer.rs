//! The one writer thread. It takes whatever waits, up to a bound, as one transaction, and answers only after the
//! commit: many requests share one wait for the disk, and none is told "done" before it is.
//!
//! A write that fails takes no other with it: its group is then rolled back and run again, each write in a savepoint of
//! its own. (A savepoint copies every page it changes: that is paid only after a failure.) A full disk writes nothing, and
//! all goes on once there is room. When a commit fails otherwise the whole group is told so, and the writer stops: what is
//! on disk is then unknown, and the next start finds out.

use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Writes in one transaction, at most.
const GROUP: usize = 256;
/// How long another process may hold the database: between two tries at a write that must not be refused.
pub(super) const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Committed {
    /// It is on disk.
    Yes,
    /// Nothing of it is: another process holds the database, or the disk is full.
    No,
    /// The commit failed: what is on disk is not known.
    Unknown,
}

/// A write on its way: run inside the transaction, again if its group has to be, then answered.
trait Job: Send {
    /// Runs it; did it work?
    fn run(&mut self, db: &Connection) -> bool;
    fn answer(self: Box<Self>, committed: Committed);
}

/// Handle of the writer thread; dropping it lets the thread finish what waits, and joins it.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread; `queue` writes may wait.
    pub(super) fn start(db: Connection, queue: usize) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(queue);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(db, waiting))
            .map_err(|e| StoreError::Unavailable(format!("cannot start the writer thread: {e}")))?;
        Ok(Self { jobs: Some(jobs), thread: Mutex::new(Some(thread)) })
    }

    /// Runs `write` inside a transaction, and returns what it returned once that is committed. When too many wait it is
    /// refused at once.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = Pending::boxed(write);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.try_send(job).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy(BUSY_PAUSE),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The same for what must not be refused or lost: it waits for room, and is tried again while another process holds
    /// the database, or the disk is full.
    pub(super) async fn write_surely<T: Send + 'static>(
        &self,
        write: impl FnMut(&Connection) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        loop {
            let (job, answer) = Pending::boxed(write.clone());
            let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
            jobs.send(job).await.map_err(|_| stopped())?;
            match answer.await.unwrap_or_else(|_| Err(stopped())) {
                // When the writer has stopped, there is nobody to send to.
                Err(StoreError::Busy(_) | StoreError::Unavailable(_)) => tokio::time::sleep(BUSY_PAUSE).await,
                result => return result,
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if thread.is_some_and(|t| t.join().is_err()) {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

struct Pending<T, F> {
    write: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send + 'static, F: FnMut(&Connection) -> Result<T, StoreError> + Send + 'static> Pending<T, F> {
    fn boxed(write: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { write, result: None, reply }), answer)
    }
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, StoreError> + Send> Job for Pending<T, F> {
    fn run(&mut self, db: &Connection) -> bool {
        let result = (self.write)(db);
        let worked = result.is_ok();
        self.result = Some(result);
        worked
    }

    fn answer(self: Box<Self>, committed: Committed) {
        let result = match (committed, self.result) {
            (Committed::Yes, Some(result)) => result,
            (Committed::Yes | Committed::No, _) => Err(StoreError::Busy(BUSY_PAUSE)),
            (Committed::Unknown, _) => Err(StoreError::Unavailable("a commit failed".to_owned())),
        };
        // Nobody waits when the client has gone; the change stands all the same.
        drop(self.reply.send(result));
    }
}

fn work(mut db: Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            match waiting.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        let committed = commit(&mut db, &mut group);
        for job in group {
            job.answer(committed);
        }
        if committed == Committed::Unknown {
            return;
        }
    }
}

fn commit(db: &mut Connection, group: &mut [Box<dyn Job>]) -> Committed {
    let together = commit_together(db, group);
    together.unwrap_or_else(|| match begin(db).and_then(|transaction| run_apart(transaction, group)) {
        Ok(transaction) => end(transaction),
        Err(error) => not_written(&error),
    })
}

/// `None`, and nothing is done, when one of the group fails.
fn commit_together(db: &mut Connection, group: &mut [Box<dyn Job>]) -> Option<Committed> {
    match begin(db) {
        Ok(transaction) if group.iter_mut().all(|job| job.run(&transaction)) => Some(end(transaction)),
        Ok(_rolled_back_when_dropped) => None,
        Err(error) => Some(not_written(&error)),
    }
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

fn end(transaction: Transaction<'_>) -> Committed {
    match transaction.commit() {
        Ok(()) => Committed::Yes,
        // The last frame is what commits, and it was not written.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => not_written(&error),
        Err(error) => {
            tracing::error!(%error, "a commit failed; no further request is accepted");
            Committed::Unknown
        }
    }
}

fn not_written(error: &rusqlite::Error) -> Committed {
    tracing::error!(%error, "the store cannot be written now");
    Committed::No
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_write_takes_no_other_with_it() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)").unwrap();
        let writer = Writer::start(db, 16).unwrap();
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
}
