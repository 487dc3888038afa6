//! The catalogue's table.

use rusqlite::{Connection, Row, params};

use crate::catalogue::{Entry, EntryKind, Key};
use crate::store::StoreError;

const COLUMNS: &str = "id, name, alternative_code, ca_id, distribution_id";

fn row_to_entry(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    Ok(Entry {
        id: row.get(0)?,
        name: row.get(1)?,
        alternative_code: row.get(2)?,
        ca_id: row.get(3)?,
        distribution_id: row.get(4)?,
    })
}

pub(super) fn import(db: &Connection, kind: EntryKind, entries: &[Entry]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "-- import
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

pub(super) fn entries(db: &Connection, kind: EntryKind, key: Key, values: &[String]) -> Result<Vec<Entry>, StoreError> {
    let column = match key {
        Key::Id => "id",
        Key::Name => "name",
        Key::AlternativeCode => "alternative_code",
        Key::CaId => "ca_id",
    };
    let sql = format!("-- entries\nSELECT {COLUMNS} FROM catalogue WHERE kind = ?1 AND {column} = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for value in values {
        for entry in statement.query_map(params![kind.as_str(), value], row_to_entry)? {
            found.push(entry?);
        }
    }
    Ok(found)
}

pub(super) fn is_empty(db: &Connection, kind: EntryKind) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached("-- is_empty\nSELECT 1 FROM catalogue WHERE kind = ?1 LIMIT 1")?;
    Ok(!statement.exists([kind.as_str()])?)
}

pub(super) fn all(db: &Connection, kind: EntryKind) -> Result<Vec<Entry>, StoreError> {
    let sql = format!("-- all\nSELECT {COLUMNS} FROM catalogue WHERE kind = ?1 ORDER BY name");
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_map([kind.as_str()], row_to_entry)?.collect::<Result<_, _>>()?)
}
