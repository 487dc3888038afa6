//! Exchanges between clients and upstream that were passed through: the trait and its filter.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::exchange::{Exchange, Note, PackedExchange, Summary};
use crate::request::RecordId;

/// The exchanges of clients in the store.
#[async_trait]
pub trait ExchangeStore: Send + Sync {
    /// Commits exchanges; the store numbers them, and deletes the oldest exchanges if all together take more bytes than
    /// allowed.
    async fn add_exchanges(&self, batch: Vec<Arc<PackedExchange>>) -> Result<(), StoreError>;
    /// Finds an exchange with its headers and bodies.
    async fn find_exchange(&self, id: &RecordId) -> Result<Option<Exchange>, StoreError>;
    /// Lists exchanges without their headers and bodies, by number.
    async fn list_exchanges(&self, filter: ExchangeFilter) -> Result<Vec<Summary>, StoreError>;
    /// Commits an operator's note about an exchange; false if there is no such exchange.
    async fn add_note(&self, id: &RecordId, note: Note) -> Result<bool, StoreError>;
    /// The notes of an exchange, oldest first.
    async fn list_notes(&self, number: i64) -> Result<Vec<Note>, StoreError>;
    /// Deletes some exchanges that ended before `before`, and some of the oldest if all together take more bytes than
    /// allowed; returns the number of deleted exchanges.
    async fn purge_exchanges(&self, before: Option<DateTime<Utc>>) -> Result<usize, StoreError>;
}

/// Which exchanges a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeFilter {
    /// Only exchanges with a greater number.
    pub after: i64,
    /// The largest number of exchanges to return.
    pub limit: u64,
    /// Newest first, instead of oldest first.
    pub newest_first: bool,
    /// Only exchanges with this smartcard.
    pub card: Option<String>,
}
