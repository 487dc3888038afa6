//! The exchanges of clients with upstream in the SQLite store.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params, params_from_iter};

use super::SqliteStore;
use super::columns::Columns;
use crate::exchange::{Exchange, Note, PackedExchange, Summary};
use crate::request::RecordId;
use crate::store::rows::{
    EXCHANGE_COLUMNS, ExchangeRow, NOTE_COLUMNS, SUMMARY_COLUMNS, row_to_exchange, row_to_note, row_to_summary,
};
use crate::store::{ExchangeFilter, ExchangeStore, StoreError};

/// The largest number of old exchanges deleted in one step: each may take many pages.
const STEP: i64 = 20;
/// The limits of a step that deletes exchanges because all together take too many bytes: rows, and bytes.
const SHRINK_STEP: i64 = 1000;
const SHRINK_BYTES: i64 = 32 << 20;

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

    async fn add_note(&self, id: &RecordId, note: Note) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer.write(move |db: &Connection| add_note(db, &id, &note)).await
    }

    async fn list_notes(&self, number: i64) -> Result<Vec<Note>, StoreError> {
        self.readers.read(move |db| list_notes(db, number)).await
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
    let PackedExchange { exchange, request: request_body, answer: answer_body } = packed;
    let Exchange {
        id,
        number: _,
        at,
        duration_ms,
        timings: _,
        path,
        request,
        answer,
        error,
        error_type,
        user,
        subject,
    } = exchange;
    let row = ExchangeRow::of(packed)?;
    db.prepare_cached(
        "-- add_exchange
         INSERT INTO exchange (id, at, duration_ms, path, error, status, reason, request_is_truncated,
             answer_is_truncated, request_headers, answer_headers, request_body, answer_body, error_type, user,
             request_is_packed, answer_is_packed, bytes, operation, cards, fault, timings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
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
        row.answer_is_truncated,
        row.request_headers,
        row.answer_headers,
        request_body.bytes,
        answer_body.bytes,
        error_type,
        user,
        request_body.is_packed,
        answer_body.is_packed,
        row.bytes,
        subject.operation,
        row.cards,
        subject.fault,
        row.timings,
    ])?;
    let number = db.last_insert_rowid();
    for card in &subject.cards {
        db.prepare_cached("-- add_exchange: card\nINSERT OR IGNORE INTO exchange_card (card, number) VALUES (?1, ?2)")?
            .execute(params![card, number])?;
    }
    Ok(())
}

fn find_exchange(db: &Connection, id: &RecordId) -> Result<Option<PackedExchange>, StoreError> {
    let sql = format!("-- find_exchange\nSELECT {EXCHANGE_COLUMNS} FROM exchange WHERE id = ?1");
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_row([id.as_str()], |row| row_to_exchange(&Columns::new(row))).optional()?)
}

fn list_exchanges(db: &Connection, filter: &ExchangeFilter) -> Result<Vec<Summary>, StoreError> {
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let (source, number) = match filter.card {
        Some(_) => (
            "(SELECT number FROM exchange_card WHERE card = ?3) d CROSS JOIN exchange x ON x.number = d.number",
            "d.number",
        ),
        None => ("exchange x", "x.number"),
    };
    let mut statement = db.prepare_cached(&format!(
        "-- list_exchanges
         SELECT {SUMMARY_COLUMNS} FROM {source}
         WHERE {number} > ?1 ORDER BY {number} {order} LIMIT ?2"
    ))?;
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let card = filter.card.as_ref().map(|card| card as &dyn ToSql);
    let values = params_from_iter([&filter.after as &dyn ToSql, &limit].into_iter().chain(card));
    let rows = statement.query_map(values, |row| row_to_summary(&Columns::new(row)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn add_note(db: &Connection, id: &RecordId, note: &Note) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached(
        "-- add_note
         INSERT INTO exchange_note (number, note, at, user, text)
         SELECT number, (SELECT coalesce(max(note), 0) + 1 FROM exchange_note n WHERE n.number = x.number), ?2, ?3, ?4
         FROM exchange x WHERE id = ?1",
    )?;
    Ok(statement.execute(params![id.as_str(), note.at.timestamp_millis(), note.user, note.text])? > 0)
}

fn list_notes(db: &Connection, number: i64) -> Result<Vec<Note>, StoreError> {
    let sql = format!("-- list_notes\nSELECT {NOTE_COLUMNS} FROM exchange_note WHERE number = ?1 ORDER BY note");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([number], |row| row_to_note(&Columns::new(row)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Numbers ascend with the end of the exchanges, or nearly so: the oldest exchanges have the lowest numbers.
fn purge_exchanges(db: &Connection, before: DateTime<Utc>) -> Result<usize, StoreError> {
    let mut statement = db.prepare_cached(
        "-- purge_exchanges
         DELETE FROM exchange
         WHERE number IN (SELECT number FROM exchange ORDER BY number LIMIT ?1) AND at + duration_ms < ?2",
    )?;
    Ok(statement.execute(params![STEP, before.timestamp_millis()])?)
}

/// Deletes some of the oldest exchanges while all together take more than `most_bytes`; returns the number of deleted
/// exchanges.
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
