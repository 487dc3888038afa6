//! The catalogue: services, cards, boxes, subscriptions.

use async_trait::async_trait;

use super::StoreError;
use crate::catalogue::{Entry, EntryKind, Key};

/// The catalogue in the store.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// Adds entries, or replaces the entries with the same ids; all entries or none.
    async fn import_entries(&self, kind: EntryKind, entries: Vec<Entry>) -> Result<(), StoreError>;
    /// Finds the entries whose `key` is among `values`, in no particular order.
    async fn find_entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError>;
    /// The entries of a kind, by name.
    async fn list_entries(&self, kind: EntryKind) -> Result<Vec<Entry>, StoreError>;
}
