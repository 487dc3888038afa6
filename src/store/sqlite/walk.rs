//! A walk through a table by its numbers, in windows of them.
//!
//! Rule: a window is so large that it is read within milliseconds, and the clock is looked at between two of them. So a
//! search answers in its time whatever it is for, and a sparse one passes over what it does not find in few steps.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::columns::Columns;
use super::search_sql::{Conditions, Order, Table};
use crate::search::{Condition, Search};
use crate::store::StoreError;

/// Numbers of the first window; each is twice as large as the one before it, while that was read in this time.
const WINDOW: i64 = 16;
const WINDOW_TIME: Duration = Duration::from_millis(8);
/// Numbers of a window, at most: the rows in it may have to be sorted.
const MOST_NUMBERS: i64 = 1 << 16;

/// What is walked through, and how far.
pub(super) struct Walk<'w> {
    pub(super) conditions: &'w Conditions,
    pub(super) columns: &'static str,
    /// The first number, and the one behind the last.
    pub(super) bounds: (i64, i64),
    pub(super) order: Order,
    /// Rows that are passed over.
    pub(super) offset: u64,
    /// Rows, at most.
    pub(super) limit: usize,
    /// When it ends, if it has not found as many by then.
    pub(super) deadline: Option<Instant>,
}

/// What a walk has found.
pub(super) struct Walked<T> {
    pub(super) rows: Vec<T>,
    /// Where it goes on; `None` when the table has no more.
    pub(super) rest: Option<i64>,
    /// Its time was over.
    pub(super) is_cut: bool,
}

impl<T> Walked<T> {
    pub(super) fn nothing() -> Self {
        Self { rows: Vec::new(), rest: None, is_cut: false }
    }
}

impl Walk<'_> {
    /// Walks; `read` makes of a row its number and what is wanted of it.
    pub(super) fn run<T>(
        &self,
        db: &Connection,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(i64, T)>,
    ) -> Result<Walked<T>, StoreError> {
        let mut statement = db.prepare_cached(&self.conditions.select(self.columns, self.order))?;
        let ((mut low, mut high), mut window) = (self.bounds, WINDOW);
        let mut offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let mut walked = Walked::nothing();
        while low < high && walked.rows.len() < self.limit {
            let began = Instant::now();
            // One window in any case: the next page then begins further on.
            if (low, high) != self.bounds && self.deadline.is_some_and(|deadline| began >= deadline) {
                walked.is_cut = true;
                break;
            }
            let (from, to) = match self.order {
                Order::Ascending => (low, low.saturating_add(window).min(high)),
                Order::Descending => (high.saturating_sub(window).max(low), high),
            };
            let most = (self.limit - walked.rows.len()).saturating_add(offset);
            let bounds = [from, to, i64::try_from(most).unwrap_or(i64::MAX)].map(Value::from);
            let rows = statement.query_map(params_from_iter(bounds.iter().chain(self.conditions.values())), &read)?;
            let mut found = rows.collect::<Result<Vec<_>, _>>()?;
            let last = found.last().filter(|_| found.len() >= most).map(|(number, _)| *number);
            match self.order {
                Order::Ascending => low = last.map_or(to, |number| number + 1),
                Order::Descending => high = last.unwrap_or(from),
            }
            let passed_over = offset.min(found.len());
            offset -= passed_over;
            walked.rows.extend(found.drain(passed_over..).map(|(_, row)| row));
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

    /// The first number that a search can find from `from` on, and the one behind the last before `before`.
    pub(super) fn find_bounds(
        self,
        db: &Connection,
        search: &Search,
        (from, before): (i64, i64),
    ) -> Result<(i64, i64), StoreError> {
        let (first, last) = self.find_ends(db)?;
        let (mut low, mut high) = (from.max(first), before.min(last.saturating_add(1)));
        if let Some(since) = search.since {
            low = low.max(self.find_first_since(db, since)?);
        }
        if let Some(until) = search.until {
            high = high.min(self.find_first_since(db, until)?);
        }
        for condition in search.required() {
            if let Condition::Number(number) = condition {
                (low, high) = (low.max(*number), high.min(number.saturating_add(1)));
            }
        }
        Ok((low, high))
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
    pub(super) fn find_time(self, db: &Connection, number: i64) -> Result<Option<DateTime<Utc>>, StoreError> {
        let (table, time) = self.name_and_time();
        let sql =
            format!("-- find_time\nSELECT {time} AS time FROM {table} WHERE number >= ?1 ORDER BY number LIMIT 1");
        Ok(db.prepare_cached(&sql)?.query_row([number], |row| Columns::new(row).time("time")).optional()?)
    }

    /// The first number of a row that began at `moment` or later; numbers ascend with the time, unless the date was set
    /// back, or nearly: an exchange has its number from its end.
    fn find_first_since(self, db: &Connection, moment: DateTime<Utc>) -> Result<i64, StoreError> {
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
