//! Reads the columns of a SQLite row by name.
//!
//! A look-up begins behind the column of the look-up before: reading in the order of the SELECT takes one comparison per
//! column. (SQLite names a plainly selected column after the column itself; an expression needs an AS.)

use std::cell::Cell;

use rusqlite::Row;
use rusqlite::types::Type;

use crate::store::rows::ReadColumns;

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
}

impl ReadColumns for Columns<'_, '_> {
    type Error = rusqlite::Error;

    fn text(&self, name: &str) -> rusqlite::Result<Option<&str>> {
        Ok(self.row.get_ref(self.position(name)?)?.as_str_or_null()?)
    }

    fn integer(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        self.row.get(self.position(name)?)
    }

    fn boolean(&self, name: &str) -> rusqlite::Result<Option<bool>> {
        self.row.get(self.position(name)?)
    }

    fn bytes(&self, name: &str) -> rusqlite::Result<Option<&[u8]>> {
        Ok(self.row.get_ref(self.position(name)?)?.as_blob_or_null()?)
    }

    fn wrong(name: &str, message: String) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("{name}: {message}").into())
    }
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
