//! The database of the gateway: one trait per kind of data (requests, exchanges, accounts, catalogue, traffic, limits).
//!
//! `engine` picks SQLite or PostgreSQL; `policy` holds the rules that do not depend on the engine. A caller takes the
//! narrowest trait that serves; [`Store`] joins all traits in one handle.
//!
//! Rule: a call that writes returns only after its change is durable. Calls that write requests take batches, so that a
//! server database pays one round trip per batch.

mod accounts;
mod catalogue;
mod copy;
mod engine;
mod exchanges;
mod leases;
mod limits;
mod policy;
mod postgres;
mod requests;
mod rows;
mod sql;
mod sqlite;
#[cfg(test)]
mod suite;
mod traffic;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::clock::{Clock, SystemClock};

pub use accounts::{AccountStore, TokenOwner};
pub use catalogue::CatalogueStore;
pub use copy::copy;
pub use engine::{Access, inspect, location, migrate, open, open_existing, restore};
pub use exchanges::{ExchangeFilter, ExchangeStore};
pub use leases::{Lease, LeasedCall, LeasedRequest, NodeId};
pub use limits::{Allowance, LimitStore, SignInKeys, SignInTrace};
pub use requests::{
    AttemptCommit, CommitResult, DateStep, DeviceKind, IdempotencyKey, MostCards, News, Purged, RecordKey, Render,
    RequestQuery, RequestStore, Resubmission, SentAttempt, Submission, SubmitResult,
};
pub use traffic::{RequestRow, TrafficCursor, TrafficPage, TrafficQuery, TrafficRow, TrafficStore};

/// All of the store behind one handle.
pub trait Store:
    RequestStore + ExchangeStore + AccountStore + CatalogueStore + TrafficStore + LimitStore + StoreHealth
{
}

impl<T: RequestStore + ExchangeStore + AccountStore + CatalogueStore + TrafficStore + LimitStore + StoreHealth> Store
    for T
{
}

/// The health of the store as a whole: is it writable, how large is it, has it failed?
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Makes sure that the store can be written.
    async fn check_writable(&self) -> Result<(), StoreError>;
    /// Counts the waiting work, and measures the size of the store.
    async fn measure(&self, now: DateTime<Utc>) -> Result<StoreMeasures, StoreError>;
    /// Copies the whole store into a new file `to` while the gateway runs; a file of that name is always a complete copy.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;
    /// Returns the reason when the store fails for good: the process has to end, and open the store anew. Meanwhile,
    /// looks for damaged pages that the start did not check.
    async fn wait_for_failure(&self) -> String;
    /// The clock that all nodes of this store share.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }
}

/// The amount of waiting work, and the size of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreMeasures {
    /// Requests that wait for their turn, per priority, in the order of [`crate::request::Priority`].
    pub waiting: Vec<WaitingMeasures>,
    /// Requests that wait for an earlier request for one of their cards.
    pub blocked: i64,
    /// Requests in doubt that the gateway resolves.
    pub resolving: i64,
    /// Requests in doubt that an operator has to decide on.
    pub needs_operator: i64,
    /// Writes that wait for the disk.
    pub queue: usize,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Bytes of the write-ahead log, if the engine has a log of its own (SQLite).
    pub wal_bytes: Option<u64>,
    /// Bytes that the file system of the database has left, if the gateway can ask (SQLite).
    pub available_bytes: Option<u64>,
}

/// Requests of one priority that wait for their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingMeasures {
    /// Requests that are due.
    pub due: i64,
    /// Requests that are not due yet.
    pub scheduled: i64,
    /// When the longest waiting request fell due.
    pub oldest_due: Option<DateTime<Utc>>,
}

/// The failure or refusal of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More calls wait than allowed: try again after this time.
    #[error("the store has too much to do")]
    Busy(Duration),
    /// A name that must be unique is taken.
    #[error("{0} exists already")]
    Taken(String),
    /// The state of a record does not allow the change.
    #[error("{0}")]
    NotAllowed(String),
    /// The store cannot be written any more, or could not be opened.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Pages of the database are damaged: a backup has to be restored.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("store: {0}")]
    Other(String),
}
