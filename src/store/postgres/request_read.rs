//! Reads requests: one record, a list of records, and a record's attempts and events.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::columns::Columns;
use super::database::{Database, Transaction};
use super::fault::Fault;
use super::parts;
use super::traffic::Moment;
use crate::request::{Attempt, Event, Family, ProvisioningRequest};
use crate::store::rows::{self, EVENT_COLUMNS, ReadColumns as _, SENT_ATTEMPT_COLUMNS};
use crate::store::sql::{count_numbers, list_numbers};
use crate::store::{DeviceKind, Lease, LeasedRequest, RecordKey, RequestQuery, SentAttempt, StoreError};
use crate::words::Word as _;

/// A page of a list ends after this many bytes of SOAP texts, whatever its limit; `PAGE_STEP` records are read at once.
const PAGE_BYTES: usize = 32 << 20;
const PAGE_STEP: usize = 100;

/// The SELECT of the columns for `row_to_request`, with `tail` behind.
fn select(name: &str, tail: &str) -> String {
    let columns = rows::request_columns();
    format!(
        "-- {name}
         SELECT {columns} FROM request r JOIN \"user\" u ON u.id = r.created_by
             LEFT JOIN attempt a ON a.number = r.number AND a.attempt = r.attempts
             LEFT JOIN joint_call j ON j.id = coalesce(r.joint_call, a.joint_call) {tail}"
    )
}

fn row_to_request(row: &Row) -> Result<ProvisioningRequest, Fault> {
    rows::row_to_request(&Columns(row))
}

fn sql_of(key: &RecordKey) -> String {
    let column = match key {
        RecordKey::Id(_) => "id",
        RecordKey::Number(_) => "number",
    };
    select("find_request", &format!("WHERE r.{column} = $1"))
}

fn of_family(rows: &[Row], family: Option<Family>) -> Result<Option<ProvisioningRequest>, Fault> {
    let found = rows.first().map(row_to_request).transpose()?;
    Ok(found.filter(|request| family.is_none_or(|family| family == request.content.family)))
}

pub(super) async fn find_request(
    transaction: &Transaction,
    family: Option<Family>,
    key: &RecordKey,
) -> Result<Option<ProvisioningRequest>, Fault> {
    let sql = sql_of(key);
    let rows = match key {
        RecordKey::Id(id) => transaction.query(&sql, &[&id.as_str()]).await?,
        RecordKey::Number(number) => transaction.query(&sql, &[number]).await?,
    };
    let mut found = of_family(&rows, family)?;
    parts::read_parts(transaction, &mut found).await?;
    Ok(found)
}

/// Finds a record outside a transaction.
pub(super) async fn read_request(
    database: &Database,
    family: Option<Family>,
    key: &RecordKey,
) -> Result<Option<ProvisioningRequest>, Fault> {
    let sql = sql_of(key);
    let rows = match key {
        RecordKey::Id(id) => database.read(&sql, &[&id.as_str()]).await?,
        RecordKey::Number(number) => database.read(&sql, &[number]).await?,
    };
    let found = of_family(&rows, family)?;
    if found.as_ref().is_none_or(|request| request.parts.is_empty()) {
        return Ok(found);
    }
    // The record and its parts are read in one snapshot.
    let key = key.clone();
    let found = database.read_moment(|moment| Box::pin(async move { find_request(moment, family, &key).await }));
    Ok(found.await?)
}

pub(super) async fn find_by_numbers(
    transaction: &Transaction,
    numbers: &[i64],
) -> Result<HashMap<i64, ProvisioningRequest>, Fault> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = transaction.query(&select("find_by_numbers", "WHERE r.number = ANY ($1)"), &[&numbers]).await?;
    let found = rows.iter().map(|row| row_to_request(row).map(|request| (request.number, request)));
    let mut found = found.collect::<Result<HashMap<_, _>, _>>()?;
    parts::read_parts(transaction, found.values_mut()).await?;
    Ok(found)
}

/// The records of leased requests, with their leases.
pub(super) async fn find_leased(
    transaction: &Transaction,
    leased: Vec<(i64, Lease)>,
) -> Result<Vec<LeasedRequest>, Fault> {
    let numbers: Vec<i64> = leased.iter().map(|(number, _)| *number).collect();
    let mut found = find_by_numbers(transaction, &numbers).await?;
    let with_record = |(number, lease)| Some(LeasedRequest { request: found.remove(&number)?, lease });
    Ok(leased.into_iter().filter_map(with_record).collect())
}

pub(super) async fn list_requests(
    database: &Database,
    query: RequestQuery,
) -> Result<Vec<ProvisioningRequest>, StoreError> {
    // Both reads see one moment: otherwise a request that ends in between would be listed in a state that it has left.
    let page = database.read_moment(|moment| {
        Box::pin(async move {
            let moment = Moment(moment);
            let numbers = list_numbers(&moment, &query).await?;
            let (mut page, mut bytes) = (Vec::new(), 0);
            for step in numbers.chunks(PAGE_STEP) {
                let mut found = find_by_numbers(moment.0, step).await?;
                for request in step.iter().filter_map(|number| found.remove(number)) {
                    if bytes > PAGE_BYTES {
                        return Ok(page);
                    }
                    bytes += request.text_bytes();
                    page.push(request);
                }
            }
            Ok(page)
        })
    });
    page.await
}

pub(super) async fn count_requests(database: &Database, query: RequestQuery) -> Result<u64, StoreError> {
    let count = database.read_moment(|moment| {
        Box::pin(async move {
            let moment = Moment(moment);
            Ok(count_numbers(&moment, &query).await?)
        })
    });
    count.await
}

pub(super) async fn list_devices(database: &Database, kind: DeviceKind, most: u64) -> Result<Vec<String>, Fault> {
    let sql = "-- list_devices\nSELECT DISTINCT ca_id FROM request_device WHERE kind = $1 ORDER BY ca_id LIMIT $2";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = database.read(sql, &[&kind.as_str(), &most]).await?;
    rows.iter().map(|row| Columns(row).get("ca_id")).collect()
}

pub(super) async fn list_attempts(database: &Database, number: i64) -> Result<Vec<Attempt>, Fault> {
    let sql = format!(
        "-- list_attempts
         SELECT {} FROM attempt a LEFT JOIN joint_call j ON j.id = a.joint_call
         WHERE a.number = $1 ORDER BY a.attempt",
        rows::attempt_columns()
    );
    let rows = database.read(&sql, &[&number]).await?;
    rows.iter().map(|row| rows::row_to_attempt(&Columns(row))).collect()
}

pub(super) async fn list_events(database: &Database, number: i64) -> Result<Vec<Event>, Fault> {
    let sql = format!("-- list_events\nSELECT {EVENT_COLUMNS} FROM event WHERE number = $1 ORDER BY event");
    let rows = database.read(&sql, &[&number]).await?;
    rows.iter().map(|row| rows::row_to_event(&Columns(row))).collect()
}

/// Lists sent attempts, newest first.
pub(super) async fn list_sent_attempts(
    database: &Database,
    since: DateTime<Utc>,
    card: Option<&str>,
    limit: u64,
) -> Result<Vec<SentAttempt>, Fault> {
    let of_card = match card {
        Some(_) => "a.number IN (SELECT number FROM request_device WHERE kind = 'card' AND ca_id = $3)",
        None => "$3::text IS NULL",
    };
    let sql = format!(
        "-- list_sent_attempts
         SELECT {SENT_ATTEMPT_COLUMNS} FROM attempt a JOIN request r ON r.number = a.number
         WHERE {of_card} AND a.started_at + a.duration_ms >= $1 AND a.sent
         ORDER BY a.started_at + a.duration_ms DESC LIMIT $2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = database.read(&sql, &[&since.timestamp_millis(), &limit, &card]).await?;
    rows.iter().map(|row| rows::row_to_sent_attempt(&Columns(row))).collect()
}
