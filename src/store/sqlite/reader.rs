//! The read-only connections: few, and with a time limit for each read that is not a look-up by key, because a long read
//! lets the WAL grow.
//!
//! Rule: a read whose expected wait is too long, at the present pace of reads, is refused at once.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection;
use crate::pace::Pace;
use crate::store::StoreError;

/// SQLite instructions between two checks of the deadline.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// How long a read may wait for a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    count: usize,
    permits: Arc<Semaphore>,
    timeout: Duration,
    queue: Arc<Mutex<Queue>>,
    /// The connection that notices commits: `PRAGMA data_version` counts per connection.
    marks: Mutex<Connection>,
}

/// The reads that wait for a connection.
#[derive(Default)]
struct Queue {
    waiting: usize,
    pace: Pace,
}

/// A read in the queue; dropping the value leaves the queue.
struct Waiting<'q>(&'q Mutex<Queue>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.0).waiting -= 1;
    }
}

/// The right to use a connection.
struct Turn {
    began: Instant,
    queue: Arc<Mutex<Queue>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.queue).pace.note(self.began.elapsed());
    }
}

fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Readers {
    pub(super) fn open(file: &Path, count: usize, timeout: Duration) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| connection::open_reader(file)).collect::<Result<Vec<_>, _>>()?;
        let permits = Arc::new(Semaphore::new(count));
        let marks = Mutex::new(connection::open_reader(file)?);
        Ok(Self { free: Arc::new(Mutex::new(connections)), count, permits, timeout, queue: Arc::default(), marks })
    }

    /// A number that differs from the last number if anything was committed since. Reads only a few bytes of shared memory.
    pub(super) fn change_mark(&self) -> Result<i64, StoreError> {
        let db = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(db.query_row("PRAGMA data_version", [], |row| row.get("data_version"))?)
    }

    /// Takes a connection for a read, however long that takes.
    async fn turn(&self) -> Result<Turn, StoreError> {
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        Ok(Turn { began: Instant::now(), queue: Arc::clone(&self.queue), _permit: permit })
    }

    /// Takes a connection for a read, or refuses if the wait would be too long.
    async fn turn_in_time(&self) -> Result<Turn, StoreError> {
        let waiting = {
            let mut queue = lock(&self.queue);
            let wait = queue.wait(self.count);
            if self.permits.available_permits() == 0 && wait > LONGEST_WAIT {
                return Err(StoreError::Busy(wait));
            }
            queue.waiting += 1;
            Waiting(&self.queue)
        };
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turn()).await;
        drop(waiting);
        turn.unwrap_or_else(|_| Err(StoreError::Busy(lock(&self.queue).wait(self.count))))
    }

    /// Runs a short `read` on a free connection, on the calling thread.
    pub(super) async fn read_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn_in_time().await?;
        with_connection(&self.free, |db| read(db))
    }

    /// Runs `read` on a free connection, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turn_in_time().await?;
        self.run(turn, read).await
    }

    /// Runs a `read` that must not be refused on a free connection, on a thread that may block.
    pub(super) async fn read_surely<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turn().await?;
        self.run(turn, read).await
    }

    async fn run<T: Send + 'static>(
        &self,
        turn: Turn,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (free, timeout) = (Arc::clone(&self.free), self.timeout);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            with_connection(&free, |db| {
                let deadline = Instant::now() + timeout;
                db.progress_handler(STEPS_BETWEEN_CHECKS, Some(move || Instant::now() > deadline))?;
                let result = read(db);
                db.progress_handler(0, None::<fn() -> bool>)?;
                result
            })
        });
        task.await.map_err(|e| StoreError::Other(format!("a read ended early: {e}")))?
    }
}

impl Queue {
    /// The expected wait of the last read in the queue.
    fn wait(&self, at_once: usize) -> Duration {
        self.pace.time_for(self.waiting + 1, at_once, Duration::ZERO)
    }
}

/// Runs `read` on a connection; the caller holds a [`Turn`].
fn with_connection<T>(
    free: &Mutex<Vec<Connection>>,
    read: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut db = connection.expect("there are as many permits as connections, and each one returns before its permit");
    let result = read(&mut db);
    free.lock().unwrap_or_else(PoisonError::into_inner).push(db);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_would_wait_too_long_is_refused_at_once_and_a_sure_one_waits() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        Connection::open(&file).unwrap().execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (x)").unwrap();
        let readers = Readers::open(&file, 1, Duration::from_secs(1)).unwrap();
        lock(&readers.queue).pace.note(Duration::from_secs(3));
        let held = readers.turn_in_time().await.unwrap();
        let mut waits = Box::pin(readers.read(|_| Ok(1)));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut waits).await.is_err(), "3 s are not too long");
        let refused = readers.read(|_| Ok(2)).await;
        assert!(matches!(refused, Err(StoreError::Busy(wait)) if wait == Duration::from_secs(6)), "{refused:?}");
        let mut sure = Box::pin(readers.read_surely(|_| Ok(3)));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut sure).await.is_err());
        drop(held);
        assert_eq!((waits.await.unwrap(), sure.await.unwrap()), (1, 3));
        assert_eq!(lock(&readers.queue).waiting, 0);
    }
}
