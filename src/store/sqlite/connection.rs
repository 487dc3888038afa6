//! Opens the database file: pragmas, schema, and the checks that the file is a gateway's.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

/// Name of the database file in the data folder.
const FILE: &str = "gateway.sqlite3";
/// Marks a database file as a gateway's (`PRAGMA application_id`): "CXGW".
const APPLICATION_ID: i32 = 0x4358_4757;
/// The tables. Once a version is released, they change by migrations only: `schema_2.sql` and so on. Each migration
/// applies to a database of the version before, inside the transaction of [`make_tables`], and is never edited
/// afterwards.
const SCHEMA: &str = include_str!("schema.sql");
/// The version of the tables: `PRAGMA user_version`. Development builds made databases of versions 1 to 13.
pub(super) const VERSION: u32 = 14;
/// The remedy for a damaged database.
pub(super) const REMEDY: &str = "stop the gateway, and restore a backup, or take what can still be read with \
                                 `sqlite3 FILE .recover`";
/// How long a start looks for damaged pages. The remaining pages are checked while the gateway runs, so that a large
/// database does not delay a start.
const CHECK_TIME: Duration = Duration::from_millis(100);
/// SQLite instructions between two checks of the deadline.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;
/// How long to wait for another process (a command) that holds the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of prepared statements that each connection keeps.
const STATEMENTS: usize = 64;

/// The database in the data folder, if there is one.
pub(super) fn existing(data_dir: &Path) -> Option<PathBuf> {
    Some(data_dir.join(FILE)).filter(|file| file.exists())
}

/// Checks, without changing anything, that this version can open a database.
pub(super) fn inspect(file: &Path) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("{}: {error}", file.display()));
    // The file stays empty if the first start was interrupted.
    if std::fs::metadata(file).map_err(|e| failed(&e))?.len() == 0 {
        return Ok(());
    }
    let db = open_reader(file).map_err(|e| failed(&e))?;
    has_tables(&db).map(drop).map_err(|e| failed(&e))
}

/// Makes the data folder and returns the path of the database in it.
pub(super) fn prepare(data_dir: &Path) -> Result<PathBuf, StoreError> {
    let failed = |e| StoreError::Unavailable(format!("cannot make {}: {e}", data_dir.display()));
    let file = data_dir.join(FILE);
    // The folder holds password hashes and viewers' data. SQLite gives the WAL the mode of the database.
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
    // Only a missing file is created: closing a file that SQLite has open in this process would release SQLite's locks.
    if !file.exists() {
        OpenOptions::new().append(true).create(true).mode(0o600).open(&file).map_err(failed)?;
    }
    Ok(file)
}

/// A database that is open for writing.
pub(super) struct Opened {
    pub(super) db: Connection,
    /// Every page was checked, and no page is damaged.
    pub(super) is_checked: bool,
}

/// Opens the writing connection; a new database gets its tables.
pub(super) fn open_writer(file: &Path, to_serve: bool) -> Result<Opened, StoreError> {
    open(file, to_serve).map_err(|error| {
        let remedy = match error.downcast_ref::<rusqlite::Error>().map(StoreError::from_sqlite) {
            Some(StoreError::Damaged(_)) => format!(": {REMEDY}"),
            _ => String::new(),
        };
        StoreError::Unavailable(format!("cannot open {}: {error}{remedy}", file.display()))
    })
}

fn open(file: &Path, to_serve: bool) -> Result<Opened, Box<dyn std::error::Error>> {
    let mut db = Connection::open(file)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    let mode: String = db.query_row("PRAGMA journal_mode=WAL", [], |row| row.get("journal_mode"))?;
    if mode != "wal" {
        return Err(format!("the file system does not allow WAL (journal mode is {mode})").into());
    }
    db.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=4000;
         PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;
         PRAGMA secure_delete=FAST;",
    )?;
    let is_checked = to_serve && check_at_start(&mut db)?;
    make_tables(&mut db)?;
    if to_serve {
        // A process whose flush failed may have left WAL frames in the page cache that are not on disk: after this checkpoint
        // nothing depends on them. If a reader of another process is in the way, the next checkpoint does the same.
        empty_wal(&db)?;
    }
    prepare_once(&db)?;
    Ok(Opened { db, is_checked })
}

/// Checks pages for damage, for a bounded time. Returns false if some pages were not checked.
fn check_at_start(db: &mut Connection) -> Result<bool, StoreError> {
    let deadline = Instant::now() + CHECK_TIME;
    db.progress_handler(STEPS_BETWEEN_CHECKS, Some(move || Instant::now() > deadline))?;
    let found = check(db, None);
    db.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Err(StoreError::Busy(_)) => Ok(false),
        found => found.map(|()| true),
    }
}

/// Checks the pages of a table and its indexes, or of all tables, for damage.
///
/// # Errors
/// [`StoreError::Damaged`], or the error that interrupted the check.
pub(super) fn check(db: &Connection, table: Option<&str>) -> Result<(), StoreError> {
    let mut found = None;
    // The check of all tables stops at the first damaged page.
    let argument = table.map_or(Value::from(1), |table| Value::from(table.to_owned()));
    db.pragma(None, "quick_check", argument, |row| {
        found = Some(row.get::<_, String>(0)?);
        Ok(())
    })?;
    match found.as_deref() {
        None | Some("ok") => Ok(()),
        Some(damage) => Err(StoreError::Damaged(format!("{}: {REMEDY}", damage.lines().last().unwrap_or_default()))),
    }
}

/// The names of all tables.
pub(super) fn list_tables(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement =
        db.prepare("-- list_tables\nSELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    Ok(statement.query_map([], |row| row.get("name"))?.collect::<Result<_, _>>()?)
}

/// Moves the whole WAL into the database and truncates the WAL; false if a reader is in the way.
pub(super) fn empty_wal(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(Duration::ZERO)?;
    let is_busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>("busy"));
    db.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy?)
}

/// Sets whether freed pages are overwritten, too; deleted rows within a page always are.
pub(super) fn overwrite_deleted(db: &Connection, is_on: bool) -> rusqlite::Result<()> {
    db.pragma_update(None, "secure_delete", if is_on { "ON" } else { "FAST" })
}

/// Makes SQLite plan each statement once, not again for each bound value.
fn prepare_once(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Makes the tables of a new database; leaves the tables of an existing database.
fn make_tables(db: &mut Connection) -> Result<(), Box<dyn std::error::Error>> {
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if has_tables(&transaction)? {
        return Ok(());
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

/// Returns true if the database has the gateway's tables, and false if it is empty.
fn has_tables(db: &Connection) -> Result<bool, Box<dyn std::error::Error>> {
    let tables: i64 = db.query_row("SELECT count(*) AS tables FROM sqlite_schema", [], |row| row.get("tables"))?;
    if tables == 0 {
        return Ok(false);
    }
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get("application_id"))?;
    if application != APPLICATION_ID {
        return Err("it is not a database of conax-gateway".into());
    }
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get("user_version"))?;
    if version != VERSION {
        return Err(format!(
            "its tables are of version {version}, and this conax-gateway works with version {VERSION}: use the conax-gateway \
             that made it, or another store.data_dir"
        )
        .into());
    }
    Ok(true)
}

/// Writes the version again, which changes nothing, but fails if the database cannot be written.
pub(super) fn touch(db: &Connection) -> Result<(), StoreError> {
    Ok(db.pragma_update(None, "user_version", VERSION)?)
}

/// A read-only connection.
pub(super) fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    prepare_once(&db)?;
    // A small page cache is enough, since every commit empties the cache of a reader.
    db.execute_batch("PRAGMA query_only=ON; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;")?;
    Ok(db)
}
