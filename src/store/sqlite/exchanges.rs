//! Exchanges of clients with upstream, by time.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use super::columns::Columns;
use crate::exchange::{Answer, Exchange, Headers, Message, PackedBody, PackedExchange, Subject, Summary};
use crate::request::RecordId;
use crate::store::{ExchangeFilter, ExchangeStore, StoreError};

/// Exchanges deleted in one step, at most: each may hold many pages.
const STEP: i64 = 20;
/// The same where all take too much: so many, and so many bytes of them.
const SHRINK_STEP: i64 = 1000;
const SHRINK_BYTES: i64 = 32 << 20;
/// What a row takes beside its longer texts, or a little less.
const ROW_BYTES: usize = 256;
/// What [`row_to_summary`] reads.
pub(super) const SUMMARY_COLUMNS: &str = "number, id, at, duration_ms, path, status, error, operation, cards, fault";

#[async_trait]
impl ExchangeStore for SqliteStore {
    async fn add_exchanges(&self, batch: Vec<Arc<PackedExchange>>) -> Result<(), StoreError> {
        let most_bytes = self.exchange_bytes;
        let add = move |db: &Connection| {
            batch.iter().try_for_each(|exchange| add_exchange(db, exchange))?;
            shrink_exchanges(db, most_bytes).map(drop)
        };
        self.writer.write(add).await
    }

    async fn find_exchange(&self, id: &RecordId) -> Result<Option<Exchange>, StoreError> {
        let id = id.clone();
        let found = self.readers.read(move |db| find_exchange(db, &id)).await?;
        found.map(PackedExchange::unpack).transpose().map_err(|e| StoreError::Other(format!("an exchange: {e}")))
    }

    async fn list_exchanges(&self, filter: ExchangeFilter) -> Result<Vec<Summary>, StoreError> {
        self.readers.read(move |db| list_exchanges(db, &filter)).await
    }

    async fn purge_exchanges(&self, before: Option<DateTime<Utc>>) -> Result<usize, StoreError> {
        let most_bytes = self.exchange_bytes;
        let purge = move |db: &Connection| {
            let old = before.map_or(Ok(0), |before| purge_exchanges(db, before))?;
            Ok(old + shrink_exchanges(db, most_bytes)?)
        };
        self.writer.write(purge).await
    }
}

fn add_exchange(db: &Connection, packed: &PackedExchange) -> Result<(), StoreError> {
    let none = Message::default();
    let PackedExchange { exchange, request: request_body, answer: answer_body } = packed;
    let Exchange { id, number: _, at, duration_ms, path, request, answer, error, error_type, user, subject } = exchange;
    let message = answer.as_ref().map_or(&none, |answer| &answer.message);
    let headers = |headers: &Headers| serde_json::to_string(headers).map_err(|e| StoreError::Other(e.to_string()));
    let (request_headers, answer_headers) = (headers(&request.headers)?, headers(&message.headers)?);
    let texts = [path, &request_headers, &answer_headers].map(String::len).iter().sum::<usize>();
    let cards = serde_json::to_string(&subject.cards).map_err(|e| StoreError::Other(e.to_string()))?;
    let bytes = i64::try_from(ROW_BYTES + texts + packed.body_bytes()).unwrap_or(i64::MAX);
    db.prepare_cached(
        "-- add_exchange
         INSERT INTO exchange (id, at, duration_ms, path, error, status, reason, request_is_truncated,
             answer_is_truncated, request_headers, answer_headers, request_body, answer_body, error_type, user,
             request_is_packed, answer_is_packed, bytes, operation, cards, fault)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    )?
    .execute(params![
        id.as_str(),
        at.timestamp_millis(),
        duration_ms,
        path,
        error,
        answer.as_ref().map(|answer| answer.status),
        answer.as_ref().map(|answer| &answer.reason),
        request.is_truncated,
        message.is_truncated,
        request_headers,
        answer_headers,
        request_body.bytes,
        answer_body.bytes,
        error_type,
        user,
        request_body.is_packed,
        answer_body.is_packed,
        bytes,
        subject.operation,
        cards,
        subject.fault,
    ])?;
    Ok(())
}

fn find_exchange(db: &Connection, id: &RecordId) -> Result<Option<PackedExchange>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "-- find_exchange
         SELECT {SUMMARY_COLUMNS}, reason, request_is_truncated, answer_is_truncated,
             request_headers, answer_headers, request_body, answer_body, error_type, user, request_is_packed,
             answer_is_packed
         FROM exchange WHERE id = ?1"
    ))?;
    Ok(statement.query_row([id.as_str()], row_to_exchange).optional()?)
}

fn row_to_exchange(row: &Row<'_>) -> rusqlite::Result<PackedExchange> {
    let row = Columns::new(row);
    let message = |is_truncated, headers| {
        let (is_truncated, headers) = (row.get(is_truncated)?, row.required_json(headers)?);
        Ok::<_, rusqlite::Error>(Message { is_truncated, headers, body: Vec::new() })
    };
    let body = |is_packed, bytes| {
        Ok::<_, rusqlite::Error>(PackedBody { is_packed: row.get(is_packed)?, bytes: row.get(bytes)? })
    };
    let Summary { id, number, at, duration_ms, path, status, error, subject } = row_to_summary(&row)?;
    let answer = match (status, row.get("reason")?) {
        (Some(status), Some(reason)) => {
            Some(Answer { status, reason, message: message("answer_is_truncated", "answer_headers")? })
        }
        _ => None,
    };
    let (error_type, user) = (row.get("error_type")?, row.get("user")?);
    let request = message("request_is_truncated", "request_headers")?;
    let exchange = Exchange { id, number, at, duration_ms, path, request, answer, error, error_type, user, subject };
    let (request, answer) = (body("request_is_packed", "request_body")?, body("answer_is_packed", "answer_body")?);
    Ok(PackedExchange { exchange, request, answer })
}

/// An exchange without its texts, from [`SUMMARY_COLUMNS`].
pub(super) fn row_to_summary(row: &Columns<'_, '_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        number: row.get("number")?,
        id: row.word("id", RecordId::parse)?,
        at: row.time("at")?,
        duration_ms: row.get("duration_ms")?,
        path: row.get("path")?,
        status: row.get("status")?,
        error: row.get("error")?,
        subject: Subject {
            operation: row.get("operation")?,
            cards: row.required_json("cards")?,
            fault: row.get("fault")?,
        },
    })
}

fn list_exchanges(db: &Connection, filter: &ExchangeFilter) -> Result<Vec<Summary>, StoreError> {
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let mut statement = db.prepare_cached(&format!(
        "-- list_exchanges
         SELECT {SUMMARY_COLUMNS} FROM exchange
         WHERE number > ?1 ORDER BY number {order} LIMIT ?2"
    ))?;
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![filter.after, limit], |row| row_to_summary(&Columns::new(row)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Numbers ascend with the time of the end, or nearly: what is old enough stands first.
fn purge_exchanges(db: &Connection, before: DateTime<Utc>) -> Result<usize, StoreError> {
    let mut statement = db.prepare_cached(
        "-- purge_exchanges
         DELETE FROM exchange
         WHERE number IN (SELECT number FROM exchange ORDER BY number LIMIT ?1) AND at + duration_ms < ?2",
    )?;
    Ok(statement.execute(params![STEP, before.timestamp_millis()])?)
}

/// Deletes the oldest as far as all take more than `most_bytes`, a step of them; returns how many.
fn shrink_exchanges(db: &Connection, most_bytes: i64) -> Result<usize, StoreError> {
    let total: i64 = db
        .prepare_cached("-- shrink_exchanges: total\nSELECT bytes FROM exchange_total")?
        .query_row([], |row| row.get("bytes"))?;
    let excess = total.saturating_sub(most_bytes).min(SHRINK_BYTES);
    if excess <= 0 {
        return Ok(0);
    }
    let mut statement = db.prepare_cached(
        "-- shrink_exchanges
         DELETE FROM exchange WHERE number IN (
             SELECT number FROM (
                 SELECT number, sum(bytes) OVER (ORDER BY number) - bytes AS freed_before
                 FROM (SELECT number, bytes FROM exchange ORDER BY number LIMIT ?2))
             WHERE freed_before < ?1)",
    )?;
    Ok(statement.execute([excess, SHRINK_STEP])?)
}
