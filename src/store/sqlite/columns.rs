//! The columns of a row, read by name.
//!
//! A look-up begins behind the column of the one before it: whoever reads in the order of the SELECT pays one comparison
//! a column. (SQLite names a column that is plainly selected after itself; an expression needs an AS.)

use std::cell::Cell;

use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

/// A row of a statement.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    /// Where the next look-up begins.
    next: Cell<usize>,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn new(row: &'r Row<'s>) -> Self {
        Self { row, next: Cell::new(0) }
    }

    fn position(&self, name: &str) -> rusqlite::Result<usize> {
        let statement = self.row.as_ref();
        let (count, next) = (statement.column_count(), self.next.get());
        for position in (next..count).chain(0..next) {
            if statement.column_name(position)? == name {
                self.next.set(position + 1);
                return Ok(position);
            }
        }
        Err(rusqlite::Error::InvalidColumnName(name.to_owned()))
    }

    pub(super) fn get<T: FromSql>(&self, name: &str) -> rusqlite::Result<T> {
        self.row.get(self.position(name)?)
    }

    /// A word of ours.
    pub(super) fn word<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
        self.optional_word(name, parse)?.ok_or_else(|| wrong(0, format!("{name} is missing")))
    }

    pub(super) fn optional_word<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> rusqlite::Result<Option<T>> {
        let position = self.position(name)?;
        let Some(text) = self.row.get_ref(position)?.as_str_or_null()? else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| wrong(position, format!("unexpected {name} '{text}'")))
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> rusqlite::Result<Option<T>> {
        let position = self.position(name)?;
        let text = self.row.get_ref(position)?.as_str_or_null()?;
        text.map(serde_json::from_str).transpose().map_err(|e| wrong(position, e))
    }

    pub(super) fn required_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> rusqlite::Result<T> {
        self.json(name)?.ok_or_else(|| wrong(0, format!("{name} is missing")))
    }

    pub(super) fn time(&self, name: &str) -> rusqlite::Result<DateTime<Utc>> {
        self.optional_time(name)?.ok_or_else(|| wrong(0, format!("{name} is missing")))
    }

    pub(super) fn optional_time(&self, name: &str) -> rusqlite::Result<Option<DateTime<Utc>>> {
        let position = self.position(name)?;
        let millis: Option<i64> = self.row.get(position)?;
        let time =
            |m| DateTime::from_timestamp_millis(m).ok_or_else(|| wrong(position, format!("{name} is not a time")));
        millis.map(time).transpose()
    }
}

fn wrong(column: usize, message: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_any_order_and_a_missing_one_is_named() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let read = |row: &Row<'_>| {
            let row = Columns::new(row);
            let found: [i64; 4] = [row.get("b")?, row.get("c")?, row.get("a")?, row.get("a")?];
            Ok((found, row.time("c")?, row.get::<i64>("d").unwrap_err().to_string()))
        };
        let (found, time, missing) = db.query_row("SELECT 1 AS a, 2 AS b, 3 AS c", [], read).unwrap();
        assert_eq!((found, time.timestamp_millis()), ([2, 3, 1, 1], 3));
        assert!(missing.contains('d'), "{missing}");
    }
}
