//! Deleting what ended long ago, a little at a time, so that nothing has to wait for it.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::request_read;
use crate::store::{Purged, StoreError};

/// Records looked at in one step, at most.
const STEP: i64 = 200;

/// A record, as far as the purge needs it.
struct Old {
    number: i64,
    cards: Vec<String>,
    boxes: Vec<String>,
    has_ended: bool,
}

fn old(row: &Row<'_>) -> rusqlite::Result<Old> {
    Ok(Old {
        number: row.get(0)?,
        cards: request_read::json(row, 1)?.unwrap_or_default(),
        boxes: request_read::json(row, 2)?.unwrap_or_default(),
        has_ended: row.get(3)?,
    })
}

/// Numbers ascend with the time of creation: the first record that is too young ends the purge.
pub(super) fn purge(db: &Connection, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError> {
    let before = before.timestamp_millis();
    let found: Vec<Old> = db
        .prepare_cached(
            "-- purge: find
             SELECT number, cards,
                 (SELECT json_group_array(value ->> 2) FROM json_each(items) WHERE value ->> 1 = 'stb_ca_id'),
                 state <> 'PENDING' AND updated_at < ?2
             FROM (SELECT * FROM request WHERE number >= ?1 ORDER BY number LIMIT ?3) WHERE created_at < ?2",
        )?
        .query_map(params![from, before, STEP], old)?
        .collect::<Result<_, _>>()?;
    let is_full = found.len() == usize::try_from(STEP).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| is_full).map(|last| last.number + 1);
    let mut count = 0;
    for Old { number, cards, boxes, .. } in found.iter().filter(|old| old.has_ended) {
        for table in ["attempt", "event", "request"] {
            db.prepare_cached(&format!("-- purge: {table}\nDELETE FROM {table} WHERE number = ?1"))?
                .execute([number])?;
        }
        for (kind, ids) in [("card", cards), ("stb", boxes)] {
            forget_devices(db, kind, ids, *number)?;
        }
        count += 1;
    }
    Ok(Purged { count, next })
}

/// The last entry of each device stays: a card's next sequence number follows from it.
fn forget_devices(db: &Connection, kind: &str, ids: &[String], number: i64) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "-- forget_devices
         DELETE FROM device WHERE kind = ?1 AND ca_id = ?2 AND number = ?3 AND EXISTS
             (SELECT 1 FROM device later WHERE later.kind = ?1 AND later.ca_id = ?2 AND later.number > ?3)",
    )?;
    let mut rejected = db.prepare_cached(
        "-- forget_devices: rejected\nDELETE FROM rejected WHERE kind = ?1 AND ca_id = ?2 AND number = ?3",
    )?;
    for id in ids {
        statement.execute(params![kind, id, number])?;
        rejected.execute(params![kind, id, number])?;
    }
    Ok(())
}
