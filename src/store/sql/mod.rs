//! The queries that every engine runs: lists by a filter, and the search through all traffic. They are written once; where
//! the engines differ in a word, [`Dialect`] has it.
//!
//! Rule: values are bound, never written into a text.

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

/// Which list is walked through.
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

/// Runs queries at one moment: all of them see the same.
pub(super) trait Reader {
    const DIALECT: Dialect;

    /// The whole numbers of the one column that a query has; without those that are NULL.
    async fn read_integers(&self, sql: &str, values: &[SqlValue]) -> Result<Vec<i64>, StoreError>;
    /// Rows of the list of all traffic, from a query for the columns of that table.
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

    /// A column or expression fits a pattern, in upper or lower case.
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

    /// Code and words of a failure side by side, as a person sees them.
    fn failure_text(self, column: &str) -> String {
        let joined = match self {
            Self::Sqlite => "group_concat",
            Self::Postgres => "string_agg",
        };
        format!("(SELECT {joined}(value, ': ') FROM {})", self.elements(column))
    }

    /// A join whose left side is read first.
    fn ordered_join(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres => "JOIN",
        }
    }

    /// A table that is read by an index of that name.
    fn by_index(self, table: &str, index: &str) -> String {
        match self {
            Self::Sqlite => format!("{table} INDEXED BY {index}"),
            Self::Postgres => table.to_owned(),
        }
    }
}
