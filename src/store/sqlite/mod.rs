//! The embedded store: SQLite in WAL mode, one writer thread with group commit, a few read-only connections.
//!
//! `synchronous=FULL` always: a commit is on disk when it returns. Requests have sequential keys and time-ordered ids,
//! so that the indexes grow at their end.

mod accounts;
mod backup;
mod cards;

mod catalogue;
mod claim;
mod columns;
mod connection;
mod copy;
mod decide;
mod due_times;
mod exchanges;
mod files;
mod idempotency;
mod job;
mod joint;
mod leases;
mod measure;
mod parts;
mod purge;
mod reader;
mod request_read;
mod request_write;
mod requests;
#[cfg(test)]
mod tests;
mod traffic;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::ErrorCode;

use super::{Access, LimitStore, StoreError, StoreHealth, StoreMeasures};
use crate::catalogue::EntryKind;
use crate::config::StoreSection;
use crate::observer::Observers;
use connection::Opened;
pub(super) use copy::SqliteTables;
use files::Files;
use job::BUSY_PAUSE;
use leases::Nodes;
use reader::Readers;
use writer::Writer;

/// How long the result of a check is used without a new check: that a part of the catalogue is empty, or the store writable.
const BELIEVED: Duration = Duration::from_secs(1);

/// The store in one SQLite file.
pub(super) struct SqliteStore {
    // Closed in this order: the last connection to close must be one that may write, or the WAL stays as it is.
    readers: Readers,
    writer: Writer,
    /// The database.
    file: PathBuf,
    /// The start has checked every page.
    is_checked: bool,
    /// Kinds of catalogue entries found empty, and until when to believe that: another process may import entries.
    empty_until: Mutex<HashMap<EntryKind, Instant>>,
    /// Bytes that all exchanges may take.
    exchange_bytes: i64,
    nodes: Mutex<Nodes>,
    /// When a check last wrote successfully.
    written_at: Mutex<Option<Instant>>,
    /// Locks against another gateway; released after all connections.
    _locks: Option<[File; 2]>,
}

impl SqliteStore {
    /// The version of the tables.
    pub(super) const VERSION: i64 = connection::VERSION as i64;

    /// Is there a database in the data folder?
    pub(super) fn exists(data_dir: &Path) -> bool {
        connection::existing(data_dir).is_some()
    }

    /// Checks, without changing anything, that this version can open the database in the data folder, if there is one.
    /// Returns true if a gateway is running there.
    ///
    /// # Errors
    /// The database cannot be read, or is not a gateway's.
    pub(super) fn inspect(data_dir: &Path) -> Result<bool, StoreError> {
        match connection::existing(data_dir) {
            Some(file) => {
                connection::inspect(&file)?;
                Ok(files::lock(&file).is_err())
            }
            None => Ok(false),
        }
    }

    /// Replaces the database in the data folder by a backup; returns the new name of the database that was there.
    ///
    /// # Errors
    /// The backup is damaged or of another version, a gateway is running there, or a file cannot be written.
    pub(super) fn restore(data_dir: &Path, from: &Path) -> Result<Option<PathBuf>, StoreError> {
        backup::restore(data_dir, from)
    }

    /// Opens the database; creates a missing one.
    ///
    /// # Errors
    /// The folder cannot be made, or the file cannot be opened, is not a gateway's, or is of another version.
    pub(super) fn open(config: &StoreSection, access: Access) -> Result<Self, StoreError> {
        let file = connection::prepare(&config.data_dir)?;
        let (to_serve, observers) = match access {
            Access::Gateway(observers) => (true, observers),
            Access::Command => (false, Observers::default()),
        };
        let _locks = to_serve.then(|| files::lock(&file)).transpose()?;
        let Opened { db, is_checked } = connection::open_writer(&file, to_serve)?;
        let writer = Writer::start(db, Files::of(&file)?, config.queue, observers)?;
        let readers = Readers::open(&file, config.readers, config.read_timeout_s)?;
        let exchange_bytes = i64::try_from(config.exchange_bytes).unwrap_or(i64::MAX);
        let (empty_until, nodes, written_at) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { readers, writer, file, is_checked, empty_until, exchange_bytes, nodes, written_at, _locks })
    }
}

impl SqliteStore {
    /// Checks the pages that the start did not check, table by table, each within the time limit of a read; a table that
    /// takes longer is checked in part. Returns only when a page is damaged.
    async fn find_damage(&self) -> String {
        if !self.is_checked {
            match self.check_tables().await {
                Ok(()) => tracing::info!("no page of the database is damaged"),
                Err(StoreError::Damaged(damage)) => return damage,
                Err(error) => tracing::warn!(%error, "the database could not be looked at for damaged pages"),
            }
        }
        std::future::pending().await
    }

    async fn check_tables(&self) -> Result<(), StoreError> {
        for table in self.readers.read_surely(connection::list_tables).await? {
            let name = table.clone();
            match self.readers.read_surely(move |db| connection::check(db, Some(&name))).await {
                Err(StoreError::Busy(_)) => tracing::info!(table, "no damaged page was found in the time for that"),
                checked => checked?,
            }
        }
        Ok(())
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

/// SQLite has one node at a time, so there is nothing to share.
impl LimitStore for SqliteStore {}

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

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let (from, to) = (self.file.clone(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || backup::backup(&from, &to)).await;
        copied.map_err(|error| StoreError::Other(format!("a backup ended early: {error}")))?
    }

    async fn wait_for_failure(&self) -> String {
        tokio::select! {
            why = self.writer.failed() => why,
            damage = self.find_damage() => damage,
        }
    }
}
