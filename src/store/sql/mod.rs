//! The queries that both engines run: lists by a filter, and the search through all traffic. Each query is written
//! once; [`Dialect`] has the words in which the engines differ.
//!
//! Rule: values are bound, never written into the SQL text.

mod conditions;
mod requests;
mod traffic;
mod walk;

pub(super) use requests::{count_numbers, list_numbers};
pub(super) use traffic::list_traffic;

use super::{StoreError, TrafficRow};

/// A value to bind.
#[derive(Clone, Debug)]
pub(super) enum SqlValue {
    Integer(i64),
    Text(String),
}

/// The table to walk through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Requests,
    Exchanges,
}

/// In which order the rows of a table are read, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
pub(super) enum Order {
    #[strum(serialize = "ASC")]
    Ascending,
    #[strum(serialize = "DESC")]
    Descending,
}

/// Runs queries in one snapshot of the database.
pub(super) trait Reader {
    const DIALECT: Dialect;

    /// Reads the integers of a query with one column; NULL values are left out.
    async fn read_integers(&self, sql: &str, values: &[SqlValue]) -> Result<Vec<i64>, StoreError>;
    /// Reads rows of the list of all traffic, with the columns of `table`.
    async fn read_traffic(&self, table: Table, sql: &str, values: &[SqlValue]) -> Result<Vec<TrafficRow>, StoreError>;
}

/// The engine whose SQL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The parameter of this number, counted from 1.
    fn parameter(self, number: usize) -> String {
        match self {
            Self::Sqlite => format!("?{number}"),
            Self::Postgres => format!("${number}"),
        }
    }

    /// The condition that an expression matches a pattern, in upper or lower case.
    fn fits(self, expression: &str, pattern: &str) -> String {
        let like = match self {
            Self::Sqlite => "LIKE",
            Self::Postgres => "ILIKE",
        };
        format!("{expression} {like} {pattern} ESCAPE '\\'")
    }

    /// The elements of a column with a JSON array, as a source of rows with a column `value`.
    fn elements(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("json_each({column})"),
            Self::Postgres => format!("json_array_elements_text({column}::json) AS element (value)"),
        }
    }

    /// Code and texts of a failure as one text, as a person sees them.
    fn failure_text(self, column: &str) -> String {
        let joined = match self {
            Self::Sqlite => "group_concat",
            Self::Postgres => "string_agg",
        };
        format!("(SELECT {joined}(value, ': ') FROM {})", self.elements(column))
    }

    /// The join that makes the engine read the left side first.
    fn ordered_join(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres => "JOIN",
        }
    }

    /// The table, read by the named index where the engine can be told so.
    fn by_index(self, table: &str, index: &str) -> String {
        match self {
            Self::Sqlite => format!("{table} INDEXED BY {index}"),
            Self::Postgres => table.to_owned(),
        }
    }
}
