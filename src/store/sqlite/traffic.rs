//! The SQLite part of `store::sql`: the list of all traffic, and lists by a filter.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use rusqlite::{Connection, params_from_iter};

use super::SqliteStore;
use super::columns::Columns;
use crate::store::rows::{row_to_request_row, row_to_summary};
use crate::store::sql::{self, Dialect, Reader, SqlValue, Table};
use crate::store::{StoreError, TrafficPage, TrafficQuery, TrafficRow, TrafficStore};

#[async_trait]
impl TrafficStore for SqliteStore {
    async fn list_traffic(&self, query: TrafficQuery) -> Result<TrafficPage, StoreError> {
        self.readers.read(move |db| at_one_moment(db, async |moment| sql::list_traffic(moment, &query).await)).await
    }

    async fn find_change_mark(&self) -> Result<i64, StoreError> {
        self.readers.change_mark()
    }
}

/// A read transaction: all reads see one moment.
pub(super) struct Moment<'c>(&'c Connection);

/// Runs queries in one read transaction.
pub(super) fn at_one_moment<T>(
    db: &Connection,
    read: impl AsyncFnOnce(&Moment<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = db.unchecked_transaction()?;
    read(&Moment(&transaction)).now_or_never().expect("a query of SQLite never waits")
}

impl Reader for Moment<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn read_integers(&self, sql: &str, values: &[SqlValue]) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let found = statement.query_map(params_from_iter(values), |row| row.get::<_, Option<i64>>(0))?;
        Ok(found.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    async fn read_traffic(&self, table: Table, sql: &str, values: &[SqlValue]) -> Result<Vec<TrafficRow>, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| match table {
            Table::Requests => row_to_request_row(&Columns::new(row)).map(TrafficRow::Request),
            Table::Exchanges => row_to_summary(&Columns::new(row)).map(TrafficRow::Exchange),
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl rusqlite::ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Integer(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}
