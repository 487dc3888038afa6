//! Exchanges of clients with upstream that were passed through.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::exchange::{Exchange, Note, PackedExchange, Summary};
use crate::request::RecordId;

/// The exchanges of clients in the store.
#[async_trait]
pub trait ExchangeStore: Send + Sync {
    /// Commits what clients and upstream said to each other; the store numbers it, and the oldest go where all take more
    /// than they may.
    async fn add_exchanges(&self, batch: Vec<Arc<PackedExchange>>) -> Result<(), StoreError>;
    /// An exchange with its texts.
    async fn find_exchange(&self, id: &RecordId) -> Result<Option<Exchange>, StoreError>;
    /// Exchanges without their texts, by number.
    async fn list_exchanges(&self, filter: ExchangeFilter) -> Result<Vec<Summary>, StoreError>;
    /// Commits what an operator wrote down about an exchange, which stays as it is; false where there is no such exchange.
    async fn add_note(&self, id: &RecordId, note: Note) -> Result<bool, StoreError>;
    /// The notes of an exchange, oldest first.
    async fn list_notes(&self, number: i64) -> Result<Vec<Note>, StoreError>;
    /// Deletes a few exchanges that ended before `before`, and a few of the oldest if all take more than they may; returns
    /// how many.
    async fn purge_exchanges(&self, before: Option<DateTime<Utc>>) -> Result<usize, StoreError>;
}

/// Which exchanges a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeFilter {
    /// With a greater number.
    pub after: i64,
    /// At most that many.
    pub limit: u64,
    /// The newest first, else the oldest.
    pub newest_first: bool,
    /// Only those with this smartcard.
    pub card: Option<String>,
}
