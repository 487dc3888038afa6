//! Reading requests: one, a list, and what happened to one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::accounts::{USER_COLUMNS, row_to_user};
use super::columns::Columns;
use super::search_sql::{Conditions, Order, Table};
use super::walk::Walk;
use crate::request::{
    Attempt, Envelope, Event, Failure, Family, InDoubt, Item, NewRequest, ProvisioningRequest, RecordId, RequestType,
    STB_ID, Scalar, process,
};
use crate::store::{DeviceKind, Lease, LeasedRequest, RecordKey, RequestQuery, SentAttempt, StoreError};
use crate::words::Word as _;

/// Bytes of SOAP texts after which a page of a list ends, whatever its limit.
const PAGE_BYTES: usize = 32 << 20;

type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

/// A whole record: what [`row_to_request`] reads, in the order in which it reads.
fn select(tail: &str) -> String {
    format!(
        "SELECT r.attempts, r.ready_at, r.items, r.id, r.family, r.type, r.priority, r.process_immediately,
             r.scheduled_at, r.subscription, r.cards, r.body, r.raw_body, r.api_call, r.rejection, r.correlation, r.created_at,
             {USER_COLUMNS}, r.number, r.sequence_number, r.state, r.resolve_until, r.in_doubt, r.sent, r.executed_at,
             r.updated_at, r.reference_number, r.result, r.failure, r.process_name, r.process_id, a.response
         FROM request r JOIN user u ON u.id = r.created_by
             LEFT JOIN attempt a ON a.number = r.number AND a.attempt = r.attempts {tail}"
    )
}

fn row_to_request(row: &Row<'_>) -> Result<ProvisioningRequest> {
    let row = Columns::new(row);
    let (attempts, ready_at) = (row.get("attempts")?, row.time("ready_at")?);
    let items: Vec<Item> = row
        .required_json::<Vec<(String, String, Option<Scalar>)>>("items")?
        .into_iter()
        .map(|(id, name, value)| Item { id, name, value })
        .collect();
    let content = NewRequest {
        id: row.word("id", RecordId::parse)?,
        family: row.word("family", |word| word.parse().ok())?,
        request_type: row.word("type", |word| word.parse::<RequestType>().ok())?,
        priority: row.word("priority", |word| word.parse().ok())?,
        process_immediately: row.get("process_immediately")?,
        scheduled_at: row.time("scheduled_at")?,
        stbs: stbs_of(&items),
        items,
        subscription: row.get("subscription")?,
        cards: row.required_json("cards")?,
        envelope: match row.get("body")? {
            Some(redacted) => Some(Envelope { redacted, raw: row.get("raw_body")? }),
            None => None,
        },
        api_call: row.get("api_call")?,
        rejection: failure(&row, "rejection")?,
        correlation: row.json("correlation")?,
        created_at: row.time("created_at")?,
        created_by: Arc::new(row_to_user(&row)?),
    };
    Ok(ProvisioningRequest {
        number: row.get("number")?,
        sequence_number: row.get("sequence_number")?,
        content: Arc::new(content),
        state: row.word("state", |word| word.parse().ok())?,
        next_attempt_at: (attempts > 0).then_some(ready_at),
        in_doubt: in_doubt(&row)?,
        attempts,
        sent: row.get("sent")?,
        executed_at: row.optional_time("executed_at")?,
        updated_at: row.time("updated_at")?,
        reference_number: row.get("reference_number")?,
        result: row.json("result")?,
        failure: failure(&row, "failure")?,
        process_name: row
            .word("process_name", |word| [process::RUN, process::MANUAL].into_iter().find(|p| *p == word))?,
        process_id: row.get("process_id")?,
        response: row.get("response")?,
    })
}

/// The set-top boxes that the parameters name.
fn stbs_of(items: &[Item]) -> Vec<String> {
    let stbs = items.iter().filter(|item| item.name == STB_ID);
    stbs.filter_map(|item| if let Some(Scalar::Text(id)) = &item.value { Some(id.clone()) } else { None }).collect()
}

/// Reads the columns `resolve_until` and `in_doubt`.
pub(super) fn in_doubt(row: &Columns<'_, '_>) -> Result<Option<InDoubt>> {
    let until = row.optional_time("resolve_until")?;
    row.optional_word("in_doubt", |word| match (word, until) {
        ("RESOLVING", Some(until)) => Some(InDoubt::Resolving { until }),
        ("NEEDS_OPERATOR", _) => Some(InDoubt::NeedsOperator),
        ("RETRY_ORDERED", _) => Some(InDoubt::RetryOrdered),
        ("EARLIER", _) => Some(InDoubt::Earlier),
        _ => None,
    })
}

pub(super) fn failure(row: &Columns<'_, '_>, column: &str) -> Result<Option<Failure>> {
    let parts = row.json::<(String, Option<String>, Option<String>, Option<String>)>(column)?;
    Ok(parts.map(|(code, description, provider_code, provider_description)| Failure {
        code,
        description,
        provider_code,
        provider_description,
    }))
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
    Ok(found.filter(|r| family.is_none_or(|f| f == r.content.family)))
}

pub(super) fn find_by_numbers(db: &Connection, numbers: &[i64]) -> Result<Vec<ProvisioningRequest>, StoreError> {
    let sql = format!("-- find_by_numbers\n{}", select("WHERE r.number = ?1"));
    let mut statement = db.prepare_cached(&sql)?;
    Ok(numbers.iter().map(|n| statement.query_row([n], row_to_request)).collect::<Result<_>>()?)
}

/// The records of these numbers, with their leases.
pub(super) fn find_leased(db: &Connection, leased: Vec<(i64, Lease)>) -> Result<Vec<LeasedRequest>, StoreError> {
    let numbers: Vec<i64> = leased.iter().map(|(number, _)| *number).collect();
    let found = find_by_numbers(db, &numbers)?;
    Ok(found.into_iter().zip(leased).map(|(request, (_, lease))| LeasedRequest { request, lease }).collect())
}

pub(super) fn list_requests(db: &Connection, query: &RequestQuery) -> Result<Vec<ProvisioningRequest>, StoreError> {
    // One moment for both reads: a request that ends in between would be listed in a state it is no longer in.
    let moment = db.unchecked_transaction()?;
    let mut page = Vec::new();
    let mut bytes = 0;
    for number in list_numbers(&moment, query)? {
        if bytes > PAGE_BYTES {
            break;
        }
        let found = find_by_numbers(&moment, &[number])?;
        bytes += found.iter().map(text_bytes).sum::<usize>();
        page.extend(found);
    }
    Ok(page)
}

fn list_numbers(db: &Connection, query: &RequestQuery) -> Result<Vec<i64>, StoreError> {
    let Some(conditions) = conditions(query) else { return Ok(Vec::new()) };
    let bounds = find_bounds(db, query)?;
    let order = if query.newest_first { Order::Descending } else { Order::Ascending };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let (offset, deadline, columns) = (query.offset, None, "r.number AS number");
    let walk = Walk { conditions: &conditions, columns, bounds, order, offset, limit, deadline };
    Ok(walk.run(db, |row| row.get("number").map(|number| (number, number)))?.rows)
}

pub(super) fn count_requests(db: &Connection, query: &RequestQuery) -> Result<u64, StoreError> {
    let moment = db.unchecked_transaction()?;
    let Some(conditions) = conditions(query) else { return Ok(0) };
    let (from, to) = find_bounds(&moment, query)?;
    let most = i64::try_from(query.offset.saturating_add(query.limit)).unwrap_or(i64::MAX);
    let bounds = [from, to, most].map(Value::from);
    let mut statement = moment.prepare_cached(&conditions.count())?;
    let values = params_from_iter(bounds.iter().chain(conditions.values()));
    let total: i64 = statement.query_row(values, |row| row.get("total"))?;
    Ok(total.unsigned_abs().saturating_sub(query.offset))
}

fn conditions(query: &RequestQuery) -> Option<Conditions> {
    Conditions::new(Table::Requests, &query.search, query.family)
}

fn find_bounds(db: &Connection, query: &RequestQuery) -> Result<(i64, i64), StoreError> {
    let bounds = (query.after.saturating_add(1), query.before.unwrap_or(i64::MAX));
    Table::Requests.find_bounds(db, &query.search, bounds)
}

/// Bytes of the two texts, which are most of a record.
fn text_bytes(request: &ProvisioningRequest) -> usize {
    request.content.envelope.as_ref().map_or(0, |body| body.redacted.len())
        + request.response.as_ref().map_or(0, |text| text.len())
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
    let mut statement = db.prepare_cached(
        "-- list_attempts
         SELECT attempt, started_at, duration_ms, sent, http_status, error, response, content_type FROM attempt
         WHERE number = ?1 ORDER BY attempt",
    )?;
    let rows = statement.query_map([number], |row| {
        let row = Columns::new(row);
        Ok(Attempt {
            attempt: row.get("attempt")?,
            started_at: row.time("started_at")?,
            duration_ms: row.get("duration_ms")?,
            sent: row.get("sent")?,
            http_status: row.get("http_status")?,
            error: row.get("error")?,
            response: row.get("response")?,
            content_type: row.get("content_type")?,
        })
    })?;
    Ok(rows.collect::<Result<_>>()?)
}

pub(super) fn list_events(db: &Connection, number: i64) -> Result<Vec<Event>, StoreError> {
    let mut statement = db.prepare_cached(
        "-- list_events
         SELECT at, kind, user, text, duration_ms, http_status, request, response FROM event
         WHERE number = ?1 ORDER BY event",
    )?;
    let rows = statement.query_map([number], |row| {
        let row = Columns::new(row);
        Ok(Event {
            at: row.time("at")?,
            kind: row.word("kind", |word| word.parse().ok())?,
            user: row.get("user")?,
            text: row.get("text")?,
            duration_ms: row.get("duration_ms")?,
            http_status: row.get("http_status")?,
            request: row.get("request")?,
            response: row.get("response")?,
        })
    })?;
    Ok(rows.collect::<Result<_>>()?)
}

/// Newest first.
pub(super) fn list_sent_attempts(
    db: &Connection,
    since: DateTime<Utc>,
    card: Option<&str>,
    limit: u64,
) -> Result<Vec<SentAttempt>, StoreError> {
    // A card's attempts are few: they are put in order here. All of them are in order in an index.
    let (of_card, is_of_card) = match card {
        Some(_) => ("request_device d CROSS JOIN", "d.kind = 'card' AND d.ca_id = ?3 AND a.number = d.number AND"),
        None => ("", "?3 IS NULL AND"),
    };
    let mut statement = db.prepare_cached(&format!(
        "-- list_sent_attempts
         SELECT r.id, r.number, r.type, r.cards, r.state, a.attempt, a.started_at, a.duration_ms, a.http_status, a.error
         FROM {of_card} attempt a CROSS JOIN request r ON r.number = a.number
         WHERE {is_of_card} a.started_at + a.duration_ms >= ?1 AND a.sent
         ORDER BY a.started_at + a.duration_ms DESC LIMIT ?2",
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![since.timestamp_millis(), limit, card], |row| {
        let row = Columns::new(row);
        Ok(SentAttempt {
            id: row.word("id", RecordId::parse)?,
            number: row.get("number")?,
            request_type: row.word("type", |word| word.parse::<RequestType>().ok())?,
            cards: row.required_json("cards")?,
            state: row.word("state", |word| word.parse().ok())?,
            attempt: row.get("attempt")?,
            started_at: row.time("started_at")?,
            duration_ms: row.get("duration_ms")?,
            http_status: row.get("http_status")?,
            error: row.get("error")?,
        })
    })?;
    Ok(rows.collect::<Result<_>>()?)
}
