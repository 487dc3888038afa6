//! Deleting what ended long ago, a little at a time, so that nothing has to wait for it.

use chrono::{DateTime, Utc};

use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use crate::store::Purged;
use crate::store::rows::ReadColumns as _;

/// Records looked at in one step, at most.
const STEP: i64 = 200;

/// A record, as far as the purge needs it.
struct Old {
    number: i64,
    is_young: bool,
    has_ended: bool,
}

/// Numbers ascend with the time of creation: where a whole step is too young, so is all behind it.
pub(super) async fn purge_requests(
    transaction: &Transaction,
    before: DateTime<Utc>,
    from: i64,
) -> Result<Purged, Fault> {
    let sql = "-- purge_requests: find
        SELECT number, created_at >= $2 AS is_young, state <> 'PENDING' AND updated_at < $2 AS has_ended
        FROM request WHERE number >= $1 ORDER BY number LIMIT $3";
    let rows = transaction.query(sql, &[&from, &before.timestamp_millis(), &STEP]).await?;
    let read = |row| {
        let row = Columns(row);
        Ok::<_, Fault>(Old {
            number: row.get("number")?,
            is_young: row.get("is_young")?,
            has_ended: row.get("has_ended")?,
        })
    };
    let found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let goes_on = i64::try_from(found.len()) == Ok(STEP) && found.iter().any(|old| !old.is_young);
    let next = found.last().filter(|_| goes_on).map(|last| last.number + 1);
    let ended: Vec<i64> = found.iter().filter(|old| old.has_ended).map(|old| old.number).collect();
    if ended.is_empty() {
        return Ok(Purged { count: 0, next });
    }
    // Two nodes may be at it: what the other one has locked is its own.
    let lock = "-- purge_requests: lock
        SELECT number FROM request WHERE number = ANY ($1) ORDER BY number FOR UPDATE SKIP LOCKED";
    let locked = transaction.query(lock, &[&ended]).await?;
    let numbers = locked.iter().map(|row| Columns(row).get("number")).collect::<Result<Vec<i64>, _>>()?;
    for table in ["request_device", "rejected_device"] {
        let sql = format!(
            "-- purge_requests: {table}
             DELETE FROM {table} d USING (
                 SELECT 'card' AS kind, card.value AS ca_id, r.number
                 FROM request r, json_array_elements_text(r.cards::json) AS card (value) WHERE r.number = ANY ($1)
                 UNION ALL SELECT 'stb', item.value ->> 2, r.number
                 FROM request r, json_array_elements(r.items::json) AS item (value)
                 WHERE r.number = ANY ($1) AND item.value ->> 1 = 'stb_ca_id') AS old
             WHERE d.kind = old.kind AND d.ca_id = old.ca_id AND d.number = old.number"
        );
        transaction.execute(&sql, &[&numbers]).await?;
    }
    for table in ["attempt", "event", "request"] {
        let sql = format!("-- purge_requests: {table}\nDELETE FROM {table} WHERE number = ANY ($1)");
        transaction.execute(&sql, &[&numbers]).await?;
    }
    Ok(Purged { count: numbers.len(), next })
}
