//! The services, cards, boxes and subscriptions in the PostgreSQL store.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::PostgresStore;
use super::columns::Columns;
use super::database::Patience::Refuse;
use super::fault::Fault;
use crate::catalogue::{Entry, EntryKind, Key};
use crate::store::rows::{ENTRY_COLUMNS, row_to_entry};
use crate::store::{CatalogueStore, StoreError};
use crate::words::Word as _;

/// How long a part of the catalogue found empty is believed to be empty without a new check.
const BELIEVED: Duration = Duration::from_secs(1);

#[async_trait]
impl CatalogueStore for PostgresStore {
    async fn import_entries(&self, kind: EntryKind, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.empty_until.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
        let entries = Arc::new(entries);
        let import = self.database.write(Refuse, 1, move |transaction| {
            let entries = Arc::clone(&entries);
            Box::pin(async move {
                let sql = "-- import_entries
                    INSERT INTO catalogue (kind, id, name, alternative_code, ca_id, distribution_id)
                    VALUES ($1, $2, $3, $4, $5, $6)
                    ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name,
                        alternative_code = excluded.alternative_code, ca_id = excluded.ca_id,
                        distribution_id = excluded.distribution_id";
                for Entry { id, name, alternative_code, ca_id, distribution_id } in entries.iter() {
                    let values: super::database::Values<'_> =
                        &[&kind.as_str(), id, name, alternative_code, ca_id, distribution_id];
                    transaction.execute(sql, values).await.map_err(|fault| match fault.is_taken() {
                        true => {
                            Fault::from(StoreError::Taken(format!("{} {name} (under another id)", kind.name_field())))
                        }
                        false => fault,
                    })?;
                }
                Ok(())
            })
        });
        import.await
    }

    async fn find_entries(&self, kind: EntryKind, key: Key, values: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        let is_known_empty = {
            let empty_until = self.empty_until.lock().unwrap_or_else(PoisonError::into_inner);
            empty_until.get(&kind).is_some_and(|until| Instant::now() < *until)
        };
        if is_known_empty {
            return Ok(Vec::new());
        }
        let column = match key {
            Key::Id => "id",
            Key::Name => "name",
            Key::AlternativeCode => "alternative_code",
            Key::CaId => "ca_id",
        };
        let sql =
            format!("-- find_entries\nSELECT {ENTRY_COLUMNS} FROM catalogue WHERE kind = $1 AND {column} = ANY ($2)");
        let rows = self.database.read(&sql, &[&kind.as_str(), &values]).await?;
        if rows.is_empty() {
            let any = "-- find_entries: any\nSELECT 1 FROM catalogue WHERE kind = $1 LIMIT 1";
            if self.database.read(any, &[&kind.as_str()]).await?.is_empty() {
                let empty = Instant::now() + BELIEVED;
                self.empty_until.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, empty);
            }
        }
        Ok(rows.iter().map(|row| row_to_entry(&Columns(row))).collect::<Result<_, _>>()?)
    }

    async fn list_entries(&self, kind: EntryKind) -> Result<Vec<Entry>, StoreError> {
        let sql = format!("-- list_entries\nSELECT {ENTRY_COLUMNS} FROM catalogue WHERE kind = $1 ORDER BY name");
        let rows = self.database.read(&sql, &[&kind.as_str()]).await?;
        Ok(rows.iter().map(|row| row_to_entry(&Columns(row))).collect::<Result<_, _>>()?)
    }
}
