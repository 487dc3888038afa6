//! Leasing due requests to the processing run, and taking back what a dead process left under way.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{request_read, request_write};
use crate::request::{Failure, Family, Priority, ProvisioningRequest, failure, process};
use crate::store::StoreError;

/// The waiting requests of one priority that nothing holds up: no earlier due request of a card of theirs is open, and
/// no request of such a card is under way.
const READY: &str = "-- ready
    SELECT number FROM request r
    WHERE priority = ?1 AND ready_at <= ?2 AND state = 'PENDING' AND lease IS NULL AND uncertain = 0
        AND NOT EXISTS (
            SELECT 1 FROM json_each(r.cards) mine JOIN lane other ON other.card = mine.value AND other.number <> r.number
            WHERE (
                (other.number < r.number AND other.due <= ?2)
                OR EXISTS (SELECT 1 FROM request o WHERE o.number = other.number AND o.lease IS NOT NULL)))
    ORDER BY ready_at, number LIMIT ?3";

pub(super) fn claim(
    db: &Connection,
    now: DateTime<Utc>,
    limit: usize,
    run: &str,
) -> Result<Vec<ProvisioningRequest>, StoreError> {
    let mut numbers: Vec<i64> = Vec::new();
    let mut ready = db.prepare_cached(READY)?;
    let mut lease = db.prepare_cached(
        "-- claim\nUPDATE request SET lease = ?2, process_name = ?3, process_id = ?2 WHERE number = ?1",
    )?;
    for priority in Priority::ALL {
        let room = i64::try_from(limit - numbers.len()).unwrap_or(i64::MAX);
        let rows = ready.query_map(params![priority.as_str(), now.timestamp_millis(), room], |row| row.get(0))?;
        let found: Vec<i64> = rows.collect::<Result<_, _>>()?;
        for number in &found {
            lease.execute(params![number, run, process::RUN])?;
        }
        numbers.extend(found);
    }
    request_read::by_numbers(db, &numbers)
}

/// The store has one process: whatever is leased when it starts was under way when the last one died. Its bytes may have
/// gone out, so the record shows them, and an attempt that nothing is known of.
pub(super) fn recover(db: &Connection, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let unknown = Failure {
        code: failure::OUTCOME_UNKNOWN.to_owned(),
        description: Some("The gateway stopped while this request was under way.".to_owned()),
        ..Failure::default()
    };
    let mut statement = db.prepare_cached(
        "-- recover
         UPDATE request SET lease = NULL, uncertain = 1, failure = ?1, updated_at = ?2, sent = body IS NOT NULL,
             attempts = attempts + 1
         WHERE family IN (?3, ?4) AND state = 'PENDING' AND lease IS NOT NULL
         RETURNING number, cards, attempts",
    )?;
    let json = request_write::failure_to_json(&unknown)?;
    let [web, sms] = [Family::WebServices, Family::SmsSas].map(Family::as_str);
    let values = params![json, now.timestamp_millis(), web, sms];
    let rows = statement
        .query_map(values, |row| Ok((row.get(0)?, request_read::json(row, 1)?.unwrap_or_default(), row.get(2)?)))?;
    let lost: Vec<(i64, Vec<String>, u32)> = rows.collect::<Result<_, _>>()?;
    for (number, cards, attempt) in &lost {
        request_write::leave_lanes(db, *number, cards)?;
        db.prepare_cached(
            "-- recover: attempt
             INSERT INTO attempt (number, attempt, started_at, duration_ms, sent, error)
             SELECT number, ?2, updated_at, 0, sent, ?3 FROM request WHERE number = ?1",
        )?
        .execute(params![number, attempt, unknown.description])?;
    }
    Ok(lost.len())
}

pub(super) fn next_due(db: &Connection) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- next_due
         SELECT min(ready_at) FROM request
         WHERE priority = ?1 AND state = 'PENDING' AND lease IS NULL AND uncertain = 0",
    )?;
    let mut next: Option<i64> = None;
    for priority in Priority::ALL {
        let due: Option<i64> = statement.query_row([priority.as_str()], |row| row.get(0))?;
        next = next.into_iter().chain(due).min();
    }
    Ok(next.and_then(DateTime::from_timestamp_millis))
}
