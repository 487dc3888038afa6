//! Deletes requests that ended long ago, a few at a time, so that no other write waits long.

use chrono::{DateTime, Utc};

use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use super::joint;
use crate::store::Purged;
use crate::store::rows::ReadColumns as _;

/// The largest number of records that one step looks at.
const STEP: i64 = 200;

/// The columns of a record that the purge needs.
struct Old {
    number: i64,
    is_young: bool,
    has_ended: bool,
}

/// Deletes old records. Numbers ascend with the time of creation: if all records of a step are too young, so are all
/// later records.
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
    // Two nodes may purge at the same time: rows that the other node has locked are skipped.
    let lock = "-- purge_requests: lock
        SELECT number, cards FROM request WHERE number = ANY ($1) ORDER BY number FOR UPDATE SKIP LOCKED";
    let (mut numbers, mut cards): (Vec<i64>, Vec<String>) = (Vec::new(), Vec::new());
    for row in transaction.query(lock, &[&ended]).await? {
        numbers.push(Columns(&row).get("number")?);
        cards.extend(Columns(&row).json::<Vec<String>>("cards")?);
    }
    forget_stbs(transaction, &numbers).await?;
    let joint_calls = joint::find_joint_calls(transaction, &numbers).await?;
    for table in ["rejected_device", "part", "attempt", "event", "request"] {
        let sql = format!("-- purge_requests: {table}\nDELETE FROM {table} WHERE number = ANY ($1)");
        transaction.execute(&sql, &[&numbers]).await?;
    }
    joint::forget_joint_calls(transaction, &joint_calls).await?;
    forget_cards(transaction, &cards).await?;
    Ok(Purged { count: numbers.len(), next })
}

async fn forget_stbs(transaction: &Transaction, numbers: &[i64]) -> Result<(), Fault> {
    let sql = "-- forget_stbs
        DELETE FROM request_device d USING (
            SELECT item.value ->> 2 AS ca_id, r.number FROM request r, json_array_elements(r.items::json) AS item (value)
            WHERE r.number = ANY ($1) AND item.value ->> 1 = 'stb_ca_id') AS old
        WHERE d.kind = 'stb' AND d.ca_id = old.ca_id AND d.number = old.number";
    transaction.execute(sql, &[&numbers]).await?;
    Ok(())
}

/// Deletes entries of cards. The last entry of each card stays, since a copy of the store takes the card's last sequence
/// number from it; the entry that stayed before is deleted.
async fn forget_cards(transaction: &Transaction, cards: &[String]) -> Result<(), Fault> {
    let sql = "-- forget_cards
        DELETE FROM request_device d
        WHERE kind = 'card' AND ca_id = ANY ($1) AND NOT EXISTS (SELECT 1 FROM request r WHERE r.number = d.number)
            AND number < (SELECT max(number) FROM request_device last WHERE last.kind = 'card' AND last.ca_id = d.ca_id)";
    transaction.execute(sql, &[&cards]).await?;
    Ok(())
}
