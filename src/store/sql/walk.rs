//! A walk through the rows of a table in windows of row numbers.
//!
//! Rule: a window is read within milliseconds, and the walk checks its deadline between two windows. So each search
//! ends in time, and a search with few results passes large gaps in few steps.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::conditions::Conditions;
use super::{Order, Reader, SqlValue, Table};
use crate::search::{Condition, Search};
use crate::store::{StoreError, TrafficRow};

/// The size of the first window, in row numbers; the next window is twice as large if reading took less than
/// `WINDOW_TIME`, or else half as large.
const WINDOW: i64 = 16;
const WINDOW_TIME: Duration = Duration::from_millis(8);
/// The largest window, in row numbers: the rows in a window may have to be sorted.
const MOST_NUMBERS: i64 = 1 << 16;

/// A walk through the rows of a table in the order of their numbers, as far as its bounds.
pub(super) struct Walk<'w> {
    pub(super) conditions: &'w Conditions,
    pub(super) columns: &'static str,
    /// The first row number, and the number behind the last.
    pub(super) bounds: (i64, i64),
    pub(super) order: Order,
    /// The number of rows to skip.
    pub(super) offset: u64,
    /// The largest number of rows.
    pub(super) limit: usize,
    /// When the walk stops, even with fewer than `limit` rows.
    pub(super) deadline: Option<Instant>,
}

/// The rows that a walk has found.
pub(super) struct Walked<T> {
    pub(super) rows: Vec<T>,
    /// The row number to go on at; `None` when the table has no more rows.
    pub(super) rest: Option<i64>,
    /// The walk ended at its deadline.
    pub(super) is_cut: bool,
}

impl<T> Walked<T> {
    pub(super) fn nothing() -> Self {
        Self { rows: Vec::new(), rest: None, is_cut: false }
    }
}

/// A row as a walk reads it.
pub(super) trait WalkedRow: Sized {
    fn number(&self) -> i64;
    async fn read<R: Reader>(moment: &R, table: Table, sql: &str, values: &[SqlValue])
    -> Result<Vec<Self>, StoreError>;
}

impl WalkedRow for i64 {
    fn number(&self) -> i64 {
        *self
    }

    async fn read<R: Reader>(moment: &R, _: Table, sql: &str, values: &[SqlValue]) -> Result<Vec<Self>, StoreError> {
        moment.read_integers(sql, values).await
    }
}

impl WalkedRow for TrafficRow {
    fn number(&self) -> i64 {
        self.number()
    }

    async fn read<R: Reader>(
        moment: &R,
        table: Table,
        sql: &str,
        values: &[SqlValue],
    ) -> Result<Vec<Self>, StoreError> {
        moment.read_traffic(table, sql, values).await
    }
}

impl Walk<'_> {
    /// Walks, and returns the rows found.
    pub(super) async fn run<R: Reader, T: WalkedRow>(&self, moment: &R) -> Result<Walked<T>, StoreError> {
        let sql = self.conditions.select(self.columns, self.order);
        let ((mut low, mut high), mut window) = (self.bounds, WINDOW);
        let mut offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let mut walked = Walked::nothing();
        while low < high && walked.rows.len() < self.limit {
            let began = Instant::now();
            // The first window is read even after the deadline, so that the next page begins further on.
            if (low, high) != self.bounds && self.deadline.is_some_and(|deadline| began >= deadline) {
                walked.is_cut = true;
                break;
            }
            let (from, to) = match self.order {
                Order::Ascending => (low, low.saturating_add(window).min(high)),
                Order::Descending => (high.saturating_sub(window).max(low), high),
            };
            let most = (self.limit - walked.rows.len()).saturating_add(offset);
            let bounds = [from, to, i64::try_from(most).unwrap_or(i64::MAX)].map(SqlValue::Integer);
            let values: Vec<_> = bounds.iter().chain(self.conditions.values()).cloned().collect();
            let mut found = T::read(moment, self.conditions.table(), &sql, &values).await?;
            let last = found.last().filter(|_| found.len() >= most).map(T::number);
            match self.order {
                Order::Ascending => low = last.map_or(to, |number| number + 1),
                Order::Descending => high = last.unwrap_or(from),
            }
            let passed_over = offset.min(found.len());
            offset -= passed_over;
            walked.rows.extend(found.drain(passed_over..));
            let is_quick = began.elapsed() < WINDOW_TIME;
            window = if is_quick { (window * 2).min(MOST_NUMBERS) } else { (window / 2).max(WINDOW) };
        }
        let at = if self.order == Order::Ascending { low } else { high };
        walked.rest = (low < high).then_some(at);
        Ok(walked)
    }
}

impl Table {
    fn name_and_time(self) -> (&'static str, &'static str) {
        match self {
            Self::Requests => ("request", "created_at"),
            Self::Exchanges => ("exchange", "at"),
        }
    }

    /// The row numbers that a search can find, within `from` and `before`: the first number, and the number behind the last.
    pub(super) async fn find_bounds<R: Reader>(
        self,
        moment: &R,
        search: &Search,
        (from, before): (i64, i64),
    ) -> Result<(i64, i64), StoreError> {
        let (first, last) = self.find_ends(moment).await?;
        let (mut low, mut high) = (from.max(first), before.min(last.saturating_add(1)));
        if let Some(since) = search.since {
            low = low.max(self.find_first_since(moment, since).await?);
        }
        if let Some(until) = search.until {
            high = high.min(self.find_first_since(moment, until).await?);
        }
        for condition in search.required() {
            if let Condition::Number(number) = condition {
                (low, high) = (low.max(*number), high.min(number.saturating_add(1)));
            }
        }
        Ok((low, high))
    }

    /// The first and the last row number; in an empty table the last number is smaller than the first.
    async fn find_ends<R: Reader>(self, moment: &R) -> Result<(i64, i64), StoreError> {
        let (table, _) = self.name_and_time();
        // Two queries: SQLite answers each by the end of the tree, without a scan.
        let end = async |function: &str| {
            let sql = format!("-- find_ends\nSELECT {function}(number) AS number FROM {table}");
            Ok::<_, StoreError>(moment.read_integers(&sql, &[]).await?.pop())
        };
        Ok((end("min").await?.unwrap_or(1), end("max").await?.unwrap_or(0)))
    }

    /// The time of the first row whose number is at least `number`.
    pub(super) async fn find_time<R: Reader>(
        self,
        moment: &R,
        number: i64,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let ((table, time), first) = (self.name_and_time(), R::DIALECT.parameter(1));
        let sql = format!("-- find_time\nSELECT {time} FROM {table} WHERE number >= {first} ORDER BY number LIMIT 1");
        let found = moment.read_integers(&sql, &[SqlValue::Integer(number)]).await?.pop();
        Ok(found.and_then(DateTime::from_timestamp_millis))
    }

    /// The first number of a row that began at `since` or later. Numbers ascend with the time, except when the date was
    /// set back; an exchange is numbered at its end, so its order is approximate.
    async fn find_first_since<R: Reader>(self, moment: &R, since: DateTime<Utc>) -> Result<i64, StoreError> {
        let (mut low, last) = self.find_ends(moment).await?;
        let mut high = last.saturating_add(1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.find_time(moment, middle).await? {
                Some(time) if time < since => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
