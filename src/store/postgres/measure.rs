//! Counts waiting work with indexes alone, and measures the database, so that a scrape of the metrics is cheap even with
//! a million records.

use chrono::{DateTime, Utc};
use strum::VariantArray as _;

use super::columns::Columns;
use super::database::Database;
use super::fault::Fault;
use crate::request::{Cas, Priority};
use crate::store::rows::ReadColumns as _;
use crate::store::{StoreError, StoreMeasures, WaitingMeasures};
use crate::words::Word as _;

pub(super) async fn measure(database: &Database, queue: usize, now: DateTime<Utc>) -> Result<StoreMeasures, Fault> {
    let mut waiting = Vec::new();
    for priority in Priority::VARIANTS {
        waiting.push(measure_waiting(database, *priority, now).await?);
    }
    let sql = "-- measure
        SELECT (SELECT count(*) FROM request WHERE waits_for IS NOT NULL) AS blocked,
            (SELECT count(*) FROM request WHERE in_doubt = 'RESOLVING') AS resolving,
            (SELECT count(*) FROM request WHERE in_doubt = 'NEEDS_OPERATOR') AS needs_operator,
            pg_database_size(current_database()) AS bytes";
    let rows = database.read(sql, &[]).await?;
    let row = rows.first().ok_or_else(|| StoreError::Other("nothing was counted".to_owned()))?;
    let row = Columns(row);
    Ok(StoreMeasures {
        waiting,
        blocked: row.get("blocked")?,
        resolving: row.get("resolving")?,
        needs_operator: row.get("needs_operator")?,
        queue,
        database_bytes: row.get::<i64>("bytes")?.unsigned_abs(),
        // Log and disk belong to the server with all its databases, and only other users may read their sizes.
        wal_bytes: None,
        available_bytes: None,
    })
}

async fn measure_waiting(
    database: &Database,
    priority: Priority,
    now: DateTime<Utc>,
) -> Result<WaitingMeasures, Fault> {
    let sql = "-- measure_waiting
        SELECT count(*) AS waiting, count(*) FILTER (WHERE ready_at <= $1) AS due, min(ready_at) AS oldest FROM request
        WHERE state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL
            AND in_doubt IS DISTINCT FROM 'NEEDS_OPERATOR' AND cas = ANY ($3) AND priority = $2";
    let systems: Vec<&str> = Cas::VARIANTS.iter().map(|cas| cas.as_str()).collect();
    let rows = database.read(sql, &[&now.timestamp_millis(), &priority.as_str(), &systems]).await?;
    let Some(row) = rows.first().map(Columns) else { return Ok(WaitingMeasures::default()) };
    let (all, due): (i64, i64) = (row.get("waiting")?, row.get("due")?);
    let oldest_due = row.optional_time("oldest")?.filter(|at| *at <= now);
    Ok(WaitingMeasures { due, scheduled: all - due, oldest_due })
}
