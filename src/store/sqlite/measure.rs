//! Counts waiting work with indexes alone, and measures the files, so that a scrape of the metrics is cheap even with a
//! million records.

use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, named_params};
use rustix::fs::statvfs;
use strum::VariantArray as _;

use super::files;
use crate::request::{Cas, Priority};
use crate::store::{StoreError, StoreMeasures, WaitingMeasures};
use crate::words::Word as _;

pub(super) fn measure(
    db: &Connection,
    database: &Path,
    queue: usize,
    now: DateTime<Utc>,
) -> Result<StoreMeasures, StoreError> {
    let count = |sql: &str| db.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>("count"));
    let bytes = |suffix| std::fs::metadata(files::with_suffix(database, suffix)).map_or(0, |file| file.len());
    let waiting = Priority::VARIANTS.iter().map(|priority| waiting(db, *priority, now)).collect::<Result<_, _>>()?;
    Ok(StoreMeasures {
        waiting,
        blocked: count("-- measure: blocked\nSELECT count(*) AS count FROM request WHERE waits_for IS NOT NULL")?,
        resolving: count("-- measure: resolving\nSELECT count(*) AS count FROM request WHERE in_doubt = 'RESOLVING'")?,
        needs_operator: count(
            "-- measure: needs_operator\nSELECT count(*) AS count FROM request WHERE in_doubt = 'NEEDS_OPERATOR'",
        )?,
        queue,
        database_bytes: bytes(""),
        wal_bytes: Some(bytes("-wal")),
        // As what the gateway's user may write, which may be less than what is free.
        available_bytes: statvfs(database).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
    })
}

fn waiting(db: &Connection, priority: Priority, now: DateTime<Utc>) -> Result<WaitingMeasures, StoreError> {
    const SQL: &str = "-- measure::waiting
        SELECT count(*) AS waiting, count(*) FILTER (WHERE ready_at <= :now) AS due, min(ready_at) AS oldest FROM request
        WHERE state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR'
            AND cas IN (SELECT value FROM json_each(:systems)) AND priority = :priority";
    let mut statement = db.prepare_cached(SQL)?;
    let named =
        named_params! {":now": now.timestamp_millis(), ":priority": priority.as_str(), ":systems": Cas::all_as_json()};
    Ok(statement.query_row(named, |row| {
        let (all, due): (i64, i64) = (row.get("waiting")?, row.get("due")?);
        let oldest = row.get::<_, Option<i64>>("oldest")?.and_then(DateTime::from_timestamp_millis);
        Ok(WaitingMeasures { due, scheduled: all - due, oldest_due: oldest.filter(|at| *at <= now) })
    })?)
}
