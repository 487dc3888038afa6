//! Reads requests: one record, a list of records, and a record's attempts and events.

use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::Columns;
use super::parts;
use super::traffic::at_one_moment;
use crate::request::{Attempt, Event, Family, ProvisioningRequest};
use crate::store::rows::{self, EVENT_COLUMNS, SENT_ATTEMPT_COLUMNS};
use crate::store::sql::{count_numbers, list_numbers};
use crate::store::{DeviceKind, Lease, LeasedRequest, RecordKey, RequestQuery, SentAttempt, StoreError};
use crate::words::Word as _;

/// A page of a list ends after this many bytes of SOAP texts, whatever its limit.
const PAGE_BYTES: usize = 32 << 20;

type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

/// The SELECT of the columns for [`row_to_request`], with `tail` behind.
fn select(tail: &str) -> String {
    let columns = rows::request_columns();
    format!(
        "SELECT {columns} FROM request r JOIN user u ON u.id = r.created_by
             LEFT JOIN attempt a ON a.number = r.number AND a.attempt = r.attempts
             LEFT JOIN joint_call j ON j.id = coalesce(r.joint_call, a.joint_call) {tail}"
    )
}

fn row_to_request(row: &Row<'_>) -> Result<ProvisioningRequest> {
    rows::row_to_request(&Columns::new(row))
}

pub(super) fn find_request(
    db: &Connection,
    family: Option<Family>,
    key: &RecordKey,
) -> Result<Option<ProvisioningRequest>, StoreError> {
    let (column, value) = match key {
        RecordKey::Id(id) => ("id", Value::from(id.as_str().to_owned())),
        RecordKey::Number(number) => ("number", Value::from(*number)),
    };
    let sql = format!("-- find_request\n{}", select(&format!("WHERE r.{column} = ?1")));
    let found = db.prepare_cached(&sql)?.query_row([value], row_to_request).optional()?;
    let found = found.filter(|r| family.is_none_or(|f| f == r.content.family));
    found.map(|request| parts::read_parts(db, request)).transpose()
}

pub(super) fn find_by_numbers(db: &Connection, numbers: &[i64]) -> Result<Vec<ProvisioningRequest>, StoreError> {
    let sql = format!("-- find_by_numbers\n{}", select("WHERE r.number = ?1"));
    let mut statement = db.prepare_cached(&sql)?;
    numbers.iter().map(|n| parts::read_parts(db, statement.query_row([n], row_to_request)?)).collect()
}

/// The records of leased requests, with their leases.
pub(super) fn find_leased(db: &Connection, leased: Vec<(i64, Lease)>) -> Result<Vec<LeasedRequest>, StoreError> {
    let numbers: Vec<i64> = leased.iter().map(|(number, _)| *number).collect();
    let found = find_by_numbers(db, &numbers)?;
    Ok(found.into_iter().zip(leased).map(|(request, (_, lease))| LeasedRequest { request, lease }).collect())
}

pub(super) fn list_requests(db: &Connection, query: &RequestQuery) -> Result<Vec<ProvisioningRequest>, StoreError> {
    // Both reads see one moment: otherwise a request that ends in between would be listed in a state that it has left.
    at_one_moment(db, async |moment| {
        let mut page = Vec::new();
        let mut bytes = 0;
        for number in list_numbers(moment, query).await? {
            if bytes > PAGE_BYTES {
                break;
            }
            let found = find_by_numbers(db, &[number])?;
            bytes += found.iter().map(ProvisioningRequest::text_bytes).sum::<usize>();
            page.extend(found);
        }
        Ok(page)
    })
}

pub(super) fn count_requests(db: &Connection, query: &RequestQuery) -> Result<u64, StoreError> {
    at_one_moment(db, async |moment| count_numbers(moment, query).await)
}

pub(super) fn list_devices(db: &Connection, kind: DeviceKind, most: u64) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- list_devices\nSELECT DISTINCT ca_id FROM request_device WHERE kind = ?1 ORDER BY ca_id LIMIT ?2",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![kind.as_str(), most], |row| row.get("ca_id"))?;
    Ok(rows.collect::<Result<_>>()?)
}

pub(super) fn list_attempts(db: &Connection, number: i64) -> Result<Vec<Attempt>, StoreError> {
    let sql = format!(
        "-- list_attempts
         SELECT {} FROM attempt a LEFT JOIN joint_call j ON j.id = a.joint_call
         WHERE a.number = ?1 ORDER BY a.attempt",
        rows::attempt_columns()
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_map([number], |row| rows::row_to_attempt(&Columns::new(row)))?;
    Ok(found.collect::<Result<_>>()?)
}

pub(super) fn list_events(db: &Connection, number: i64) -> Result<Vec<Event>, StoreError> {
    let sql = format!("-- list_events\nSELECT {EVENT_COLUMNS} FROM event WHERE number = ?1 ORDER BY event");
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_map([number], |row| rows::row_to_event(&Columns::new(row)))?;
    Ok(found.collect::<Result<_>>()?)
}

/// Lists sent attempts, newest first.
pub(super) fn list_sent_attempts(
    db: &Connection,
    since: DateTime<Utc>,
    card: Option<&str>,
    limit: u64,
) -> Result<Vec<SentAttempt>, StoreError> {
    // A card has few attempts, which are sorted here; an index has all attempts in order.
    let (of_card, is_of_card) = match card {
        Some(_) => ("request_device d CROSS JOIN", "d.kind = 'card' AND d.ca_id = ?3 AND a.number = d.number AND"),
        None => ("", "?3 IS NULL AND"),
    };
    let mut statement = db.prepare_cached(&format!(
        "-- list_sent_attempts
         SELECT {SENT_ATTEMPT_COLUMNS}
         FROM {of_card} attempt a CROSS JOIN request r ON r.number = a.number
         WHERE {is_of_card} a.started_at + a.duration_ms >= ?1 AND a.sent
         ORDER BY a.started_at + a.duration_ms DESC LIMIT ?2",
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![since.timestamp_millis(), limit, card], |row| {
        rows::row_to_sent_attempt(&Columns::new(row))
    })?;
    Ok(found.collect::<Result<_>>()?)
}
