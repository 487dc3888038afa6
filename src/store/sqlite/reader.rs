//! The read-only connections: few, and with a time limit for each read that is not a look-up by key, because a read that
//! is held lets the WAL grow.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use crate::store::StoreError;

/// SQLite instructions between two looks at the clock.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl Readers {
    pub(super) fn open(file: &Path, count: usize, timeout: Duration) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| connection::open_reader(file)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { free: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(count)), timeout })
    }

    /// Runs a short `read` on a free connection, on the calling thread.
    pub(super) async fn read_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        let _permit = self.permits.acquire().await.map_err(closed)?;
        with_connection(&self.free, |db| read(db))
    }

    /// Runs `read` on a free connection, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let (free, timeout) = (Arc::clone(&self.free), self.timeout);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
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

/// The caller holds a permit.
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
