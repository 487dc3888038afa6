//! The services, cards, boxes and subscriptions in the SQLite store.

use std::sync::PoisonError;
use std::time::Instant;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::columns::Columns;
use super::{BELIEVED, SqliteStore};
use crate::catalogue::{Entry, EntryKind, Key};
use crate::store::rows::{ENTRY_COLUMNS, row_to_entry};
use crate::store::{CatalogueStore, StoreError};
use crate::words::Word as _;

/// The largest number of look-ups by key that run on the async thread itself, where a look-up takes a few microseconds.
const QUICK_VALUES: usize = 8;

#[async_trait]
impl CatalogueStore for SqliteStore {
    async fn import_entries(&self, kind: EntryKind, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.empty_until.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
        self.writer.write(move |db| import_entries(db, kind, &entries)).await
    }

    async fn find_entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        if self.is_known_empty(kind) {
            return Ok(Vec::new());
        }
        let entries = self.read_entries(kind, key, values).await?;
        if entries.is_empty() && self.readers.read_here(|db| is_empty(db, kind)).await? {
            let empty = Instant::now() + BELIEVED;
            self.empty_until.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, empty);
        }
        Ok(entries)
    }

    async fn list_entries(&self, kind: EntryKind) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(move |db| list_entries(db, kind)).await
    }
}

impl SqliteStore {
    /// Is this kind of entry known to be missing? Many gateways have no catalogue of cards or boxes, and their requests
    /// skip the look-up.
    fn is_known_empty(&self, kind: EntryKind) -> bool {
        let empty_until = self.empty_until.lock().unwrap_or_else(PoisonError::into_inner);
        empty_until.get(&kind).is_some_and(|until| Instant::now() < *until)
    }

    async fn read_entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        if values.len() <= QUICK_VALUES {
            return self.readers.read_here(|db| find_entries(db, kind, key, &values)).await;
        }
        self.readers.read(move |db| find_entries(db, kind, key, &values)).await
    }
}

fn import_entries(db: &Connection, kind: EntryKind, entries: &[Entry]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "-- import_entries
         INSERT INTO catalogue (kind, id, name, alternative_code, ca_id, distribution_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, alternative_code = excluded.alternative_code,
             ca_id = excluded.ca_id, distribution_id = excluded.distribution_id",
    )?;
    for entry in entries {
        let row =
            params![kind.as_str(), entry.id, entry.name, entry.alternative_code, entry.ca_id, entry.distribution_id];
        statement.execute(row).map_err(|e| match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                StoreError::Taken(format!("{} {} (under another id)", kind.name_field(), entry.name))
            }
            _ => e.into(),
        })?;
    }
    Ok(())
}

fn find_entries(db: &Connection, kind: EntryKind, key: Key, values: &[String]) -> Result<Vec<Entry>, StoreError> {
    let column = match key {
        Key::Id => "id",
        Key::Name => "name",
        Key::AlternativeCode => "alternative_code",
        Key::CaId => "ca_id",
    };
    let sql = format!("-- find_entries\nSELECT {ENTRY_COLUMNS} FROM catalogue WHERE kind = ?1 AND {column} = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for value in values {
        for entry in statement.query_map(params![kind.as_str(), value], |row| row_to_entry(&Columns::new(row)))? {
            found.push(entry?);
        }
    }
    Ok(found)
}

fn is_empty(db: &Connection, kind: EntryKind) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached("-- is_empty\nSELECT 1 FROM catalogue WHERE kind = ?1 LIMIT 1")?;
    Ok(!statement.exists([kind.as_str()])?)
}

fn list_entries(db: &Connection, kind: EntryKind) -> Result<Vec<Entry>, StoreError> {
    let sql = format!("-- list_entries\nSELECT {ENTRY_COLUMNS} FROM catalogue WHERE kind = ?1 ORDER BY name");
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_map([kind.as_str()], |row| row_to_entry(&Columns::new(row)))?.collect::<Result<_, _>>()?)
}
