//! The list of all traffic: two tables, each walked from its end in windows of numbers, and merged by time.
//!
//! Rule: a window is so large that it is read within milliseconds, and the clock is looked at between two of them. So a
//! search answers in its time whatever it is for: what an index leads to is found in all of the table, and what has to be
//! looked for row by row as far as the time goes; the page then says how far that was, and the next one goes on there.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::SqliteStore;
use super::columns::Columns;
use super::exchanges::{SUMMARY_COLUMNS, row_to_summary};
use super::request_read::failure;
use super::traffic_sql::{Conditions, Table};
use crate::request::{RecordId, RequestType, State};
use crate::store::{RequestRow, StoreError, TrafficCursor, TrafficPage, TrafficQuery, TrafficRow, TrafficStore};

/// Numbers of the first window; each is twice as large as the one before it, while that was read in this time.
const WINDOW: i64 = 16;
const WINDOW_TIME: Duration = Duration::from_millis(8);

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn list_traffic(&self, query: TrafficQuery) -> Result<TrafficPage, StoreError> {
        self.readers.read(move |db| list_traffic(db, &query)).await
    }

    async fn find_change_mark(&self) -> Result<i64, StoreError> {
        self.readers.change_mark()
    }
}

/// What a walk through one table has found.
struct Walk {
    rows: Vec<TrafficRow>,
    /// Where it goes on; `None` when the table has no more.
    rest: Option<i64>,
    /// Its time was over.
    is_cut: bool,
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
fn merge(db: &Connection, query: &TrafficQuery, requests: Walk, exchanges: Walk) -> Result<TrafficPage, StoreError> {
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
) -> Result<Walk, StoreError> {
    let mut walk = Walk { rows: Vec::new(), rest: None, is_cut: false };
    let Some(conditions) = Conditions::new(table, &query.search) else { return Ok(walk) };
    let (first, last) = table.find_ends(db)?;
    let low = query.search.since.map_or(Ok(first), |since| table.find_first_since(db, since))?.max(first);
    let until = query.search.until.map_or(Ok(i64::MAX), |until| table.find_first_since(db, until))?;
    let mut high = before.min(until).min(last.saturating_add(1));
    let (start, mut window) = (high, WINDOW);
    while high > low && walk.rows.len() < query.limit {
        let began = Instant::now();
        // One window in any case: the next page then begins further on.
        if began >= deadline && high < start {
            walk.is_cut = true;
            break;
        }
        let from = high.saturating_sub(window).max(low);
        let found = read_window(db, table, &conditions, (from, high), query.limit - walk.rows.len())?;
        let is_full = walk.rows.len() + found.len() >= query.limit;
        high = found.last().filter(|_| is_full).map_or(from, TrafficRow::number);
        walk.rows.extend(found);
        window = if began.elapsed() < WINDOW_TIME { window.saturating_mul(2) } else { (window / 2).max(WINDOW) };
    }
    walk.rest = (high > low).then_some(high);
    Ok(walk)
}

/// The rows with these numbers, the second one excluded.
fn read_window(
    db: &Connection,
    table: Table,
    conditions: &Conditions,
    (from, to): (i64, i64),
    limit: usize,
) -> Result<Vec<TrafficRow>, StoreError> {
    let columns = match table {
        Table::Requests => {
            "r.number, r.id, r.created_at, r.type, r.state, r.in_doubt, r.cards, r.reference_number, r.failure, \
             r.attempts, a.duration_ms, a.http_status"
        }
        Table::Exchanges => SUMMARY_COLUMNS,
    };
    let mut statement = db.prepare_cached(&conditions.select(columns))?;
    let bounds = [from, to, i64::try_from(limit).unwrap_or(i64::MAX)].map(Value::from);
    let values = bounds.iter().chain(conditions.values());
    let rows = statement.query_map(params_from_iter(values), |row| match table {
        Table::Requests => row_to_request_row(row).map(TrafficRow::Request),
        Table::Exchanges => row_to_summary(&Columns::new(row)).map(TrafficRow::Exchange),
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
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

impl Table {
    fn name_and_time(self) -> (&'static str, &'static str) {
        match self {
            Self::Requests => ("request", "created_at"),
            Self::Exchanges => ("exchange", "at"),
        }
    }

    /// The first and the last number; of an empty table the last one is smaller.
    fn find_ends(self, db: &Connection) -> Result<(i64, i64), StoreError> {
        let (table, _) = self.name_and_time();
        // Two questions: SQLite answers each of them by the end of the tree.
        let end = |function: &str| {
            let sql = format!("-- find_ends\nSELECT {function}(number) AS number FROM {table}");
            db.prepare_cached(&sql)?.query_row([], |row| row.get::<_, Option<i64>>("number"))
        };
        Ok((end("min")?.unwrap_or(1), end("max")?.unwrap_or(0)))
    }

    /// The time of the first row with this number or a greater one.
    fn find_time(self, db: &Connection, number: i64) -> Result<Option<DateTime<Utc>>, StoreError> {
        let (table, time) = self.name_and_time();
        let sql =
            format!("-- find_time\nSELECT {time} AS time FROM {table} WHERE number >= ?1 ORDER BY number LIMIT 1");
        Ok(db.prepare_cached(&sql)?.query_row([number], |row| Columns::new(row).time("time")).optional()?)
    }

    /// The first number of a row that began at `moment` or later; numbers ascend with the time, unless the date was set
    /// back, or nearly: an exchange has its number from its end.
    pub(super) fn find_first_since(self, db: &Connection, moment: DateTime<Utc>) -> Result<i64, StoreError> {
        let (mut low, last) = self.find_ends(db)?;
        let mut high = last.saturating_add(1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.find_time(db, middle)? {
                Some(time) if time < moment => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
