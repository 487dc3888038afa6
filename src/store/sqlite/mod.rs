//! The embedded store: SQLite in WAL mode, one writer thread with group commit, a few read-only connections.
//!
//! `synchronous=FULL` always: a commit is on disk when it returns. Requests have sequential keys and time-ordered ids,
//! so that the indexes grow at their end.

mod accounts;
mod cards;
mod carry;
mod catalogue;
mod claim;
mod connection;
mod decide;
mod exchanges;
mod files;
mod idempotency;
mod purge;
mod reader;
mod request_read;
mod request_write;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, ErrorCode};

use super::{
    AttemptCommit, DateStep, ExchangeFilter, Filter, Purged, RecordKey, SentAttempt, Store, StoreError, Submission,
    SubmitResult, TokenOwner,
};
use crate::account::{ApiKey, User};
use crate::catalogue::{Entry, EntryKind, Key};
use crate::exchange::{Exchange, PackedExchange, Summary};
use crate::request::{Attempt, Event, Family, Order, ProvisioningRequest, RecordId};
use files::Files;
use reader::Readers;
use writer::{BUSY_PAUSE, Writer};

/// Look-ups by key that are quicker done at once, on the async thread, than handed to another: a few microseconds each.
const QUICK_VALUES: usize = 8;

/// How long a part of the catalogue is believed to be empty, and the store to be writable, without looking again.
const BELIEVED: Duration = Duration::from_secs(1);

/// How a store is opened.
#[derive(Clone, Debug)]
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
    /// Is it for a gateway? That one locks the database against others, looks if it is damaged, and may migrate it.
    pub to_serve: bool,
}

/// Everything, in one SQLite file.
pub struct SqliteStore {
    // Closed in this order: the last connection to close must be one that may write, or the WAL stays as it is.
    readers: Readers,
    writer: Writer,
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

    /// Opens the database, and makes or migrates it.
    ///
    /// # Errors
    /// The folder cannot be made, or the file cannot be opened or is not ours.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        let file = connection::prepare(&options.data_dir)?;
        let _locks = options.to_serve.then(|| files::lock(&file)).transpose()?;
        let db = connection::open_writer(&file, options.to_serve)?;
        let writer = Writer::start(db, Files::of(&file)?, options.queue)?;
        let readers = Readers::open(&file, options.readers, options.read_timeout)?;
        let exchange_bytes = i64::try_from(options.exchange_bytes).unwrap_or(i64::MAX);
        let (empty_until, written_at) = (Mutex::default(), Mutex::default());
        Ok(Self { readers, writer, empty_until, exchange_bytes, written_at, _locks })
    }
}

impl SqliteStore {
    /// Many gateways have no catalogue of cards or boxes: then no request need look for its own there.
    fn is_known_empty(&self, kind: EntryKind) -> bool {
        let empty_until = self.empty_until.lock().unwrap_or_else(PoisonError::into_inner);
        empty_until.get(&kind).is_some_and(|until| Instant::now() < *until)
    }

    async fn read_entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        if values.len() <= QUICK_VALUES {
            return self.readers.read_here(|db| catalogue::entries(db, kind, key, &values)).await;
        }
        self.readers.read(move |db| catalogue::entries(db, kind, key, &values)).await
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
impl Store for SqliteStore {
    async fn accept(&self, batch: Vec<Submission>) -> Result<Vec<SubmitResult>, StoreError> {
        let rows = batch.into_iter().map(request_write::Row::new).collect::<Result<Vec<_>, _>>()?;
        self.writer.write(move |db| rows.iter().map(|row| request_write::accept(db, row)).collect()).await
    }

    async fn claim(&self, now: DateTime<Utc>, limit: usize, run: &str) -> Result<Vec<ProvisioningRequest>, StoreError> {
        let run = run.to_owned();
        self.writer.write(move |db| claim::claim(db, now, limit, &run)).await
    }

    async fn settle(&self, batch: Vec<AttemptCommit>) -> Result<usize, StoreError> {
        let (batch, secrets) = (Arc::new(batch), self.writer.secrets());
        self.writer.write_surely(move |db| batch.iter().map(|s| request_write::settle(db, s, &secrets)).sum()).await
    }

    async fn leased(&self) -> Result<Vec<ProvisioningRequest>, StoreError> {
        self.writer.write(claim::leased).await
    }

    async fn decide(&self, number: i64, order: Order) -> Result<ProvisioningRequest, StoreError> {
        let secrets = self.writer.secrets();
        self.writer.write(move |db| decide::decide(db, number, &order, &secrets)).await
    }

    async fn purge(&self, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError> {
        self.writer.write(move |db| purge::purge(db, before, from)).await
    }

    async fn add_exchanges(&self, batch: Vec<Arc<PackedExchange>>) -> Result<(), StoreError> {
        let most_bytes = self.exchange_bytes;
        let add = move |db: &Connection| {
            batch.iter().try_for_each(|exchange| exchanges::add(db, exchange))?;
            exchanges::shrink(db, most_bytes).map(drop)
        };
        self.writer.write(add).await
    }

    async fn exchange(&self, id: &RecordId) -> Result<Option<Exchange>, StoreError> {
        let id = id.clone();
        let found = self.readers.read(move |db| exchanges::find(db, &id)).await?;
        found.map(PackedExchange::unpack).transpose().map_err(|e| StoreError::Other(format!("an exchange: {e}")))
    }

    async fn exchanges(&self, filter: ExchangeFilter) -> Result<Vec<Summary>, StoreError> {
        self.readers.read(move |db| exchanges::list(db, &filter)).await
    }

    async fn sent(&self, since: DateTime<Utc>, limit: u64) -> Result<Vec<SentAttempt>, StoreError> {
        self.readers.read(move |db| exchanges::sent(db, since, limit)).await
    }

    async fn purge_exchanges(&self, before: Option<DateTime<Utc>>) -> Result<usize, StoreError> {
        let most_bytes = self.exchange_bytes;
        let purge = move |db: &Connection| {
            let old = before.map_or(Ok(0), |before| exchanges::purge(db, before))?;
            Ok(old + exchanges::shrink(db, most_bytes)?)
        };
        self.writer.write(purge).await
    }

    async fn check(&self) -> Result<(), StoreError> {
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

    async fn failed(&self) -> String {
        self.writer.failed().await
    }

    async fn changed_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.readers.read_surely(carry::changed_at).await
    }

    async fn carry(&self, step: DateStep) -> Result<usize, StoreError> {
        self.writer.write(move |db| carry::carry(db, step)).await
    }

    async fn next_due(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.readers.read_surely(claim::next_due).await
    }

    async fn find(&self, family: Option<Family>, key: RecordKey) -> Result<Option<ProvisioningRequest>, StoreError> {
        self.readers.read(move |db| request_read::find(db, family, &key)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<ProvisioningRequest>, StoreError> {
        self.readers.read(move |db| request_read::list(db, &filter)).await
    }

    async fn attempts(&self, number: i64) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(move |db| request_read::attempts(db, number)).await
    }

    async fn events(&self, number: i64) -> Result<Vec<Event>, StoreError> {
        self.readers.read(move |db| request_read::events(db, number)).await
    }

    async fn add_user(&self, user: User, password_hash: String) -> Result<(), StoreError> {
        self.writer.write(move |db| accounts::add_user(db, &user, &password_hash)).await
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        self.readers.read(accounts::users).await
    }

    async fn user(&self, username: &str) -> Result<Option<(User, String)>, StoreError> {
        let username = username.to_owned();
        self.readers.read(move |db| accounts::user(db, &username)).await
    }

    async fn remove_user(&self, username: &str) -> Result<bool, StoreError> {
        let username = username.to_owned();
        self.writer.write(move |db| accounts::remove_user(db, &username)).await
    }

    async fn add_token(&self, hash: [u8; 32], owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), StoreError> {
        let owner = owner.clone();
        self.writer.write(move |db| accounts::add_token(db, &hash, &owner, now)).await
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenOwner>, StoreError> {
        self.readers.read(move |db| accounts::token(db, &hash)).await
    }

    async fn remove_token(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.writer.write(move |db| accounts::remove_token(db, &hash)).await
    }

    async fn add_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.writer.write(move |db| accounts::add_key(db, &key, &hash)).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.readers.read(accounts::keys).await
    }

    async fn key_user(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
        self.readers.read(move |db| accounts::key_user(db, &hash)).await
    }

    async fn remove_key(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.writer.write(move |db| accounts::remove_key(db, &id)).await
    }

    async fn import(&self, kind: EntryKind, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.empty_until.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
        self.writer.write(move |db| catalogue::import(db, kind, &entries)).await
    }

    async fn entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        if self.is_known_empty(kind) {
            return Ok(Vec::new());
        }
        let entries = self.read_entries(kind, key, values).await?;
        if entries.is_empty() && self.readers.read_here(|db| catalogue::is_empty(db, kind)).await? {
            let empty = Instant::now() + BELIEVED;
            self.empty_until.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, empty);
        }
        Ok(entries)
    }

    async fn catalogue(&self, kind: EntryKind) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(move |db| catalogue::all(db, kind)).await
    }
}
