//! The list of all traffic: two tables, each walked from its end, and merged by time.
//!
//! Rule: what an index leads to is found in all of the table, and what has to be looked for row by row as far as the time
//! goes; the page then says how far that was, and the next one goes on there.

use std::time::Instant;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::columns::Columns;
use super::exchanges::{SUMMARY_COLUMNS, row_to_summary};
use super::request_read::failure;
use super::search_sql::{Conditions, Order, Table};
use super::walk::{Walk, Walked};
use crate::request::{RecordId, RequestType, State};
use crate::store::{RequestRow, StoreError, TrafficCursor, TrafficPage, TrafficQuery, TrafficRow, TrafficStore};

/// What [`row_to_request_row`] reads.
const REQUEST_COLUMNS: &str = "r.number, r.id, r.created_at, r.type, r.state, r.in_doubt, r.cards, r.reference_number, \
                               r.failure, r.attempts, a.duration_ms, a.http_status";

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn list_traffic(&self, query: TrafficQuery) -> Result<TrafficPage, StoreError> {
        self.readers.read(move |db| list_traffic(db, &query)).await
    }

    async fn find_change_mark(&self) -> Result<i64, StoreError> {
        self.readers.change_mark()
    }
}

fn list_traffic(db: &Connection, query: &TrafficQuery) -> Result<TrafficPage, StoreError> {
    // One moment for all reads, so that nothing is listed twice or in a state that it is no longer in.
    let moment = db.unchecked_transaction()?;
    let began = Instant::now();
    let exchanges = walk(&moment, Table::Exchanges, query.before.exchange, query, began + query.time / 2)?;
    let requests = walk(&moment, Table::Requests, query.before.request, query, began + query.time)?;
    merge(&moment, query, requests, exchanges)
}

/// Puts both walks in order. Where one of them was cut, the page ends at its time: what the other one has found before
/// that is for the next page.
fn merge(
    db: &Connection,
    query: &TrafficQuery,
    requests: Walked<TrafficRow>,
    exchanges: Walked<TrafficRow>,
) -> Result<TrafficPage, StoreError> {
    let mut searched_to = None;
    for (walk, table) in [(&requests, Table::Requests), (&exchanges, Table::Exchanges)] {
        if let (true, Some(rest)) = (walk.is_cut, walk.rest) {
            searched_to = searched_to.max(table.find_time(db, rest)?);
        }
    }
    let is_in = |row: &TrafficRow| searched_to.is_none_or(|time| row.at() >= time);
    let (mut from_requests, mut from_exchanges) =
        (requests.rows.into_iter().peekable(), exchanges.rows.into_iter().peekable());
    let (mut rows, mut next) = (Vec::new(), query.before);
    while rows.len() < query.limit {
        let row = match (from_requests.peek(), from_exchanges.peek()) {
            (Some(request), Some(exchange)) if request.at() >= exchange.at() => from_requests.next_if(is_in),
            (Some(_), None) => from_requests.next_if(is_in),
            _ => from_exchanges.next_if(is_in),
        };
        let Some(row) = row else { break };
        next.pass(&row);
        rows.push(row);
    }
    let (left_requests, left_exchanges) = (from_requests.peek().is_some(), from_exchanges.peek().is_some());
    // All of a walk's rows are shown: the next page goes on where the walk ended.
    let rest = |is_left: bool, shown: i64, rest: Option<i64>| if is_left { shown } else { rest.unwrap_or(0) };
    next.request = rest(left_requests, next.request, requests.rest);
    next.exchange = rest(left_exchanges, next.exchange, exchanges.rest);
    if next == query.before {
        // A row that began long before it got its number may stand before the end of the page: without it the page would
        // lead to itself.
        if let Some(row) = from_exchanges.next().or_else(|| from_requests.next()) {
            next.pass(&row);
            rows.push(row);
        }
    }
    let is_full = rows.len() >= query.limit;
    let next = (next != TrafficCursor { request: 0, exchange: 0 }).then_some(next);
    Ok(TrafficPage { rows, next, searched_to: searched_to.filter(|_| !is_full) })
}

fn walk(
    db: &Connection,
    table: Table,
    before: i64,
    query: &TrafficQuery,
    deadline: Instant,
) -> Result<Walked<TrafficRow>, StoreError> {
    let Some(conditions) = Conditions::new(table, &query.search, None) else { return Ok(Walked::nothing()) };
    let bounds = table.find_bounds(db, &query.search, (i64::MIN, before))?;
    let (columns, read): (_, fn(&Row<'_>) -> rusqlite::Result<TrafficRow>) = match table {
        Table::Requests => (REQUEST_COLUMNS, |row| row_to_request_row(row).map(TrafficRow::Request)),
        Table::Exchanges => (SUMMARY_COLUMNS, |row| row_to_summary(&Columns::new(row)).map(TrafficRow::Exchange)),
    };
    let (order, limit, deadline) = (Order::Descending, query.limit, Some(deadline));
    let walk = Walk { conditions: &conditions, columns, bounds, order, offset: 0, limit, deadline };
    walk.run(db, |row| read(row).map(|row| (row.number(), row)))
}

fn row_to_request_row(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    let row = Columns::new(row);
    Ok(RequestRow {
        number: row.get("number")?,
        id: row.word("id", RecordId::parse)?,
        at: row.time("created_at")?,
        request_type: row.word("type", |word| word.parse::<RequestType>().ok())?,
        state: row.word("state", |word| word.parse::<State>().ok())?,
        in_doubt: row.get::<Option<String>>("in_doubt")?.is_some(),
        cards: row.required_json("cards")?,
        reference: row.get("reference_number")?,
        failure: failure(&row, "failure")?,
        attempts: row.get("attempts")?,
        duration_ms: row.get("duration_ms")?,
        http_status: row.get("http_status")?,
    })
}
