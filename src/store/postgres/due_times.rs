//! Shifts the due times of waiting requests when the date of the server was set: all nodes use that date.
//!
//! Rule: every node notices the step, and one node shifts the due times.

use chrono::{DateTime, Utc};

use super::columns::Columns;
use super::database::{Database, Transaction};
use super::fault::Fault;
use crate::store::policy::DueShift;
use crate::store::rows::ReadColumns as _;

/// Two nodes noticed the same step if they noticed it within this time, and the steps differ by less than `SAME_STEP_MS`.
const NOTICED_TOGETHER_S: f64 = 60.0;
const SAME_STEP_MS: i64 = 2_000;

pub(super) async fn find_last_change(database: &Database) -> Result<Option<DateTime<Utc>>, Fault> {
    let sql = "-- find_last_change\nSELECT max(updated_at) AS updated_at FROM request WHERE state = 'PENDING'";
    match database.read(sql, &[]).await?.first() {
        Some(row) => Columns(row).optional_time("updated_at"),
        None => Ok(None),
    }
}

pub(super) async fn shift_due_times(transaction: &Transaction, shift: &DueShift) -> Result<usize, Fault> {
    let by = shift.by.num_milliseconds();
    let known = "-- shift_due_times: known
        SELECT count(*) AS known FROM date_step
        WHERE abs(extract(epoch FROM clock_timestamp() - noticed_at)) < $1::float8 AND abs(by_ms - $2::bigint) < $3::bigint";
    // One node at a time, until its commit.
    transaction.execute("-- shift_due_times: lock\nLOCK TABLE date_step IN SHARE ROW EXCLUSIVE MODE", &[]).await?;
    let row = transaction.query_first(known, &[&NOTICED_TOGETHER_S, &by, &SAME_STEP_MS]).await?;
    if row.map(|row| Columns(&row).get::<i64>("known")).transpose()?.is_some_and(|known| known > 0) {
        return Ok(0);
    }
    let forget = "-- shift_due_times: forget\nDELETE FROM date_step";
    let note = "-- shift_due_times: note\nINSERT INTO date_step (noticed_at, by_ms) VALUES (clock_timestamp(), $1)";
    transaction.execute_all(&[(forget, &[]), (note, &[&by])]).await?;
    let limited_until = shift.limited_until.map_or(i64::MAX, |until| until.timestamp_millis());
    let [since, until] = [shift.untouched.start(), shift.untouched.end()].map(DateTime::timestamp_millis);
    let sql = "-- shift_due_times
        UPDATE request SET ready_at = ready_at + $1::bigint,
            resolve_until = CASE WHEN type = ANY ($2) THEN least(resolve_until, resolve_until + $1, $3::bigint)
                ELSE resolve_until + $1 END
        WHERE state = 'PENDING' AND in_doubt IS DISTINCT FROM 'NEEDS_OPERATOR'
            AND (attempts > 0 OR scheduled_at <= created_at) AND updated_at NOT BETWEEN $4::bigint AND $5::bigint";
    let shifted = transaction.execute(sql, &[&by, &shift.limited_types, &limited_until, &since, &until]).await?;
    Ok(usize::try_from(shifted).unwrap_or(usize::MAX))
}
