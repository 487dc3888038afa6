//! Which engine keeps the store: the only place that knows, so that a second one changes nothing outside this room.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sqlite::SqliteStore;
use super::{Store, StoreError};
use crate::config::StoreSection;
use crate::observer::Observers;
use crate::writable::check_writable;

/// Who opens a store.
#[derive(Clone)]
pub enum Access {
    /// A gateway: it alone sends what is in the store. The observers are told of commits.
    Gateway(Observers),
    /// A command, perhaps beside a gateway.
    Command,
}

/// Opens the store that the configuration names, and makes it if there is none.
///
/// # Errors
/// It cannot be opened.
pub fn open(config: &StoreSection, access: Access) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(SqliteStore::open(config, access)?))
}

/// Opens a store for a command that needs what is in it, if there is one.
///
/// # Errors
/// It cannot be opened.
pub fn open_existing(config: &StoreSection) -> Result<Option<Arc<dyn Store>>, StoreError> {
    SqliteStore::exists(&config.data_dir).then(|| open(config, Access::Command)).transpose()
}

/// Makes sure that a gateway could open the store, and changes nothing. True if a gateway is running with it.
///
/// # Errors
/// It cannot be read or written, or this version cannot open it.
pub fn inspect(config: &StoreSection) -> Result<bool, StoreError> {
    check_writable(&config.data_dir).map_err(|why| unavailable(config, &why))?;
    SqliteStore::inspect(&config.data_dir).map_err(|error| match error {
        StoreError::Unavailable(why) => unavailable(config, &why),
        other => other,
    })
}

/// Puts a backup in the place of the store; returns what the one that was there is called now.
///
/// # Errors
/// The backup is none of this version or damaged, a gateway is running with the store, or a file cannot be written.
pub fn restore(config: &StoreSection, backup: &Path) -> Result<Option<PathBuf>, StoreError> {
    SqliteStore::restore(&config.data_dir, backup)
}

/// The store as the configuration names it: the setting and its value.
pub fn location(config: &StoreSection) -> String {
    let folder = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    format!("store.data_dir {}", folder.display())
}

fn unavailable(config: &StoreSection, why: &str) -> StoreError {
    StoreError::Unavailable(format!("{}: {why}", location(config)))
}
