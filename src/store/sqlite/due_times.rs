//! Shifts the due times of waiting requests when the machine's date was set.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use crate::request::Family;
use crate::store::StoreError;
use crate::store::policy::DueShift;

pub(super) fn find_last_change(db: &Connection) -> Result<Option<DateTime<Utc>>, StoreError> {
    let last: Option<i64> = db
        .prepare_cached(
            "-- find_last_change
             SELECT max(updated_at) AS updated_at FROM request
             WHERE family IN (SELECT value FROM json_each(?1)) AND state = 'PENDING'",
        )?
        .query_row([Family::all_as_json()], |row| row.get("updated_at"))?;
    Ok(last.and_then(DateTime::from_timestamp_millis))
}

pub(super) fn shift_due_times(db: &Connection, shift: &DueShift) -> Result<usize, StoreError> {
    let limited_types = serde_json::to_string(&shift.limited_types).map_err(|e| StoreError::Other(e.to_string()))?;
    let limited_until = shift.limited_until.map_or(i64::MAX, |until| until.timestamp_millis());
    let [since, until] = [shift.untouched.start(), shift.untouched.end()].map(DateTime::timestamp_millis);
    let mut statement = db.prepare_cached(
        "-- shift_due_times
         UPDATE request SET ready_at = ready_at + ?2,
             resolve_until = iif(type IN (SELECT value FROM json_each(?3)),
                 min(resolve_until, resolve_until + ?2, ?4), resolve_until + ?2)
         WHERE family IN (SELECT value FROM json_each(?1)) AND state = 'PENDING' AND in_doubt IS NOT 'NEEDS_OPERATOR'
             AND (attempts > 0 OR scheduled_at <= created_at) AND updated_at NOT BETWEEN ?5 AND ?6",
    )?;
    let by = shift.by.num_milliseconds();
    Ok(statement.execute(params![Family::all_as_json(), by, limited_types, limited_until, since, until])?)
}
