//! The embedded store: SQLite in WAL mode, one writer thread with group commit, a few read-only connections.
//!
//! `synchronous=FULL` always: a commit is on disk when it returns. Requests have sequential keys and time-ordered ids,
//! so that the indexes grow at their end.

mod accounts;
mod cards;

mod catalogue;
mod claim;
mod columns;
mod connection;
mod decide;
mod due_times;
mod exchanges;
mod files;
mod idempotency;
mod measure;
mod numbers_query;
mod purge;
mod reader;
mod request_read;
mod request_write;
mod requests;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::ErrorCode;

use super::{StoreError, StoreHealth, StoreMeasures};
use crate::catalogue::EntryKind;
use crate::observer::Observers;
use files::Files;
use reader::Readers;
use writer::{BUSY_PAUSE, Writer};

/// How long a part of the catalogue is believed to be empty, and the store to be writable, without looking again.
const BELIEVED: Duration = Duration::from_secs(1);

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Folder of the database; made if missing.
    pub data_dir: PathBuf,
    /// Writes that may wait.
    pub queue: usize,
    /// Connections for reading.
    pub readers: usize,
    /// How long one read may take.
    pub read_timeout: Duration,
    /// Bytes that all exchanges may take.
    pub exchange_bytes: u64,
    /// Is it for a gateway? That one locks the database against others, and looks if it is damaged.
    pub to_serve: bool,
    /// Who is told of commits.
    pub observers: Observers,
}

/// Everything, in one SQLite file.
pub struct SqliteStore {
    // Closed in this order: the last connection to close must be one that may write, or the WAL stays as it is.
    readers: Readers,
    writer: Writer,
    /// The database.
    file: PathBuf,
    /// Kinds of the catalogue found without entries, and how long that is believed: another process may import some.
    empty_until: Mutex<HashMap<EntryKind, Instant>>,
    /// Bytes that all exchanges may take.
    exchange_bytes: i64,
    /// When a check last wrote.
    written_at: Mutex<Option<Instant>>,
    /// Locks against another gateway; let go after all connections.
    _locks: Option<[File; 2]>,
}

impl SqliteStore {
    /// Is there a database in the data folder?
    pub fn exists(data_dir: &Path) -> bool {
        connection::existing(data_dir).is_some()
    }

    /// Makes sure that the database in the data folder, if there is one, can be opened by this version, and changes nothing.
    /// True if a gateway is running there.
    ///
    /// # Errors
    /// It cannot be read, or is not ours.
    pub fn inspect(data_dir: &Path) -> Result<bool, StoreError> {
        match connection::existing(data_dir) {
            Some(file) => {
                connection::inspect(&file)?;
                Ok(files::lock(&file).is_err())
            }
            None => Ok(false),
        }
    }

    /// Opens the database, and makes it if there is none.
    ///
    /// # Errors
    /// The folder cannot be made, or the file cannot be opened, is not ours or of another version.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        let file = connection::prepare(&options.data_dir)?;
        let _locks = options.to_serve.then(|| files::lock(&file)).transpose()?;
        let db = connection::open_writer(&file, options.to_serve)?;
        let writer = Writer::start(db, Files::of(&file)?, options.queue, options.observers.clone())?;
        let readers = Readers::open(&file, options.readers, options.read_timeout)?;
        let exchange_bytes = i64::try_from(options.exchange_bytes).unwrap_or(i64::MAX);
        let (empty_until, written_at) = (Mutex::default(), Mutex::default());
        Ok(Self { readers, writer, file, empty_until, exchange_bytes, written_at, _locks })
    }
}

impl StoreError {
    fn from_sqlite(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Unavailable(error.to_string())
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(format!("{error}: {}", connection::REMEDY))
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::OperationInterrupted) => Self::Busy(BUSY_PAUSE),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from_sqlite(&error)
    }
}

#[async_trait]
impl StoreHealth for SqliteStore {
    async fn check_writable(&self) -> Result<(), StoreError> {
        let is_fresh = |at: &Mutex<Option<Instant>>| {
            at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < BELIEVED)
        };
        if is_fresh(&self.written_at) {
            return Ok(());
        }
        self.writer.write(connection::touch).await?;
        *self.written_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    async fn measure(&self, now: DateTime<Utc>) -> Result<StoreMeasures, StoreError> {
        let (queue, file) = (self.writer.waiting(), self.file.clone());
        self.readers.read(move |db| measure::measure(db, &file, queue, now)).await
    }

    async fn wait_for_failure(&self) -> String {
        self.writer.failed().await
    }
}
