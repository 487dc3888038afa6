//! Deletes requests that ended long ago, a few at a time, so that no other write waits long.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::columns::Columns;
use super::joint;
use crate::store::rows::ReadColumns as _;
use crate::store::{Purged, StoreError};

/// The largest number of records that one step looks at.
const STEP: i64 = 200;

/// The columns of a record that the purge needs.
struct Old {
    number: i64,
    cards: Vec<String>,
    stbs: Vec<String>,
    is_young: bool,
    has_ended: bool,
}

fn old(row: &Row<'_>) -> rusqlite::Result<Old> {
    let row = Columns::new(row);
    Ok(Old {
        number: row.get("number")?,
        cards: row.json("cards")?,
        stbs: row.json("stbs")?,
        is_young: row.get("is_young")?,
        has_ended: row.get("has_ended")?,
    })
}

/// Deletes old records. Numbers ascend with the time of creation: if all records of a step are too young, so are all
/// later records.
pub(super) fn purge_requests(db: &Connection, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError> {
    let found: Vec<Old> = db
        .prepare_cached(
            "-- purge_requests: find
             SELECT number, cards,
                 (SELECT json_group_array(value ->> 2) FROM json_each(items) WHERE value ->> 1 = 'stb_ca_id') AS stbs,
                 created_at >= ?2 AS is_young, state <> 'PENDING' AND updated_at < ?2 AS has_ended
             FROM request WHERE number >= ?1 ORDER BY number LIMIT ?3",
        )?
        .query_map(params![from, before.timestamp_millis(), STEP], old)?
        .collect::<Result<_, _>>()?;
    let goes_on = i64::try_from(found.len()) == Ok(STEP) && found.iter().any(|old| !old.is_young);
    let next = found.last().filter(|_| goes_on).map(|last| last.number + 1);
    let (mut count, mut joint_calls) = (0, BTreeSet::new());
    for Old { number, cards, stbs, .. } in found.iter().filter(|old| old.has_ended) {
        joint_calls.extend(joint::find_joint_calls(db, *number)?);
        for table in ["part", "attempt", "event", "request"] {
            db.prepare_cached(&format!("-- purge_requests: {table}\nDELETE FROM {table} WHERE number = ?1"))?
                .execute([number])?;
        }
        forget_stbs(db, stbs, *number)?;
        forget_cards(db, cards, *number)?;
        count += 1;
    }
    joint::forget_joint_calls(db, joint_calls)?;
    Ok(Purged { count, next })
}

fn forget_stbs(db: &Connection, stbs: &[String], number: i64) -> Result<(), StoreError> {
    for table in ["request_device", "rejected_device"] {
        let sql = format!("-- forget_stbs\nDELETE FROM {table} WHERE kind = 'stb' AND ca_id = ?1 AND number = ?2");
        let mut statement = db.prepare_cached(&sql)?;
        for stb in stbs {
            statement.execute(params![stb, number])?;
        }
    }
    Ok(())
}

/// Forgets a deleted request's cards. The last entry of each card stays, since the card's next sequence number follows
/// from it; the entry that stayed before is deleted.
fn forget_cards(db: &Connection, cards: &[String], number: i64) -> Result<(), StoreError> {
    let mut rejected = db.prepare_cached(
        "-- forget_cards: rejected\nDELETE FROM rejected_device WHERE kind = 'card' AND ca_id = ?1 AND number = ?2",
    )?;
    let mut device = db.prepare_cached(
        "-- forget_cards
         DELETE FROM request_device WHERE kind = 'card' AND ca_id = ?1 AND number <= ?2
             AND NOT EXISTS (SELECT 1 FROM request WHERE request.number = request_device.number)
             AND number < (SELECT max(number) FROM request_device last WHERE last.kind = 'card' AND last.ca_id = ?1)",
    )?;
    for card in cards {
        rejected.execute(params![card, number])?;
        device.execute(params![card, number])?;
    }
    Ok(())
}
