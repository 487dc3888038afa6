//! The list of all traffic: walks through the tables of requests and exchanges, newest first, and merges the rows by time.
//!
//! Rule: a search with an index covers the whole table; a search row by row goes as far as its time allows. In that
//! case the page says how far the search went, and the next page continues there.

use std::time::Instant;

use super::conditions::Conditions;
use super::walk::{Walk, Walked};
use super::{Order, Reader, Table};
use crate::store::rows::{REQUEST_ROW_COLUMNS, SUMMARY_COLUMNS};
use crate::store::{StoreError, TrafficCursor, TrafficPage, TrafficQuery, TrafficRow};

/// Returns the page for a query.
pub(in crate::store) async fn list_traffic<R: Reader>(
    moment: &R,
    query: &TrafficQuery,
) -> Result<TrafficPage, StoreError> {
    let began = Instant::now();
    let exchanges = walk(moment, Table::Exchanges, query.before.exchange, query, began + query.time / 2).await?;
    let requests = walk(moment, Table::Requests, query.before.request, query, began + query.time).await?;
    merge(moment, query, requests, exchanges).await
}

/// Merges both walks by time. If a walk was cut by its deadline, the page ends at the time of its last row: later rows
/// of the other walk belong to the next page.
async fn merge<R: Reader>(
    moment: &R,
    query: &TrafficQuery,
    requests: Walked<TrafficRow>,
    exchanges: Walked<TrafficRow>,
) -> Result<TrafficPage, StoreError> {
    let mut searched_to = None;
    for (walk, table) in [(&requests, Table::Requests), (&exchanges, Table::Exchanges)] {
        if let (true, Some(rest)) = (walk.is_cut, walk.rest) {
            searched_to = searched_to.max(table.find_time(moment, rest).await?);
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
    // If all rows of a walk are shown, the next page goes on where the walk ended.
    let rest = |is_left: bool, shown: i64, rest: Option<i64>| if is_left { shown } else { rest.unwrap_or(0) };
    next.request = rest(left_requests, next.request, requests.rest);
    next.exchange = rest(left_exchanges, next.exchange, exchanges.rest);
    if next == query.before {
        // A row that began long before it was numbered may lie before the end of the page: without this
        // row the page would lead to itself.
        if let Some(row) = from_exchanges.next().or_else(|| from_requests.next()) {
            next.pass(&row);
            rows.push(row);
        }
    }
    let is_full = rows.len() >= query.limit;
    let next = (next != TrafficCursor { request: 0, exchange: 0 }).then_some(next);
    Ok(TrafficPage { rows, next, searched_to: searched_to.filter(|_| !is_full) })
}

async fn walk<R: Reader>(
    moment: &R,
    table: Table,
    before: i64,
    query: &TrafficQuery,
    deadline: Instant,
) -> Result<Walked<TrafficRow>, StoreError> {
    let Some(conditions) = Conditions::new(R::DIALECT, table, &query.search, None) else {
        return Ok(Walked::nothing());
    };
    let bounds = table.find_bounds(moment, &query.search, (i64::MIN, before)).await?;
    let columns = match table {
        Table::Requests => REQUEST_ROW_COLUMNS,
        Table::Exchanges => SUMMARY_COLUMNS,
    };
    let (order, limit, deadline) = (Order::Descending, query.limit, Some(deadline));
    Walk { conditions: &conditions, columns, bounds, order, offset: 0, limit, deadline }.run(moment).await
}
