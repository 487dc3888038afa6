//! Copies the database with SQLite's online backup beside a running gateway, checks the copy, and restores a copy.
//!
//! Rule: a copy gets its name only when it is complete, checked and on disk. A restore deletes nothing.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::Utc;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{connection, files};
use crate::store::StoreError;

/// The suffix of a copy's name until the copy is complete.
const PARTIAL: &str = ".partial";

/// Copies a database into a file that does not exist yet.
pub(super) fn backup(from: &Path, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        return Err(StoreError::Taken(to.display().to_string()));
    }
    let partial = files::with_suffix(to, PARTIAL);
    let copied = copy(from, &partial).and_then(|()| name(&partial, to));
    if copied.is_err() {
        // The unfinished file is useless.
        drop(std::fs::remove_file(&partial));
    }
    copied
}

/// Replaces the database of a data folder by a copy, while no gateway uses the folder; returns the new path of the
/// replaced database, if there was a database.
pub(super) fn restore(data_dir: &Path, from: &Path) -> Result<Option<PathBuf>, StoreError> {
    connection::inspect(from)?;
    let had_database = connection::existing(data_dir).is_some();
    let database = connection::prepare(data_dir)?;
    let _locks = files::lock(&database)?;
    let partial = files::with_suffix(&database, PARTIAL);
    drop(std::fs::remove_file(&partial));
    copy(from, &partial)?;
    if !had_database {
        std::fs::remove_file(&database).map_err(|error| failed(&database, &error))?;
    }
    let aside = files::with_suffix(&database, &format!(".before-{}", Utc::now().format("%Y%m%dT%H%M%S")));
    for suffix in files::SUFFIXES {
        let file = files::with_suffix(&database, suffix);
        if file.exists() {
            let to = files::with_suffix(&aside, suffix);
            std::fs::rename(&file, &to).map_err(|error| failed(&file, &error))?;
        }
    }
    name(&partial, &database)?;
    Ok(had_database.then_some(aside))
}

/// Copies the whole database in one step: in WAL mode this blocks no writer, and a write does not restart the copy.
fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let source = connection::open_reader(from)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|error| failed(to, &error))?;
    let mut copy = Connection::open(to)?;
    if Backup::new(&source, &mut copy)?.step(-1)? != StepResult::Done {
        return Err(StoreError::Busy(super::BUSY_PAUSE));
    }
    // Makes the copy a single file, without a WAL beside it.
    let mode: String = copy.query_row("PRAGMA journal_mode=DELETE", [], |row| row.get("journal_mode"))?;
    let found: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get("integrity_check"))?;
    if (mode.as_str(), found.as_str()) != ("delete", "ok") {
        return Err(StoreError::Damaged(format!("{}: {found}", from.display())));
    }
    Ok(())
}

/// Renames a complete copy to its final name.
fn name(partial: &Path, to: &Path) -> Result<(), StoreError> {
    let named = File::open(partial).and_then(|file| {
        file.sync_all()?;
        std::fs::rename(partial, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    });
    named.map_err(|error| failed(to, &error))
}

fn failed(file: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", file.display()))
}
