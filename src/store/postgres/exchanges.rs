//! The exchanges of clients with upstream in the PostgreSQL store.
//!
//! Rule: a transaction that adds or deletes exchanges locks the row of their counter, which has the bytes of all exchanges.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PostgresStore;
use super::columns::{Columns, storable, storable_option};
use super::database::Patience::Refuse;
use super::database::Transaction;
use super::fault::Fault;
use crate::exchange::{Exchange, Note, PackedExchange, Summary};
use crate::request::RecordId;
use crate::store::rows::{
    EXCHANGE_COLUMNS, ExchangeRow, NOTE_COLUMNS, ReadColumns as _, SUMMARY_COLUMNS, row_to_exchange, row_to_note,
    row_to_summary,
};
use crate::store::{ExchangeFilter, ExchangeStore, StoreError};

/// The largest number of old exchanges deleted in one step: each may take many pages.
const STEP: i64 = 20;
/// The limits of a step that deletes exchanges because all together take too many bytes: rows, and bytes.
const SHRINK_STEP: i64 = 1000;
const SHRINK_BYTES: i64 = 32 << 20;

#[async_trait]
impl ExchangeStore for PostgresStore {
    async fn add_exchanges(&self, batch: Vec<Arc<PackedExchange>>) -> Result<(), StoreError> {
        let (most_bytes, batch) = (self.exchange_bytes, Arc::new(batch));
        let add = self.database.write(Refuse, batch.len(), move |transaction| {
            let batch = Arc::clone(&batch);
            Box::pin(async move {
                let rows = batch.iter().map(|exchange| ExchangeRow::of(exchange)).collect::<Result<Vec<_>, _>>()?;
                let bytes = rows.iter().map(|row| row.bytes).sum();
                let (last, total) = count(transaction, batch.len(), bytes).await?;
                let first = last + 1 - i64::try_from(batch.len()).unwrap_or(i64::MAX);
                for (number, (packed, row)) in (first..).zip(batch.iter().zip(&rows)) {
                    add_exchange(transaction, number, packed, row).await?;
                }
                shrink_exchanges(transaction, total, most_bytes).await.map(drop)
            })
        });
        add.await
    }

    async fn find_exchange(&self, id: &RecordId) -> Result<Option<Exchange>, StoreError> {
        let sql = format!("-- find_exchange\nSELECT {EXCHANGE_COLUMNS} FROM exchange WHERE id = $1");
        let rows = self.database.read(&sql, &[&id.as_str()]).await?;
        let found = rows.first().map(|row| row_to_exchange(&Columns(row))).transpose()?;
        found.map(PackedExchange::unpack).transpose().map_err(|e| StoreError::Other(format!("an exchange: {e}")))
    }

    async fn list_exchanges(&self, filter: ExchangeFilter) -> Result<Vec<Summary>, StoreError> {
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        let has_card = match filter.card {
            Some(_) => "x.number IN (SELECT number FROM exchange_card WHERE card = $3)",
            None => "$3::text IS NULL",
        };
        let sql = format!(
            "-- list_exchanges
             SELECT {SUMMARY_COLUMNS} FROM exchange x WHERE x.number > $1 AND {has_card}
             ORDER BY x.number {order} LIMIT $2"
        );
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let rows = self.database.read(&sql, &[&filter.after, &limit, &filter.card]).await?;
        Ok(rows.iter().map(|row| row_to_summary(&Columns(row))).collect::<Result<_, _>>()?)
    }

    async fn add_note(&self, id: &RecordId, note: Note) -> Result<bool, StoreError> {
        let written = Arc::new((id.clone(), note));
        let add = self.database.write(Refuse, 1, move |transaction| {
            let written = Arc::clone(&written);
            Box::pin(async move {
                let (id, note) = written.as_ref();
                // The lock on the counter's row keeps notes in order, too.
                count(transaction, 0, 0).await?;
                let sql = "-- add_note
                    INSERT INTO exchange_note (number, note, at, \"user\", text)
                    SELECT number, (SELECT coalesce(max(note), 0) + 1 FROM exchange_note n WHERE n.number = x.number),
                        $2::bigint, $3::text, $4::text
                    FROM exchange x WHERE id = $1 RETURNING number";
                let (at, text) = (note.at.timestamp_millis(), storable(&note.text));
                let added = transaction.query(sql, &[&id.as_str(), &at, &note.user, &text]).await?;
                Ok(!added.is_empty())
            })
        });
        add.await
    }

    async fn list_notes(&self, number: i64) -> Result<Vec<Note>, StoreError> {
        let sql = format!("-- list_notes\nSELECT {NOTE_COLUMNS} FROM exchange_note WHERE number = $1 ORDER BY note");
        let rows = self.database.read(&sql, &[&number]).await?;
        Ok(rows.iter().map(|row| row_to_note(&Columns(row))).collect::<Result<_, _>>()?)
    }

    async fn purge_exchanges(&self, before: Option<DateTime<Utc>>) -> Result<usize, StoreError> {
        let most_bytes = self.exchange_bytes;
        let purge = self.database.write(Refuse, 1, move |transaction| {
            Box::pin(async move {
                let (_, total) = count(transaction, 0, 0).await?;
                let (old, freed) = match before {
                    Some(before) => delete_old(transaction, before).await?,
                    None => (0, 0),
                };
                Ok(old + shrink_exchanges(transaction, total - freed, most_bytes).await?)
            })
        });
        purge.await
    }
}

/// Takes `count` numbers, and adds `bytes` to the bytes of all exchanges; returns the last number, and the new sum of bytes.
async fn count(transaction: &Transaction, count: usize, bytes: i64) -> Result<(i64, i64), Fault> {
    let sql = "-- count_exchanges
        UPDATE counter SET number = number + $1, bytes = bytes + $2 WHERE name = 'exchange' RETURNING number, bytes";
    let row = transaction.query_first(sql, &[&i64::try_from(count).unwrap_or(i64::MAX), &bytes]).await?;
    let row = row.ok_or_else(|| StoreError::Damaged("there is no counter of exchanges".to_owned()))?;
    Ok((Columns(&row).get("number")?, Columns(&row).get("bytes")?))
}

async fn add_exchange(
    transaction: &Transaction,
    number: i64,
    packed: &PackedExchange,
    row: &ExchangeRow,
) -> Result<(), Fault> {
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
    let sql = "-- add_exchange
        INSERT INTO exchange (number, id, at, duration_ms, path, error, status, reason, request_is_truncated,
            answer_is_truncated, request_headers, answer_headers, request_body, answer_body, error_type, \"user\",
            request_is_packed, answer_is_packed, bytes, operation, cards, fault, timings)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";
    let (path, error, user) = (storable(path), storable_option(error.as_ref()), storable_option(user.as_ref()));
    let (operation, fault) = (storable_option(subject.operation.as_ref()), storable_option(subject.fault.as_ref()));
    let values: super::database::Values<'_> = &[
        &number,
        &id.as_str(),
        &at.timestamp_millis(),
        duration_ms,
        &path,
        &error,
        &answer.as_ref().map(|answer| i64::from(answer.status)),
        &answer.as_ref().map(|answer| storable(&answer.reason)),
        &request.is_truncated,
        &row.answer_is_truncated,
        &storable(&row.request_headers),
        &storable(&row.answer_headers),
        &request_body.bytes,
        &answer_body.bytes,
        error_type,
        &user,
        &request_body.is_packed,
        &answer_body.is_packed,
        &row.bytes,
        &operation,
        &storable(&row.cards),
        &fault,
        &row.timings,
    ];
    transaction.execute(sql, values).await?;
    let cards: Vec<_> = subject.cards.iter().map(|card| storable(card)).collect();
    if !cards.is_empty() {
        let sql = "-- add_exchange: cards
            INSERT INTO exchange_card (card, number) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING";
        transaction.execute(sql, &[&cards, &number]).await?;
    }
    Ok(())
}

/// Deletes exchanges, and subtracts their bytes from the counter; returns their number, and their bytes.
async fn delete(
    transaction: &Transaction,
    sql: &str,
    values: super::database::Values<'_>,
) -> Result<(usize, i64), Fault> {
    // All parts of a WITH statement see the same snapshot, so that the rows of cards and notes are deleted by the
    // RETURNING rows.
    let sql = format!(
        "WITH gone AS ({sql} RETURNING number, cards, bytes),
             cards_gone AS (
                 DELETE FROM exchange_card c USING gone, json_array_elements_text(gone.cards::json) AS element (card)
                 WHERE c.card = element.card AND c.number = gone.number),
             notes_gone AS (DELETE FROM exchange_note n USING gone WHERE n.number = gone.number)
         SELECT bytes FROM gone"
    );
    let rows = transaction.query(&sql, values).await?;
    let freed = rows.iter().map(|row| Columns(row).get::<i64>("bytes")).sum::<Result<i64, _>>()?;
    count(transaction, 0, -freed).await?;
    Ok((rows.len(), freed))
}

/// Numbers ascend with the end of the exchanges, or nearly so: the oldest exchanges have the lowest numbers.
async fn delete_old(transaction: &Transaction, before: DateTime<Utc>) -> Result<(usize, i64), Fault> {
    let sql = "-- delete_old
        DELETE FROM exchange
        WHERE number IN (SELECT number FROM exchange ORDER BY number LIMIT $1) AND at + duration_ms < $2";
    delete(transaction, sql, &[&STEP, &before.timestamp_millis()]).await
}

/// Deletes some of the oldest exchanges while all together take more than `most_bytes`; returns the number of deleted
/// exchanges.
async fn shrink_exchanges(transaction: &Transaction, total: i64, most_bytes: i64) -> Result<usize, Fault> {
    let excess = total.saturating_sub(most_bytes).min(SHRINK_BYTES);
    if excess <= 0 {
        return Ok(0);
    }
    let sql = "-- shrink_exchanges
        DELETE FROM exchange WHERE number IN (
            SELECT number FROM (
                SELECT number, sum(bytes) OVER (ORDER BY number) - bytes AS freed_before
                FROM (SELECT number, bytes FROM exchange ORDER BY number LIMIT $2) AS oldest) AS summed
            WHERE freed_before < $1::bigint)";
    Ok(delete(transaction, sql, &[&excess, &SHRINK_STEP]).await?.0)
}
