//! Reads and writes the tables of a SQLite store for a copy, while the data folder is locked.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::{connection, files};
use crate::store::StoreError;
use crate::store::copy::{Cell, Cells, Kind, Table, Tables};

/// A database that no other process uses.
pub(in crate::store) struct SqliteTables {
    db: Arc<Mutex<Connection>>,
    _locks: [File; 2],
}

impl SqliteTables {
    /// Opens the database in a folder; makes a missing database if the folder is the target.
    ///
    /// # Errors
    /// The source has no database, the database cannot be opened, or a gateway is running there.
    pub(in crate::store) fn open(data_dir: &Path, is_target: bool) -> Result<Self, StoreError> {
        let file = match connection::existing(data_dir) {
            Some(file) => file,
            None if is_target => connection::prepare(data_dir)?,
            None => return Err(StoreError::Unavailable(format!("{}: there is no database", data_dir.display()))),
        };
        let _locks = files::lock(&file)?;
        let db = connection::open_writer(&file, false)?.db;
        Ok(Self { db: Arc::new(Mutex::new(db)), _locks })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let db = Arc::clone(&self.db);
        let task = tokio::task::spawn_blocking(move || work(&mut db.lock().unwrap_or_else(PoisonError::into_inner)));
        task.await.map_err(|error| StoreError::Other(format!("a copy ended early: {error}")))?
    }
}

#[async_trait]
impl Tables for SqliteTables {
    async fn read_rows(&self, table: Table, after: Option<&[Cell]>, limit: usize) -> Result<Vec<Cells>, StoreError> {
        let (keys, names) = (table.key_names().join(", "), table.names().join(", "));
        let values = after.unwrap_or_default().to_vec();
        let places: Vec<_> = (1..=values.len()).map(|number| format!("?{number}")).collect();
        let behind =
            if values.is_empty() { String::new() } else { format!("WHERE ({keys}) > ({})", places.join(", ")) };
        let sql =
            format!("-- read_rows\nSELECT {names} FROM \"{}\" {behind} ORDER BY {keys} LIMIT {limit}", table.name);
        let read = move |db: &mut Connection| {
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| read_cells(row, table))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.run(read).await
    }

    async fn find_last_key(&self, table: Table) -> Result<Option<Cells>, StoreError> {
        let keys = table.key_names();
        let order: Vec<_> = keys.iter().map(|key| format!("{key} DESC")).collect();
        let (keys, order) = (keys.join(", "), order.join(", "));
        let sql = format!("-- find_last_key\nSELECT {keys} FROM \"{}\" ORDER BY {order} LIMIT 1", table.name);
        let read = move |db: &mut Connection| {
            let mut statement = db.prepare(&sql)?;
            let table = Table { columns: &table.columns[..table.keys], ..table };
            let mut rows = statement.query_map([], |row| read_cells(row, table))?;
            Ok(rows.next().transpose()?)
        };
        self.run(read).await
    }

    async fn write_rows(&self, table: Table, rows: &[Cells]) -> Result<(), StoreError> {
        let (names, rows) = (table.names(), rows.to_vec());
        let places: Vec<_> = (1..=names.len()).map(|number| format!("?{number}")).collect();
        let (names, places) = (names.join(", "), places.join(", "));
        let sql = format!("-- write_rows\nINSERT INTO \"{}\" ({names}) VALUES ({places})", table.name);
        let write = move |db: &mut Connection| {
            let transaction = db.transaction()?;
            for row in rows {
                transaction.prepare_cached(&sql)?.execute(params_from_iter(row))?;
            }
            Ok(transaction.commit()?)
        };
        self.run(write).await
    }

    async fn count_rows(&self, table: Table) -> Result<u64, StoreError> {
        let sql = format!("-- count_rows\nSELECT count(*) AS count FROM \"{}\"", table.name);
        let count = self.run(move |db| Ok(db.query_row(&sql, [], |row| row.get::<_, i64>("count"))?));
        Ok(count.await?.unsigned_abs())
    }

    async fn find_last_numbers(&self) -> Result<[i64; 2], StoreError> {
        let find = |db: &mut Connection| {
            let mut numbers = [0; 2];
            for (number, table) in numbers.iter_mut().zip(["request", "exchange"]) {
                let sql = "-- find_last_numbers\nSELECT max(seq) AS last FROM sqlite_sequence WHERE name = ?1";
                let last: Option<i64> = db.query_row(sql, [table], |row| row.get("last"))?;
                *number = last.unwrap_or_default();
            }
            Ok(numbers)
        };
        self.run(find).await
    }

    async fn finish(&self, last_numbers: [i64; 2]) -> Result<(), StoreError> {
        let finish = move |db: &mut Connection| {
            let transaction = db.transaction()?;
            for (number, table) in last_numbers.into_iter().zip(["request", "exchange"]) {
                transaction.execute("-- finish: forget\nDELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
                let sql = "-- finish: number\nINSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
                transaction.execute(sql, (table, number))?;
            }
            Ok(transaction.commit()?)
        };
        self.run(finish).await
    }
}

fn read_cells(row: &Row<'_>, table: Table) -> rusqlite::Result<Cells> {
    let cell = |(index, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match (kind, row.get::<_, Value>(index)?) {
            (_, Value::Null) => Cell::Null,
            (Kind::Boolean, Value::Integer(number)) => Cell::Boolean(number != 0),
            (_, Value::Integer(number)) => Cell::Integer(number),
            (_, Value::Text(text)) => Cell::Text(text),
            (_, Value::Blob(bytes)) => Cell::Bytes(bytes),
            (_, Value::Real(number)) => Cell::Text(number.to_string()),
        })
    };
    table.columns.iter().enumerate().map(cell).collect()
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::from(rusqlite::types::Null)),
            Self::Integer(number) => number.to_sql(),
            Self::Boolean(is_true) => is_true.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
        }
    }
}
