//! Opens the database file: pragmas, schema, and the checks that it is ours.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::StoreError;

/// Name of the database file in the data folder.
const FILE: &str = "gateway.sqlite3";
/// Marks a database as ours (`PRAGMA application_id`): "CXGW".
const APPLICATION_ID: i32 = 0x4358_4757;
/// The migrations, in order; `PRAGMA user_version` counts those applied.
const MIGRATIONS: [&str; 5] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
];
/// What to do about a damaged database.
pub(super) const REMEDY: &str = "stop the gateway, and restore a backup, or take what can still be read with \
                                 `sqlite3 FILE .recover`";
/// How long a start looks for damaged pages; a large database is looked at in part.
const CHECK_TIME: Duration = Duration::from_secs(3);
/// SQLite instructions between two looks at the clock.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;
/// How long another process (the command line) may hold the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements kept prepared on each connection.
const STATEMENTS: usize = 64;

/// The database in the data folder, if there is one.
pub(super) fn existing(data_dir: &Path) -> Option<PathBuf> {
    Some(data_dir.join(FILE)).filter(|file| file.exists())
}

/// Makes sure that a database is one that this version can open, and changes nothing.
pub(super) fn inspect(file: &Path) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("{}: {error}", file.display()));
    // Empty until a first start came so far.
    if std::fs::metadata(file).map_err(|e| failed(&e))?.len() == 0 {
        return Ok(());
    }
    let db = open_reader(file).map_err(|e| failed(&e))?;
    applied(&db).map(drop).map_err(|e| failed(&e))
}

/// Makes the data folder and returns the path of the database in it.
pub(super) fn prepare(data_dir: &Path) -> Result<PathBuf, StoreError> {
    let failed = |e| StoreError::Unavailable(format!("cannot make {}: {e}", data_dir.display()));
    let file = data_dir.join(FILE);
    // It holds password hashes and viewers' data. SQLite gives the WAL the mode of the database.
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
    // Only if there is none: to close one that SQLite has open in this process would end its locks.
    if !file.exists() {
        OpenOptions::new().append(true).create(true).mode(0o600).open(&file).map_err(failed)?;
    }
    Ok(file)
}

/// The writing connection, after all migrations.
pub(super) fn open_writer(file: &Path, to_serve: bool) -> Result<Connection, StoreError> {
    open(file, to_serve).map_err(|error| {
        let remedy = match error.downcast_ref::<rusqlite::Error>().map(StoreError::from_sqlite) {
            Some(StoreError::Damaged(_)) => format!(": {REMEDY}"),
            _ => String::new(),
        };
        StoreError::Unavailable(format!("cannot open {}: {error}{remedy}", file.display()))
    })
}

fn open(file: &Path, to_serve: bool) -> Result<Connection, Box<dyn std::error::Error>> {
    let mut db = Connection::open(file)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    let mode: String = db.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(format!("the file system does not allow WAL (journal mode is {mode})").into());
    }
    db.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=4000;
         PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;
         PRAGMA secure_delete=FAST;",
    )?;
    if to_serve {
        check(&mut db)?;
    }
    migrate(&mut db, to_serve)?;
    if to_serve {
        // What a process left in the WAL that could not flush it stands in the page cache, and perhaps nowhere else: from
        // here on nothing depends on it. A reader of another process may be in the way; the next checkpoint does it then.
        empty_wal(&db)?;
    }
    prepare_once(&db)?;
    Ok(db)
}

/// Looks for damaged pages, for a while.
fn check(db: &mut Connection) -> Result<(), Box<dyn std::error::Error>> {
    let deadline = Instant::now() + CHECK_TIME;
    db.progress_handler(STEPS_BETWEEN_CHECKS, Some(move || Instant::now() > deadline))?;
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    db.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(format!("it is damaged ({}): {REMEDY}", found.lines().last().unwrap_or_default()).into()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!(seconds = CHECK_TIME.as_secs(), "no damaged page was found in the time for that");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Moves all of the WAL into the database and makes it empty, if no reader is in the way; then this returns true.
pub(super) fn empty_wal(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(Duration::ZERO)?;
    let is_busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    db.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy?)
}

/// Are pages that become free overwritten, too? What is deleted from a page always is.
pub(super) fn overwrite_deleted(db: &Connection, is_on: bool) -> rusqlite::Result<()> {
    db.pragma_update(None, "secure_delete", if is_on { "ON" } else { "FAST" })
}

/// Statements are planned once, not anew for each value bound to them.
fn prepare_once(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn migrate(db: &mut Connection, may_migrate: bool) -> Result<(), Box<dyn std::error::Error>> {
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let (applied, tables) = applied(&transaction)?;
    if applied < MIGRATIONS.len() && tables > 0 && !may_migrate {
        return Err("it was made by an older conax-gateway: start this one first".into());
    }
    for migration in MIGRATIONS.iter().skip(applied) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", u32::try_from(MIGRATIONS.len())?)?;
    transaction.commit()?;
    Ok(())
}

/// How many migrations were applied, and how many tables there are.
fn applied(db: &Connection) -> Result<(usize, i64), Box<dyn std::error::Error>> {
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let applied = usize::try_from(version)?;
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err("it is not a database of conax-gateway".into());
    }
    if applied > MIGRATIONS.len() {
        return Err(format!("it is of version {version}, made by a newer conax-gateway").into());
    }
    Ok((applied, tables))
}

/// Writes something that changes nothing: fails where nothing can be written.
pub(super) fn touch(db: &Connection) -> Result<(), StoreError> {
    Ok(db.pragma_update(None, "user_version", u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX))?)
}

/// A read-only connection.
pub(super) fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    prepare_once(&db)?;
    // Every commit empties a reader's page cache: a large one is memory for nothing.
    db.execute_batch("PRAGMA query_only=ON; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;")?;
    Ok(db)
}
