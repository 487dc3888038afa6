//! The PostgreSQL part of `store::sql`: the list of all traffic, and lists by a filter.

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::columns::Columns;
use super::database::Transaction;
use super::fault::Fault;
use crate::store::rows::{ReadColumns as _, row_to_request_row, row_to_summary};
use crate::store::sql::{self, Dialect, Reader, SqlValue, Table};
use crate::store::{StoreError, TrafficPage, TrafficQuery, TrafficRow, TrafficStore};

#[async_trait]
impl TrafficStore for PostgresStore {
    async fn list_traffic(&self, query: TrafficQuery) -> Result<TrafficPage, StoreError> {
        let page = self
            .database
            .read_moment(|moment| Box::pin(async move { Ok(sql::list_traffic(&Moment(moment), &query).await?) }));
        page.await
    }

    /// The snapshot names the transactions under way, so that it changes when a transaction begins or ends.
    async fn find_change_mark(&self) -> Result<i64, StoreError> {
        let sql = "-- find_change_mark\nSELECT hashtextextended(pg_current_snapshot()::text, 0) AS mark";
        let rows = self.database.read(sql, &[]).await?;
        let mark = rows.first().map(|row| Columns(row).get("mark")).transpose()?;
        Ok(mark.unwrap_or_default())
    }
}

/// A transaction in which all reads see one moment.
pub(super) struct Moment<'t>(pub(super) &'t Transaction);

impl Moment<'_> {
    async fn query(&self, sql: &str, values: &[SqlValue]) -> Result<Vec<Row>, Fault> {
        let mut bound: Vec<&(dyn ToSql + Sync)> = Vec::new();
        for value in values {
            match value {
                SqlValue::Integer(number) => bound.push(number),
                SqlValue::Text(text) => bound.push(text),
            }
        }
        self.0.query(sql, &bound).await
    }
}

impl Reader for Moment<'_> {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn read_integers(&self, sql: &str, values: &[SqlValue]) -> Result<Vec<i64>, StoreError> {
        let rows = self.query(sql, values).await?;
        let read = rows.iter().map(|row| row.try_get::<_, Option<i64>>(0)).filter_map(Result::transpose);
        Ok(read.collect::<Result<_, _>>().map_err(Fault::from)?)
    }

    async fn read_traffic(&self, table: Table, sql: &str, values: &[SqlValue]) -> Result<Vec<TrafficRow>, StoreError> {
        let rows = self.query(sql, values).await?;
        let read = |row| match table {
            Table::Requests => row_to_request_row(&Columns(row)).map(TrafficRow::Request),
            Table::Exchanges => row_to_summary(&Columns(row)).map(TrafficRow::Exchange),
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
