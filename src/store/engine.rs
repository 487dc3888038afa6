//! Picks the engine of the store from the configuration: only this file knows both engines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copy::Tables;
use super::postgres::{PostgresStore, PostgresTables};
use super::sqlite::{SqliteStore, SqliteTables};
use super::{Store, StoreError};
use crate::config::{StoreSection, StoreUrl};
use crate::observer::Observers;
use crate::writable::check_writable;

/// The kind of process that opens a store.
#[derive(Clone)]
pub enum Access {
    /// A gateway: sends the requests in the store. The observers learn of commits.
    Gateway(Observers),
    /// A command, perhaps beside a gateway.
    Command,
}

/// The state of a store as an inspection found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// There is a database with tables.
    pub exists: bool,
    /// A running gateway has locked the store against all other gateways.
    pub is_held: bool,
}

/// Opens the store that the configuration names; makes a missing store.
///
/// # Errors
/// The store cannot be opened.
pub async fn open(config: &StoreSection, access: Access) -> Result<Arc<dyn Store>, StoreError> {
    match &config.url {
        StoreUrl::Sqlite(_) => Ok(Arc::new(SqliteStore::open(&embedded(config), access)?)),
        StoreUrl::Postgres { config: url, .. } => {
            let opened = PostgresStore::open(url, config, access).await;
            Ok(Arc::new(opened.map_err(|error| at_location(config, error))?))
        }
    }
}

/// Opens an existing store for a command; `None` if there is no store.
///
/// # Errors
/// The store cannot be opened.
pub async fn open_existing(config: &StoreSection) -> Result<Option<Arc<dyn Store>>, StoreError> {
    let exists = match &config.url {
        StoreUrl::Sqlite(_) => SqliteStore::exists(&folder(config)),
        StoreUrl::Postgres { .. } => inspect(config).await?.exists,
    };
    if exists { open(config, Access::Command).await.map(Some) } else { Ok(None) }
}

/// Checks, without changing anything, that a gateway could open the store.
///
/// # Errors
/// The store cannot be read or written, or is of a version that this program cannot open.
pub async fn inspect(config: &StoreSection) -> Result<Inspected, StoreError> {
    match &config.url {
        StoreUrl::Sqlite(_) => {
            let folder = folder(config);
            check_writable(&folder).map_err(|why| at_location(config, StoreError::Unavailable(why)))?;
            let is_held = SqliteStore::inspect(&folder).map_err(|error| at_location(config, error))?;
            Ok(Inspected { exists: SqliteStore::exists(&folder), is_held })
        }
        StoreUrl::Postgres { config: url, .. } => {
            let version = PostgresStore::find_version(url, config).await.map_err(|error| at_location(config, error))?;
            Ok(Inspected { exists: version.is_some(), is_held: false })
        }
    }
}

/// Makes the tables, or migrates them to the version of this program. Returns the version before, if there were tables,
/// and the version now.
///
/// # Errors
/// The store cannot be opened, or its user may not change it.
pub async fn migrate(config: &StoreSection) -> Result<(Option<i64>, i64), StoreError> {
    match &config.url {
        StoreUrl::Sqlite(_) => {
            let folder = folder(config);
            let existed = SqliteStore::exists(&folder);
            drop(SqliteStore::open(&embedded(config), Access::Command)?);
            Ok((existed.then_some(SqliteStore::VERSION), SqliteStore::VERSION))
        }
        StoreUrl::Postgres { config: url, .. } => {
            PostgresStore::migrate(url, config).await.map_err(|error| at_location(config, error))
        }
    }
}

/// Opens a store as a set of tables for copying; no gateway may use the store meanwhile.
pub(super) async fn open_tables(config: &StoreSection, is_target: bool) -> Result<Box<dyn Tables>, StoreError> {
    let opened: Result<Box<dyn Tables>, StoreError> = match &config.url {
        StoreUrl::Sqlite(_) => SqliteTables::open(&folder(config), is_target).map(|tables| Box::new(tables) as _),
        StoreUrl::Postgres { config: url, .. } => {
            PostgresTables::open(url, config, is_target).await.map(|tables| Box::new(tables) as _)
        }
    };
    opened.map_err(|error| at_location(config, error))
}

/// Replaces the store by a backup; returns the new path of the replaced database, if there was a database.
///
/// # Errors
/// The backup is damaged or of another version, a gateway is running with the store, or a file cannot be written.
pub fn restore(config: &StoreSection, backup: &Path) -> Result<Option<PathBuf>, StoreError> {
    match &config.url {
        StoreUrl::Sqlite(_) => SqliteStore::restore(&folder(config), backup),
        StoreUrl::Postgres { .. } => Err(StoreError::NotAllowed(format!(
            "{}: the database is PostgreSQL's: put the copy of pg_dump back with pg_restore or psql",
            location(config)
        ))),
    }
}

/// The location of the store as the configuration names it: the setting and its value.
pub fn location(config: &StoreSection) -> String {
    match &config.url {
        StoreUrl::Sqlite(given) => {
            let folder = folder(config);
            let setting = if given.is_some() { "store.url sqlite:" } else { "store.data_dir " };
            format!("{setting}{}", std::path::absolute(&folder).unwrap_or(folder).display())
        }
        StoreUrl::Postgres { text, .. } => format!("store.url {text}"),
    }
}

/// The folder of the embedded database.
fn folder(config: &StoreSection) -> PathBuf {
    match &config.url {
        StoreUrl::Sqlite(Some(folder)) => folder.clone(),
        _ => config.data_dir.clone(),
    }
}

/// The store section with the folder of the embedded database as its `data_dir`.
fn embedded(config: &StoreSection) -> StoreSection {
    StoreSection { data_dir: folder(config), ..config.clone() }
}

fn at_location(config: &StoreSection, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{}: {why}", location(config))),
        other => other,
    }
}
