//! Shifts the due times of waiting requests when the machine's date was set.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use crate::request::{Family, RequestType};
use crate::store::{DateStep, StoreError};

pub(super) fn find_last_change(db: &Connection) -> Result<Option<DateTime<Utc>>, StoreError> {
    let [web, sms] = [Family::WebServices, Family::SmsSas].map(Family::as_str);
    let last: Option<i64> = db
        .prepare_cached(
            "-- find_last_change
             SELECT max(updated_at) AS updated_at FROM request WHERE family IN (?1, ?2) AND state = 'PENDING'",
        )?
        .query_row([web, sms], |row| row.get("updated_at"))?;
    Ok(last.and_then(DateTime::from_timestamp_millis))
}

/// A type that may be sent again for a limited time only never gets more of it: its end is not carried forward, since a
/// machine that slept looks the same; and after a stop it has ended.
pub(super) fn shift_due_times(db: &Connection, step: DateStep) -> Result<usize, StoreError> {
    let [web, sms] = [Family::WebServices, Family::SmsSas].map(Family::as_str);
    let limited = RequestType::all().filter(|request_type| request_type.resend_within().is_some());
    let limited: Vec<&str> = limited.map(RequestType::as_str).collect();
    let limited = serde_json::to_string(&limited).map_err(|e| StoreError::Other(e.to_string()))?;
    let by = step.by.num_milliseconds();
    let (now, since) = (step.now, step.now.checked_sub_signed(step.noticed_after).unwrap_or(step.now));
    let latest = if step.is_after_stop { now.timestamp_millis() } else { i64::MAX };
    let mut shift = db.prepare_cached(
        "-- shift_due_times
         UPDATE request SET ready_at = ready_at + ?3,
             resolve_until = iif(type IN (SELECT value FROM json_each(?4)),
                 min(resolve_until, resolve_until + ?3, ?5), resolve_until + ?3)
         WHERE family IN (?1, ?2) AND state = 'PENDING' AND in_doubt IS NOT 'NEEDS_OPERATOR'
             AND (attempts > 0 OR scheduled_at <= created_at) AND updated_at NOT BETWEEN ?6 AND ?7",
    )?;
    let values = params![web, sms, by, limited, latest, since.timestamp_millis(), now.timestamp_millis()];
    Ok(shift.execute(values)?)
}
