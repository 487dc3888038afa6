//! Reads and writes the tables of a PostgreSQL store for a copy.

use std::error::Error;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

use super::columns::{Columns, storable};
use super::database::Patience::Refuse;
use super::fault::Fault;
use super::{PostgresStore, tables};
use crate::config::StoreSection;
use crate::store::copy::{Cell, Cells, Kind, Table, Tables};
use crate::store::rows::ReadColumns as _;
use crate::store::{Access, StoreError};

/// A database that no gateway uses.
pub(in crate::store) struct PostgresTables(PostgresStore);

impl PostgresTables {
    /// Opens a database, and makes its tables if the database is the target.
    ///
    /// # Errors
    /// The source has no database, the database cannot be opened, or a gateway works with it.
    pub(in crate::store) async fn open(
        url: &tokio_postgres::Config,
        config: &StoreSection,
        is_target: bool,
    ) -> Result<Self, StoreError> {
        if !is_target && PostgresStore::find_version(url, config).await?.is_none() {
            return Err(StoreError::Unavailable("there are no tables".to_owned()));
        }
        let store = PostgresStore::open(url, config, Access::Command).await?;
        let sql = "-- open\nSELECT count(*) AS alive FROM node
            WHERE NOT is_dead AND seen_at > clock_timestamp() - lease_ms * interval '1 millisecond'";
        let rows = store.database.read(sql, &[]).await?;
        match rows.first().map(|row| Columns(row).get::<i64>("alive")).transpose()? {
            Some(0) | None => Ok(Self(store)),
            Some(_) => Err(StoreError::NotAllowed("a gateway works with it: stop all of them first".to_owned())),
        }
    }
}

#[async_trait]
impl Tables for PostgresTables {
    async fn read_rows(&self, table: Table, after: Option<&[Cell]>, limit: usize) -> Result<Vec<Cells>, StoreError> {
        let (keys, names) = (table.key_names().join(", "), table.names().join(", "));
        let after = after.unwrap_or_default();
        let behind =
            if after.is_empty() { String::new() } else { format!("WHERE ({keys}) > ({})", places(after.len())) };
        let sql =
            format!("-- read_rows\nSELECT {names} FROM \"{}\" {behind} ORDER BY {keys} LIMIT {limit}", table.name);
        let values: Vec<&(dyn ToSql + Sync)> = after.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect();
        let rows = self.0.database.read(&sql, &values).await?;
        Ok(rows.iter().map(|row| read_cells(row, table)).collect::<Result<_, _>>()?)
    }

    async fn find_last_key(&self, table: Table) -> Result<Option<Cells>, StoreError> {
        let keys = table.key_names();
        let order: Vec<_> = keys.iter().map(|key| format!("{key} DESC")).collect();
        let (keys, order) = (keys.join(", "), order.join(", "));
        let sql = format!("-- find_last_key\nSELECT {keys} FROM \"{}\" ORDER BY {order} LIMIT 1", table.name);
        let rows = self.0.database.read(&sql, &[]).await?;
        let table = Table { columns: &table.columns[..table.keys], ..table };
        Ok(rows.first().map(|row| read_cells(row, table)).transpose()?)
    }

    async fn write_rows(&self, table: Table, rows: &[Cells]) -> Result<(), StoreError> {
        let (names, places) = (table.names(), places(table.columns.len()));
        let sql = format!("-- write_rows\nINSERT INTO \"{}\" ({}) VALUES ({places})", table.name, names.join(", "));
        let rows = rows.to_vec();
        let write = self.0.database.write(Refuse, 1, move |transaction| {
            let (sql, rows) = (sql.clone(), rows.clone());
            Box::pin(async move {
                for row in &rows {
                    let values: Vec<&(dyn ToSql + Sync)> = row.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect();
                    transaction.execute(&sql, &values).await?;
                }
                Ok(())
            })
        });
        write.await
    }

    async fn count_rows(&self, table: Table) -> Result<u64, StoreError> {
        let sql = format!("-- count_rows\nSELECT count(*) AS count FROM \"{}\"", table.name);
        let rows = self.0.database.read(&sql, &[]).await?;
        let count = rows.first().map(|row| Columns(row).get::<i64>("count")).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    async fn find_last_numbers(&self) -> Result<[i64; 2], StoreError> {
        let rows =
            self.0.database.read("-- find_last_numbers\nSELECT number FROM counter ORDER BY name DESC", &[]).await?;
        let numbers = rows.iter().map(|row| Columns(row).get("number")).collect::<Result<Vec<i64>, _>>()?;
        numbers.try_into().map_err(|_| StoreError::Damaged("the counters are not two".to_owned()))
    }

    async fn finish(&self, [requests, exchanges]: [i64; 2]) -> Result<(), StoreError> {
        let finish = self.0.database.write(Refuse, 1, move |transaction| {
            Box::pin(async move {
                let counter = "-- finish: counter\nUPDATE counter SET number = $2 WHERE name = $1";
                transaction.execute(counter, &[&"request", &requests]).await?;
                transaction.execute(counter, &[&"exchange", &exchanges]).await?;
                let bytes = "-- finish: bytes
                    UPDATE counter SET bytes = CAST((SELECT coalesce(sum(bytes), 0) FROM exchange) AS BIGINT)
                    WHERE name = 'exchange'";
                let cards = "-- finish: cards
                    INSERT INTO card (card, sequence_number)
                    SELECT ca_id, max(sequence_number) FROM request_device WHERE kind = 'card' GROUP BY ca_id
                    ON CONFLICT (card) DO UPDATE SET sequence_number = excluded.sequence_number";
                transaction.execute_all(&[(bytes, &[]), (cards, &[])]).await
            })
        });
        finish.await?;
        tracing::debug!(version = tables::VERSION, "a copy is whole");
        Ok(())
    }
}

fn places(count: usize) -> String {
    (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

fn read_cells(row: &Row, table: Table) -> Result<Cells, Fault> {
    let row = Columns(row);
    let cell = |(name, kind): &(&str, Kind)| {
        Ok(match kind {
            Kind::Integer => row.integer(name)?.map(Cell::Integer),
            Kind::Boolean => row.boolean(name)?.map(Cell::Boolean),
            Kind::Text => row.optional(name)?.map(Cell::Text),
            Kind::Bytes => row.optional(name)?.map(Cell::Bytes),
        }
        .unwrap_or(Cell::Null))
    };
    table.columns.iter().map(cell).collect()
}

impl ToSql for Cell {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Boolean(is_true) => is_true.to_sql(kind, out),
            Self::Text(text) => storable(text).to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
