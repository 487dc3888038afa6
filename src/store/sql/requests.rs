//! Lists and counts the numbers of the requests that a query finds.

use super::conditions::Conditions;
use super::walk::{Walk, Walked};
use super::{Order, Reader, SqlValue, Table};
use crate::store::{RequestQuery, StoreError};

/// The numbers of a page, in its order.
pub(in crate::store) async fn list_numbers<R: Reader>(
    moment: &R,
    query: &RequestQuery,
) -> Result<Vec<i64>, StoreError> {
    let Some(conditions) = conditions::<R>(query) else { return Ok(Vec::new()) };
    let bounds = find_bounds(moment, query).await?;
    let order = if query.newest_first { Order::Descending } else { Order::Ascending };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let (offset, deadline, columns) = (query.offset, None, "r.number AS number");
    let walk = Walk { conditions: &conditions, columns, bounds, order, offset, limit, deadline };
    let walked: Walked<i64> = walk.run(moment).await?;
    Ok(walked.rows)
}

/// The number of requests behind the offset, up to the limit.
pub(in crate::store) async fn count_numbers<R: Reader>(moment: &R, query: &RequestQuery) -> Result<u64, StoreError> {
    let Some(conditions) = conditions::<R>(query) else { return Ok(0) };
    let (from, to) = find_bounds(moment, query).await?;
    let most = i64::try_from(query.offset.saturating_add(query.limit)).unwrap_or(i64::MAX);
    let bounds = [from, to, most].map(SqlValue::Integer);
    let values: Vec<_> = bounds.iter().chain(conditions.values()).cloned().collect();
    let total = moment.read_integers(&conditions.count(), &values).await?.pop().unwrap_or_default();
    Ok(total.unsigned_abs().saturating_sub(query.offset))
}

fn conditions<R: Reader>(query: &RequestQuery) -> Option<Conditions> {
    Conditions::new(R::DIALECT, Table::Requests, &query.search, query.family)
}

async fn find_bounds<R: Reader>(moment: &R, query: &RequestQuery) -> Result<(i64, i64), StoreError> {
    let bounds = (query.after.saturating_add(1), query.before.unwrap_or(i64::MAX));
    Table::Requests.find_bounds(moment, &query.search, bounds).await
}
